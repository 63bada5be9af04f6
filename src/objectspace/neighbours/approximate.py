"""Approximate search: the space's index proposes candidates, float64 differences measure and order them.

So every distance of an answer is the true one, and only who is in the answer is approximate. How much is
missed is measured against exact search when the index is built, and is kept with it: recall at 10, the share
of the true 10 nearest that was found.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, QueryError, counted
from objectspace.neighbors.distances import METRICS, pair_distances
from objectspace.neighbors.ranking import NO_NEIGHBOR, Neighbors, merge, no_neighbors
from objectspace.neighbors.rows import Rows, check_queries
from objectspace.neighbors.streamed import StreamedIndex
from objectspace.store import StoredSpace, StoredVectors, open_store, open_writer
from objectspace.store.indexes import KINDS, Recall, SpaceIndex

#: Below this many vectors no index is built: Lance learns its codes from 256, and exact search takes no time.
FEWEST = 256

#: A filter that leaves at most this many rows is answered exactly: it costs no more than looking them up.
FEW = 2048

# Candidates that are measured for each neighbour asked for: with a byte for eight numbers (ivf-pq) the 10
# nearest lie among the first 100 (docs/approximate-search.md). Who asks for fewer than 10 neighbours gets the
# candidates of 10, for which the recall was measured.
_CANDIDATES = 10

# Bytes of a code (ivf-pq), where vectors have as many numbers; short vectors are told apart by no fewer.
_CODE = 16

# Objects whose neighbours are searched for exactly and by the index to tell its recall, and how many each.
_SAMPLE, _NEIGHBOURS = 200, 10

# Bytes of candidates' vectors in memory at a time: those of twenty queries of 2048 numbers. Twice as fast as
# 64 MB, for which the system must find memory anew each time.
_PROPOSED = 1 << 24


def index_space(
    path: Path | str, space: str, *, kind: str = "ivf-hnsw-sq", metric: str = "euclidean"
) -> SpaceIndex:
    """Build the approximate index of a space, measure its recall, and keep both in the store at ``path``.

    An index that the space had is replaced. A process that is killed meanwhile leaves the store as it was.
    Raises QueryError for an unknown space, kind or metric, InputError for a space too small to index,
    StoreBusyError where another process writes, StoreError where writing failed.
    """
    if kind not in KINDS:
        raise QueryError(f"kind {kind!r} of index is unknown; expected {' or '.join(KINDS)}")
    if metric not in METRICS:
        raise QueryError(f"metric {metric!r} is unknown; expected {' or '.join(METRICS)}")
    # Neither a store that is not there nor a space too small is anything to lock.
    held = open_store(path).stored_space(space)
    _check_size(held)
    with open_writer(path) as writer:
        # Another process may have written since.
        held = open_store(path).stored_space(space)
        settings = choose_settings(kind, *held.vectors.shape)

        def measure(vectors: StoredVectors) -> Recall:
            ids = held.object_id
            index = SpaceIndex(kind, metric, len(ids), settings, Recall(0, 0, 1, 0))
            return measure_recall(ApproximateIndex(vectors, ids, index), vectors, ids, metric=metric)

        return writer.index_space(space, kind=kind, metric=metric, settings=settings, measure=measure)


def _check_size(space: StoredSpace) -> None:
    if len(space) < FEWEST:
        raise InputError(
            f"space {space.name} has {counted(len(space), 'vector')} and an index needs {FEWEST}; search it "
            f"exactly, which takes no time"
        )


def choose_settings(kind: str, count: int, dimension: int) -> dict[str, int]:
    """What an index of ``count`` vectors is built and searched with, by the keys of SpaceIndex.settings.

    ivf-pq: partitions of about the root of n vectors (at least 256, of which each is learnt), a sixteenth of
    them looked into, a byte of code for up to eight numbers. ivf-hnsw-sq: one graph for each million vectors,
    and all graphs are searched.
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


