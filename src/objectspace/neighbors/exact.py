"""Exact search over vectors in memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import QueryError
from objectspace.neighbors.candidates import QUERIES, Search
from objectspace.neighbors.mutual import search_mutually
from objectspace.neighbors.normalization import NormalizedVectors
from objectspace.neighbors.ranking import Neighbors, no_neighbors
from objectspace.neighbors.rows import Rows, check_queries


@typed
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
) -> Neighbors:
    """Return the k nearest of ``vectors`` (n, d) to each of ``queries`` (q, d): see :class:`ExactIndex`.

    To search the same vectors again, make an :class:`ExactIndex` and keep it.

    >>> found = nearest([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]], ids=["a", "b"], k=2)
    >>> found.index.tolist(), found.distance.tolist()
    ([[1, 0]], [[1.0, 5.0]])
    """
    index = ExactIndex(vectors, ids, metric=metric, groups=groups)
    return index.nearest(queries, k=k, allowed=allowed, query_groups=query_groups)


class ExactIndex:
    """Vectors in memory, normalized once for many searches.

    vectors: (n, d) float32, finite
    ids: (n,), the order of equal distances
    groups: (n,) of anything that sorts (image ids, say), for searches that leave a query's own group out

    Raises InputError for vectors that are not finite and for ids or groups of another length, QueryError for
    an unknown metric.

    >>> index = osp.ExactIndex(np.float32([[0, 0], [3, 4], [6, 8]]), ["a", "b", "c"])
    >>> index.nearest(np.float32([[0, 1]]), k=2).index
    array([[0, 1]])
    """

    @typed
    def __init__(
        self,
        vectors: NDArray[np.float32],
        ids: Sequence[str] | NDArray[Any],
        *,
        metric: str = "euclidean",
        groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> None:
        self._rows = Rows(len(vectors), ids, groups)
        self._vectors = NormalizedVectors(vectors, metric, self._rows.ids)

    def __repr__(self) -> str:
        return f"ExactIndex({len(self)} vectors in memory, {self._vectors.metric})"

    def __len__(self) -> int:
        return len(self._rows)

    @typed
    def grouped(self, groups: Sequence[str] | NDArray[Any]) -> ExactIndex:
        """Return an index of the same vectors in other groups (n,), at no cost."""
        other = copy.copy(self)
        other._rows = self._rows.grouped(groups)
        return other

    @typed
    def nearest(
        self,
        queries: NDArray[np.float32],
        *,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        query_groups: Sequence[str] | NDArray[Any] | None = None,
        reach: NDArray[np.float64] | None = None,
    ) -> Neighbors:
        """Return the k nearest of each query (q, d) float32.

        allowed: (n,) bool, the rows that may be answers; None for all
        query_groups: (q,), each query's own group, of which no row is an answer
        reach: (q,) float64, how far an answer matters: rows that are farther may be missing

        Raises QueryError for a query that is not finite or has another dimension than the vectors.
        """
        queries = check_queries(queries, self._vectors.vectors.shape[1], k)
        rows, own = self._rows.allowed(allowed), self._rows.own_groups(query_groups, len(queries))
        found = no_neighbors(len(queries), k)
        for start in range(0, len(queries), QUERIES):
            part = slice(start, start + QUERIES)
            within = None if reach is None else reach[part]
            search = Search(self._vectors, self._rows, queries[part], own[part], k, reach=within)
            near = search.run(rows)
            found.index[part], found.distance[part] = near.index, near.distance
        return found

    @typed
    def nearest_of_all(self, *, k: int) -> Neighbors:
        """Return the k nearest of each of the index's own vectors, in other groups if there are groups.

        The same as :meth:`nearest` of them with their groups, by half as many products: that of two blocks of
        rows serves the queries of either.

        >>> index = osp.ExactIndex(np.float32([[0], [1], [3]]), ["a", "b", "c"], groups=["x", "y", "z"])
        >>> index.nearest_of_all(k=1).index
        array([[1],
               [0],
               [1]])
        """
        return nearest_together([(self, np.arange(len(self)))], k=k)[0]

    @typed
    def has_products_of(self, other: ExactIndex) -> bool:
        """Return whether both compare the same vectors as they are, so that one product serves both."""
        return self._vectors.values is other._vectors.values


def nearest_together(asked: Sequence[tuple[ExactIndex, NDArray[np.int64]]], *, k: int) -> list[Neighbors]:
    """Return the k nearest of some rows (q,), sorted, of each index, as :meth:`ExactIndex.nearest` does.

    The indexes are of the same vectors in the same groups, by several metrics, and have the products of one
    another (:meth:`ExactIndex.has_products_of`). The product of all pairs is made once for all of them, and
    half of it, as that of two blocks of rows serves the queries of either.
    """
    if k < 1:
        raise QueryError(f"k is {k}; expected 1 or more")
    first, _ = asked[0]
    own = np.full(len(first), -1) if first._rows.group is None else first._rows.group
    return search_mutually([(index._vectors, rows) for index, rows in asked], first._rows, own, k)
