"""Exact search over vectors that were made ready once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, QueryError
from objectspace.neighbours.frame import squares
from objectspace.neighbours.points import Points
from objectspace.neighbours.sieve import NOBODY, QUERIES, Search, merge


@dataclass(frozen=True, slots=True)
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
    """Vectors made ready for many searches.

    vectors: (n, d) float32, finite; a ``np.memmap`` is read block by block and never held whole
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
        for name, column in (("ids", ids), ("groups", groups)):
            if column is not None and len(column) != len(self):
                raise InputError(f"{len(column)} {name} for {len(self)} vectors")
        self._ids = np.asarray(ids)
        if not np.isfinite(self._points.lengths).all():
            row = int(np.flatnonzero(~np.isfinite(self._points.lengths))[0])
            raise InputError(f"the vector of {self._ids[row]} has a NaN or an infinity in it")
        self._groups: NDArray[Any] | None = None
        self._group: NDArray[np.int64] | None = None
        if groups is not None:
            self._groups, self._group = np.unique(np.asarray(groups), return_inverse=True)

    def __len__(self) -> int:
        return len(self._points)

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
        queries = self._checked(queries, k)
        rows = np.arange(len(self)) if allowed is None else self._allowed(allowed)
        own = self._own_groups(query_groups, len(queries))
        index = np.full((len(queries), k), NOBODY, np.int64)
        distance = np.full((len(queries), k), np.inf)
        lengths = np.sqrt(squares(queries))
        direct = self._points.beyond_products(lengths)
        for row in np.flatnonzero(direct):
            others = rows if self._group is None else rows[self._group[rows] != own[row]]
            distances = self._points.distances(queries[row], others)
            merge(index[row], distance[row], others, distances, self._rank)
        sieved = np.flatnonzero(~direct)
        for start in range(0, len(sieved), QUERIES):
            part = sieved[start : start + QUERIES]
            search = Search(
                self._points,
                queries[part],
                lengths[part],
                k,
                rank=self._rank,
                group=self._group,
                own=own[part],
            )
            index[part], distance[part] = search.run(rows)
        return Neighbours(index, distance)

    def _checked(self, queries: NDArray[np.float32], k: int) -> NDArray[np.float32]:
        queries = np.ascontiguousarray(queries, np.float32)
        dimension = self._points.vectors.shape[1]
        if queries.ndim != 2 or queries.shape[1] != dimension:
            raise QueryError(
                f"queries have shape {queries.shape}, and the vectors have {dimension} numbers each; "
                f"expected (queries, {dimension})"
            )
        if not np.isfinite(queries).all():
            row = int(np.flatnonzero(~np.isfinite(queries).all(1))[0])
            raise QueryError(f"query {row} has a NaN or an infinity in it")
        if k < 1:
            raise QueryError(f"k is {k}; expected 1 or more")
        return queries

    def _allowed(self, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        mask = np.asarray(allowed)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise QueryError(
                f"allowed has shape {mask.shape} and type {mask.dtype}, expected ({len(self)},) bool"
            )
        return np.flatnonzero(mask)

    def _own_groups(self, groups: Sequence[str] | NDArray[Any] | None, count: int) -> NDArray[np.int64]:
        """The number of each query's group, -1 where no row is of it."""
        if groups is None:
            return np.full(count, -1)
        if self._groups is None:
            raise QueryError("query groups were given, but the searched vectors have no groups")
        if len(groups) != count:
            raise QueryError(f"{len(groups)} query groups for {count} queries")
        wanted = np.asarray(groups)
        place = np.searchsorted(self._groups, wanted)
        found = place < len(self._groups)
        found[found] = self._groups[place[found]] == wanted[found]
        return np.where(found, place, -1)

    @cached_property
    def _rank(self) -> NDArray[np.int64]:
        """The place of each row's id among all ids."""
        rank = np.empty(len(self), np.int64)
        rank[np.argsort(self._ids, kind="stable")] = np.arange(len(self))
        return rank
