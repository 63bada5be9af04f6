"""Exact search over vectors on disk: one pass over them for each search, one block in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.neighbors.distances import check_metric
from objectspace.neighbors.exact import ExactIndex
from objectspace.neighbors.mutual import MutualIndex
from objectspace.neighbors.normalization import ComparedVectors
from objectspace.neighbors.paged import PagedVectors
from objectspace.neighbors.ranking import NO_NEIGHBOR, Neighbors, merge, no_neighbors
from objectspace.neighbors.rows import Rows, check_queries
from objectspace.neighbors.sources import DENSE, BlockSource

# Bytes of one block; a copy of as many is made to search it. More queries share a pass where blocks are
# larger, but from 32 MB on glibc maps memory anew for each, which the system fills with zeros first.
_BLOCK = 30 << 20


class StreamedIndex(MutualIndex):
    """Vectors on disk, searched block by block: the answers of :class:`ExactIndex`, bit for bit.

    Each block is searched by an ExactIndex of its own. Its distances do not depend on what else is searched,
    so the k nearest of all blocks, by distance and then by id, are the k nearest of all vectors.

    vectors: (n, d) float32
    ids, groups: (n,), as for ExactIndex

    It holds a few blocks of 30 MB, some twenty bytes a row, and the queries with their answers; a search for
    all vectors (:meth:`nearest_of_all`) 640 MB of vectors, and some 30 bytes for each of k neighbors of each.

    Raises InputError for ids or groups of another length, QueryError for an unknown metric.

    >>> stored = store.stored_space("demo-crop").vectors
    >>> index = osp.StreamedIndex(stored, store.members("demo-crop"))
    >>> index.nearest(stored[[0, 1]], k=3)
    Neighbors(2 queries, 3 each)
    """

    @typed
    def __init__(
        self,
        vectors: BlockSource,
        ids: Sequence[str] | NDArray[Any],
        *,
        metric: str = "euclidean",
        groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> None:
        check_metric(metric)
        if len(vectors.shape) != 2:
            raise InputError(f"vectors have shape {vectors.shape}, expected (objects, numbers)")
        self._vectors, self._metric = vectors, metric
        self._rows = Rows(vectors.shape[0], ids, groups)

    def __repr__(self) -> str:
        return f"StreamedIndex({len(self)} vectors on disk, {self._metric})"

    def __len__(self) -> int:
        return len(self._rows)

    @typed
    def grouped(self, groups: Sequence[str] | NDArray[Any]) -> StreamedIndex:
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
    ) -> Neighbors:
        """Return the k nearest of each query (q, d) float32, as :meth:`ExactIndex.nearest` does.

        Raises InputError also where a vector that is read is not finite.
        """
        queries = check_queries(queries, self._vectors.shape[1], k)
        own = self._rows.own_groups(query_groups, len(queries))
        found = no_neighbors(len(queries), k)
        for rows, vectors in self._blocks(self._rows.allowed(allowed)):
            # What is farther than the k nearest so far is no answer.
            reach = found.distance[:, -1].copy()
            block = self._search(rows, vectors, queries, min(k, len(rows)), own, reach)
            query, place = np.nonzero(block.index != NO_NEIGHBOR)
            near, distances = rows[block.index[query, place]], block.distance[query, place]
            merge(found.index, found.distance, query, near, distances, self._rows.rank)
        return found

    @typed
    def has_products_of(self, other: StreamedIndex) -> bool:
        """Return whether both compare the same vectors as they are, so that one product serves both.

        The vectors are read for that.
        """
        as_they_are = not (self._paged.are_copied or other._paged.are_copied)
        return self._vectors is other._vectors and as_they_are

    def _compared(self, indexes: Sequence[StreamedIndex]) -> list[ComparedVectors]:
        pages = self._paged.pages()
        return [index._paged.in_turns(pages) for index in indexes]

    @cached_property
    def _paged(self) -> PagedVectors:
        return PagedVectors(self._vectors, self._metric, self._rows.ids)

    def _search(
        self,
        rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
        queries: NDArray[np.float32],
        k: int,
        own: NDArray[np.int64],
        reach: NDArray[np.float64],
    ) -> Neighbors:
        """Return the k nearest within one block, by their row in it, as far as they are within reach."""
        group = self._rows.group
        try:
            block = ExactIndex(
                vectors,
                self._rows.rank[rows],
                metric=self._metric,
                groups=None if group is None else group[rows],
            )
        except InputError:
            # The block knows its rows by their rank.
            name = self._rows.ids[rows[np.flatnonzero(~np.isfinite(vectors).all(1))[0]]]
            raise InputError(f"the vector of {name} has a NaN or an infinity in it") from None
        return block.nearest(queries, k=k, query_groups=None if group is None else own, reach=reach)

    def _blocks(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield rows, sorted, and their vectors, a block at a time."""
        size = max(1, _BLOCK // (4 * max(1, self._vectors.shape[1])))
        start = 0
        while start < len(rows):
            first = int(rows[start])
            end = int(np.searchsorted(rows, first + size))
            span = int(rows[end - 1]) + 1 - first
            if end - start > DENSE * span:
                block = np.asarray(self._vectors[first : first + span], np.float32)
                part = rows[start:end]
                yield part, block if len(part) == span else block[part - first]
            else:
                end = min(start + size, len(rows))
                yield rows[start:end], np.asarray(self._vectors[rows[start:end]], np.float32)
            start = end
