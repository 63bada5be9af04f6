"""Batches for the store's tests: the same number always makes the same batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.files import content_id
from objectspace.objects.masks import encode
from objectspace.objects.records import Objects, Provenance, concatenate, make_objects
from objectspace.store import Batch, Failure, ImageRow, SpaceRows, open_store

CROP = Recipe("crop", "resnet50", "aa", "pooled", {"size": 224}, "float32", "0.1.0", crop={"margin": 0.0})
MASK = encode(np.add.outer(np.arange(480), np.arange(640)) % 600 < 60)
WINDOW = Recipe("window", "yolo", "bb", "119", {"size": [320, 320]}, "float32", "0.1.0", 3, "own", 32)


def image_row(number: int, part: int) -> ImageRow:
    name = f"{number}-{part}"
    return ImageRow(content_id(name.encode()), f"photos/it's {name} é.jpg", 640, 480)


def objects_of(image: ImageRow, random: np.random.Generator) -> Objects:
    corner = random.uniform(0, 200, (2, 2)).astype(np.float32)
    cells = Provenance(*(np.array([number, 3], np.int32) for number in range(5)), np.float32([0.5, np.nan]))
    objects = make_objects(
        image_id=image.image_id,
        xyxy=np.hstack([corner, corner + 100]),
        label=["dog", "potted plant"],
        source="yolo@1",
        score=np.float32([0.75, np.nan]),
        mask=[MASK, None],
        provenance=cells,
    )
    return objects.with_factors({"angle": np.array([30.0, np.nan]), "apple": np.array(["red", None], object)})


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """A function number -> Batch: two photos, two objects each, two spaces, one failure."""

    def make(number: int, *, job: str = "job", **changes: Any) -> Batch:
        random = np.random.default_rng(number)
        images = [image_row(number, part) for part in range(2)]
        objects = concatenate([objects_of(image, random) for image in images])
        vectors = random.standard_normal((4, 8)).astype(np.float32)
        cells = {"head": np.full(4, 139), "cell_x": np.arange(4), "cells_outside": np.zeros(4, int)}
        values: dict[str, Any] = {
            "images": images,
            "objects": objects,
            "thumbnails": [f"jpeg {number} {row}".encode() for row in range(4)],
            "vectors": {
                "resnet50-crop": SpaceRows(CROP, objects.object_id, vectors),
                "yolo-window": SpaceRows(
                    WINDOW,
                    objects.object_id[:2],
                    vectors[:2, :3],
                    {name: column[:2] for name, column in cells.items()},
                ),
            },
            "failures": [Failure(f"photos/broken {number}.jpg", "the file is empty")],
            "job": job,
            "sources": {"yolo@1": {"cfg": "cc", "size": (320, 320)}},
        }
        return Batch(**{**values, **changes})

    return make


@pytest.fixture
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recall of an index, which takes longer than the index, of 20 objects, where it is not tested."""
    from objectspace.search import approximate

    monkeypatch.setattr(approximate, "_SAMPLE", 20)


@pytest.fixture(scope="session")
def read_all() -> Callable[[Path], dict[str, Any]]:
    """A function path -> everything a store says, in an order that does not depend on how it was written."""

    def read(path: Path) -> dict[str, Any]:
        store = open_store(path)
        objects = store.objects()
        objects = objects.take(np.argsort(objects.object_id))
        columns = {name: repr(column.tolist()) for name, column in objects.columns.items()}
        spaces = {}
        for name in store.space_names:
            space, cells = store.space(name), store.cells(name)
            order = np.argsort(space.object_id)
            spaces[name] = (
                space.recipe.to_json(),
                space.object_id[order].tolist(),
                space.vectors[order].tolist(),
                {column: values[order].tolist() for column, values in cells.items()},
            )
        return {
            "images": sorted(store.images()),
            "objects": columns,
            "thumbnails": store.thumbnails(objects.object_id),
            "spaces": spaces,
            "failures": store.failures(),
            "sources": store.sources,
            "indexed": store.indexed(),
        }

    return read
