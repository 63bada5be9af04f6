"""Approximate search beside exact search of the same queries, and exact search on disk beside in memory.

    python benchmarks/approximate_search.py [--objects 50000] [--dimension 512] [--queries 500]
    python benchmarks/approximate_search.py --store STORE [--space NAME]

One JSON line per figure. For each kind of index: recall at 10 with its 95 % interval, how many single exact
queries are answered in the time that building takes, the index's megabytes, and queries a second of exact and
approximate search in turns, many queries at once and one by one (ratios above 1: approximate is faster). For
exact search on disk: the same beside search in memory, and by how many megabytes a process grows that does
it. The made data are clusters, of which an index finds the right one easily and the right members hardly, and
noise, of which it finds nothing easily.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.spaces import Recipe
from objectspace.files import content_id
from objectspace.jobs.build_index import index_space
from objectspace.neighbors import ExactIndex, StreamedIndex
from objectspace.objects.records import make_objects
from objectspace.search import default_space
from objectspace.search.approximate import ApproximateIndex, approximate_index
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

Vectors = NDArray[np.float32]
K, SINGLE, ROUNDS = 10, 20, 3
RECIPE = Recipe("crop", "random", "", "", {}, "float32", "0")


def data_sets(objects: int, dimension: int) -> Iterator[tuple[str, Vectors]]:
    """Name and vectors of each kind of made data."""
    random = np.random.default_rng(0)
    centers = random.standard_normal((objects // 100, dimension), dtype=np.float32)
    vectors = centers[random.integers(0, len(centers), objects)]
    vectors += np.float32(0.3) * random.standard_normal((objects, dimension), dtype=np.float32)
    yield "clusters", vectors
    yield "noise", random.standard_normal((objects, dimension), dtype=np.float32)


def write_store(path: Path, vectors: Vectors) -> None:
    """A store of one photo with an object for each vector."""
    photo = ImageRow(content_id(b"photo"), "photo.jpg", 100, 100)
    left = np.arange(len(vectors), dtype=np.float32)
    boxes = np.stack([left, 0 * left, left + 1, 0 * left + 1], axis=1)
    objects = make_objects(
        image_id=photo.image_id, xyxy=boxes, label=["object"] * len(vectors), source="made@1"
    )
    rows = {"made": SpaceRows(RECIPE, objects.object_id, vectors)}
    with open_writer(path) as writer:
        writer.commit(Batch([photo], objects, [b""] * len(objects), "job", rows))


def seconds(index: Any, queries: Vectors) -> float:
    """Wall time of one search."""
    start = time.perf_counter()
    index.nearest(queries, k=K)
    return time.perf_counter() - start


def rates(names: tuple[str, str], one: Any, other: Any, queries: Vectors) -> dict[str, float]:
    """Queries a second of two indexes, at once and one by one, and how much faster the second is."""
    figures = {}
    for how, asked, first, second in (
        ("at_once", queries, one, other),
        ("singly", queries[:SINGLE], OneByOne(one), OneByOne(other)),
    ):
        times = [[seconds(index, asked) for index in (first, second)] for _ in range(ROUNDS)]
        each = len(asked) / np.min(times, axis=0)
        figures |= {f"{name}_{how}_per_s": round(rate, 1) for name, rate in zip(names, each, strict=True)}
        figures[f"{how}_ratio"] = round(each[1] / each[0], 3)
    return figures


class OneByOne:
    """An index asked for one query at a time."""

    def __init__(self, index: ExactIndex | StreamedIndex | ApproximateIndex) -> None:
        self._index = index

    def nearest(self, queries: Vectors, *, k: int) -> None:
        """Search for each query alone."""
        for query in queries:
            self._index.nearest(query[None], k=k)


def compare(path: Path, space: str, data: str, kind: str, queries: int) -> dict[str, Any]:
    """One figure: an index of this kind beside exact search."""
    start = time.perf_counter()
    index_space(path, space, kind=kind)
    build = time.perf_counter() - start
    held = open_store(path).stored_space(space)
    vectors = held.vectors[:]
    exact = ExactIndex(vectors, held.object_id)
    nearly = approximate_index(held, metric="euclidean")
    asked = vectors[np.random.default_rng(1).permutation(len(vectors))[:queries]]
    table = path / "spaces" / f"{space}.lance"
    newest = max((table / "_indices").iterdir(), key=lambda folder: folder.stat().st_mtime)
    rate = rates(("exact", "approximate"), exact, nearly, asked)
    return {
        "benchmark": "approximate_search",
        "data": data,
        "objects": len(vectors),
        "dimension": vectors.shape[1],
        "kind": kind,
        **{key: round(value, 3) for key, value in recall_json(nearly).items()},
        "build_in_exact_queries": round(build * rate["exact_singly_per_s"]),
        "index_mb": round(sum(file.stat().st_size for file in newest.iterdir()) / 1e6, 1),
        "vectors_mb": round(vectors.nbytes / 1e6, 1),
        "queries": len(asked),
        **rate,
    }


def recall_json(index: ApproximateIndex) -> dict[str, float]:
    """The recall with its interval."""
    recall = index.index.recall
    return {"recall_at_10": recall.recall_at_10, "low": recall.low, "high": recall.high, "n": recall.n}


def on_disk(path: Path, space: str, data: str, queries: int) -> dict[str, Any]:
    """One figure: exact search on disk beside exact search in memory."""
    held = open_store(path).stored_space(space)
    vectors = held.vectors[:]
    in_memory, streamed = ExactIndex(vectors, held.object_id), StreamedIndex(held.vectors, held.object_id)
    asked = vectors[:queries]
    same = in_memory.nearest(asked[:20], k=K).index == streamed.nearest(asked[:20], k=K).index
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        grown = pool.apply(growth, (path, space))
    return {
        "benchmark": "search_on_disk",
        "data": data,
        "objects": len(vectors),
        "dimension": vectors.shape[1],
        "vectors_mb": round(vectors.nbytes / 1e6, 1),
        "queries": len(asked),
        "same": bool(same.all()),
        "process_grows_mb": None if np.isnan(grown) else round(grown, 1),
        **rates(("memory", "disk"), in_memory, streamed, asked),
    }


def growth(path: Path, space: str) -> float:
    """Megabytes by which a process grows that searches on disk; NaN where only Linux would tell.

    ru_maxrss would begin at what the parent had.
    """
    held = open_store(path).stored_space(space)
    query = held.vectors[:1]
    before = peak()
    StreamedIndex(held.vectors, held.object_id).nearest(query, k=K)
    return peak() - before


def peak() -> float:
    """The most megabytes that this process has held."""
    status = Path("/proc/self/status")
    held = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return float("nan") if held is None else int(held[1]) / 1e3


def figures(path: Path, space: str, data: str, queries: int) -> None:
    """Print the lines of one store."""
    print(json.dumps(on_disk(path, space, data, queries)), flush=True)
    for kind in ("ivf-hnsw-sq", "ivf-pq"):
        print(json.dumps(compare(path, space, data, kind, queries)), flush=True)


def main() -> None:
    """Print one JSON line per kind of data and index."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=50_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument(
        "--store", type=Path, help="a store whose vectors are taken instead; it stays as it is"
    )
    parser.add_argument("--space")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.store is not None:
            space = options.space or default_space(open_store(options.store))
            figures(shutil.copytree(options.store, Path(folder, "s.osp")), space, space, options.queries)
            return
        for data, vectors in data_sets(options.objects, options.dimension):
            path = Path(folder, f"{data}.osp")
            write_store(path, vectors)
            figures(path, "made", data, options.queries)


if __name__ == "__main__":
    main()
