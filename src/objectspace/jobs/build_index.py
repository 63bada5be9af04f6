"""Build the approximate index of a space, and keep it in the store with its measured recall."""

from __future__ import annotations

import logging
import math
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from objectspace.arguments import typed
from objectspace.embeddings.joint import JOINT, joint_parts
from objectspace.errors import InputError, QueryError, counted
from objectspace.neighbors import METRICS
from objectspace.places import Place
from objectspace.search.approximate import ApproximateIndex, measure_recall
from objectspace.search.approximate_joint import ApproximateJointIndex
from objectspace.store import (
    SpaceIndex,
    StoredJointVectors,
    StoredSpace,
    StoredVectors,
    Writer,
    open_store,
    open_writer,
)
from objectspace.store.indexes import KINDS, JointSpaceIndex, Recall
from objectspace.store.segments import Workers

if TYPE_CHECKING:  # the engine of jobs imports networks, and an index needs none
    from objectspace.pipeline.engine_ray import RayEngine

logger = logging.getLogger("objectspace")

#: Below this many vectors no index is built: Lance learns its codes from 256, and exact search takes no time.
FEWEST = 256

# Candidates that are measured for each neighbor asked for: with a byte for eight numbers (ivf-pq) the 10
# nearest are among the first 100 (docs/approximate-search.md).
_CANDIDATES = 10

#: The metric of the indexes of a joint space's parts.
JOINT_METRIC = "cosine"

# The recall of an index before it is measured.
_UNKNOWN = Recall(0, 0, 1, 0)

# Bytes of a code (ivf-pq), where vectors have as many numbers; fewer do not distinguish short vectors.
_CODE = 16


@typed
def index_space(
    path: Place | str,
    space: str,
    *,
    kind: str = "ivf-hnsw-sq",
    metric: str = "cosine",
    engine: RayEngine | None = None,
) -> SpaceIndex:
    """Build the approximate index of a space, measure its recall, and keep both in the store at ``path``.

    engine: its workers build it, each of some files of vectors; None for the threads of this machine

    An earlier index of the space is replaced. A process that is killed meanwhile leaves the store as it was.
    A joint space has the cosine indexes of its parts' spaces, which are built as far as they are missing,
    and serves both metrics.
    Raises QueryError for an unknown space, kind or metric, InputError for a space too small to index and for
    a joint one of which a part has another index, StoreBusyError where another process writes, StoreError
    where writing failed.

    >>> osp.index_space("many.osp", "a-crop").count
    300
    """
    if kind not in KINDS:
        raise QueryError(f"kind {kind!r} of index is unknown; expected {' or '.join(KINDS)}")
    if metric not in METRICS:
        raise QueryError(f"metric {metric!r} is unknown; expected {' or '.join(METRICS)}")
    # A store that is missing and a space that is too small are refused before anything is locked.
    joint, _, part = space.partition("/")
    if part:
        raise QueryError(f"{space} is a part of joint space {joint}; index {joint}, which its parts share")
    _check_size(open_store(path).stored_space(space))
    with nullcontext() if engine is None else engine.connect() as workers, open_writer(path) as writer:
        if open_store(path).recipe(space).route == JOINT:
            index = _index_joint(writer, space, kind, workers)
        else:
            index = _index_plain(writer, space, kind, metric, workers)
    logger.info("%s", index)
    return index


def _index_plain(writer: Writer, space: str, kind: str, metric: str, workers: Workers | None) -> SpaceIndex:
    # Another process may have written since it was checked.
    stored = open_store(writer.path).stored_space(space)
    settings = choose_settings(kind, *stored.vectors.shape)

    def measure(vectors: StoredVectors) -> Recall:
        index = SpaceIndex(kind, metric, len(vectors), settings, _UNKNOWN)
        return measure_recall(ApproximateIndex(vectors, index))

    logger.info("indexing space %s of %s: %d vectors, %s, %s", space, writer.path, len(stored), kind, metric)
    return writer.index_space(
        space, kind=kind, metric=metric, settings=settings, measure=measure, workers=workers
    )


def _index_joint(writer: Writer, space: str, kind: str, workers: Workers | None) -> SpaceIndex:
    """Index the parts' spaces that lack an index, each in a commit of its own, and measure all together."""
    recipe = open_store(writer.path).recipe(space)
    names = [name for part in joint_parts(recipe) for name in part.spaces]
    parts = {name: open_store(writer.path).stored_space(name) for name in names}
    for part in parts.values():
        _check_index(space, part, kind)
    for name, part in parts.items():
        assert isinstance(part.vectors, StoredVectors)
        if len(part) >= FEWEST and (part.index is None or part.vectors.unindexed):
            _index_plain(writer, name, kind, JOINT_METRIC, workers)
    store = open_store(writer.path)
    vectors = store.stored_space(space).vectors
    assert isinstance(vectors, StoredJointVectors)
    built = {name: store.stored_space(name).index for name in names}
    probes = sum(one.settings["probes"] for one in built.values() if one is not None)
    settings = {"probes": probes, "candidates": _CANDIDATES}
    index = SpaceIndex(kind, JOINT_METRIC, len(vectors), settings, _UNKNOWN)
    recall = measure_recall(ApproximateJointIndex(vectors, index, metric=JOINT_METRIC))
    index = replace(index, recall=recall)
    writer.index_joint(space, JointSpaceIndex(index, recipe.digest, built))
    return index


def _check_index(joint: str, space: StoredSpace, kind: str) -> None:
    """Raise InputError for a part's space that has an index which this one would have to replace."""
    index = space.index
    if index is not None and (index.kind, index.metric) != (kind, JOINT_METRIC):
        raise InputError(
            f"space {space.name}, a part of joint space {joint}, has an index {index.kind} of {index.metric} "
            f"distances, and {kind} of {JOINT_METRIC} is needed; build that with: "
            + _command(space.name, kind)
        )


def _command(space: str, kind: str) -> str:
    return f"objectspace index-space STORE --space {space} --kind {kind} --metric {JOINT_METRIC}"


def _check_size(space: StoredSpace) -> None:
    if len(space) < FEWEST:
        raise InputError(
            f"space {space.name} has {counted(len(space), 'vector')} and an index needs {FEWEST}; search it "
            f"exactly, which takes no time"
        )


def choose_settings(kind: str, count: int, dimension: int) -> dict[str, int]:
    """Return what an index of ``count`` vectors is built and searched with: SpaceIndex.settings.

    ivf-pq: partitions of about the root of n vectors (at least 256, as Lance learns each from so many), of
    which a sixteenth is searched, and a byte of code for up to eight numbers. ivf-hnsw-sq: one graph for each
    million vectors; all graphs are searched.

    >>> choose_settings("ivf-hnsw-sq", 1_000_000, 512)
    {'partition_size': 1048576, 'probes': 1, 'candidates': 10}
    """
    if kind == "ivf-hnsw-sq":
        return {"partition_size": 1 << 20, "probes": max(1, count >> 19), "candidates": _CANDIDATES}
    size = max(256, math.isqrt(count))
    least = max(math.ceil(dimension / 8), min(dimension, _CODE))
    return {
        "partition_size": size,
        "sub_vectors": next(m for m in range(least, dimension + 1) if dimension % m == 0),
        "probes": max(20, count // size // 16),
        "candidates": _CANDIDATES,
    }
