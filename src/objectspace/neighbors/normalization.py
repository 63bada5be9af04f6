"""Vectors as a float32 product compares them best: made unit, scaled or centered, with the error's bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.neighbors.distances import check_metric, inverses, slices, squared_lengths
from objectspace.neighbors.sources import BlockSource

# Unit roundoff of float32.
_UNIT = 2.0**-24
# Float32 products of vectors whose lengths are between these neither overflow nor vanish. A query may be
# longer than the vectors, up to the last one.
_SHORTEST, _LONGEST, _LONGEST_QUERY = 2.0**-40, 2.0**50, 2.0**60
# Vectors from which a center is taken, at most; of long ones on disk more cost as much as reading a block.
_SAMPLE = 32
# Numbers of a vector whose squares are added in float32 before float64 takes over, and vectors at a time, of
# which so many numbers are in a core's own cache.
_RUN, _ROWS = 512, 256


@dataclass(frozen=True, slots=True, eq=False)
class NormalizedQueries:
    """Queries as the candidate filter compares them.

    values: float32, of which the rows ``at`` (m,) are the queries, normalized but for ``factors``, as of
        :class:`ComparedVectors`
    squares: (m,) float64, their squared lengths when normalized
    error: (m,) float64, what they contribute to the error of a key
    """

    values: BlockSource
    factors: NDArray[np.float32] | None
    at: NDArray[np.int64]
    squares: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Normalization:
    """An affine map that changes no order of distances: to unit length, or by a power of two, less a center.

    unit: each vector is divided by its length; zero-norm vectors stay zero
    scale: otherwise all vectors are multiplied by it
    center: (d,) float64, subtracted afterwards; None for none
    rounding: how far at most float64's rounding moves a vector before the center is subtracted
    """

    unit: bool
    scale: float
    center: NDArray[np.float64] | None
    rounding: float

    @property
    def is_identity(self) -> bool:
        """Whether vectors stay as they are."""
        return not self.unit and self.scale == 1 and self.center is None

    def apply(self, vectors: NDArray[np.float32], lengths: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return vectors (n, d) of the given lengths (n,), normalized in float64 and rounded once."""
        if self.is_identity:
            return vectors
        normalized = np.empty_like(vectors)
        factors = inverses(lengths) if self.unit else np.full(len(vectors), self.scale)
        for part in slices(*vectors.shape):
            exact = vectors[part] * factors[part, None]
            normalized[part] = exact if self.center is None else exact - self.center
        return normalized


