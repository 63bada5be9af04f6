"""Exact search over vectors that were made ready once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.neighbours.frame import squares
from objectspace.neighbours.points import Points
from objectspace.neighbours.rows import Rows, check_queries
from objectspace.neighbours.sieve import NOBODY, QUERIES, Search, merge
from objectspace.threads import core_count, run_side_by_side

# Queries for which a core of its own pays: fewer make thin products, which are slow.
_SHARE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The k nearest of each query, nearest first, equal distances by id.

    index: (q, k) int64, rows of the searched vectors; -1 where fewer than k were left
    distance: (q, k) float64; infinite there
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float64]


def nearest(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    *,
    ids: Sequence[str] | NDArray[Any],
    k: int,
    metric: str = "euclidean",
    allowed: NDArray[np.bool_] | None = None,
    groups: Sequence[str] | NDArray[Any] | None = None,
    query_groups: Sequence[str] | NDArray[Any] | None = None,
) -> Neighbours:
    """The k nearest of ``vectors`` (n, d) to each of ``queries`` (q, d), as :meth:`ExactIndex.nearest` says.

    To search the same vectors again, make an :class:`ExactIndex` and keep it.
    """
    index = ExactIndex(vectors, ids, metric=metric, groups=groups)
    return index.nearest(queries, k=k, allowed=allowed, query_groups=query_groups)


class ExactIndex:
    """Vectors in memory, made ready for many searches.

    vectors: (n, d) float32, finite
    ids: (n,), the order of equal distances
    groups: (n,) of anything that sorts (image ids, say), for searches that leave a query's own group out

    Raises InputError for vectors that are not finite and for ids or groups of another length, QueryError for
    an unknown metric.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        ids: Sequence[str] | NDArray[Any],
        *,
        metric: str = "euclidean",
        groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> None:
        self._points = Points(vectors, metric)
        self._rows = Rows(len(self._points), ids, groups)
        if not np.isfinite(self._points.lengths).all():
            row = int(np.flatnonzero(~np.isfinite(self._points.lengths))[0])
            raise InputError(f"the vector of {self._rows.ids[row]} has a NaN or an infinity in it")

    def __len__(self) -> int:
        return len(self._points)

    def grouped(self, groups: Sequence[str] | NDArray[Any]) -> ExactIndex:
        """The same vectors in groups (n,) of another kind; nothing else is made ready again."""
        other = copy.copy(self)
        other._rows = self._rows.grouped(groups)
        return other

    def nearest(
        self,
        queries: NDArray[np.float32],
        *,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        query_groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> Neighbours:
        """The k nearest of each query (q, d) float32, in the vectors' own distances.

        allowed: (n,) bool, the rows that may be answers; None for all
        query_groups: (q,), each query's own group, of which no row is an answer

        Raises QueryError for a query that is not finite or has another dimension than the vectors.
        """
        queries = check_queries(queries, self._points.vectors.shape[1], k)
        rows, group, rank = self._rows.allowed(allowed), self._rows.group, self._rows.rank
        own = self._rows.own_groups(query_groups, len(queries))
        index = np.full((len(queries), k), NOBODY, np.int64)
        distance = np.full((len(queries), k), np.inf)
        lengths = np.sqrt(squares(queries))
        direct = self._points.beyond_products(lengths)
        for number in np.flatnonzero(direct):
            others = rows if group is None else rows[group[rows] != own[number]]
            query = np.full(len(others), number)
            merge(index, distance, query, others, self._points.distances(queries, query, others), rank)

        def search(part: NDArray[np.int64]) -> None:
            search = Search(
                self._points, queries[part], lengths[part], k, rank=rank, group=group, own=own[part]
            )
            index[part], distance[part] = search.run(rows)

        sieved = np.flatnonzero(~direct)
        if len(sieved) < core_count() * _SHARE:
            for start in range(0, len(sieved), QUERIES):
                search(sieved[start : start + QUERIES])
        else:
            run_side_by_side(search, np.array_split(sieved, max(core_count(), -(-len(sieved) // QUERIES))))
        return Neighbours(index, distance)
