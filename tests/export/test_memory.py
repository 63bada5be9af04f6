"""An export holds a block of objects at a time, however many there are."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.export import export_store, selection
from objectspace.files import content_id
from objectspace.images import encode_thumbnail
from objectspace.objects.masks import encode
from objectspace.objects.records import concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

IMAGES, EACH = 40, 50
JPEG = encode_thumbnail(np.zeros((8, 8, 3), np.uint8))
RECIPE = Recipe("crop", "net", "aa", "mean", {"size": 8}, "float32", "0", crop={"margin": 0.0})


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """2,000 objects with masks of two kilobytes: 4 MB of masks in all."""
    path = tmp_path_factory.mktemp("many") / "s.osp"
    mask = encode(np.random.default_rng(0).random((45, 56)) < 0.5)
    assert len(mask.counts) > 1000
    boxes = np.float32([[n, 0, n + 1, 9] for n in range(EACH)])
    images = [ImageRow(content_id(b"%d" % n), f"photos/{n}.jpg", 64, 64) for n in range(IMAGES)]
    objects = concatenate(
        [
            make_objects(
                image_id=image.image_id, xyxy=boxes, label=["cat"] * EACH, source="a@1", mask=[mask] * EACH
            )
            for image in images
        ]
    )
    vectors = np.zeros((len(objects), 4), np.float32)
    with open_writer(path) as writer:
        rows = {"crop": SpaceRows(RECIPE, objects.object_id, vectors)}
        writer.commit(Batch(images, objects, [JPEG] * len(objects), "job", rows))
    return path


@pytest.mark.parametrize("format", ["npz", "parquet"])
def test_memory_does_not_hold_the_objects(many, tmp_path, monkeypatch, format):
    monkeypatch.setattr(selection, "BLOCK", 256)
    store = open_store(many)
    tracemalloc.start()
    try:
        export_store(store, tmp_path / "o", format)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Blocks of 256 objects with their masks take 3.4 MB at most, one block of all 6.6 or more.
    assert peak < 4.4e6
