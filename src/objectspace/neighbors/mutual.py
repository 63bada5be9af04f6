"""Exact search for the nearest of all vectors among themselves."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import QueryError
from objectspace.neighbors.candidates import QUERIES, Search
from objectspace.neighbors.normalization import ComparedVectors
from objectspace.neighbors.ranking import Neighbors, no_neighbors
from objectspace.neighbors.rows import Rows
from objectspace.threads import BLAS_IN_ONE_THREAD, run_side_by_side

# Parts of a block, in each of which lengths are more alike, where it can be cut so.
_STRIPS = 8

# Every so many rows of a product are a sample of it, and few is one of so many.
_SAMPLED, _FEW = 32, 100

#: That of the queries in products of two blocks.
Axis = Literal[0, 1]


#: Vectors of one metric, and their rows (q,), sorted, whose nearest are wanted.
MetricRows = tuple[ComparedVectors, NDArray[np.int64]]


class MutualIndex(ABC):
    """An index whose vectors can be searched for among themselves."""

    _rows: Rows

    @typed
    def nearest_of_all(self, *, k: int) -> Neighbors:
        """Return the k nearest of each of the index's own vectors, in other groups if there are groups.

        The same as ``nearest`` of them with their groups, by half as many products: that of two blocks of
        rows serves the queries of either.

        >>> index = osp.ExactIndex(np.float32([[0], [1], [3]]), ["a", "b", "c"], groups=["x", "y", "z"])
        >>> index.nearest_of_all(k=1).index
        array([[1],
               [0],
               [1]])
        """
        return nearest_together([(self, np.arange(len(self._rows)))], k=k)[0]

    @abstractmethod
    def _compared(self, indexes: Sequence[Any]) -> list[ComparedVectors]:
        """Return the vectors of indexes that have the products of this one, to be compared together."""


def nearest_together(asked: Sequence[tuple[MutualIndex, NDArray[np.int64]]], *, k: int) -> list[Neighbors]:
    """Return the k nearest of some rows (q,), sorted, of each index, as :meth:`ExactIndex.nearest` does.

    The indexes are of the same vectors in the same groups, by several metrics, and have the products of one
    another (:meth:`ExactIndex.has_products_of`). The product of all pairs is made once for all of them, and
    half of it, as that of two blocks of rows serves the queries of either.
    """
    if k < 1:
        raise QueryError(f"k is {k}; expected 1 or more")
    first, _ = asked[0]
    rows = first._rows
    own = np.full(len(rows), -1) if rows.group is None else rows.group
    vectors = first._compared([index for index, _ in asked])
    wanted = [own_rows for _, own_rows in asked]
    return search_mutually(list(zip(vectors, wanted, strict=True)), rows, own, k)


def search_mutually(
    asked: Sequence[MetricRows], rows: Rows, own: NDArray[np.int64], k: int
) -> list[Neighbors]:
    """Return the k nearest of some of the vectors by each metric, of which none is of their own group (n,).

    Blocks of queries are searched beside each other, so that the product of two blocks is made once: its rows
    are candidates of its columns, and its columns of its rows, by every metric. The metrics' vectors have the
    same ``values``; those of the first are multiplied.

    Vectors on disk are read in panels, each of which is held while all runs of later ones pass by, and so
    once more where candidates are left to be ranked.
    """
    first, _ = asked[0]
    panels = [
        [sorted(_blocks(asked, run), key=len, reverse=True) for run in panel]
        for panel in first.panels(QUERIES)
    ]
    blocks = [block for panel in panels for run in panel for block in run]
    searches = [_MetricSearch(*one, blocks, rows, own, k) for one in asked]
    products = _Products(first)

    def filter_both(pair: tuple[int, int]) -> None:
        one, other = pair
        found = products.of(blocks[one], blocks[other])
        ends: list[tuple[int, int, Axis]] = [(one, other, 0), (other, one, 1)]
        filters = []
        for search in searches:
            for queries, others, axis in ends if one != other else ends[:1]:
                if search.is_limited(queries):
                    filters.append(_Filter(search, queries, others, axis))
                elif search.asks(queries):
                    search.keep_nearest(queries, others, found, axis)
        for near, some in _passing(filters, found, products.mask):
            for one_filter in some:
                one_filter.keep(found, near)

    def rank(number: int) -> None:
        for search in searches:
            search.rank(number)

    # Once, as setting it takes as long as a small product.
    with BLAS_IN_ONE_THREAD.held():
        for held, passing in _turns(first, panels):
            for pairs in _rounds(held, passing):
                run_side_by_side(filter_both, pairs)
        # What is left of one panel is in memory.
        if len(panels) > 1:
            for held, passing in _turns(first, panels):
                run_side_by_side(rank, [*held, *passing])
        return [search.finish() for search in searches]


def _turns(
    vectors: ComparedVectors, panels: Sequence[Sequence[Sequence[NDArray[np.int64]]]]
) -> Iterator[tuple[range, range]]:
    """Read blocks, and yield the numbers of those in memory: a panel's, and none or a later run's."""
    runs = [run for panel in panels for run in panel]
    ends = np.cumsum([0, *map(len, runs)]).tolist()
    last = 0
    for panel in panels:
        first, last = last, last + len(panel)
        held = range(ends[first], ends[last])
        vectors.hold([block for run in panel for block in run])
        yield held, range(0)
        for number in range(last, len(runs)):
            vectors.pass_by(runs[number])
            yield held, range(ends[number], ends[number + 1])


def _rounds(held: range, passing: range) -> Iterator[list[tuple[int, int]]]:
    """Yield pairs of blocks whose products are made side by side: of those held, or of others with them.

    What is near in one block limits what can be near in others, so all are compared with one of them first.
    """
    first, rest = held[:1], held[1:]
    if passing:
        yield list(product(passing, first))
        yield list(product(passing, rest))
    else:
        yield list(product(first, first))
        yield list(product(rest, first))
        yield list(combinations_with_replacement(rest, 2))


def _blocks(asked: Sequence[MetricRows], run: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of a run in blocks, in each of which all ask by a metric or none, and lengths are alike.

    Keys of one length fall with the products, so that these alone say which rows could be near.
    """
    kind = np.zeros(len(run), np.int64)
    for number, (_, own) in enumerate(asked):
        kind |= np.isin(run, own).astype(np.int64) << number
    # Those that most ask for first.
    for one in range((1 << len(asked)) - 1, -1, -1):
        alike = run[kind == one]
        alike = alike[np.lexsort([_lengths(vectors)[alike] for vectors, _ in asked])]
        yield from (alike[start : start + QUERIES] for start in range(0, len(alike), QUERIES))


