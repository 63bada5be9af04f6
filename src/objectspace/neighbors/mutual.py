"""Exact search for the nearest of all vectors among themselves."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors.candidates import QUERIES, Search
from objectspace.neighbors.normalization import NormalizedVectors
from objectspace.neighbors.ranking import Neighbors, no_neighbors
from objectspace.neighbors.rows import Rows
from objectspace.threads import run_side_by_side

#: Vectors of one metric, and their rows (q,), sorted, whose nearest are wanted.
Asked = tuple[NormalizedVectors, NDArray[np.int64]]

# Parts of a block, in each of which lengths are more alike, where it can be cut so.
_STRIPS = 8


def search_mutually(asked: Sequence[Asked], rows: Rows, own: NDArray[np.int64], k: int) -> list[Neighbors]:
    """Return the k nearest of some of the vectors by each metric, of which none is of their own group (n,).

    Blocks of queries are searched beside each other, so that the product of two blocks is made once: its rows
    are candidates of its columns, and its columns of its rows, by every metric. The metrics' vectors have the
    same ``values``; those of the first are multiplied.
    """
    blocks = sorted(_blocks(asked, len(rows)), key=len, reverse=True)
    first, _ = asked[0]
    searches = [_MetricSearch(*one, first, blocks, rows, own, k) for one in asked]
    products = _Products(first)

    def filter_both(pair: tuple[int, int]) -> None:
        one, other = pair
        found = products.of(blocks[one], blocks[other])
        for search in searches:
            search.filter(one, blocks[other], found, 0, products.mask)
            if one != other:
                search.filter(other, blocks[one], found, 1, products.mask)

    # What is near in one block limits what can be near in others, so all are compared with one of them first.
    count = len(blocks)
    run_side_by_side(filter_both, [(0, 0)] if count else [])
    run_side_by_side(filter_both, [(one, 0) for one in range(1, count)])
    run_side_by_side(filter_both, list(combinations_with_replacement(range(1, count), 2)))
    return [search.finish() for search in searches]


def _blocks(asked: Sequence[Asked], count: int) -> Iterator[NDArray[np.int64]]:
    """Yield all rows in blocks, in each of which all ask by a metric or none, and lengths are alike.

    Keys of one length fall with the products, so that these alone say which rows could be near.
    """
    kind = np.zeros(count, np.int64)
    for number, (_, own) in enumerate(asked):
        kind[own] |= 1 << number
    # Those that most ask for first.
    for one in range((1 << len(asked)) - 1, -1, -1):
        alike = np.flatnonzero(kind == one)
        alike = alike[np.lexsort([vectors.squares[alike] for vectors, _ in asked])]
        yield from (alike[start : start + QUERIES] for start in range(0, len(alike), QUERIES))


class _Products:
    """Products of two blocks of vectors, in memory of each thread's own.

    Fresh blocks among what searches keep would leave gaps.
    """

    def __init__(self, vectors: NormalizedVectors) -> None:
        self._vectors, self._own = vectors, threading.local()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Room for a truth value of each product."""
        mask: NDArray[np.bool_] = self._own.mask
        return mask

    def of(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the products (l, r) of two blocks, until the thread makes the next."""
        own = self._own
        if not hasattr(own, "mask"):
            own.left, own.ends = None, np.empty((2, QUERIES, self._vectors.values.shape[1]), np.float32)
            own.products, own.mask = np.empty(QUERIES**2, np.float32), np.empty(QUERIES**2, np.bool_)
        one, other = own.ends[0, : len(left)], own.ends[1, : len(right)]
        if left is not own.left:
            self._vectors.copy_normalized(left, one)
            own.left = left
        self._vectors.copy_normalized(right, other)
        products: NDArray[np.float32] = own.products[: len(left) * len(right)].reshape(len(left), len(right))
        np.matmul(one, other.T, out=products)
        return products


class _MetricSearch:
    """The searches of one metric: in each block whose rows ask."""

    def __init__(
        self,
        vectors: NormalizedVectors,
        asked: NDArray[np.int64],
        first: NormalizedVectors,
        blocks: Sequence[NDArray[np.int64]],
        rows: Rows,
        own: NDArray[np.int64],
        k: int,
    ) -> None:
        self._vectors, self._asked, self._k = vectors, asked, k
        # Products of these vectors are those of the first, times a factor of either vector.
        factors = [1 if one.factors is None else one.factors.astype(np.float64) for one in (vectors, first)]
        ratio = np.broadcast_to(factors[0] / factors[1], len(rows))
        self._ratio = ratio.astype(np.float32)
        self._blocks = blocks
        wanted = np.zeros(len(rows), np.bool_)
        wanted[asked] = True
        self._searches = [
            Search(
                vectors,
                rows,
                vectors.vectors,
                own[block],
                k,
                normalized=vectors.queries(block),
                pending=0,
            )
            if wanted[block[0]]
            else None
            for block in blocks
        ]

    def filter(
        self,
        number: int,
        rows: NDArray[np.int64],
        products: NDArray[np.float32],
        axis: Literal[0, 1],
        mask: NDArray[np.bool_],
    ) -> None:
        """Keep the rows that could be near a query of a block, by the first metric's products of both.

        axis: that of the queries in the products, which the rows have the other of
        mask: where as many truth values may be written
        """
        search, queries = self._searches[number], self._blocks[number]
        if search is None:
            return
        low, ratio = self._vectors.low[rows], self._ratio[rows]
        if not search.is_limited:
            keys = (products if axis == 0 else products.T) * self._ratio[queries, None] * ratio
            search.keep_nearest(np.subtract(low, keys, out=keys), rows)
            return
        strips = math.gcd(len(rows), _STRIPS)
        least = _least_products(search.limit, self._ratio[queries], low, ratio, strips)
        mask = mask[: products.size]
        if axis == 0:
            shape, bounds = (len(queries), strips, -1), least.T[:, :, None]
        else:
            shape, bounds = (strips, -1, len(queries)), least[:, None]
        np.greater_equal(products.reshape(shape), bounds, out=mask.reshape(shape))
        near = np.flatnonzero(mask)
        place, query = np.divmod(near, products.shape[1])
        if axis == 0:
            place, query = query, place
        key = np.take(products, near)
        key *= np.take(self._ratio, np.take(queries, query))
        key *= np.take(ratio, place)
        key = np.subtract(np.take(low, place), key, out=key)
        search.keep(np.take(rows, place), query, key)

    def finish(self) -> Neighbors:
        """Return the nearest of all rows that ask."""
        found = no_neighbors(len(self._asked), self._k)

        def add(number: int) -> None:
            # No search is kept beside the answers that were taken from it.
            search, self._searches[number] = self._searches[number], None
            if search is not None:
                near, place = search.finish(), np.searchsorted(self._asked, self._blocks[number])
                found.index[place], found.distance[place] = near.index, near.distance

        run_side_by_side(add, range(len(self._blocks)))
        return found


def _least_products(
    limit: NDArray[np.float32],
    of_queries: NDArray[np.float32],
    low: NDArray[np.float32],
    of_rows: NDArray[np.float32],
    strips: int,
) -> NDArray[np.float32]:
    """Return the products (strips, m) below which no row of a strip has a key within a query's limit (m,).

    of_queries, of_rows: (m,) and (r,), which a product is multiplied by
    """
    low, of_rows = low.reshape(strips, -1), of_rows.reshape(strips, -1)
    least = low.min(1)[:, None].astype(np.float64) - limit
    least /= of_queries * np.where(least < 0, of_rows.min(1)[:, None], of_rows.max(1)[:, None])
    # Which is more than what rounding may raise them by.
    rounded: NDArray[np.float32] = (least - 2.0**-22 * np.abs(least)).astype(np.float32)
    return rounded
