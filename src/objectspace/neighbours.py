"""Exact nearest neighbours: the true k nearest, as near as float64 tells, at the speed of a matrix product.

Two sieves. A float32 matrix product gives every distance with an error that has a proven bound, and whatever
could be among the k nearest within that bound is kept. The few that are kept are measured by float64
differences of the vectors themselves, and these distances are the answer. So no neighbour is lost to
rounding, and two vectors have the same distance in whatever company they are searched.

Equal distances are ordered by object id. The cosine distance is ``1 - cos``, in [0, 2]; a zero vector has no
direction and is at distance 1 from everything, itself included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, QueryError

METRICS = ("euclidean", "cosine")

#: Stands in ``Neighbours.index`` where fewer than k objects are left; the distance there is infinite.
NOBODY = -1

# Rows and queries of one matrix product: BLAS runs at its peak, and the product (16 MB) stays in the
# last-level cache until it is sieved. Blocks grow up to that, because the first ones sieve little out.
_FIRST_ROWS, _ROWS, _QUERIES = 256, 4096, 1024
# Entries that are sieved in one go: the passes over them run in the second-level cache.
_SIEVED = 1 << 18
# Candidates that may wait to be measured (20 bytes each).
_WAITING = 1 << 21
# Numbers that are turned to float64 in one go: a megabyte, which the second-level cache holds.
_MEASURED = 1 << 17

_FLOAT32_UNIT = 2.0**-24
# Beyond these lengths float32 products could overflow or vanish.
_LONGEST, _SHORTEST, _LARGEST_PRODUCT = 2.0**50, 2.0**-40, 2.0**100


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
        if metric not in METRICS:
            raise QueryError(f"metric {metric!r} is unknown; expected {' or '.join(METRICS)}")
        self.metric = metric
        self._vectors = np.asarray(vectors, np.float32)
        if self._vectors.ndim != 2:
            raise InputError(f"vectors have shape {self._vectors.shape}, expected (objects, numbers)")
        for name, column in (("ids", ids), ("groups", groups)):
            if column is not None and len(column) != len(self._vectors):
                raise InputError(f"{len(column)} {name} for {len(self._vectors)} vectors")
        self._ids = np.asarray(ids)
        self._groups: NDArray[Any] | None = None
        if groups is not None:
            self._groups, self._group = np.unique(np.asarray(groups), return_inverse=True)
        self._lengths, mean = _survey(self._vectors, metric)
        if not np.isfinite(self._lengths).all():
            row = int(np.flatnonzero(~np.isfinite(self._lengths))[0])
            raise InputError(f"the vector of {self._ids[row]} has a NaN or an infinity in it")
        self._frame = _choose_frame(self._lengths, mean, metric)
        self._place_all(keep=not isinstance(vectors, np.memmap))

    def __len__(self) -> int:
        return len(self._vectors)

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
        lengths, _ = _survey(queries, "euclidean")
        direct = self._searched_directly(lengths)
        for row in np.flatnonzero(direct):
            self._search_directly(queries[row], rows, own[row], index[row], distance[row])
        sieved = np.flatnonzero(~direct)
        for start in range(0, len(sieved), _QUERIES):
            part = sieved[start : start + _QUERIES]
            search = _Search(self, queries[part], lengths[part], own[part], k)
            index[part], distance[part] = search.run(rows)
        return Neighbours(index, distance)

    def _checked(self, queries: NDArray[np.float32], k: int) -> NDArray[np.float32]:
        queries = np.ascontiguousarray(queries, np.float32)
        dimension = self._vectors.shape[1]
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

    def _of_group(self, rows: NDArray[np.int64], own: NDArray[np.int64] | int) -> NDArray[np.bool_]:
        """Whether each row is of the group beside it."""
        if self._groups is None:
            return np.zeros(len(rows), bool)
        mask: NDArray[np.bool_] = self._group[rows] == own
        return mask

    # Vectors as the matrix product sees them.

    def _place_all(self, keep: bool) -> None:
        """Half the squared length of every placed row; the rows themselves too, if they may be kept."""
        keep = keep and not self._frame.is_identity
        self._placed = np.empty_like(self._vectors) if keep else None
        self._halves = self._lengths**2 / 2
        if self._frame.is_identity:
            return
        for rows in _chunks(self._vectors):
            placed = self._frame.place(self._vectors[rows], self._lengths[rows])
            self._halves[rows] = _squares(placed) / 2
            if self._placed is not None:
                self._placed[rows] = placed
        if self.metric == "cosine":
            # Half of 1 more on the squared length: the chord to any unit vector is sqrt(2), the distance 1.
            self._halves[self._lengths == 0] += 0.5

    def _placed_rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        first, last = int(rows[0]), int(rows[-1])
        # Rows without a gap are a view; others are gathered.
        part: Any = slice(first, last + 1) if last - first + 1 == len(rows) else rows
        if self._placed_in_memory is None:
            return self._frame.place(self._vectors[part], self._lengths[part])
        placed: NDArray[np.float32] = self._placed_in_memory[part]
        return placed

    @property
    def _placed_in_memory(self) -> NDArray[np.float32] | None:
        """All placed vectors, where they need not be made block by block."""
        return self._vectors if self._frame.is_identity else self._placed

    # The distances that are the answer.

    def _distances(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distances (n,) of one query from some rows, by float64 differences."""
        exact = query.astype(np.float64)
        if self.metric == "cosine":
            exact *= _inverse(_survey(query[None], "euclidean")[0])
        distances = np.empty(len(rows))
        for part in _slices(len(rows), max(1, _MEASURED // max(1, len(query)))):
            vectors = self._vectors[rows[part]].astype(np.float64)
            if self.metric == "cosine":
                vectors *= _inverse(self._lengths[rows[part]])[:, None]
            vectors -= exact
            distances[part] = _sum_squares(vectors)
        if self.metric == "euclidean":
            return np.sqrt(distances)
        # Half the squared chord is 1 - cos, and exactly 0 for a vector and itself.
        blind = (self._lengths[rows] == 0) | (not query.any())
        return np.where(blind, 1.0, distances / 2)

    @cached_property
    def _rank(self) -> NDArray[np.int64]:
        """The place of each row's id among all ids."""
        rank = np.empty(len(self), np.int64)
        rank[np.argsort(self._ids, kind="stable")] = np.arange(len(self))
        return rank

    def _merge(
        self,
        index: NDArray[np.int64],
        distance: NDArray[np.float64],
        rows: NDArray[np.int64],
        distances: NDArray[np.float64],
    ) -> None:
        """Put measured rows into one query's answer (k,), in place."""
        held = index != NOBODY
        rows = np.concatenate([index[held], rows])
        distances = np.concatenate([distance[held], distances])
        best = np.lexsort((self._rank[rows], distances))[: len(index)]
        index[: len(best)], distance[: len(best)] = rows[best], distances[best]

    def _searched_directly(self, lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Queries that no matrix product can sieve: without a direction, or too long for float32."""
        if self.metric == "cosine":
            blind: NDArray[np.bool_] = lengths == 0
            return blind
        longest = float(self._lengths.max(initial=0)) * self._frame.scale
        too_long: NDArray[np.bool_] = lengths * self._frame.scale * max(longest, 1.0) > _LARGEST_PRODUCT
        return too_long

    def _search_directly(
        self,
        query: NDArray[np.float32],
        rows: NDArray[np.int64],
        own: int,
        index: NDArray[np.int64],
        distance: NDArray[np.float64],
    ) -> None:
        rows = rows[~self._of_group(rows, own)]
        self._merge(index, distance, rows, self._distances(query, rows))


class _Search:
    """One search of up to _QUERIES queries (m, d): the sieve, what waits, the answer so far."""

    def __init__(
        self,
        index: ExactIndex,
        queries: NDArray[np.float32],
        lengths: NDArray[np.float64],
        own: NDArray[np.int64],
        k: int,
    ) -> None:
        self._index, self._queries, self._own = index, queries, own
        frame = index._frame
        self._placed = queries if frame.is_identity else frame.place(queries, lengths)
        self._square = _squares(self._placed)
        self._placing_error = frame.error(np.sqrt(self._square))
        # The k smallest upper bounds of each query's distances so far: nothing beyond the largest of them
        # can be an answer.
        self._bounds = np.full((len(queries), k), np.inf)
        self._waiting: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        self._answer = np.full((len(queries), k), NOBODY, np.int64), np.full((len(queries), k), np.inf)

    def run(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows and distances (m, k) of the nearest among ``rows``."""
        most = max(_ROWS, min(len(rows), _ROWS * _QUERIES // len(self._queries) // 8))
        product = np.empty((min(most, len(rows)), len(self._queries)), np.float32)
        start, size = 0, _FIRST_ROWS
        while start < len(rows):
            part = rows[start : start + min(size, most)]
            self._sieve(part, product[: len(part)])
            if sum(len(found) for found, _, _ in self._waiting) > _WAITING:
                self._measure()
            start, size = start + len(part), size * 2
        self._measure()
        return self._answer

    def _sieve(self, rows: NDArray[np.int64], product: NDArray[np.float32]) -> None:
        """Let the rows of one block wait that could be among the k nearest of a query."""
        halves = self._index._halves[rows]
        np.matmul(self._index._placed_rows(rows), self._placed.T, out=product)
        slack, placing_error = self._errors(float(np.sqrt(2 * halves.max())))
        reach = self._bounds.max(axis=1) + placing_error
        least = (self._square - reach**2) / 2 - slack
        place, query = _at_least(product, halves.astype(np.float32), least.astype(np.float32))
        found = rows[place]
        if self._index._groups is not None:
            others = ~self._index._of_group(found, self._own[query])
            place, query, found = place[others], query[others], found[others]
        square = self._square[query] - 2.0 * product[place, query]
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
        units = (dimension + 16) * _FLOAT32_UNIT
        lengths = np.sqrt(self._square)
        slack = units / (1 - units) * (lengths + longest) * longest + dimension * 2.0**-126
        return slack + 2.0**-48 * self._square, self._placing_error + self._index._frame.error(longest)

    def _tighten(self, query: NDArray[np.int64], high: NDArray[np.float64]) -> None:
        """Take new upper bounds in and keep the k smallest of each query."""
        if not len(query):
            return
        queries, k = self._bounds.shape
        # Radix sort: uint16 holds every query of a search.
        order = np.argsort(query.astype(np.uint16), kind="stable")
        query, high = query[order], high[order]
        counts = np.bincount(query, minlength=queries)
        place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
        table = np.full((queries, k + int(counts.max())), np.inf)
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
        order = np.argsort(query, kind="stable")
        found, query = found[order], query[order]
        ends = np.cumsum(np.bincount(query, minlength=len(self._queries)))
        for number, rows in enumerate(np.split(found, ends[:-1])):
            near = self._sieve_again(number, rows)
            if len(near):
                distances = self._index._distances(self._queries[number], near)
                self._index._merge(self._answer[0][number], self._answer[1][number], near, distances)

    def _sieve_again(self, number: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Candidates of one query that float32 differences leave: their error is a share of the distance.

        That of the matrix product is a share of the vectors' lengths, so that it leaves whole clusters in.
        """
        k = self._bounds.shape[1]
        vectors = self._index._placed_in_memory
        if len(rows) <= 2 * k or vectors is None:
            return rows
        squares = np.empty(len(rows))
        for part in _slices(len(rows), max(1, _MEASURED // max(1, vectors.shape[1]))):
            difference = vectors[rows[part]]
            difference -= self._placed[number]
            squares[part] = np.einsum("ij,ij->i", difference, difference)
        if not np.isfinite(squares).all():
            return rows
        distances, dimension = np.sqrt(squares), vectors.shape[1]
        frame = self._index._frame
        placing = frame.error(np.sqrt(2 * self._index._halves[rows])) + self._placing_error[number]
        error = distances * (dimension + 16) * _FLOAT32_UNIT + placing + np.sqrt(dimension) * 2.0**-62
        high = distances + error
        reach = min(float(np.partition(high, k - 1)[k - 1]), float(self._bounds[number].max()))
        near: NDArray[np.int64] = rows[distances - error <= reach]
        return near


def _at_least(
    product: NDArray[np.float32], halves: NDArray[np.float32], least: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where ``product - halves`` reaches ``least``: rows and columns. ``product`` is changed in place."""
    rows, columns = [], []
    for part in _slices(len(product), max(1, _SIEVED // product.shape[1])):
        block = product[part]
        np.subtract(block, halves[part, None], out=block)
        row, column = np.divmod(np.flatnonzero(block >= least), block.shape[1])
        rows.append(row + part.start)
        columns.append(column)
    return np.concatenate(rows), np.concatenate(columns)


@dataclass(frozen=True, slots=True)
class _Frame:
    """The place where the matrix product works: vectors made unit, scaled and moved so that float32 has room.

    Moving and scaling all vectors alike changes no order of distances; the distances that are returned are
    taken from the vectors themselves.
    """

    unit: bool
    scale: float
    centre: NDArray[np.float64] | None

    @property
    def is_identity(self) -> bool:
        return not self.unit and self.scale == 1 and self.centre is None

    def place(self, vectors: NDArray[np.float32], lengths: NDArray[np.float64]) -> NDArray[np.float32]:
        """The vectors (n, d) in this frame."""
        placed = vectors.astype(np.float64)
        if self.unit:
            placed *= _inverse(lengths)[:, None]
        else:
            placed *= self.scale
        if self.centre is not None:
            placed -= self.centre
        return placed.astype(np.float32)

    def error(self, length: Any) -> Any:
        """How far a placed vector of this length may lie from its true place."""
        return 0.0 * length if self.is_identity else 2.0**-23 * length + 2.0**-45


def _choose_frame(lengths: NDArray[np.float64], mean: NDArray[np.float64], metric: str) -> _Frame:
    """Scale where float32 products could overflow or vanish; move where the mean hides the differences."""
    unit = metric == "cosine"
    longest = float(lengths.max(initial=0))
    fits = unit or longest == 0 or _SHORTEST < longest < _LONGEST
    # A power of two: scaling then rounds nothing.
    scale = 1.0 if fits else 2.0 ** -float(np.ceil(np.log2(longest)))
    mean = mean * scale
    square = float(mean @ mean)
    spread = (1.0 if unit else float(np.mean((lengths * scale) ** 2)) if len(lengths) else 0.0) - square
    return _Frame(unit, scale, mean if square > 4 * spread else None)


def _survey(vectors: NDArray[np.float32], metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length of each vector (n,) and the mean vector (d,), of unit vectors under cosine, in one pass."""
    lengths, total = np.empty(len(vectors)), np.zeros(vectors.shape[1])
    for rows in _chunks(vectors):
        block = vectors[rows].astype(np.float64)
        lengths[rows] = np.sqrt(_sum_squares(block))
        weights = np.ones(len(block))
        if metric == "cosine":
            weights = _inverse(lengths[rows])
        total += weights @ block
    return lengths, total / max(1, len(vectors))


def _squares(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The squared length of each vector (n,), summed in float64."""
    lengths, _ = _survey(vectors, "euclidean")
    return lengths**2


def _sum_squares(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of squares of each row (n,), which does not depend on the rows beside it.

    einsum and BLAS may sum a row in another order when it stands alone.
    """
    squares: NDArray[np.float64] = (rows * rows).sum(axis=1)
    return squares


def _inverse(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / length, and 1 for a vector without a direction."""
    inverse: NDArray[np.float64] = 1 / np.where(lengths > 0, lengths, 1)
    return inverse


def _chunks(vectors: NDArray[np.float32]) -> Iterator[slice]:
    """Slices of rows that fit the cache in float64."""
    return _slices(len(vectors), max(1, _MEASURED // max(1, vectors.shape[1])))


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
