"""A store of any size without networks: random vectors of boxes in photos that are not there.

    python tools/big_store.py big.osp [--objects 20000] [--dimension 2048]

For what grows with a store (docs/export.md). Five objects a photo, the same picture as every thumbnail.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import PIL.Image

from objectspace.embeddings.spaces import Recipe
from objectspace.files import content_id
from objectspace.objects.records import Objects, concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, open_writer

PER_PHOTO = 5
PHOTOS_A_COMMIT = 400
RECIPE = Recipe("crop", "random", "0" * 64, "none", {}, "float32", "0", crop={"margin": 0.0})


def main() -> None:
    """Write the store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=2048)
    options = parser.parse_args()
    random, photos = np.random.default_rng(0), options.objects // PER_PHOTO
    with open_writer(options.store) as writer:
        for first in range(0, photos, PHOTOS_A_COMMIT):
            count = min(PHOTOS_A_COMMIT, photos - first)
            writer.commit(batch(random, range(first, first + count), options.dimension))
        writer.finish()


def batch(random: np.random.Generator, numbers: range, dimension: int) -> Batch:
    """Some photos with their objects and vectors."""
    images = [ImageRow(content_id(b"%d" % number), f"photos/{number}.jpg", 640, 480) for number in numbers]
    objects = concatenate([objects_of(random, image) for image in images])
    vectors = random.standard_normal((len(objects), dimension), np.float32)
    return Batch(
        images=images,
        objects=objects,
        thumbnails=[thumbnail()] * len(objects),
        job="random",
        vectors={"random-crop": SpaceRows(RECIPE, objects.object_id, vectors)},
    )


def objects_of(random: np.random.Generator, image: ImageRow) -> Objects:
    """Boxes of 20 to 120 pixels a side, of ten labels."""
    corner = random.uniform(0, 360, (PER_PHOTO, 2))
    boxes = np.hstack([corner, corner + random.uniform(20, 120, (PER_PHOTO, 2))]).astype(np.float32)
    labels = [f"label {number}" for number in random.integers(0, 10, PER_PHOTO)]
    return make_objects(image_id=image.image_id, xyxy=boxes, label=labels, source="random@0")


def thumbnail() -> bytes:
    """A JPEG of 128 x 96 pixels."""
    ramp = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)
    stream = io.BytesIO()
    PIL.Image.fromarray(ramp).convert("RGB").save(stream, "JPEG")
    return stream.getvalue()


if __name__ == "__main__":
    main()
