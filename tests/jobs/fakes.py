"""A detector, a prompter and an encoder whose every number is known by eye, and images for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from objectspace.errors import NonFiniteError
from objectspace.images import Image
from objectspace.models.maps import Head, MapRun
from objectspace.objects.boxes import Frame, stretch_frame
from objectspace.objects.records import Objects, Provenance, make_objects

RED, GREEN = (200, 0, 0), (0, 200, 0)
# In every photo: a small red square in the upper left quarter, a large green one in the lower right.
SMALL, LARGE = (4, 4, 12, 12), (32, 32, 62, 62)


class FakeDetector:
    """Finds the two squares; each head's map holds the x and y of its cells.

    It keeps the sizes of the batches it was given.
    """

    name = "fake"
    source = "fake@0"
    device = torch.device("cpu")
    precision = "float32"
    input_wh = (64, 64)
    query_dimension = 0

    def __init__(self, batch_size: int = 2) -> None:
        self.batch_size = batch_size
        self.calls: list[int] = []
        self.recipe: dict[str, Any] = {"weights": "d" * 64}
        self.loaded_from: dict[str, Any] = {"name_or_cfg": "fake"}
        small = np.array([[8, 8]], np.float32)
        self.heads = (
            Head(10, "8", 32, 2, (2, 2), 4 * small, (1,)),
            Head(20, "18", 16, 2, (4, 4), small, (0,)),
        )

    def frame(self, image_wh: tuple[int, int]) -> Frame:
        return stretch_frame(image_wh, self.input_wh)

    def prepare(self, image: Image) -> np.ndarray:
        return np.zeros((64, 64, 3), np.uint8)

    def run(self, inputs: Sequence[np.ndarray]) -> MapRun:
        assert len(inputs) <= self.batch_size
        self.calls.append(len(inputs))
        maps = {}
        for head in self.heads:
            y, x = torch.meshgrid(torch.arange(head.grid_wh[1]), torch.arange(head.grid_wh[0]), indexing="ij")
            maps[head.layer] = torch.stack([x, y]).float().expand(len(inputs), 2, -1, -1)
        return MapRun((), maps)

    def find_objects(
        self, run: MapRun, row: int, image_id: str, frame: Frame, *, confidence: float, iou: float
    ) -> Objects:
        columns = [[20, 10], [16, 32], [0, 1], [0, 1], [0, 1]]
        cells = Provenance(*(np.array(c, np.int32) for c in columns), np.ones(2, np.float32))
        objects = make_objects(
            image_id=image_id,
            xyxy=np.array([SMALL, LARGE], np.float32),
            label=["apple", "couch"],
            source=self.source,
            score=np.array([0.9, 0.3], np.float32),
            provenance=cells,
        )
        return objects.take(objects.score >= confidence)

    def detect(
        self, images: Sequence[Image], *, confidence: float = 0.25, iou: float = 0.45
    ) -> list[Objects]:
        raise NotImplementedError


class FakePrompter:
    """Finds the two squares by words, but in no call that one image of name ``bad`` is among."""

    name = "words"
    source = "words@0"
    device = torch.device("cpu")
    precision = "float32"
    batch_size = 3

    def __init__(self) -> None:
        self.recipe: dict[str, Any] = {"weights": "d" * 64, "words": ["apple", "couch"]}
        self.loaded_from: dict[str, Any] = {"name": "words"}

    def find_objects(self, images: Sequence[Image]) -> list[Objects]:
        if any(Path(image.path).stem == "bad" for image in images):
            raise NonFiniteError(self.name, "bad")
        boxes, labels = np.array([SMALL, LARGE], np.float32), ["apple", "couch"]
        return [
            make_objects(image_id=one.image_id, xyxy=boxes, label=labels, source=self.source)
            for one in images
        ]


class MeanColor:
    """An encoder whose vector is the crop's mean color; it keeps the sizes of the batches it was given."""

    name = "color"
    dimension = 3
    input_size = 8
    interpolation = "bilinear"
    weights = "e" * 64
    tap = "mean"
    precision = "float32"
    device = torch.device("cpu")
    batch_size = 4

    def __init__(self) -> None:
        self.preprocessing: dict[str, Any] = {"size": 8}
        self.loaded_from: dict[str, Any] = {"name": "color"}
        self.calls: list[int] = []

    def embed(self, crops: np.ndarray) -> np.ndarray:
        self.calls.append(len(crops))
        return crops.astype(np.float32).mean((1, 2))


def save(path: Path, number: int, *, small: tuple[int, int, int] = RED) -> None:
    """Write an image of the two squares, the small one of a color, with a number in its upper right pixel."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    for (left, top, right, bottom), color in ((SMALL, small), (LARGE, GREEN)):
        pixels[top:bottom, left:right] = color
    pixels[0, 63] = number
    PIL.Image.fromarray(pixels).save(path)
