"""Seconds of a commit to stores of several sizes: what it costs must not depend on what is there.

    python benchmarks/commit_cost.py [10000 300000] [--commits 70]

One JSON line a figure: the mean seconds of a commit of 50 images with 5 objects each, of 16 numbers, for
commits that add and for those of a job that replaces (all objects of the images were edited since), by the
clock and of all cores, and their ratios to the first size. The mean has what comes once in 65 commits: small
fragments are joined and indices extended. Stores are written to a temporary folder and measured in turns, so
that all meet the same machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from objectspace.digests import content_id
from objectspace.embeddings.spaces import Recipe
from objectspace.objects.records import concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, Writer, open_writer

OBJECTS_PER_IMAGE = 5
IMAGES_PER_COMMIT = 50
DIMENSION = 16
SOURCE = "benchmark@0"
RECIPE = Recipe("crop", "random", "0" * 64, "none", {}, "float32", "0", crop={"margin": 0.0})


def batch(images: range, *, edit: int = 0) -> Batch:
    """Return images with their objects and vectors; each edit moves all objects."""
    random = np.random.default_rng([images.start, edit])
    rows = [ImageRow(content_id(b"%d" % number), f"images/{number}.jpg", 640, 480) for number in images]
    corners = random.uniform(0, 360, (len(rows), OBJECTS_PER_IMAGE, 2)).astype(np.float32)
    objects = concatenate(
        [
            make_objects(
                image_id=row.image_id,
                xyxy=np.hstack([corner, corner + 50]),
                label=["thing"] * OBJECTS_PER_IMAGE,
                source=SOURCE,
            )
            for row, corner in zip(rows, corners, strict=True)
        ]
    )
    vectors = random.standard_normal((len(objects), DIMENSION), np.float32)
    return Batch(
        images=rows,
        objects=objects,
        thumbnails=[b"\0" * 1000] * len(objects),
        job=f"edit {edit}",
        vectors={"random-crop": SpaceRows(RECIPE, objects.object_id, vectors)},
        sources={SOURCE: {}},
        replaces=edit > 0,
    )


def fill(path: Path, images: int) -> None:
    """Write a store of so many images."""
    with open_writer(path) as writer:
        for first in range(0, images, 40 * IMAGES_PER_COMMIT):
            writer.commit(batch(range(first, min(first + 40 * IMAGES_PER_COMMIT, images))))
        writer.finish()


def commits(kind: str, images: int, count: int) -> Iterator[Batch]:
    """Yield batches of new images, or of stored images that were edited, from all over the store."""
    step = max(images // count, IMAGES_PER_COMMIT)
    for number in range(count):
        first = images + number * IMAGES_PER_COMMIT if kind == "add" else number * step % images
        yield batch(range(first, first + IMAGES_PER_COMMIT), edit=(number + 1) * (kind == "replace"))


def seconds(writer: Writer, rows: Batch) -> tuple[float, float]:
    """Return the wall time of one commit, and the time of all cores."""
    wall, cores = time.perf_counter(), time.process_time()
    writer.commit(rows)
    return time.perf_counter() - wall, time.process_time() - cores


def measure(kind: str, writers: Sequence[Writer], sizes: Sequence[int], count: int) -> None:
    """Commit to the stores in turns, and print a line for each."""
    batches = [commits(kind, size // OBJECTS_PER_IMAGE, count) for size in sizes]
    turns = zip(*batches, strict=True)
    taken = np.array(
        [[seconds(writer, rows) for writer, rows in zip(writers, turn, strict=True)] for turn in turns]
    )
    means = taken.mean(axis=0)
    for size, mean, ratio in zip(sizes, means, means / means[0], strict=True):
        figures = {"mean_s": mean[0], "mean_cpu_s": mean[1], "ratio": ratio[0], "cpu_ratio": ratio[1]}
        rounded = {name: round(float(value), 4) for name, value in figures.items()}
        print(
            json.dumps({"benchmark": "commit_cost", "commit": kind, "objects": size, **rounded}), flush=True
        )


def main() -> None:
    """Write the stores and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("objects", type=int, nargs="*", default=[10_000, 300_000])
    parser.add_argument("--commits", type=int, default=70)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths = [Path(folder, f"{size}.osp") for size in options.objects]
        for path, size in zip(paths, options.objects, strict=True):
            fill(path, size // OBJECTS_PER_IMAGE)
        writers = [stack.enter_context(open_writer(path)) for path in paths]
        for kind in ("add", "replace"):
            measure(kind, writers, options.objects, options.commits)


if __name__ == "__main__":
    main()
