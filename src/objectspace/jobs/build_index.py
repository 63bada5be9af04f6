"""Build the approximate index of a space, and keep it in the store with its measured recall."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from objectspace.errors import InputError, QueryError, counted
from objectspace.neighbors import METRICS
from objectspace.search.approximate import ApproximateIndex, measure_recall
from objectspace.store import (
    SpaceIndex,
    StoredJointVectors,
    StoredSpace,
    StoredVectors,
    open_store,
    open_writer,
)
from objectspace.store.indexes import KINDS, Recall

logger = logging.getLogger("objectspace")

#: Below this many vectors no index is built: Lance learns its codes from 256, and exact search takes no time.
FEWEST = 256

# Candidates that are measured for each neighbor asked for: with a byte for eight numbers (ivf-pq) the 10
# nearest are among the first 100 (docs/approximate-search.md).
_CANDIDATES = 10

# Bytes of a code (ivf-pq), where vectors have as many numbers; fewer do not distinguish short vectors.
_CODE = 16


def index_space(
    path: Path | str, space: str, *, kind: str = "ivf-hnsw-sq", metric: str = "euclidean"
) -> SpaceIndex:
    """Build the approximate index of a space, measure its recall, and keep both in the store at ``path``.

    An earlier index of the space is replaced. A process that is killed meanwhile leaves the store as it was.
    Raises QueryError for an unknown space, kind or metric, InputError for a space too small to index,
    StoreBusyError where another process writes, StoreError where writing failed.

    >>> osp.index_space("many.osp", "a-crop").count
    300
    """
    if kind not in KINDS:
        raise QueryError(f"kind {kind!r} of index is unknown; expected {' or '.join(KINDS)}")
    if metric not in METRICS:
        raise QueryError(f"metric {metric!r} is unknown; expected {' or '.join(METRICS)}")
    # A store that is missing and a space that is too small are refused before anything is locked.
    _check_size(open_store(path).stored_space(space))
    with open_writer(path) as writer:
        # Another process may have written since.
        stored = open_store(path).stored_space(space)
        settings = choose_settings(kind, *stored.vectors.shape)

        def measure(vectors: StoredVectors) -> Recall:
            index = SpaceIndex(kind, metric, len(vectors), settings, Recall(0, 0, 1, 0))
            return measure_recall(ApproximateIndex(vectors, index))

        logger.info("indexing space %s of %s: %d vectors, %s, %s", space, path, len(stored), kind, metric)
        index = writer.index_space(space, kind=kind, metric=metric, settings=settings, measure=measure)
    logger.info("%s", index)
    return index


def _check_size(space: StoredSpace) -> None:
    if isinstance(space.vectors, StoredJointVectors):
        raise InputError(
            f"joint space {space.name} is searched exactly, in one pass over its parts, and has no index of "
            f"its own; index one of its parts' spaces"
        )
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