def sample_rows(count: int) -> NDArray[np.int64]:
    """Return the rows of ``count`` vectors from which :func:`choose_normalization` takes a center."""
    return np.arange(0, count, count // _SAMPLE + 1)


def choose_normalization(
    sample: NDArray[np.float32], lengths: NDArray[np.float64], metric: str
) -> Normalization:
    """Choose a scale where float32 products could overflow, and a center where the mean hides differences.

    sample: the :func:`sample_rows` of vectors of the given lengths (n,)
    """
    unit, longest = metric == "cosine", float(lengths.max(initial=0))
    fits = unit or longest == 0 or _SHORTEST < longest < _LONGEST
    # A power of two: scaling then rounds nothing.
    scale = 1.0 if fits else 2.0 ** -float(np.ceil(np.log2(longest)))
    # Any center is right, and a sample's mean does as well as that of all.
    drawn = sample.astype(np.float64)
    drawn *= inverses(lengths[sample_rows(len(lengths))])[:, None] if unit else scale
    mean = drawn.sum(axis=0) / max(1, len(drawn))
    square = float(mean @ mean)
    spread = float((drawn**2).sum()) / max(1, len(drawn)) - square
    if square <= 4 * spread:
        return Normalization(unit, scale, None, 0.0)
    return Normalization(unit, scale, mean, 2.0**-48 * (1.0 if unit else longest * scale))


class ComparedVectors(ABC):
    """Vectors (n, d) of one metric, as the candidate filter compares them, in memory or on disk.

    Half the squared distance of a normalized query q from a normalized row x, or their cosine distance, is
    ``halves(x) - q.x`` up to a number that depends on q alone. This key is computed in float32, and errs by
    at most ``error(q) + error(x)``, with ``error(v) = (d + 16) u |v|**2 / 2``, u the unit roundoff: any order
    of adding the d products errs by at most ``d u / (1 - d u) |q| |x|`` (Higham, Accuracy and Stability of
    Numerical Algorithms, 3.1), and ``|q| |x| <= (|q|**2 + |x|**2) / 2``. The 16 are for rounding the
    normalized vectors (4), halves(x), the difference, and the float64 distances themselves.

    Lengths are summed in float32 first, as float64 costs several times what the product with one query does;
    where a vector's squares could overflow or vanish, and where vectors are copied, float64 sums them alone.
    How much such lengths are wrong is part of the error of the rows.

    sample: the :func:`sample_rows`; squares: (n,) as :func:`float32_sums` returns them

    vectors, values: of the rows in memory, as they are, and normalized but for ``factors``: a copy if they
        are scaled or centered
    factors: (n,) float32, by which their products are multiplied to be those of unit vectors; None for 1
    squares: (n,) float64, the squared lengths of the normalized vectors, twice ``halves``
    low: (n,) float32, ``halves - error``, so that ``low - q.x`` is a lower bound but for the query's error
    """

    vectors: BlockSource
    values: BlockSource

    def __init__(self, sample: NDArray[np.float32], squares: NDArray[np.float64], metric: str) -> None:
        check_metric(metric)
        self.metric, self._dimension = metric, sample.shape[1]
        self.normalization = choose_normalization(sample, np.sqrt(squares), metric)
        self.factors: NDArray[np.float32] | None = None
        # Zero-norm rows are at distance 1; half the squared distance of the origin from unit vectors is 1/2.
        self._zero_norm = (squares == 0) & (metric == "cosine")
        self._inexact = _sum_error(self._dimension)
        #: Whether values are a copy of the vectors; their squared lengths are known when they are made.
        self.are_copied = False
        if self.normalization.is_identity:
            self._bound(squares)
        elif self.normalization.center is None and metric == "cosine" and _are_moderate(squares):
            self.factors = inverses(np.sqrt(squares)).astype(np.float32)
            self._bound(np.ones(len(squares)))
        else:
            self.are_copied, self._inexact = True, 0.0

    def _bound(self, squares: NDArray[np.float64]) -> None:
        self.squares = squares
        self.low = (squares / 2 - self.row_error(squares)).astype(np.float32)

    def _bound_copies(self, squares: NDArray[np.float64]) -> None:
        """Take the squared lengths (n,) of values that were copied."""
        self._bound(squares + self._zero_norm)

    @abstractmethod
    def panels(self, queries: int) -> list[list[NDArray[np.int64]]]:
        """Return all rows in runs that come into memory together, those of each panel.

        queries: how many of them are in a block, if there are as many
        """

    @abstractmethod
    def hold(self, blocks: Sequence[NDArray[np.int64]]) -> None:
        """Have a panel's rows in memory, in their blocks' order, in the place of all others."""

    @abstractmethod
    def pass_by(self, blocks: Sequence[NDArray[np.int64]]) -> None:
        """Have a run's rows in memory, too, in the place of the run before."""

    @abstractmethod
    def block(self, rows: NDArray[np.int64], room: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values (r, d) of a block in memory; ``room`` (r or more, d) is for a copy of them."""

    @abstractmethod
    def in_memory(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether each of some rows (r,) is in memory."""

    def products(self, rows: Any, queries: NormalizedQueries) -> NDArray[np.float32]:
        """Return the products (r, m) of some normalized rows in memory and queries from outside."""
        products: NDArray[np.float32] = np.matmul(self.values[rows], queries.values[:].T)
        if self.factors is not None:
            products *= self.factors[rows, None]
        return products

    def row_error(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what rows of these squared lengths contribute to the error of a key."""
        # A length is half as wrong as its square; what it divides errs by as much, and halves(x) is half.
        return self.error(squares) + self._inexact * squares / 2

    def error(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what normalized vectors of these squared lengths contribute to the error of a key."""
        units = (self._dimension + 16) * _UNIT
        error: NDArray[np.float64] = units / (1 - units) * squares / 2
        return error

    def normalize(self, queries: NDArray[np.float32]) -> NormalizedQueries:
        """Return normalized queries (m, d).

        The error is infinite for queries so long that their products would overflow.
        """
        normalization = self.normalization
        lengths = np.sqrt(squared_lengths(queries))
        beyond = (lengths * normalization.scale > _LONGEST_QUERY) & (not normalization.unit)
        if beyond.any():
            queries = np.where(beyond[:, None], np.float32(0), queries)
        values = normalization.apply(queries, lengths)
        normalized = self._with_error(values, None, np.arange(len(values)), squared_lengths(values))
        normalized.squares[beyond], normalized.error[beyond] = np.inf, np.inf
        return normalized

    def queries(self, rows: NDArray[np.int64]) -> NormalizedQueries:
        """Return some of the rows (m,) as queries, without a copy."""
        return self._with_error(self.values, self.factors, rows, self.squares[rows])

    def _with_error(
        self,
        values: BlockSource,
        factors: NDArray[np.float32] | None,
        at: NDArray[np.int64],
        squares: NDArray[np.float64],
    ) -> NormalizedQueries:
        # Beside what a share of the length bounds: what vanishes below float32's smallest number, and what
        # float64 rounds before a center is subtracted.
        tiny = (values.shape[1] + 4) * 2.0**-125 + self.normalization.rounding**2 / (2 * _UNIT)
        return NormalizedQueries(values, factors, at, squares, self.error(squares) + tiny)

    def keys_at(
        self, distances: NDArray[np.float64], query_squares: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the key (m,) of a row at each query's distance, wrong by the errors of both; inf for any.

        query_squares: (m,) the squared lengths of the normalized queries
        """
        halves = distances if self.metric == "cosine" else (distances * self.normalization.scale) ** 2 / 2
        # Of a query without a direction, or too long to be compared, a key says nothing.
        known = np.isfinite(halves + query_squares) & ((query_squares > 0) | (self.metric == "euclidean"))
        return np.where(known, halves * (1 + 2.0**-40) - np.where(known, query_squares, 0) / 2, np.inf)

    def difference_error(
        self, squares: NDArray[np.float64], rows: NDArray[np.int64], query_squares: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return distances (p,) of pairs from their float32 squares, and how much they may be wrong.

        query_squares: (p,) the squared length of each pair's normalized query
        """
        distances = np.sqrt(squares + self._zero_norm[rows])
        dimension = self._dimension
        error = (dimension + 16) * _UNIT * distances + np.sqrt(dimension) * 2.0**-62
        if not self.normalization.is_identity:
            lengths = np.sqrt(query_squares) + np.sqrt(self.squares[rows])
            error += (4 * _UNIT + self._inexact) * lengths + 2 * self.normalization.rounding
        # There is no bound for values that overflowed.
        known = np.isfinite(squares + query_squares)
        return np.where(known, distances, 0), np.where(known, error, np.inf)


class NormalizedVectors(ComparedVectors):
    """Vectors (n, d) in memory: see :class:`ComparedVectors`."""

    vectors: NDArray[np.float32]
    values: NDArray[np.float32]

    def __init__(self, vectors: NDArray[np.float32], metric: str, ids: NDArray[Any]) -> None:
        check_metric(metric)
        self.vectors = self.values = np.asarray(vectors, np.float32)
        if self.vectors.ndim != 2:
            raise InputError(f"vectors have shape {self.vectors.shape}, expected (objects, numbers)")
        squares = float32_sums(self.vectors)
        check_finite(squares, ids)
        super().__init__(self.vectors[sample_rows(len(self.vectors))], squares, metric)
        if self.are_copied:
            lengths = np.sqrt(squared_lengths(self.vectors))
            self.values = self.normalization.apply(self.vectors, lengths)
            self._bound_copies(squared_lengths(self.values))

    def panels(self, queries: int) -> list[list[NDArray[np.int64]]]:
        """Return all rows as one run."""
        return [[np.arange(len(self.vectors))]]

    def hold(self, blocks: Sequence[NDArray[np.int64]]) -> None:
        """Do nothing: all are in memory."""

    def pass_by(self, blocks: Sequence[NDArray[np.int64]]) -> None:
        """Do nothing: all are in memory."""

    def block(self, rows: NDArray[np.int64], room: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values (r, d) of some rows, copied into ``room``."""
        return np.take(self.values, rows, axis=0, out=room[: len(rows)], mode="clip")

    def in_memory(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Return True for each of some rows (r,)."""
        return np.ones(len(rows), np.bool_)


def check_finite(squares: NDArray[np.float64], ids: NDArray[Any]) -> None:
    """Raise InputError that names the first of vectors whose squared lengths (n,) are not finite."""
    if not np.isfinite(squares).all():
        name = ids[np.flatnonzero(~np.isfinite(squares))[0]]
        raise InputError(f"the vector of {name} has a NaN or an infinity in it")


def float32_sums(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the squared length of each vector (n,), wrong by a share of :func:`_sum_error` at most.

    A vector that is very short or very long, or not finite, has its exact one.
    """
    count, dimension = vectors.shape
    sums = np.zeros(count)
    with np.errstate(over="ignore", invalid="ignore"):  # BLAS has the products, at twice einsum's speed
        for start in range(0, count, _ROWS):
            rows = slice(start, start + _ROWS)
            for first in range(0, dimension, _RUN):
                part = vectors[rows, first : first + _RUN]
                sums[rows] += np.vecdot(part, part)
    if len(odd := np.flatnonzero(~((sums > _SHORTEST**2) & (sums < _LONGEST**2)))):
        sums[odd] = squared_lengths(vectors[odd])
    return sums


def _sum_error(dimension: int) -> float:
    """Return the share of a squared length by which :func:`float32_sums` is wrong at most.

    Any order of adding n squares errs by at most ``n u / (1 - n u)`` (Higham, as above); one more is for what
    vanishes below float32's smallest number, and for float64's sums.
    """
    units = (min(dimension, _RUN) + 1) * _UNIT
    return units / (1 - units)


def _are_moderate(squares: NDArray[np.float64]) -> bool:
    """Return whether all vectors but those of length zero can be multiplied as they are."""
    known = squares[squares > 0]
    return not len(known) or bool(known.min() > _SHORTEST**2 and known.max() < _LONGEST**2)
