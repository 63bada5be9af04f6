"""The two sieves that leave few candidates to measure, each with a bound that loses no neighbor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors.frame import FLOAT32_UNIT, slices, squares
from objectspace.neighbors.points import Points

#: Stands in an answer where fewer than k objects are left; the distance there is infinite.
NOBODY = -1

#: The most queries of one search.
QUERIES = 1024

# Rows of one matrix product: BLAS runs at its peak, and the product (16 MB) stays in the last-level cache
# until it is sieved. Blocks grow up to that, because the first ones sieve little out.
_FIRST_ROWS, _ROWS = 128, 4096
# Entries that are sieved in one go (a megabyte), so that a core's cache holds them from step to step.
_SIEVED = 1 << 18
# Candidates that may wait to be measured (18 bytes each).
_WAITING = 1 << 21


class Search:
    """One search of up to QUERIES queries (m, d) of the given lengths: the sieve, what waits, the answer.

    own: (m,) the number of each query's own group, ``group`` (n,) that of each row: they do not meet
    rank: (n,) the order of equal distances
    """

    def __init__(
        self,
        points: Points,
        queries: NDArray[np.float32],
        lengths: NDArray[np.float64],
        k: int,
        *,
        rank: NDArray[np.int64],
        group: NDArray[np.int64] | None,
        own: NDArray[np.int64],
    ) -> None:
        self._points, self._queries = points, queries
        self._rank, self._group, self._own = rank, group, own
        frame = points.frame
        self._placed = queries if frame.is_identity else frame.place(queries, lengths)
        self._square = squares(self._placed)
        self._placing_error = frame.error(np.sqrt(self._square))
        # The k smallest upper bounds of each query's distances so far: nothing beyond the largest of them
        # can be an answer.
        self._bounds = np.full((len(queries), k), np.inf)
        self._waiting: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        self._answer = np.full((len(queries), k), NOBODY, np.int64), np.full((len(queries), k), np.inf)

    def run(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows and distances (m, k) of the nearest among ``rows``."""
        most = max(_ROWS, min(len(rows), _ROWS * QUERIES // len(self._queries) // 8))
        product = np.empty((min(most, len(rows)), len(self._queries)), np.float32)
        start, size = 0, _FIRST_ROWS
        while start < len(rows):
            part = rows[start : start + min(size, most)]
            self._sieve(part, product[: len(part)])
            if sum(len(found) for found, _, _ in self._waiting) > _WAITING:
                self._measure()
            start, size = start + len(part), size * 4
        self._measure()
        return self._answer

    def _sieve(self, rows: NDArray[np.int64], product: NDArray[np.float32]) -> None:
        """Let the rows of one block wait that could be among the k nearest of a query."""
        halves = self._points.halves[rows]
        np.matmul(self._points.placed_rows(rows), self._placed.T, out=product)
        slack, placing_error = self._errors(float(np.sqrt(2 * halves.max())))
        reach = self._bounds.max(axis=1) + placing_error
        least = (self._square - reach**2) / 2 - slack
        place, query = _at_least(product, halves.astype(np.float32), least.astype(np.float32))
        found = rows[place]
        if self._group is not None:
            others = self._group[found] != self._own[query]
            place, query, found = place[others], query[others], found[others]
        square = self._square[query] - 2 * (product[place, query] - halves[place])
        low, high = square - 2 * slack[query], square + 2 * slack[query]
        self._tighten(query, np.sqrt(np.maximum(high, 0)) + placing_error[query])
        low = np.sqrt(np.maximum(low, 0)) - placing_error[query]
        near = low <= self._bounds.max(axis=1)[query]
        self._waiting.append((found[near], query[near].astype(np.uint16), low[near]))

    def _errors(self, longest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds (m,) of the error of ``q.x - x.x / 2`` in float32 and of the distance through placing.

        Any order of summing d products in float32 errs by at most d u / (1 - d u) |q| |x| (Higham, Accuracy
        and Stability of Numerical Algorithms, 3.1); a few units more for the half square, the subtraction
        and the comparison, and what vanishes below float32's smallest number.
        """
        dimension = self._placed.shape[1]
        units = (dimension + 16) * FLOAT32_UNIT
        lengths = np.sqrt(self._square)
        slack = units / (1 - units) * (lengths + longest) * longest + dimension * 2.0**-126
        return slack + 2.0**-48 * self._square, self._placing_error + self._points.frame.error(longest)

    def _tighten(self, query: NDArray[np.int64], high: NDArray[np.float64]) -> None:
        """Take new upper bounds in and keep the k smallest of each query."""
        if not len(query):
            return
        queries, k = self._bounds.shape
        # Radix sort: uint16 holds every query of a search.
        order = np.argsort(query.astype(np.uint16), kind="stable")
        query, high = query[order], high[order]
        place = _places(query, queries)
        table = np.full((queries, k + int(place.max()) + 1), np.inf)
        table[:, :k] = self._bounds
        table[query, k + place] = high
        self._bounds = np.partition(table, k - 1, axis=1)[:, :k]

    def _measure(self) -> None:
        """Measure the candidates that wait and merge them into the answer."""
        if not self._waiting:
            return
        found, query, low = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
        self._waiting = []
        near = low <= self._bounds.max(axis=1)[query]
        found, query = found[near], query[near]
        counts = np.bincount(query, minlength=len(self._queries))
        crowded = counts[query] > 2 * self._bounds.shape[1]
        near = ~crowded
        near[crowded] = self._sieve_again(query[crowded], found[crowded])
        found, query = found[near], query[near]
        merge(*self._answer, query, found, self._points.distances(self._queries, query, found), self._rank)

    def _sieve_again(self, query: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs (p,) float32 differences leave: their error is a share of the distance.

        That of the matrix product is a share of the vectors' lengths, so that it leaves whole clusters in.
        """
        points, dimension = self._points, self._placed.shape[1]
        squared = np.empty(len(rows))
        # Lengths near the largest float32 overflow; such pairs are left in.
        with np.errstate(over="ignore"):
            for part in slices(len(rows), dimension):
                difference = points.placed[rows[part]]
                difference -= self._placed[query[part]]
                squared[part] = np.einsum("ij,ij->i", difference, difference)
        distances = np.sqrt(squared + points.blind[rows])
        placing = points.frame.error(np.sqrt(2 * points.halves[rows])) + self._placing_error[query]
        error = distances * (dimension + 16) * FLOAT32_UNIT + placing + np.sqrt(dimension) * 2.0**-62
        reach = np.minimum(self._bounds.max(axis=1), self._kth(query, distances + error))
        near: NDArray[np.bool_] = distances <= reach[query] + error
        return near | ~np.isfinite(squared)

    def _kth(self, query: NDArray[Any], high: NDArray[np.float64]) -> NDArray[np.float64]:
        """The k-th smallest of each query's (m,) values; infinite where there are fewer."""
        queries, k = self._bounds.shape
        order = np.lexsort((high, query))
        kth = np.full(queries, np.inf)
        at = order[_places(query[order], queries) == k - 1]
        kth[query[at]] = high[at]
        return kth


def _places(query: NDArray[Any], queries: int) -> NDArray[np.int64]:
    """The place (p,) of each pair among those of its query; ``query`` (p,) ascends."""
    counts = np.bincount(query, minlength=queries)
    place: NDArray[np.int64] = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place


def _at_least(
    product: NDArray[np.float32], halves: NDArray[np.float32], least: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where ``product - halves`` reaches ``least``: rows and columns."""
    columns = product.shape[1]
    size = max(1, _SIEVED // columns)
    order, near = np.empty((size, columns), np.float32), np.empty((size, columns), bool)
    found = []
    for start in range(0, len(product), size):
        block = product[start : start + size]
        count = len(block)
        np.subtract(block, halves[start : start + size, None], out=order[:count])
        np.greater_equal(order[:count], least, out=near[:count])
        found.append(np.flatnonzero(near[:count]) + start * columns)
    row, column = np.divmod(np.concatenate(found), columns)
    return row, column


def merge(
    index: NDArray[np.int64],
    distance: NDArray[np.float64],
    query: NDArray[np.int64],
    rows: NDArray[np.int64],
    distances: NDArray[np.float64],
    rank: NDArray[np.int64],
) -> None:
    """Put measured pairs (p,) into the answer (q, k), in place; equal distances in the order of ``rank``."""
    held = np.nonzero(index != NOBODY)
    query = np.concatenate([held[0], query])
    rows, distances = np.concatenate([index[held], rows]), np.concatenate([distance[held], distances])
    order = np.lexsort((rank[rows], distances, query))
    query = query[order]
    place = _places(query, len(index))
    best = place < index.shape[1]
    at, order = (query[best], place[best]), order[best]
    index[at], distance[at] = rows[order], distances[order]
