"""Move many cut-outs over many places and split the variance of their windows: see docs/location.md.

python tools/location_study.py ../shared/real location.jsonl
python tools/location_tables.py location.jsonl --figure docs/pictures/location-study.png

Each line of location.jsonl is one object on one background; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch
from numpy.typing import NDArray

from objectspace.analyses.grid_positions import GridPositions
from objectspace.analyses.groups import make_folds
from objectspace.analyses.probes import FOLDS
from objectspace.analyses.projection import measure_shares, principal_components
from objectspace.analyses.ridge import FoldedRidge
from objectspace.images import Image, Pixels, find_images, read_image
from objectspace.models.darknet.layers import INPUT, Layer
from objectspace.models.darknet.patches import Patches, PatchRunner
from objectspace.models.detectors import load_detector
from objectspace.models.detectors.darknet_models import DarknetDetector
from objectspace.models.maps import Head
from objectspace.objects.annotations import open_annotations
from objectspace.objects.boxes import centers, first_cells
from objectspace.objects.labels import read_names
from objectspace.objects.records import Objects
from objectspace.scenes.variation import GRAY, cut_out, resized, vary
from objectspace.threads import use_one_torch_thread

#: The side of the pictures: the network's input, so that nothing is resampled after the cut-out was pasted.
SIDE = 416
BACKGROUNDS = ("black", "photo", "gray")
WINDOWS = (1, 2, 3, 5)
#: Pictures of one pass.
BATCH = 8

#: Bounds of an object's longer side, and the least of its shorter one.
SHORTEST, LONGEST, THINNEST = 64, 208, 32
#: Objects of one label, and pixels between an object and the border of its photo, which may cut it off.
OF_A_LABEL, FROM_BORDER = 2, 3


@dataclass(frozen=True)
class Choice:
    """An object to move: its photo, its row there, and the photo that it is pasted on."""

    image: Image
    objects: Objects
    row: int
    ground: Path

    @property
    def name(self) -> str:
        """The photo's number and the label."""
        return f"{Path(self.image.path).stem.lstrip('0')} {self.objects.label[self.row]}"


def main() -> None:
    """Measure what is not in the file yet, a background at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--objects", type=int, default=36)
    parser.add_argument("--steps", type=int, default=15, help="places across and down")
    parser.add_argument("--backgrounds", nargs="+", default=BACKGROUNDS, choices=BACKGROUNDS)
    parser.add_argument("--precision", default="bfloat16")
    given = parser.parse_args()
    use_one_torch_thread()
    weights = given.real / "weights" / "yolov3-tiny.weights"
    detector = load_detector("yolov3-tiny", weights=weights, precision=given.precision)
    assert isinstance(detector, DarknetDetector)
    choices = list(choose_objects(given.real))[: given.objects]
    lines = given.file.read_text().splitlines() if given.file.exists() else []
    done = {(line["object"], line["background"]) for line in map(json.loads, lines)}
    for background in given.backgrounds:
        for choice in choices:
            if (choice.name, background) not in done:
                line = measure_moved(detector, choice, background, given.steps)
                with given.file.open("a") as file:
                    print(json.dumps(line), file=file)


def choose_objects(real: Path) -> Iterator[Choice]:
    """Yield one object a photo: the largest that fits the bounds, of a label that was not taken twice."""
    photos = find_images([real / "photos" / "coco128"])
    reader = open_annotations(
        real / "photos" / "coco128" / "labels", names=read_names(real / "weights" / "coco.names")
    )
    images = [read_image(path) for path in photos]
    found = [reader.objects_of(image).objects for image in images]
    taken: Counter[str] = Counter()
    for number, (image, objects) in enumerate(zip(images, found, strict=True)):
        rows = [row for row in _fitting(image, objects) if taken[objects.label[row]] < OF_A_LABEL]
        if rows:
            label = str(objects.label[rows[0]])
            taken[label] += 1
            yield Choice(image, objects, rows[0], _other_photo(photos, found, number, label))


def _fitting(image: Image, objects: Objects) -> list[int]:
    """Return the rows whose size on the network's input is in bounds, the largest first."""
    scale = SIDE / max(image.width, image.height)
    wh = (objects.xyxy[:, 2:] - objects.xyxy[:, :2]) * scale
    far = np.array([image.width, image.height]) - FROM_BORDER
    inside = (objects.xyxy[:, :2] >= FROM_BORDER).all(1) & (objects.xyxy[:, 2:] <= far).all(1)
    sides = wh.max(1, initial=0)
    fits = inside & (sides >= SHORTEST) & (sides <= LONGEST) & (wh.min(1, initial=SIDE) >= THINNEST)
    rows = np.flatnonzero(fits)
    return [int(row) for row in rows[np.argsort(-wh[rows].prod(1), kind="stable")]]