def _lengths(vectors: ComparedVectors) -> NDArray[Any]:
    """Return what grows or falls with the length of each vector (n,) as it is multiplied."""
    return vectors.squares if vectors.factors is None else vectors.factors


class _Products:
    """Products of two blocks of vectors as they are, in memory of each thread's own.

    Fresh blocks among what searches keep would leave gaps. Threads end with their round, and with them the
    blocks that they have.
    """

    def __init__(self, vectors: ComparedVectors) -> None:
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
            # Room that nobody writes to takes no memory.
            own.left, own.room = None, np.empty((2, QUERIES, self._vectors.values.shape[1]), np.float32)
            own.products, own.mask = np.empty(QUERIES**2, np.float32), np.empty(QUERIES**2, np.bool_)
        if left is not own.left:
            own.left, own.one = left, self._vectors.block(left, own.room[0])
        other = self._vectors.block(right, own.room[1])
        products: NDArray[np.float32] = own.products[: len(left) * len(right)].reshape(len(left), len(right))
        np.matmul(own.one, other.T, out=products)
        return products


class _Filter:
    """The bounds of one block's queries for the rows of another, in the products of both, by one metric.

    axis: that of the queries in the products
    """

    def __init__(self, search: _MetricSearch, queries: int, others: int, axis: Axis) -> None:
        self._search, self._queries, self._others, self._axis = search, queries, others, axis
        self._least = search.least_products(queries, others)

    def least_of_rows(self, count: int) -> NDArray[np.float32]:
        """Return the lowest bound of each row (count,) of the products."""
        least: NDArray[np.float32] = self._least.min(axis=self._axis)
        return least if self._axis == 0 else np.repeat(least, count // len(least))

    def compare(self, products: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Write into ``mask`` which products pass."""
        strips, queries = self._least.shape
        if self._axis == 0:
            shape, least = (queries, strips, -1), self._least.T[:, :, None]
        else:
            shape, least = (strips, -1, queries), self._least[:, None]
        np.greater_equal(products.reshape(shape), least, out=mask.reshape(shape))

    def keep(self, products: NDArray[np.float32], near: NDArray[np.int64]) -> None:
        """Keep what passes of some of the products, by their places in one row."""
        row, column = np.divmod(near, products.shape[1])
        query, place = (row, column) if self._axis == 0 else (column, row)
        self._search.keep(self._queries, self._others, np.take(products, near), query, place)


def _passing(
    filters: Sequence[_Filter], products: NDArray[np.float32], mask: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], Sequence[_Filter]]]:
    """Yield the places of products, as one row, that could pass some filters, and these.

    One comparison with the lowest bounds of all serves all, but where a query is far from everything, so that
    more than few products pass its bound: a sample of the rows says so.
    """
    mask = mask[: products.size].reshape(products.shape)
    if len(filters) > 1:
        least = np.minimum.reduce([one.least_of_rows(len(products)) for one in filters])[:, None]
        some = slice(None, None, _SAMPLED)
        sample = products[some] >= least[some]
        if np.count_nonzero(sample) * _FEW <= sample.size:
            np.greater_equal(products, least, out=mask)
            yield np.flatnonzero(mask), filters
            return
    for one in filters:
        one.compare(products, mask)
        yield np.flatnonzero(mask), [one]


@dataclass(frozen=True, slots=True, eq=False)
class _RowBounds:
    """What bounds the keys of a block's rows (r,) by one metric, for those of each of its strips.

    low: (r,) as of :class:`ComparedVectors`, and least_low: (strips, 1) float64, the least of each strip
    factors: (r,) by which products of the vectors as they are become those of the metric, None for 1;
        least_factor, most_factor: (strips, 1)
    """

    low: NDArray[np.float32]
    least_low: NDArray[np.float64]
    factors: NDArray[np.float32] | None
    least_factor: NDArray[np.float32]
    most_factor: NDArray[np.float32]

    @classmethod
    def of(cls, vectors: ComparedVectors, rows: NDArray[np.int64]) -> _RowBounds:
        """Return the bounds of some rows."""
        strips = math.gcd(len(rows), _STRIPS)
        low = vectors.low[rows]
        factors = None if vectors.factors is None else vectors.factors[rows]
        by_strip = (np.ones(strips, np.float32) if factors is None else factors).reshape(strips, -1)
        least, most = by_strip.min(1)[:, None], by_strip.max(1)[:, None]
        return cls(low, low.reshape(strips, -1).min(1)[:, None].astype(np.float64), factors, least, most)

    def least_products(
        self, limit: NDArray[np.float32], factors: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """Return the products (strips, m) below which no row has a key within a query's limit (m,).

        factors: (m,) of the queries
        """
        least = self.least_low - limit
        if factors is not None:
            least /= factors * np.where(least < 0, self.least_factor, self.most_factor)
        # Which is more than what rounding may raise them by.
        rounded: NDArray[np.float32] = (least - 2.0**-22 * np.abs(least)).astype(np.float32)
        return rounded


class _MetricSearch:
    """The searches of one metric: in each block whose rows ask."""

    def __init__(
        self,
        vectors: ComparedVectors,
        asked: NDArray[np.int64],
        blocks: Sequence[NDArray[np.int64]],
        rows: Rows,
        own: NDArray[np.int64],
        k: int,
    ) -> None:
        self._asked, self._k, self._blocks = asked, k, blocks
        self._bounds = [_RowBounds.of(vectors, block) for block in blocks]
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

    def asks(self, number: int) -> bool:
        """Return whether the rows of a block ask by this metric."""
        return self._searches[number] is not None

    def is_limited(self, number: int) -> bool:
        """Return whether the rows of a block ask, and all have a limit."""
        search = self._searches[number]
        return search is not None and search.is_limited

    def keep_nearest(self, number: int, other: int, products: NDArray[np.float32], axis: Axis) -> None:
        """Keep the rows of another block that could be near a query of a block, and lower its limits first.

        axis: that of the queries in the products of both
        """
        search, bounds = self._searches[number], self._bounds[other]
        assert search is not None
        keys, factors = products if axis == 0 else products.T, self._bounds[number].factors
        if factors is not None and bounds.factors is not None:
            keys = keys * factors[:, None] * bounds.factors
        search.keep_nearest(np.subtract(bounds.low, keys, order="C"), self._blocks[other])

    def least_products(self, number: int, other: int) -> NDArray[np.float32]:
        """Return the products (strips, m) below which no row of another block is near a query of a block."""
        search = self._searches[number]
        assert search is not None
        return self._bounds[other].least_products(search.limit, self._bounds[number].factors)

    def keep(
        self,
        number: int,
        other: int,
        products: NDArray[np.float32],
        query: NDArray[np.int64],
        place: NDArray[np.int64],
    ) -> None:
        """Keep the pairs (p,) of queries of a block and rows of another that are within the limits.

        products: (p,) of both, which are overwritten; query, place: (p,) the places in the blocks
        """
        search, bounds, factors = self._searches[number], self._bounds[other], self._bounds[number].factors
        assert search is not None
        if factors is not None and bounds.factors is not None:
            products *= np.take(factors, query)
            products *= np.take(bounds.factors, place)
        key = np.subtract(np.take(bounds.low, place), products, out=products)
        search.keep(np.take(self._blocks[other], place), query, key)

    def rank(self, number: int) -> None:
        """Rank the candidates of a block that are in memory."""
        search = self._searches[number]
        if search is not None:
            search.rank()

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
