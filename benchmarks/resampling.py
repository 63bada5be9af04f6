"""How far the input of a detector is from the one that its own package would have made.

    python benchmarks/resampling.py PHOTOS

Prints a JSON line for each package and way of resizing: over the photos that are enlarged and those that are
reduced, the difference in levels of 255 on average, of the worst photo and of the worst pixel.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from objectspace.images import Image, find_images, read_image
from objectspace.models.inputs import resample_onto
from objectspace.objects.boxes import Frame, shorter_side_frame, shortest_edge_frame, stretch_frame


def by_torchvision(image: Image, fixed: tuple[int, int] | None) -> np.ndarray:
    """The resized pixels (h, w, 3) before normalization, as torchvision's detectors make them."""
    transform = GeneralizedRCNNTransform(800, 1333, [0.0] * 3, [1.0] * 3, 1, fixed).eval()
    pixels = torch.from_numpy(image.pixels.copy()).permute(2, 0, 1) / 255
    return transform([pixels])[0].tensors[0].permute(1, 2, 0).numpy() * 255


def by_transformers(image: Image, fixed: tuple[int, int] | None) -> np.ndarray:
    """The resized pixels (h, w, 3) before normalization, as the processors of DETR and RT-DETR make them."""
    from transformers import DetrImageProcessor, RTDetrImageProcessor

    if fixed is None:
        processor = DetrImageProcessor(do_normalize=False, do_pad=False)
    else:
        processor = RTDetrImageProcessor(size={"height": fixed[1], "width": fixed[0]})
    pixels = processor(images=image.pixels.copy(), return_tensors="pt")["pixel_values"]
    return pixels[0].permute(1, 2, 0).numpy() * 255


def main(folder: Path) -> None:
    """Compare every photo of a folder."""
    images = [read_image(path) for path in find_images([folder])]
    cases = (
        ("torchvision", "shorter side 800", by_torchvision, None),
        ("torchvision", "stretched to 320 x 320", by_torchvision, (320, 320)),
        ("transformers", "shortest edge 800", by_transformers, None),
        ("transformers", "stretched to 640 x 640", by_transformers, (640, 640)),
    )
    for package, rule, own, fixed in cases:
        found: dict[str, list[tuple[float, float]]] = {}
        for image in images:
            frame = _frame(package, image, fixed)
            difference = np.abs(resample_onto(image, frame).astype(np.float32) - own(image, fixed))
            scale = min(frame.scale_xy)
            kind = "enlarged" if scale >= 1 else "to more than half" if scale > 0.5 else "to half or less"
            found.setdefault(kind, []).append((float(difference.mean()), float(difference.max())))
        for kind, pairs in sorted(found.items()):
            means, worst = np.array(pairs).T
            line = {"package": package, "rule": rule, "photos": kind, "n": len(pairs)}
            figures = {"mean": means.mean(), "worst_photo": means.max(), "worst_pixel": worst.max()}
            print(json.dumps(line | {name: round(float(value), 2) for name, value in figures.items()}))


def _frame(package: str, image: Image, fixed: tuple[int, int] | None) -> Frame:
    image_wh = (image.width, image.height)
    if fixed is not None:
        return stretch_frame(image_wh, fixed)
    make = shorter_side_frame if package == "torchvision" else shortest_edge_frame
    return make(image_wh, 800, 1333)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
