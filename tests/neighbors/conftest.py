"""Stores of random vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.files import content_id
from objectspace.objects.records import concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, open_writer

RECIPE = Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop={"margin": 0.0})
LABELS = ["cat"] * 9 + ["owl"]


@pytest.fixture(scope="session")
def add_objects() -> Callable[..., None]:
    """A function (path, vectors (n, d), first photo): adds ten objects a photo with these vectors."""

    def add(path: Path, vectors: np.ndarray, first: int = 0) -> None:
        photos = range(first, first + len(vectors) // 10)
        images = [ImageRow(content_id(b"%d" % n), f"photos/{n}.jpg", 100, 100) for n in photos]
        boxes = np.float32([[10 * n, 5, 10 * n + 9, 60] for n in range(10)])
        objects = concatenate(
            [make_objects(image_id=i.image_id, xyxy=boxes, label=LABELS, source="hand@1") for i in images]
        )
        rows = {"a-crop": SpaceRows(RECIPE, objects.object_id, vectors)}
        with open_writer(path) as writer:
            writer.commit(
                Batch(images, objects, [b"jpeg"] * len(objects), "job", rows, sources={"hand@1": {}})
            )

    return add


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """1000 vectors of 16 numbers without any structure: an index finds nothing harder."""
    return np.random.default_rng(7).standard_normal((1000, 16)).astype(np.float32)
