"""Time of a joint search beside its parts alone, and beside the parts written out as one matrix.

python benchmarks/joint_space.py [--objects 50000] [--queries 1] [--repeats 7]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from objectspace.neighbors import Block, ExactIndex, JointIndex, JointVectors, Part

DIMENSIONS = {"crop": 2048, "window": 4608}


def main() -> None:
    """Print the median seconds of a search of each kind, and bytes beside the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    rng, rows = np.random.default_rng(0), np.arange(asked.objects)
    parts = {name: _features(rng, asked.objects, numbers) for name, numbers in DIMENSIONS.items()}
    joint = JointVectors(
        [Part(n, 1.0, 0.0, (Block(v, rows).take(rows),)) for n, v in parts.items()], len(rows)
    )
    queries = joint[rows[: asked.queries]]
    alone = {}
    for name, vectors in parts.items():
        index = ExactIndex(vectors, rows, metric="cosine")
        alone[name] = _seconds(index, vectors[: asked.queries], asked.repeats)
        del index
    together = _seconds(JointIndex(joint, rows), queries, asked.repeats)
    total = sum(alone.values())
    print(f"{asked.objects} objects, {asked.queries} queries, 10 neighbors, median of {asked.repeats}")
    for name, seconds in alone.items():
        print(f"{name} alone, {DIMENSIONS[name]} numbers: {seconds:.4f} s")
    print(f"joint: {together:.4f} s, {together / total:.2f} x the sum of its parts ({total:.4f} s)")
    written = np.asarray(joint)
    seconds = _seconds(ExactIndex(written, rows, metric="cosine"), np.asarray(queries), asked.repeats)
    print(f"written out as one matrix: {seconds:.4f} s, and {written.nbytes / 1e9:.2f} GB beside the parts")


def _features(rng: np.random.Generator, count: int, numbers: int) -> np.ndarray:
    """Return rectified features of 200 classes, as pooled networks give them."""
    classes = rng.normal(size=(200, numbers)).astype(np.float32)
    vectors = classes[rng.integers(200, size=count)]
    for start in range(0, count, 1024):
        part = vectors[start : start + 1024]
        part += rng.standard_normal(part.shape, np.float32)
    return np.maximum(vectors, 0, out=vectors)


def _seconds(index: ExactIndex | JointIndex, queries: object, repeats: int) -> float:
    search: Callable[..., object] = index.nearest
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        search(queries, k=10)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
