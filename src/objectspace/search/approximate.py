"""Approximate search: the index of a space proposes candidates, float64 differences measure and order them.

So every distance of an answer is the true one, and only who is in the answer is approximate. How much is
missed is measured against exact search when the index is built, and is kept with it: recall at 10, the share
of the true 10 nearest that was found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import QueryError
from objectspace.neighbors import NO_NEIGHBOR, ExactIndex, Neighbors, StreamedIndex
from objectspace.neighbors.distances import pair_distances
from objectspace.neighbors.rows import Rows, check_queries
from objectspace.store import Recall, SpaceIndex, StoredSpace, StoredVectors

#: A filter that leaves at most this many rows is answered exactly: it costs no more than looking them up.
FEW = 2048

# Objects whose neighbors are searched for exactly and by the index to measure its recall, and how many each.
# A query for fewer neighbors gets the candidates of so many, for which the recall was measured.
_SAMPLE = 200
NEIGHBORS = 10

#: Bytes of candidates' vectors in memory at a time: those of twenty queries of 2048 numbers. Twice as fast as
#: 64 MB, for which the system must find memory anew each time.
PROPOSED = 1 << 24


class ApproximateIndex:
    """Search vectors in a store by their index, with true distances.

    Nothing is read before a search, and a search reads its candidates alone, however large the space is;
    groups and filters take some bytes a row.

    vectors: (n, d) in the store; index: how their index was built
    groups: (n,) of anything that sorts (image ids, say), for searches that leave a query's own group out
    in_memory: (n, d) the same vectors, where they were read already; candidates are measured by these
    """

    def __init__(
        self,
        vectors: StoredVectors,
        index: SpaceIndex,
        *,
        groups: Sequence[str] | NDArray[Any] | None = None,
        in_memory: NDArray[np.float32] | None = None,
    ) -> None:
        self.vectors, self.index, self._in_memory = vectors, index, in_memory
        # The ids of tied candidates are read when needed, so rows need none here.
        self._rows = Rows(len(vectors), np.arange(len(vectors)), groups)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def unindexed(self) -> int:
        """Return how many vectors came after the index was built; each of them is compared."""
        return self.vectors.unindexed

    def exact(self) -> StreamedIndex:
        """Return the exact index of the same vectors, on disk."""
        return StreamedIndex(self.vectors, self.vectors.object_ids(), metric=self.index.metric)

    def grouped(self, groups: Sequence[str] | NDArray[Any]) -> ApproximateIndex:
        """Return an index of the same vectors in other groups (n,)."""
        return ApproximateIndex(self.vectors, self.index, groups=groups, in_memory=self._in_memory)

    def nearest(
        self,
        queries: NDArray[np.float32],
        *,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        query_groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> Neighbors:
        """Return nearly the k nearest of each query (q, d) float32, nearest first, equal distances by id.

        The arguments are those of :meth:`ExactIndex.nearest`. The answer is exact where a filter allows at
        most FEW rows, where the index proposes fewer than k, and by cosine to a query without a direction.

        Each query is measured against as many candidates of other groups as without groups. Those of its own
        group are asked for in addition while they are no more than the candidates; a larger group is left out
        by the index itself, in a search of its own.
        """
        queries = check_queries(queries, self.vectors.shape[1], k)
        rows = self._rows.allowed(allowed)
        own = self._rows.own_groups(query_groups, len(queries))
        own_rows = self._count_rows(rows, own)
        found = Neighbors(
            np.full((len(queries), k), NO_NEIGHBOR, np.int64), np.full((len(queries), k), np.inf)
        )
        for part, count, mask in self._searches(queries, own, own_rows, k, allowed):
            self._fill(found, queries, part, own, count, mask)
        short = np.flatnonzero((found.index != NO_NEIGHBOR).sum(axis=1) < np.minimum(k, len(rows) - own_rows))
        if len(short):
            exact = self._search_exactly(queries[short], k, rows, own[short])
            found.index[short], found.distance[short] = exact.index, exact.distance
        return found

    def _count_rows(self, rows: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many of the rows are of each query's own group (q,)."""
        if self._rows.group is None:
            return np.zeros(len(own), np.int64)
        counts = np.bincount(self._rows.group[rows], minlength=int(own.max(initial=0)) + 1)
        return np.where(own < 0, 0, counts[own])

    def _searches(
        self,
        queries: NDArray[np.float32],
        own: NDArray[np.int64],
        own_rows: NDArray[np.int64],
        k: int,
        allowed: NDArray[np.bool_] | None,
    ) -> Iterator[tuple[NDArray[np.int64], int, NDArray[np.bool_] | None]]:
        """Yield queries to search together, the candidates of each, and the rows (n,) allowed to it."""
        wanted = self.index.settings["candidates"] * max(k, NEIGHBORS)
        # By cosine the index proposes nothing for a query without a direction.
        directed = queries.any(axis=1) if self.index.metric == "cosine" else np.ones(len(queries), np.bool_)
        small = own_rows <= wanted
        if len(part := np.flatnonzero(directed & small)):
            yield part, wanted + int(own_rows[part].max()), allowed
        for group in np.unique(own[directed & ~small]):
            others = self._rows.group != group
            part = np.flatnonzero(directed & (own == group))
            yield part, wanted, others if allowed is None else others & allowed

    def _fill(
        self,
        found: Neighbors,
        queries: NDArray[np.float32],
        selected: NDArray[np.int64],
        own: NDArray[np.int64],
        count: int,
        allowed: NDArray[np.bool_] | None,
    ) -> None:
        """Put the nearest of ``count`` candidates of each selected query into ``found``."""
        left = len(self) if allowed is None else int(allowed.sum())
        if allowed is not None and left <= FEW:
            return
        count, k = min(count, left), found.index.shape[1]
        batch = max(1, PROPOSED // (4 * count * queries.shape[1]))
        for start in range(0, len(selected), batch):
            part = selected[start : start + batch]
            of, row, vectors, place = self._propose(queries[part], count, allowed)
            query = part[of]
            if self._rows.group is not None:
                kept = np.flatnonzero(self._rows.group[row] != own[query])
                query, row, place = query[kept], row[kept], place[kept]
            if not len(row):
                continue
            distance = pair_distances(queries, query, vectors, place, self.index.metric)
            order, rank = self._ranked(query, distance, row)
            order, rank = order[rank < k], rank[rank < k]
            found.index[query[order], rank] = row[order]
            found.distance[query[order], rank] = distance[order]

    def _propose(
        self, queries: NDArray[np.float32], count: int, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Return query and row (m,) of the candidates, and vectors with the place (m,) of each there."""
        if self._in_memory is not None:
            query, row = self.vectors.propose_rows(queries, count, self.index, allowed)
            return query, row, self._in_memory, row
        query, row, vectors = self.vectors.propose(queries, count, self.index, allowed)
        return query, row, vectors, np.arange(len(row))

    def _ranked(
        self, query: NDArray[np.int64], distance: NDArray[np.float64], row: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the order of pairs (m,) by query, distance and object id, and the rank within the query."""
        order = np.lexsort((distance, query))
        same = (np.diff(query[order]) == 0) & (np.diff(distance[order]) == 0)
        tied = order[np.append(same, False) | np.append(False, same)]
        if len(tied):
            # Ids are read of equal distances alone.
            by_id = np.zeros(len(row), np.int64)
            by_id[tied] = np.unique(self.vectors.object_ids(row[tied]), return_inverse=True)[1]
            order = np.lexsort((by_id, distance, query))
        return order, np.arange(len(order)) - np.searchsorted(query[order], query[order])

    def _search_exactly(
        self, queries: NDArray[np.float32], k: int, rows: NDArray[np.int64], own: NDArray[np.int64]
    ) -> Neighbors:
        """Return the k nearest of each query among some rows that are not of its own group."""
        metric, group = self.index.metric, self._rows.group
        query_groups = None if group is None else own
        if len(rows) > FEW:
            allowed = np.zeros(len(self), np.bool_)
            allowed[rows] = True
            index = StreamedIndex(self.vectors, self.vectors.object_ids(), metric=metric, groups=group)
            return index.nearest(queries, k=k, allowed=allowed, query_groups=query_groups)
        few = ExactIndex(
            self.vectors[rows],
            self.vectors.object_ids(rows),
            metric=metric,
            groups=None if group is None else group[rows],
        )
        found = few.nearest(queries, k=k, query_groups=query_groups)
        there = found.index != NO_NEIGHBOR
        found.index[there] = rows[found.index[there]]
        return found


def approximate_index(
    space: StoredSpace, *, metric: str, in_memory: NDArray[np.float32] | None = None
) -> ApproximateIndex:
    """Return the index of a space, ready for searches by ``metric``.

    in_memory: (n, d) its vectors, where they were read already
    Raises QueryError where the space has none, or one of another metric.
    """
    index = require_index(space, metric=metric)
    if index.metric != metric:
        raise QueryError(
            f"the approximate index of space {space.name} is of {index.metric} distances; give "
            f"that as metric=, or build it anew with: {_build(space, metric)}"
        )
    assert isinstance(space.vectors, StoredVectors)
    return ApproximateIndex(space.vectors, index, in_memory=in_memory)


def require_index(space: StoredSpace, *, metric: str) -> SpaceIndex:
    """Return how the index of a space was built. Raises QueryError where it has none."""
    if space.index is None:
        raise QueryError(
            f"space {space.name} has no approximate index; build it with: {_build(space, metric)}"
        )
    return space.index


def _build(space: StoredSpace, metric: str) -> str:
    return f"objectspace index-space STORE --space {space.name} --metric {metric}"


class Measured(Protocol):
    """What the recall is measured of: an approximate index and the exact one of the same vectors."""

    vectors: Any

    def exact(self) -> Any:
        """Return the exact index."""
        ...

    def nearest(self, queries: Any, *, k: int) -> Neighbors:
        """Return nearly the k nearest of each query."""
        ...


def measure_recall(index: Measured) -> Recall:
    """Return the share of their true 10 nearest that the index finds for 200 objects, drawn from seed 0.

    An object is not its own neighbor. What is as near as the tenth counts as found, as the order of equal
    distances means nothing. The interval is Wilson's for a share of n trials: each object's own recall is in
    [0, 1], and no such numbers of the same mean vary more than hits and misses do.
    """
    vectors, count = index.vectors, len(index.vectors)
    drawn = np.random.default_rng(0).choice(count, min(_SAMPLE, count), replace=False)
    drawn.sort()
    queries = vectors[drawn]
    true, found = (_others(one.nearest(queries, k=NEIGHBORS + 1), drawn) for one in (index.exact(), index))
    return recall_of(found, true)


def recall_of(found: NDArray[np.float64], true: NDArray[np.float64]) -> Recall:
    """Return the recall of distances (n, k) that were found, given the true ones (n, k), nearest first."""
    share = float((found <= true[:, -1:]).mean())
    return Recall(share, *_wilson(share, len(found)), len(found))


def _others(found: Neighbors, drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distances (n, 10) of each object's neighbors but itself."""
    distance = np.where(found.index == drawn[:, None], np.inf, found.distance)
    return np.sort(distance, axis=1)[:, :NEIGHBORS]


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``count`` trials (Wilson 1927)."""
    z = 1.959964
    center = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    # At 0 and 1 the nearer bound is the share itself, which rounding would pass by.
    low, high = (center - half) / scale, (center + half) / scale
    return max(0.0, min(share, low)), min(1.0, max(share, high))
