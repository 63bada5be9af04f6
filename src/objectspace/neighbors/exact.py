"""Exact search over vectors in memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.neighbors.candidates import QUERIES, Search
from objectspace.neighbors.mutual import MutualIndex
from objectspace.neighbors.normalization import ComparedVectors, NormalizedVectors
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


class ExactIndex(MutualIndex):
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
            some = queries[part]
            normalized = self._vectors.normalize(some)
            search = Search(
                self._vectors, self._rows, some, own[part], k, normalized=normalized, reach=within
            )
            near = search.run(rows)
            found.index[part], found.distance[part] = near.index, near.distance
        return found

    def _compared(self, indexes: Sequence[ExactIndex]) -> list[ComparedVectors]:
        return [index._vectors for index in indexes]

    @typed
    def has_products_of(self, other: ExactIndex) -> bool:
        """Return whether both compare the same vectors as they are, so that one product serves both."""
        return self._vectors.values is other._vectors.values
