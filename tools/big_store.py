"""A store of any size without networks: random vectors of boxes in photos that are not there.

    python tools/big_store.py big.osp [--objects 20000] [--dimension 2048 [64 …]] [--vectors float16]

For what grows with a store (docs/export.md, docs/scale.md). Five objects a photo, of ten labels, the same
picture as every thumbnail. A vector is its label's center and noise; each dimension is a space of its own:
``random-crop``, ``random-crop-2`` and so on.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.embeddings.spaces import VECTOR_TYPES, Recipe, VectorType
from objectspace.files import content_id
from objectspace.objects.records import Objects, Provenance, object_id
from objectspace.store import Batch, ImageRow, SpaceRows, open_writer

PER_PHOTO = 5
LABELS = 10
SOURCE = "random@0"
RECIPE = Recipe("crop", "random", "0" * 64, "none", {}, "float32", "0", crop={"margin": 0.0})

#: Length of a label's center beside that of the noise.
SIGNAL = 0.25

# Bytes of vectors, and photos, in one commit at most.
_BYTES, _PHOTOS = 1 << 28, 20_000


def main() -> None:
    """Write the store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, nargs="+", default=[2048])
    parser.add_argument("--vectors", choices=VECTOR_TYPES, default="float32")
    options = parser.parse_args()
    write_store(options.store, options.objects, options.dimension, options.vectors)


def write_store(path: Path, objects: int, dimensions: Sequence[int], vectors: VectorType = "float32") -> None:
    """Write a store of so many objects, with a space of each dimension."""
    with open_writer(path) as writer:
        for batch in batches(objects // PER_PHOTO, dimensions, vectors):
            writer.commit(batch)
        writer.finish()


def batches(photos: int, dimensions: Sequence[int], kept: VectorType = "float32") -> Iterator[Batch]:
    """Yield photos with their objects and vectors, a commit's worth at a time."""
    recipe = replace(RECIPE, vectors=kept)
    random = np.random.default_rng(0)
    centers = [SIGNAL * random.standard_normal((LABELS, size), np.float32) for size in dimensions]
    jpeg = thumbnail()
    size = max(1, min(_PHOTOS, _BYTES // (4 * PER_PHOTO * sum(dimensions))))
    for first in range(0, photos, size):
        images = [
            ImageRow(content_id(b"%d" % number), f"photos/{number}.jpg", 640, 480)
            for number in range(first, min(first + size, photos))
        ]
        number = random.integers(0, LABELS, PER_PHOTO * len(images))
        objects = objects_of(random, images, number)
        vectors = {}
        for place, center in enumerate(centers):
            noise = random.standard_normal((len(objects), center.shape[1]), np.float32)
            noise += center[number]
            name = f"random-crop-{place + 1}" if place else "random-crop"
            vectors[name] = SpaceRows(recipe, objects.object_id, noise)
        yield Batch(images, objects, [jpeg] * len(objects), "random", vectors)


def objects_of(random: np.random.Generator, images: Sequence[ImageRow], number: NDArray[np.int64]) -> Objects:
    """Boxes of 20 to 120 pixels a side with the labels of these numbers (n,)."""
    count = len(number)
    corner = random.uniform(0, 360, (count, 2))
    boxes = np.hstack([corner, corner + random.uniform(20, 120, (count, 2))]).astype(np.float32)
    image_id = np.repeat([image.image_id for image in images], PER_PHOTO)
    label = np.array([f"label {one}" for one in range(LABELS)], object)[number]
    found = zip(image_id.tolist(), boxes, label, strict=True)
    return Objects(
        object_id=np.array([object_id(image, SOURCE, box, name, None) for image, box, name in found]),
        image_id=image_id,
        xyxy=boxes,
        label=label,
        score=np.full(count, np.nan, np.float32),
        source=np.full(count, SOURCE, object),
        mask=np.full(count, None, object),
        provenance=Provenance.unknown(count),
    )


def thumbnail() -> bytes:
    """A JPEG of 128 x 96 pixels."""
    ramp = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)
    stream = io.BytesIO()
    PIL.Image.fromarray(ramp).convert("RGB").save(stream, "JPEG")
    return stream.getvalue()


if __name__ == "__main__":
    main()
