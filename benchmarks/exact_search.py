"""Exact search beside faiss.IndexFlatL2 and the machine's matrix product, taken in turns in one run.

    python benchmarks/exact_search.py [--objects 50000] [--dimension 2048] [--queries 1000] [--rounds 5]

One JSON line per figure: seconds (the best of the rounds) of ours and of faiss, their ratio (above 1: ours is
faster), the seconds of the bare float32 matrix product of the same shapes, and the share of faiss's answers
that are the true ones. Besides Gaussian noise there are data on which float32 products cannot tell
neighbours apart: tight clusters, and a common offset.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors import ExactIndex

Vectors = NDArray[np.float32]
K = 10


def data_sets(objects: int, queries: int, dimension: int) -> Iterator[tuple[str, Vectors, Vectors]]:
    """Name, vectors and queries of each kind of data."""
    random = np.random.default_rng(0)

    def noise(count: int) -> Vectors:
        return random.standard_normal((count, dimension), dtype=np.float32)

    yield "gaussian", noise(objects), noise(queries)
    yield "rectified", np.maximum(noise(objects), 0), np.maximum(noise(queries), 0)
    centres = noise(500)
    for name, spread in (("clusters", 0.3), ("tight clusters", 0.01)):
        near = [
            centres[random.integers(0, 500, count)] + np.float32(spread) * noise(count)
            for count in (objects, queries)
        ]
        yield name, near[0], near[1]
    yield "offset", noise(objects) + 1000, noise(queries) + 1000


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def products(vectors: Vectors, queries: Vectors) -> Callable[[], None]:
    """The matrix product alone, in the blocks in which it runs best."""
    product = np.empty((4096, len(queries)), np.float32)

    def run() -> None:
        for start in range(0, len(vectors), 4096):
            block = vectors[start : start + 4096]
            np.matmul(block, queries.T, out=product[: len(block)])

    return run


def compare(name: str, vectors: Vectors, queries: Vectors, rounds: int) -> dict[str, Any]:
    """One figure: ours, faiss and the bare product, in turns so that all meet the same machine."""
    ours = ExactIndex(vectors, np.arange(len(vectors)))
    theirs = faiss.IndexFlatL2(vectors.shape[1])
    theirs.add(vectors)
    work = {
        "ours_s": lambda: ours.nearest(queries, k=K),
        "faiss_s": lambda: theirs.search(queries, K),
        "product_s": products(vectors, queries),
    }
    times: dict[str, list[float]] = {key: [] for key in work}
    for _ in range(rounds):
        for key, call in work.items():
            times[key].append(seconds(call))
    best = {key: min(values) for key, values in times.items()}
    same = ours.nearest(queries, k=K).index == theirs.search(queries, K)[1]
    shape = {"objects": len(vectors), "dimension": vectors.shape[1], "queries": len(queries), "k": K}
    return {
        "benchmark": "exact_search",
        "data": name,
        **shape,
        **{key: round(value, 5) for key, value in best.items()},
        "faiss_over_ours": round(best["faiss_s"] / best["ours_s"], 3),
        "median_ratio": round(float(np.median(np.divide(times["faiss_s"], times["ours_s"]))), 3),
        "ours_of_ceiling": round(best["product_s"] / best["ours_s"], 3),
        "ceiling_gflops": round(2e-9 * vectors.size * len(queries) / best["product_s"], 1),
        "faiss_right": round(float(same.mean()), 4),
    }


def main() -> None:
    """Print one JSON line per kind of data, for all queries and for a single one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=50_000)
    parser.add_argument("--dimension", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for name, vectors, queries in data_sets(options.objects, options.queries, options.dimension):
        print(json.dumps(compare(name, vectors, queries, options.rounds)), flush=True)
        print(json.dumps(compare(name, vectors, queries[:1], 4 * options.rounds)), flush=True)


if __name__ == "__main__":
    main()
