"""Anchors for the demo detector: the shapes of the drawn world's boxes in six clusters.

python -m tools.demo_models.anchors --work FOLDER

Source: J. Redmon and A. Farhadi, "YOLO9000", arXiv:1612.08242, section 2: k-means with 1 - IoU as distance.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.demo_models.loss import shape_iou
from tools.demo_models.pictures import JITTER, load_pictures
from tools.demo_models.train_detector import Settings


def main() -> None:
    """Print the anchors as a cfg has them, smallest first, and how well they fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of the drawn pictures")
    settings = Settings()
    pictures = load_pictures(parser.parse_args().work, settings.seed, settings.pictures, jitter=JITTER)
    sides = pictures.xyxy[:, 2:] - pictures.xyxy[:, :2]
    anchors = shape_clusters(sides, 6)
    print(", ".join(f"{width:.0f},{height:.0f}" for width, height in anchors))
    print(f"mean IoU with the best of them: {shape_iou(sides, anchors).max(1).mean():.3f}")


def shape_clusters(sides: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The medians (count, 2) of the clusters of widths and heights (n, 2), by area, smallest first."""
    by_area = np.argsort(sides.prod(1), kind="stable")
    anchors = sides[by_area[((np.arange(count) + 0.5) * len(sides) / count).astype(int)]]
    for _ in range(200):
        nearest = shape_iou(sides, anchors).argmax(1)
        moved = np.stack(
            [
                np.median(sides[nearest == i], axis=0) if (nearest == i).any() else anchors[i]
                for i in range(count)
            ]
        )
        if np.array_equal(moved, anchors):
            break
        anchors = moved
    return anchors[np.argsort(anchors.prod(1), kind="stable")]


if __name__ == "__main__":
    main()
