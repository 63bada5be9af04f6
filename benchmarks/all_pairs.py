"""What the nearest neighbors of all objects cost beside the bare product of all pairs, by turns in one run.

    OMP_NUM_THREADS=1 python benchmarks/all_pairs.py [--objects 100000] [--dimension 512] [--rounds 3]
        [--on-disk]

Ten labels' centers and noise, five objects a photo. The bare product multiplies each pair of blocks of 1,024
once and keeps nothing; the others take the nearest of other photos: 21 of each object by Euclidean distance,
and what ``measure`` asks for, of 20,000 objects by cosine distance, too, and without each of 20 blocks.
CPU seconds and how many times those of the product before it, the median of all rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.groups import MOST_OBJECTS, make_groups
from objectspace.analyses.jackknife import make_blocks
from objectspace.analyses.nearest_neighbors import find_by_metric
from objectspace.neighbors import ExactIndex, StreamedIndex
from objectspace.threads import run_side_by_side

PER_PHOTO, LABELS, SIGNAL, BLOCK, K, LONG = 5, 10, 0.25, 1024, 5, 21


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--on-disk", action="store_true", help="search vectors in a file, not in memory")
    options = parser.parse_args()
    in_memory = make_vectors(options.objects, options.dimension)
    with tempfile.TemporaryDirectory() as folder:
        vectors = mapped(in_memory, Path(folder) / "vectors") if options.on_disk else in_memory
        ways: dict[str, Callable[[], object]] = {
            "the bare product": lambda: multiply(in_memory),
            f"{LONG} nearest of each": lambda: nearest(vectors),
            "as measure asks": lambda: as_measure_asks(vectors),
        }
        seconds = {name: list[float]() for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                seconds[name].append(cpu_seconds(way))
    print("| what | CPU s | times the product |")
    print("| --- | ---: | ---: |")
    product = np.array(seconds["the bare product"])
    for name, one in seconds.items():
        print(f"| {name} | {np.median(one):.1f} | {np.median(np.array(one) / product):.2f} |")


def make_vectors(objects: int, dimension: int) -> NDArray[np.float32]:
    """Return vectors (n, d): their label's center and noise."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((objects, dimension), np.float32)
    vectors += (
        SIGNAL * random.standard_normal((LABELS, dimension), np.float32)[random.integers(0, LABELS, objects)]
    )
    return vectors


def mapped(vectors: NDArray[np.float32], path: Path) -> np.memmap:
    """Return the vectors in a file."""
    vectors.tofile(path)
    return np.memmap(path, np.float32, mode="r", shape=vectors.shape)


def cpu_seconds(way: Callable[[], object]) -> float:
    """Return the seconds, of all threads, that one way takes."""
    start = time.process_time()
    way()
    return time.process_time() - start


def multiply(vectors: NDArray[np.float32]) -> None:
    """Multiply each pair of blocks once, into memory of each thread's own."""
    blocks = [vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK)]
    room = threading.local()

    def multiply_both(pair: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
        one, other = pair
        if not hasattr(room, "products"):
            room.products = np.empty(BLOCK * BLOCK, np.float32)
        out = room.products[: len(one) * len(other)].reshape(len(one), len(other))
        np.matmul(one, other.T, out=out)

    run_side_by_side(multiply_both, list(combinations_with_replacement(blocks, 2)))


def nearest(vectors: NDArray[np.float32]) -> None:
    """Find the nearest of each object by Euclidean distance."""
    count = len(vectors)
    kind = StreamedIndex if isinstance(vectors, np.memmap) else ExactIndex
    kind(vectors, np.arange(count), groups=np.arange(count) // PER_PHOTO).nearest_of_all(k=LONG)


def as_measure_asks(vectors: NDArray[np.float32]) -> None:
    """Find what ``measure`` needs of one factor."""
    count = len(vectors)
    groups = make_groups(np.arange(count) // PER_PHOTO)
    some = np.sort(np.random.default_rng(0).choice(count, min(count, MOST_OBJECTS), replace=False))
    asked = {"euclidean": None, "cosine": some}
    find_by_metric(
        vectors, np.arange(count).astype(np.str_), groups, asked, k=K, block=make_blocks(groups.group)
    )


if __name__ == "__main__":
    main()
