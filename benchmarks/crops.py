"""What cutting crops takes: resampling by Pillow and by torch, and the whole cut of real objects.

    python benchmarks/crops.py [../shared/real] [--rounds 7]

One JSON line a figure, in the processor's own milliseconds on one thread, the least of interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.images import Image, find_images, read_image
from objectspace.objects.annotations import open_annotations
from objectspace.objects.records import Objects

SIZE = 224
#: Smaller objects are left out of the mean: cutting them is all overhead.
SMALLEST = 8


def main() -> None:
    """Measure and print."""
    real = Path(os.environ.get("OBJECTSPACE_REAL", "../shared/real"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, nargs="?", default=real, help="the folder of real photos")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for side in (100, 200, 400, 640):
        report(f"resampling, {side} x {side} to {SIZE} x {SIZE}", resampling(side, options.rounds))
    cut = [labeled(path, options.real / "photos/coco128/labels") for path in coco128(options.real)]
    count = sum(len(objects) for _, objects in cut)
    report(f"the whole cut, mean of {count} objects", cutting(cut, count, options.rounds))


def report(figure: str, times: dict[str, float]) -> None:
    """One line: every way's milliseconds, and how many times the second the first takes."""
    first, second = times.values()
    ms = {way: round(value, 3) for way, value in times.items()}
    print(json.dumps({"figure": figure, "ms": ms, "ratio": round(first / second, 2)}), flush=True)


def resampling(side: int, rounds: int) -> dict[str, float]:
    """Milliseconds of Pillow and of torch, both antialiased and bilinear."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    picture = PIL.Image.fromarray(pixels)

    def by_torch() -> Any:
        planes = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
        return torch.nn.functional.interpolate(planes, (SIZE, SIZE), mode="bilinear", antialias=True)

    ways = {"Pillow": lambda: picture.resize((SIZE, SIZE), PIL.Image.Resampling.BILINEAR), "torch": by_torch}
    return {way: took / 100 for way, took in least(ways, rounds, repeat=100).items()}


def coco128(real: Path) -> list[Path]:
    """The labeled photos."""
    return find_images([real / "photos/coco128/images"])


def labeled(path: Path, labels: Path) -> tuple[Image, Objects]:
    """A photo and its objects that are not tiny."""
    image = read_image(path)
    objects = open_annotations(labels).objects_of(image).objects
    sides = objects.xyxy[:, 2:] - objects.xyxy[:, :2]
    return image, objects.take(np.flatnonzero((sides >= SMALLEST).all(1)))


def cutting(cut: list[tuple[Image, Objects]], count: int, rounds: int) -> dict[str, float]:
    """Milliseconds an object by its mask, and by its box alone."""

    def cut_all(objects_of: Callable[[Objects], Objects]) -> None:
        for image, objects in cut:
            cut_crops(image, objects_of(objects), CropPolicy(), SIZE)

    def boxes(objects: Objects) -> Objects:
        return replace(objects, mask=np.full(len(objects), None, object))

    ways = {"mask": lambda: cut_all(lambda objects: objects), "box": lambda: cut_all(boxes)}
    return {way: took / count for way, took in least(ways, rounds).items()}


def least(ways: dict[str, Callable[[], Any]], rounds: int, repeat: int = 1) -> dict[str, float]:
    """The least processor milliseconds of ``repeat`` calls over the rounds, in turns."""
    best = dict.fromkeys(ways, np.inf)
    for _ in range(rounds):
        for way, work in ways.items():
            started = time.process_time()
            for _ in range(repeat):
                work()
            best[way] = min(best[way], 1e3 * (time.process_time() - started))
    return best


if __name__ == "__main__":
    main()
