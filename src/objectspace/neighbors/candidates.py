"""The candidate filter and the re-ranking of the remaining candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors.distances import float32_squares, pair_distances
from objectspace.neighbors.normalization import ComparedVectors, NormalizedQueries
from objectspace.neighbors.ranking import Neighbors, merge, no_neighbors, smallest
from objectspace.neighbors.rows import Rows
from objectspace.neighbors.sources import BlockSource
from objectspace.threads import BLAS_IN_ONE_THREAD, core_count, run_side_by_side

Part = TypeVar("Part")

#: The most queries of one search.
QUERIES = 1024

# Numbers in one product (4 MB): BLAS runs at its peak, and the cache holds them until they are filtered.
_PRODUCT = 1 << 20
# The first block is small, because nothing is known yet that could filter it.
_FIRST_ROWS = 1 << 10
# Candidates that may be pending (10 bytes each), and pairs that are re-ranked by one core at a time.
_PENDING, _PAIRS = 1 << 21, 1 << 10

# Candidates, for each query, by which limits are lowered at once: they fall little by fewer.
_LOWERED = 2

# Rows, queries of a search, and keys (p,) of pairs.
_Candidates = tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.float32]]


class Search:
    """One search of up to QUERIES queries (m,), in blocks of rows that are filtered side by side.

    queries: (m, d); all vectors where ``normalized`` says which of them are the queries

    own: (m,) the number of each query's own group, whose rows are no candidates
    normalized: the queries as ``vectors.normalize`` or ``vectors.queries`` returns them
    reach: (m,) float64, the distance of each query beyond which no row needs to be an answer; None for any
    pending: how many candidates may be pending, if that is not too few
    """

    def __init__(
        self,
        vectors: ComparedVectors,
        rows: Rows,
        queries: BlockSource,
        own: NDArray[np.int64],
        k: int,
        *,
        normalized: NormalizedQueries,
        reach: NDArray[np.float64] | None = None,
        pending: int | None = None,
    ) -> None:
        self._vectors, self._rows, self._queries, self._own = vectors, rows, queries, own
        self._normalized = normalized
        # The k smallest upper bounds of each query's keys so far. A row whose key is above the largest of
        # them, even where both err as much as they may, is not among the k nearest.
        self._bounds = np.full((len(own), k), np.inf)
        reach = np.full(len(own), np.inf) if reach is None else reach
        self._reach = vectors.keys_at(reach, self._normalized.squares)
        self._limit = self._limits()
        self._pending: list[_Candidates] = []
        # Queries and upper bounds of keys, by which limits are not lowered yet.
        self._upper: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        # Made when the first candidates are ranked, as many searches may wait for that beside each other.
        self._found: Neighbors | None = None
        self._lock = Lock()
        self._each_on_a_core = False
        self._most = max(_PENDING if pending is None else pending, 2 * self._bounds.size)

    def run(self, rows: NDArray[np.int64]) -> Neighbors:
        """Return the nearest among ``rows``, which are sorted."""
        size = max(1, _PRODUCT // len(self._own))
        blocks = np.split(rows, [_FIRST_ROWS, *range(_FIRST_ROWS + size, len(rows), size)])
        # Fewer blocks than cores are left to the threads of the products themselves.
        self._each_on_a_core = len(blocks) > core_count()
        with BLAS_IN_ONE_THREAD.held() if self._each_on_a_core else nullcontext():
            for part in (blocks[:1], blocks[1:]):
                self._run_all(self._filter, part)
            return self.finish()

    def finish(self) -> Neighbors:
        """Return the nearest among all rows that were looked through; those not ranked are in memory."""
        self.rank()
        with self._lock:
            assert not self._pending
            return self._answer()

    def rank(self) -> None:
        """Rank the candidates whose vectors are in memory, as those of the queries are."""
        with self._lock:
            self._rank_pending()

    @property
    def limit(self) -> NDArray[np.float32]:
        """The key of each query (m,) above which no row is among its nearest."""
        return self._limit

    @property
    def is_limited(self) -> bool:
        """Whether all queries have a limit."""
        return bool(np.isfinite(self._limit).all())

    def keep_near(self, keys: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Keep the rows (r,) that could be near a query, by their keys (r, m), which may be overwritten."""
        if self.is_limited:
            near = np.flatnonzero(keys <= self._limit)
            place, query = np.divmod(near, keys.shape[1])
            self._keep(rows[place], query, keys.reshape(-1)[near])
        else:
            self.keep_nearest(np.ascontiguousarray(keys.T), rows)

    def keep_nearest(self, keys: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Keep the rows (r,) that could be near a query, by keys (m, r) that lower the limits first.

        The keys may be overwritten.
        """
        if self._rows.group is not None:
            keys[self._own[:, None] == self._rows.group[rows]] = np.inf
        k = self._bounds.shape[1]
        if k <= len(rows):
            upper = keys + (2 * self._vectors.row_error(self._vectors.squares[rows])).astype(np.float32)
            upper.partition(k - 1, axis=1)
            bound = upper[:, k - 1].astype(np.float64)
            # Which is more than what rounding may have lowered it by.
            bound += 2.0**-20 * np.abs(bound)
            with self._lock:
                self._reach = np.minimum(self._reach, bound)
                self._limit = self._limits()
        near = np.flatnonzero(keys <= self._limit[:, None])
        query, place = np.divmod(near, len(rows))
        self._keep(rows[place], query, keys.reshape(-1)[near])

    def keep(self, rows: NDArray[np.int64], query: NDArray[np.int64], key: NDArray[np.float32]) -> None:
        """Keep the pairs (p,) of rows and queries whose keys are within the limits."""
        near = key <= self._limit[query]
        self._keep(rows[near], query[near], key[near])

    def _filter(self, block: NDArray[np.int64]) -> None:
        """Keep the rows of one block that could be among the k nearest of a query."""
        if not len(block):
            return
        # Rows without a gap are a view; others are copied.
        gapless = block[-1] - block[0] + 1 == len(block)
        part: Any = slice(block[0], block[-1] + 1) if gapless else block
        keys = self._vectors.products(part, self._normalized)
        np.subtract(self._vectors.low[part, None], keys, out=keys)
        self.keep_near(keys, block)

    def _keep(self, rows: NDArray[np.int64], query: NDArray[np.int64], key: NDArray[np.float32]) -> None:
        """Keep pairs (p,) as candidates, but those of a query's own group, and lower the limits by them."""
        if self._rows.group is not None:
            others = self._rows.group[rows] != self._own[query]
            rows, query, key = rows[others], query[others], key[others]
        with self._lock:
            self._upper.append((query, key + 2 * self._vectors.row_error(self._vectors.squares[rows])))
            if sum(len(query) for query, _ in self._upper) >= _LOWERED * len(self._own):
                self._lower_limits()
            self._pending.append((rows.astype(np.int32), query.astype(np.uint16), key))
            if sum(len(rows) for rows, _, _ in self._pending) > self._most:
                self._pending = [self._take_pending()]
                if len(self._pending[0][0]) > 3 * self._most // 4:
                    self._rank_pending()

    def _lower_limits(self) -> None:
        """Lower the limit of the keys of candidates by the upper bounds that were kept."""
        if self._upper:
            query, upper = (np.concatenate(column) for column in zip(*self._upper, strict=True))
            self._bounds, self._upper = smallest(self._bounds, query, upper), []
            self._limit = self._limits()

    def _limits(self) -> NDArray[np.float32]:
        """Return the key of each query (m,) above which no row is a candidate."""
        limit = np.minimum(self._bounds[:, -1], self._reach) + 2 * self._normalized.error
        with np.errstate(over="ignore"):
            rounded: NDArray[np.float32] = np.nextafter(limit.astype(np.float32), np.float32(np.inf))
        return rounded

    def _rank_pending(self) -> None:
        """Compute the distances of the pending candidates in memory and merge them into the answer."""
        if not self._pending:
            return
        candidates = self._take_pending()
        here = self._vectors.in_memory(candidates[0])
        if not here.all():
            row, of, key = candidates
            self._pending = [(row[~here], of[~here], key[~here])]
        rows, query = (column[here].astype(np.int64) for column in candidates[:2])
        crowded = np.bincount(query, minlength=len(self._own))[query] > 2 * self._bounds.shape[1]
        near = ~crowded
        near[crowded] = self._near_by_differences(query[crowded], rows[crowded])
        rows, query = rows[near], query[near]
        vectors, at = self._vectors, self._normalized.at
        distances = self._measure(
            lambda pairs: pair_distances(
                self._queries, at[query[pairs]], vectors.vectors, rows[pairs], vectors.metric
            ),
            len(rows),
        )
        found = self._answer()
        merge(found.index, found.distance, query, rows, distances, self._rows.rank)

    def _answer(self) -> Neighbors:
        """Return the nearest that were ranked so far."""
        if self._found is None:
            self._found = no_neighbors(*self._bounds.shape)
        return self._found

    def _take_pending(self) -> _Candidates:
        """Return the candidates that are still within the limits; none are pending then."""
        self._lower_limits()
        rows, query, key = (np.concatenate(column) for column in zip(*self._pending, strict=True))
        self._pending = []
        near = key <= self._limit[query]
        return rows[near], query[near], key[near]

    def _near_by_differences(self, query: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pairs (p,) could be among the k nearest by float32 differences, which cost little.

        Their error is a share of the distance. That of the product is a share of the vectors' lengths, and
        cannot separate the members of a tight cluster.
        """
        vectors, queries = self._vectors, self._normalized
        factors = queries.factors, vectors.factors
        squares = self._measure(
            lambda pairs: float32_squares(
                queries.values, queries.at[query[pairs]], vectors.values, rows[pairs], factors
            ),
            len(rows),
        )
        distances, error = vectors.difference_error(squares, rows, queries.squares[query])
        reach = smallest(np.full_like(self._bounds, np.inf), query, distances + error)[query, -1]
        near: NDArray[np.bool_] = distances - error <= reach
        return near

    def _measure(self, work: Callable[[slice], NDArray[np.floating]], count: int) -> NDArray[np.float64]:
        """Return what ``work`` computes of slices of pairs, as one array (count,)."""
        values = np.empty(count)

        def fill(pairs: slice) -> None:
            values[pairs] = work(pairs)

        self._run_all(fill, [slice(start, start + _PAIRS) for start in range(0, count, _PAIRS)])
        return values

    def _run_all(self, work: Callable[[Part], object], parts: Sequence[Part]) -> None:
        if self._each_on_a_core and len(parts) > 1:
            run_side_by_side(work, parts)
        else:
            for part in parts:
                work(part)
