"""Exact search beside faiss.IndexFlatL2 and the machine's matrix product, taken in turns in one run.

    python benchmarks/exact_search.py [--objects 50000] [--dimension 2048] [--queries 1000] [--rounds 5]
    python benchmarks/exact_search.py --store big.osp [--queries 256] [--rounds 3]
    python benchmarks/exact_search.py --rounding coco.osp

One JSON line per figure: seconds (the best of the rounds) of ours and of faiss, their ratio (above 1: ours is
faster), the seconds of the bare float32 matrix product of the same shapes, and the share of faiss's answers
that are the true ones. Besides Gaussian noise there are data on which float32 products cannot tell
neighbors apart: tight clusters, and a common offset.

With ``--store``, the first space of a store on disk (tools/big_store.py makes one of any size): one query and
several together, by ours from the disk, from a plain copy on the disk (cache=) and in memory, by faiss in
memory and by Lance's own scan; seconds of the processor and on the clock, the best of the rounds.

With ``--rounding``, for each space of a store: how many of the ten nearest stay the ten nearest when vectors
are kept as float16, and which share of the rows a lower bound of their distance leaves to be compared: by 128
coordinates of a fixed rotation, or of principal components, and the length of the rest.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import lance
import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors import ExactIndex, StreamedIndex
from objectspace.store import Store, open_store

Vectors = NDArray[np.float32]
K = 10


def data_sets(objects: int, queries: int, dimension: int) -> Iterator[tuple[str, Vectors, Vectors]]:
    """Name, vectors and queries of each kind of data."""
    random = np.random.default_rng(0)

    def noise(count: int) -> Vectors:
        return random.standard_normal((count, dimension), dtype=np.float32)

    yield "gaussian", noise(objects), noise(queries)
    yield "rectified", np.maximum(noise(objects), 0), np.maximum(noise(queries), 0)
    centers = noise(500)
    for name, spread in (("clusters", 0.3), ("tight clusters", 0.01)):
        near = [
            centers[random.integers(0, 500, count)] + np.float32(spread) * noise(count)
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


def on_disk(path: Path, count: int, rounds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Figures of one query and of ``count`` together, by each way to search the first space of a store."""
    store, cached = open_store(path), open_store(path, cache=folder)
    space = store.stored_space(store.space_names[0])
    ids = space.object_id
    queries = space.vectors[np.random.default_rng(1).integers(0, len(space), count)]
    queries += np.random.default_rng(2).normal(0, 0.1, queries.shape).astype(np.float32)
    table = lance.dataset(str(path / "spaces" / f"{space.name}.lance"))

    def by_lance(asked: Vectors) -> None:
        for query in asked:
            table.to_table(columns=["_distance"], nearest={"column": "vector", "q": query, "k": K})

    def ways() -> Iterator[tuple[str, Callable[[Vectors], Any], int]]:
        disk = StreamedIndex(space.vectors, ids)
        yield "ours, Lance's table", lambda asked: disk.nearest(asked, k=K), count
        over_map = StreamedIndex(cached.stored_space(space.name).vectors, ids)
        yield "ours, a copy (cache=)", lambda asked: over_map.nearest(asked, k=K), count
        yield "Lance's own scan", by_lance, min(count, 4)
        whole = space.vectors.read()
        memory = ExactIndex(whole, ids)
        yield "ours, float32 in memory", lambda asked: memory.nearest(asked, k=K), count
        flat = faiss.IndexFlatL2(whole.shape[1])
        flat.add(whole)
        yield "faiss.IndexFlatL2 in memory", lambda asked: flat.search(asked, K), count

    for name, search, most in ways():
        for asked in (queries[:1], queries[:most]):
            times = np.array([processor_and_clock(lambda: search(asked)) for _ in range(rounds)])  # noqa: B023
            cpu, wall = times.min(axis=0)
            yield {"benchmark": "exact_search_on_disk", "way": name, "objects": len(space),
                   "dimension": space.dimension, "kept": space.recipe.vectors, "queries": len(asked),
                   "cpu_s": round(cpu, 3), "wall_s": round(wall, 3)}  # fmt: skip


def processor_and_clock(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of all threads of this process, and on the clock, of one call."""
    processor, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - processor, time.perf_counter() - clock


def rounding(store: Store) -> Iterator[dict[str, Any]]:
    """The overlap of float16 with float32 in each space, and what lower bounds leave, by each metric."""
    for name in store.space_names:
        if store.recipe(name).route == "joint":
            continue
        for metric in ("euclidean", "cosine"):
            vectors = directed(store.space(name).vectors, metric)
            halves = directed(store.space(name).vectors.astype(np.float16), metric)
            squares = squared_distances(vectors, vectors)
            near, kept = (np.argsort(s, axis=1)[:, :K] for s in (squares, squared_distances(halves, halves)))
            same = [len(set(a) & set(b)) / K for a, b in zip(near.tolist(), kept.tolist(), strict=True)]
            tenth = np.sort(squares, axis=1)[:, K - 1]
            components = np.linalg.svd(vectors[::2], full_matrices=False)[2]
            random = np.random.default_rng(0).standard_normal((vectors.shape[1], 128))
            left = {
                "rotation": rows_left(vectors, np.linalg.qr(random)[0], tenth),
                "components": rows_left(vectors, components[:128].T, tenth),
            }
            yield {"benchmark": "rounding", "space": name, "objects": len(vectors),
                   "dimension": vectors.shape[1], "metric": metric,
                   "overlap_at_10": round(float(np.mean(same)), 5), **left}  # fmt: skip


def directed(vectors: NDArray[Any], metric: str) -> NDArray[np.float64]:
    """The vectors in float64, of length one by cosine."""
    exact = vectors.astype(np.float64)
    return exact if metric == "euclidean" else exact / np.linalg.norm(exact, axis=1, keepdims=True)


def squared_distances(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """All pairs, infinite of a row and itself."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    np.fill_diagonal(squares, np.inf)
    return np.maximum(squares, 0)


def rows_left(vectors: NDArray[np.float64], axes: NDArray[np.float64], tenth: NDArray[np.float64]) -> float:
    """Share of the rows that may be as near as the tenth nearest, by these coordinates alone."""
    first = vectors @ axes
    rest = np.sqrt(np.maximum((vectors**2).sum(axis=1) - (first**2).sum(axis=1), 0))
    bound = squared_distances(first, first) + (rest[:, None] - rest) ** 2
    return round(float((bound <= tenth[:, None] * (1 + 1e-9)).mean()), 4)


def main() -> None:
    """Print one JSON line per figure: of each kind of data, or of a store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=50_000)
    parser.add_argument("--dimension", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", type=Path, help="time its first space, on disk")
    parser.add_argument("--rounding", type=Path, help="round its spaces to float16")
    options = parser.parse_args()
    if options.store or options.rounding:
        with tempfile.TemporaryDirectory(dir=(options.store or options.rounding).parent) as folder:
            figures = (
                on_disk(options.store, options.queries, options.rounds, Path(folder))
                if options.store
                else rounding(open_store(options.rounding))
            )
            for figure in figures:
                print(json.dumps(figure), flush=True)
        return
    for name, vectors, queries in data_sets(options.objects, options.queries, options.dimension):
        print(json.dumps(compare(name, vectors, queries, options.rounds)), flush=True)
        print(json.dumps(compare(name, vectors, queries[:1], 4 * options.rounds)), flush=True)


if __name__ == "__main__":
    main()
