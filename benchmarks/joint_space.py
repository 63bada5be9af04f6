"""CPU time of a joint search beside its parts and their written-out matrix, and the memory of measures.

python benchmarks/joint_space.py [--objects 50000] [--queries 1] [--repeats 7]
python benchmarks/joint_space.py --memory [--objects 50000]
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import resource
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factors import FactorSpec, align, measure_factor, measure_neighbors
from objectspace.analyses.probes import measure_probe
from objectspace.embeddings.joint import JointPart, joint_recipe
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.neighbors import Block, ExactIndex, JointIndex, JointVectors, Part
from objectspace.neighbors.candidates import QUERIES
from objectspace.objects.records import Objects, concatenate, make_objects

DIMENSIONS = {"crop": 2048, "window": 4608}
# Of every object's neighbors, whose time grows with the square of the objects, and of probes.
FEWER = {"crop": 256, "window": 576}

CLASSES = 200


def main() -> None:
    """Print the CPU seconds of a search of each kind, or the memory that measures take."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--memory", action="store_true")
    asked = parser.parse_args()
    if asked.memory:
        print_memory(asked.objects)
    else:
        print_times(asked.objects, asked.queries, asked.repeats)


def print_times(count: int, queries: int, repeats: int) -> None:
    """Print the median CPU seconds of each search; they take turns, so that all see the same machine."""
    rows = np.arange(count)
    parts = {name: _features(count, numbers) for name, numbers in DIMENSIONS.items()}
    joint = _joint(parts)
    searches: dict[str, Callable[[], object]] = {}
    for name, vectors in parts.items():
        searches[name] = _search(ExactIndex(vectors, rows, metric="cosine"), vectors[:queries])
    searches["joint"] = _search(JointIndex(joint, rows), joint[rows[:queries]])
    written = np.asarray(joint)
    searches["written out"] = _search(ExactIndex(written, rows, metric="cosine"), written[:queries])
    times: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(repeats + 1):
        for name, search in searches.items():
            start = time.process_time()
            search()
            times[name].append(time.process_time() - start)
    turns = {name: np.array(taken[1:]) for name, taken in times.items()}
    print(f"{count} objects, {queries} queries, 10 neighbors, median CPU seconds of {repeats} turns")
    for name, taken in turns.items():
        print(f"{name}: {statistics.median(taken):.4f} s")
    ratio = np.median(turns["joint"] / sum(turns[name] for name in parts))
    print(f"joint: {ratio:.2f} x the sum of its parts", end=", ")
    print(f"{np.median(turns['joint'] / turns['written out']):.2f} x the written-out matrix", end=", ")
    print(f"which takes {written.nbytes / 1e9:.2f} GB beside the parts")


def _search(index: ExactIndex | JointIndex, queries: object) -> Callable[[], object]:
    nearest: Callable[..., object] = index.nearest
    return lambda: nearest(queries, k=10)


def print_memory(count: int) -> None:
    """Print how far searches and measures grow the process, in multiples of the bytes of the parts."""
    for measure, dimensions in (
        (search_one, DIMENSIONS),
        (search_many, DIMENSIONS),
        (probe_label, FEWER),
        (measure_neighbors, FEWER),
        (measure_factor, FEWER),
    ):
        context = multiprocessing.get_context("spawn")
        queue = context.SimpleQueue()
        process = context.Process(target=_grow, args=(queue, measure, count, dimensions))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)
        grown, seconds = queue.get()
        size = 4 * count * sum(dimensions.values())
        print(
            f"{measure.__name__}: {count} objects x {' + '.join(map(str, dimensions.values()))} numbers, "
            f"{size / 1e6:.0f} MB; {grown / 1e6:.1f} MB beside them ({grown / size:.2f} x), "
            f"{seconds:.1f} CPU s",
            flush=True,
        )


def search_one(space: Space, objects: Objects, spec: FactorSpec) -> None:
    """Search the ten nearest of one object, with an index made for it."""
    joint = space.searched
    assert isinstance(joint, JointVectors)
    JointIndex(joint, space.object_id).nearest(joint[:1], k=10)


def search_many(space: Space, objects: Objects, spec: FactorSpec) -> None:
    """Search the six nearest of as many objects as two steps of a measure do."""
    joint = space.searched
    assert isinstance(joint, JointVectors)
    JointIndex(joint, space.object_id).nearest(joint[: 2 * QUERIES], k=6)


def probe_label(space: Space, objects: Objects, spec: FactorSpec) -> None:
    """Fit the linear probes of a factor."""
    sample = align(space, objects, spec)
    measure_probe(sample.searched, sample.factor, sample.groups)


def _grow(queue: object, measure: Callable[..., object], count: int, dimensions: Mapping[str, int]) -> None:
    boxes = np.array([[0, 0, 9 + place, 9] for place in range(5)], np.float32)
    objects = concatenate(
        [
            make_objects(
                image_id=f"{image:032x}",
                xyxy=boxes,
                label=[f"class {(5 * image + place) % CLASSES % 20}" for place in range(5)],
                source="benchmark",
            )
            for image in range(count // 5)
        ]
    )
    space = _space(objects, dimensions)
    gc.collect()
    before, start = _resident(), time.process_time()
    peak = _Peak()
    measure(space, objects, FactorSpec("label"))
    queue.put((peak.stop() - before, time.process_time() - start))  # type: ignore[attr-defined]


def _space(objects: Objects, dimensions: Mapping[str, int]) -> Space:
    recipes = {name: Recipe(name, "benchmark", "", "tap", {}, "float32", "0") for name in dimensions}
    recipe = joint_recipe([JointPart(name, (name,)) for name in dimensions], recipes)
    joint = _joint({name: _features(len(objects), numbers) for name, numbers in dimensions.items()})
    return Space("joint", recipe, objects.object_id, joint)


class _Peak:
    """The most memory that the process has in use until :meth:`stop`."""

    def __init__(self) -> None:
        self._most, self._stopped = _resident(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(0.02):
            self._most = max(self._most, _resident())

    def stop(self) -> int:
        """Return it, in bytes."""
        self._stopped.set()
        self._thread.join()
        return self._most


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def _joint(parts: Mapping[str, NDArray[np.float32]]) -> JointVectors:
    count = len(next(iter(parts.values())))
    rows = np.arange(count)
    return JointVectors([Part(n, 1.0, 0.0, (Block(v, rows).take(rows),)) for n, v in parts.items()], count)


def _features(count: int, numbers: int) -> NDArray[np.float32]:
    """Return rectified features of some classes, as pooled networks give them."""
    rng = np.random.default_rng(numbers)
    classes = rng.normal(size=(CLASSES, numbers)).astype(np.float32)
    vectors: NDArray[np.float32] = classes[np.arange(count) * 7919 % CLASSES]
    for start in range(0, count, 1024):
        part = vectors[start : start + 1024]
        part += rng.standard_normal(part.shape, np.float32)
    return np.maximum(vectors, 0, out=vectors)


if __name__ == "__main__":
    main()
