"""Exact search for the nearest of all vectors among themselves."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors.candidates import FIRST_ROWS, QUERIES, Search
from objectspace.neighbors.normalization import NormalizedVectors
from objectspace.neighbors.ranking import Neighbors, no_neighbors
from objectspace.neighbors.rows import Rows
from objectspace.threads import run_side_by_side

#: Vectors of one metric, and their rows (q,), sorted, whose nearest are wanted.
Asked = tuple[NormalizedVectors, NDArray[np.int64]]


def search_mutually(asked: Sequence[Asked], rows: Rows, own: NDArray[np.int64], k: int) -> list[Neighbors]:
    """Return the k nearest of some of the vectors by each metric, of which none is of their own group (n,).

    Blocks of queries are searched beside each other, so that the product of two blocks is made once: its rows
    are candidates of its columns, and its columns of its rows, by every metric. The metrics' vectors have the
    same ``values``; those of the first are multiplied.
    """
    blocks = [slice(start, min(start + QUERIES, len(rows))) for start in range(0, len(rows), QUERIES)]
    first, _ = asked[0]
    searches = [_MetricSearch(*one, first, blocks, rows, own, k) for one in asked]
    # Memory of each thread's own, as fresh blocks among what searches keep would leave gaps.
    tables = threading.local()

    def products_of(one: slice, other: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the products of two blocks, and room for as many numbers."""
        if not hasattr(tables, "both"):
            tables.both = np.empty((2, QUERIES * QUERIES), np.float32)
        shape = one.stop - one.start, other.stop - other.start
        products, room = tables.both[0][: shape[0] * shape[1]].reshape(shape), tables.both[1]
        np.matmul(first.normalized(one), first.normalized(other).T, out=products)
        return products, room

    def start(number: int) -> None:
        block = blocks[number]
        products, room = products_of(block, block)
        # A few rows first, because nothing is known yet that could filter them.
        edges = [0, *FIRST_ROWS, len(products)]
        for part in (slice(*ends) for ends in pairwise(edges) if ends[0] < len(products)):
            rows = slice(block.start + part.start, min(block.start + part.stop, block.stop))
            for search in searches:
                search.filter(number, rows, products[part], 1, room)

    def filter_both(pair: tuple[int, int]) -> None:
        one, other = pair
        products, room = products_of(blocks[one], blocks[other])
        for search in searches:
            search.filter(other, blocks[one], products, 1, room)
            search.filter(one, blocks[other], products, 0, room)

    run_side_by_side(start, range(len(blocks)))
    run_side_by_side(filter_both, list(combinations(range(len(blocks)), 2)))
    return [search.finish() for search in searches]


class _MetricSearch:
    """The searches of one metric: in each block for the rows that ask, if there are any."""

    def __init__(
        self,
        vectors: NormalizedVectors,
        asked: NDArray[np.int64],
        first: NormalizedVectors,
        blocks: Sequence[slice],
        rows: Rows,
        own: NDArray[np.int64],
        k: int,
    ) -> None:
        self._vectors, self._blocks, self._count, self._k = vectors, blocks, len(asked), k
        self._every = np.arange(len(rows))
        # Products of these vectors are those of the first, times a factor of either vector.
        self._ratio: NDArray[np.float32] | None = None
        if vectors is not first:
            one, other = (
                1 if each.factors is None else each.factors.astype(np.float64) for each in (vectors, first)
            )
            self._ratio = np.broadcast_to(one / other, len(rows)).astype(np.float32)
        self._places: list[NDArray[np.int64] | None] = []
        self._searches: list[Search | None] = []
        bounds = np.searchsorted(asked, [*(block.start for block in blocks), len(rows)]).tolist()
        for block, start, end in zip(blocks, bounds, bounds[1:], strict=False):
            part = asked[start:end]
            self._places.append(None if len(part) == block.stop - block.start else part - block.start)
            search = None
            if len(part):
                normalized = vectors.queries(part)
                search = Search(
                    vectors, rows, vectors.vectors, own[part], k, normalized=normalized, pending=0
                )
            self._searches.append(search)

    def filter(
        self,
        number: int,
        rows: slice,
        products: NDArray[np.float32],
        axis: Literal[0, 1],
        room: NDArray[np.float32],
    ) -> None:
        """Keep the rows that could be near a query of a block, by the first metric's products of both.

        axis: that of the queries in the products, which the rows have the other of
        room: where as many numbers may be written
        """
        search, place = self._searches[number], self._places[number]
        if search is None:
            return
        queries = self._blocks[number]
        if place is not None:
            shape = (len(place), products.shape[1]) if axis == 0 else (len(products), len(place))
            picked = room[: shape[0] * shape[1]].reshape(shape)
            products = np.take(products, place, axis=axis, out=picked, mode="clip")
        keys = room[: products.size].reshape(products.shape)
        if self._ratio is not None:
            of_queries = self._ratio[queries] if place is None else self._ratio[queries][place]
            np.multiply(products, np.expand_dims(of_queries, 1 - axis), out=keys)
            products = np.multiply(keys, np.expand_dims(self._ratio[rows], axis), out=keys)
        np.subtract(np.expand_dims(self._vectors.low[rows], axis), products, out=keys)
        search.keep_near(keys.T if axis == 0 else keys, self._every[rows])

    def finish(self) -> Neighbors:
        """Return the nearest of all rows that ask."""
        searches = [search for search in self._searches if search is not None]
        run_side_by_side(Search.finish, searches)
        found, start = no_neighbors(self._count, self._k), 0
        for search in searches:
            near = search.finish()
            part = slice(start, start + len(near.index))
            found.index[part], found.distance[part], start = near.index, near.distance, part.stop
        return found