class ApproximateIndex:
    """The index of a space, made ready for many searches, with the answers' true distances.

    vectors: (n, d) in the store; ids: (n,), as for ExactIndex
    index: the space's index, as the store tells it
    """

    def __init__(self, vectors: StoredVectors, ids: Sequence[str] | NDArray[Any], index: SpaceIndex) -> None:
        self.index = index
        self._vectors = vectors
        self._rows = Rows(len(vectors), ids, None)
        self._exact = StreamedIndex(vectors, ids, metric=index.metric)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def unindexed(self) -> int:
        """Vectors that came after the index was built: each of them is compared."""
        return self._vectors.unindexed

    def grouped(self, groups: Sequence[str] | NDArray[Any]) -> ApproximateIndex:
        """The same vectors in groups (n,) of another kind; nothing else is made ready again."""
        other = copy.copy(self)
        other._rows = self._rows.grouped(groups)
        other._exact = self._exact.grouped(groups)
        return other

    def nearest(
        self,
        queries: NDArray[np.float32],
        *,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        query_groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> Neighbors:
        """Nearly the k nearest of each query (q, d) float32, nearest first, equal distances by id.

        The arguments are those of :meth:`ExactIndex.nearest`. The answer is exact where a filter allows at
        most FEW rows, where the index proposes fewer than k, and by cosine to a query without a direction.
        """
        queries = check_queries(queries, self._vectors.shape[1], k)
        rows = self._rows.allowed(allowed)
        own = self._rows.own_groups(query_groups, len(queries))
        left = len(rows) - self._own_rows(rows, own)
        found = no_neighbors(len(queries), k)
        if allowed is None or len(rows) > FEW:
            # A query's own group may stand nearest, so as many more are proposed.
            own_rows = len(rows) - int(left.min(initial=len(rows)))
            count = self.index.settings["candidates"] * max(k, _NEIGHBOURS) + own_rows
            self._fill(found, queries, own, min(count, len(rows)), allowed)
        short = np.flatnonzero((found.index != NO_NEIGHBOR).sum(axis=1) < np.minimum(k, left))
        if len(short):
            groups = None if query_groups is None else np.asarray(query_groups)[short]
            exact = self._exact.nearest(queries[short], k=k, allowed=allowed, query_groups=groups)
            found.index[short], found.distance[short] = exact.index, exact.distance
        return found

    def _own_rows(self, rows: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many of the rows are of each query's own group (q,)."""
        if self._rows.group is None:
            return np.zeros(len(own), np.int64)
        counts = np.bincount(self._rows.group[rows], minlength=int(own.max(initial=0)) + 1)
        return np.where(own < 0, 0, counts[own])

    def _fill(
        self,
        found: Neighbors,
        queries: NDArray[np.float32],
        own: NDArray[np.int64],
        count: int,
        allowed: NDArray[np.bool_] | None,
    ) -> None:
        """Put what the index proposes, measured, into ``found``; queries without a direction stay empty."""
        asked = np.arange(len(queries))
        if self.index.metric == "cosine":
            asked = np.flatnonzero(queries.any(axis=1))
        batch = max(1, _PROPOSED // (4 * count * queries.shape[1]))
        for start in range(0, len(asked), batch):
            part = asked[start : start + batch]
            of, place, vectors = self._vectors.propose(queries[part], count, self.index, allowed)
            query, proposed = part[of], np.arange(len(of))
            if self._rows.group is not None:
                proposed = proposed[self._rows.group[place] != own[query]]
                query = query[proposed]
            distances = pair_distances(queries, query, vectors, proposed, self.index.metric)
            merge(found.index, found.distance, query, place[proposed], distances, self._rows.rank)


def approximate_index(space: StoredSpace, *, metric: str) -> ApproximateIndex:
    """The index of a space, ready for searches by ``metric``.

    Raises QueryError where the space has none, or one of another metric.
    """
    build = f"objectspace index-space STORE --space {space.name} --metric {metric}"
    if space.index is None:
        raise QueryError(f"space {space.name} has no approximate index; build it with: {build}")
    if space.index.metric != metric:
        raise QueryError(
            f"the approximate index of space {space.name} is of {space.index.metric} distances; search with "
            f"--metric {space.index.metric}, or build it anew with: {build}"
        )
    return ApproximateIndex(space.vectors, space.object_id, space.index)


def measure_recall(
    index: ApproximateIndex, vectors: StoredVectors, ids: NDArray[Any], *, metric: str
) -> Recall:
    """How many of their true 10 nearest the index finds for 200 objects of the space, drawn from seed 0.

    An object is not its own neighbour. What is as near as the tenth counts as found, as the choice among
    equals is nobody's. The interval is Wilson's for a share of n trials: each object's own recall lies in
    [0, 1], and no such numbers of the same mean vary more than hits and misses do.
    """
    drawn = np.random.default_rng(0).choice(len(vectors), min(_SAMPLE, len(vectors)), replace=False)
    drawn.sort()
    queries = vectors[drawn]
    true = _others(StreamedIndex(vectors, ids, metric=metric).nearest(queries, k=_NEIGHBOURS + 1), drawn)
    found = _others(index.nearest(queries, k=_NEIGHBOURS + 1), drawn)
    return recall_of(found, true)


def recall_of(found: NDArray[np.float64], true: NDArray[np.float64]) -> Recall:
    """The recall of distances (n, k) that were found, given the true ones (n, k), nearest first."""
    share = float((found <= true[:, -1:]).mean())
    return Recall(share, *_wilson(share, len(found)), len(found))


def _others(found: Neighbors, drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distances (n, 10) of each object's neighbours but itself."""
    distance = np.where(found.index == drawn[:, None], np.inf, found.distance)
    return np.sort(distance, axis=1)[:, :_NEIGHBOURS]


def _wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of ``count`` trials (Wilson 1927)."""
    z = 1.959964
    centre = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    # At 0 and 1 the nearer bound is the share itself, which rounding would pass by.
    low, high = (centre - half) / scale, (centre + half) / scale
    return max(0.0, min(share, low)), min(1.0, max(share, high))