def _other_photo(photos: list[Path], found: list[Objects], number: int, label: str) -> Path:
    """Return a photo half the folder away that shows no object of the label."""
    for step in range(len(photos)):
        other = (number + len(photos) // 2 + step) % len(photos)
        if label not in found[other].label:
            return photos[other]
    raise ValueError(f"{label} is in every photo")


def measure_moved(detector: DarknetDetector, choice: Choice, background: str, steps: int) -> dict[str, Any]:
    """Return the shares of one object's windows on one background, for every head and window, as JSON."""
    one, row = choice.objects, choice.row
    cutout = cut_out(choice.image, one.xyxy[row], one.mask[row], str(one.label[row]))
    cutout = resized(cutout, SIDE / max(choice.image.width, choice.image.height))
    grounds = {background: _ground(background, choice.ground)}
    scenes = list(vary(cutout, grounds, "position", steps=steps))
    boxes = np.concatenate([scene.xyxy for scene in scenes])
    maps = _maps(detector, grounds[background], [scene.pixels for scene in scenes], boxes)
    spaces = [
        {"stride": head.stride, "window": size, **measure_window(maps[head.layer], head, boxes, size)}
        for head in detector.heads
        for size in WINDOWS
    ]
    height, width = cutout.alpha.shape
    return {
        "object": choice.name,
        "label": cutout.label,
        "pixels": [width, height],
        "background": background,
        "places": len(scenes),
        "precision": detector.precision,
        "spaces": spaces,
    }


def _ground(background: str, photo: Path) -> Pixels:
    if background == "photo":
        picture = PIL.Image.fromarray(read_image(photo).pixels)
        return np.array(PIL.ImageOps.fit(picture, (SIDE, SIDE), PIL.Image.Resampling.LANCZOS))
    return np.full((SIDE, SIDE, 3), 0 if background == "black" else GRAY, np.uint8)


def _maps(
    detector: DarknetDetector, ground: Pixels, pictures: list[Pixels], boxes: NDArray[np.float32]
) -> dict[int, torch.Tensor]:
    """Return the output (n, c, h, w) of each head's tap, by the head's layer.

    Pictures differ from their background inside the object's box (n, 4) only, so the background is run once,
    and the layers where the change is small run on patches.
    """
    layers = detector.network.layers.layers
    taps = [int(head.tap) for head in detector.heads]
    path = [layer for layer in layers if layer.number <= max(taps) and not _of_heads(layer, detector)]
    batch = detector.batch(ground[None])
    run = detector.network.run(batch, [layer.name for layer in path])
    baseline = {INPUT: batch, **{int(name): output for name, output in run.taps.items()}}
    runner = PatchRunner(detector.network, INPUT, path, baseline)
    corners = torch.from_numpy(boxes.astype(np.int64))
    parts: dict[int, list[torch.Tensor]] = {tap: [] for tap in taps}
    for start in range(0, len(pictures), BATCH):
        left, top = corners[start : start + BATCH, :2].T
        rows = zip(pictures[start : start + BATCH], corners[start : start + BATCH].tolist(), strict=True)
        cut = np.stack([picture[y1:y2, x1:x2] for picture, (x1, y1, x2, y2) in rows])
        found = runner.run(Patches(detector.batch(cut), top, left), taps)
        for tap in taps:
            parts[tap].append(runner.whole(tap, found[tap]).float())
    return {head.layer: torch.cat(parts[int(head.tap)]) for head in detector.heads}


def _of_heads(layer: Layer, detector: DarknetDetector) -> bool:
    """Return whether a layer is a head, or the convolution between a head and its tap."""
    return any(head.layer - 1 <= layer.number <= head.layer for head in detector.heads)


def measure_window(maps: torch.Tensor, head: Head, boxes: NDArray[np.float32], size: int) -> dict[str, Any]:
    """Return the shares of windows of ``size`` cells, one cut from each map (n, c, h, w)."""
    center = (centers(boxes) / head.stride).astype(np.float32)
    cell = np.floor(center).astype(np.int32)
    first = first_cells(cell, center, size)
    position = first + size / 2
    positions = GridPositions(center.astype(np.float64) - position, position.astype(np.float64))
    vectors = _windows(maps, first, size)
    # All components are the vectors turned, in fewer numbers; each is predicted with a penalty of its own.
    found = principal_components(vectors.astype(np.float64), len(vectors))
    fold = make_folds(np.arange(len(vectors)), FOLDS)
    shares = measure_shares(found.coordinates, found.coordinates[:, :2], positions, fold)
    factors = np.column_stack([boxes[:, :2], positions.offset])
    return {
        "phase": shares.phase,
        "place": shares.place,
        "both": shares.both,
        "components": shares.components.tolist(),
        "explained": found.explained[:2].tolist(),
        "r2_first_2": dict(
            zip(
                ("x1", "y1", "phase_x", "phase_y"),
                _held_out_r2(found.coordinates[:, :2], factors, fold),
                strict=True,
            )
        ),
    }


def _windows(maps: torch.Tensor, first: NDArray[np.int32], size: int) -> NDArray[np.float32]:
    """Return a window (n, d) of each map (n, c, h, w), from its ``first`` column and row (n, 2) on.

    The vectors of ``embeddings.windows.cut_windows``, channels last; that takes a single map.
    """
    cells = maps.permute(0, 2, 3, 1).numpy()
    columns, rows = (first[:, axis, None] + np.arange(size) for axis in (0, 1))
    height, width = cells.shape[1:3]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    y, x = rows.clip(0, height - 1)[:, :, None], columns.clip(0, width - 1)[:, None, :]
    windows = cells[np.arange(len(cells))[:, None, None], y, x] * inside[..., None]
    return windows.reshape(len(cells), -1)


def _held_out_r2(
    coordinates: NDArray[np.float64], factors: NDArray[np.float64], fold: NDArray[np.int64]
) -> list[float]:
    """Return R2 (f,) of a ridge regression of each factor (n, f), on held-out folds."""
    ridge = FoldedRidge(coordinates.astype(np.float32), fold, np.zeros_like(fold))
    scaled = (factors - factors.mean(0)) / factors.std(0)
    predicted, means = ridge.predict(scaled, ridge.choose_penalties(scaled, scaled.shape[1]))
    r2: list[float] = (1 - ((scaled - predicted) ** 2).sum(0) / ((scaled - means) ** 2).sum(0)).tolist()
    return r2


if __name__ == "__main__":
    main()
