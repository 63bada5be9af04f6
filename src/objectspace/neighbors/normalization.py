"""Vectors as a float32 product compares them best: made unit, scaled or centered, with the error's bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.neighbors.distances import check_metric, inverses, slices, squared_lengths

# Unit roundoff of float32.
_UNIT = 2.0**-24
# Float32 products of vectors whose lengths are between these neither overflow nor vanish. A query may be
# longer than the vectors, up to the last one.
_SHORTEST, _LONGEST, _LONGEST_QUERY = 2.0**-40, 2.0**50, 2.0**60
# Vectors from which a center is taken, at most.
_SAMPLE = 2048


#: Normalized queries (m, d), their squared lengths (m,) and their error (m,).
NormalizedQueries = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]


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


def choose_normalization(
    vectors: NDArray[np.float32], lengths: NDArray[np.float64], metric: str
) -> Normalization:
    """Choose a scale where float32 products could overflow, and a center where the mean hides differences."""
    unit, longest = metric == "cosine", float(lengths.max(initial=0))
    fits = unit or longest == 0 or _SHORTEST < longest < _LONGEST
    # A power of two: scaling then rounds nothing.
    scale = 1.0 if fits else 2.0 ** -float(np.ceil(np.log2(longest)))
    # Any center is right, and a sample's mean does as well as that of all.
    sample = slice(None, None, len(vectors) // _SAMPLE + 1)
    lengths, drawn = lengths[sample], vectors[sample].astype(np.float64)
    drawn *= inverses(lengths)[:, None] if unit else scale
    mean = drawn.sum(axis=0) / max(1, len(drawn))
    square = float(mean @ mean)
    spread = float((drawn**2).sum()) / max(1, len(drawn)) - square
    if square <= 4 * spread:
        return Normalization(unit, scale, None, 0.0)
    return Normalization(unit, scale, mean, 2.0**-48 * (1.0 if unit else longest * scale))


class NormalizedVectors:
    """Vectors (n, d) of one metric, as the candidate filter compares them.

    Half the squared distance of a normalized query q from a normalized row x, or their cosine distance, is
    ``halves(x) - q.x`` up to a number that depends on q alone. This key is computed in float32, and errs by
    at most ``error(q) + error(x)``, with ``error(v) = (d + 16) u |v|**2 / 2``, u the unit roundoff: any order
    of adding the d products errs by at most ``d u / (1 - d u) |q| |x|`` (Higham, Accuracy and Stability of
    Numerical Algorithms, 3.1), and ``|q| |x| <= (|q|**2 + |x|**2) / 2``. The 16 are for rounding the
    normalized vectors (4), halves(x), the difference, and the float64 distances themselves.

    values: (n, d) float32, the normalized vectors: a copy, unless they stay as they are
    squares: (n,) float64, their squared lengths, twice ``halves``
    low: (n,) float32, ``halves - error``, so that ``low - q.x`` is a lower bound but for the query's error
    """

    def __init__(self, vectors: NDArray[np.float32], metric: str, ids: NDArray[Any]) -> None:
        check_metric(metric)
        self.vectors = np.asarray(vectors, np.float32)
        if self.vectors.ndim != 2:
            raise InputError(f"vectors have shape {self.vectors.shape}, expected (objects, numbers)")
        lengths = np.sqrt(squared_lengths(self.vectors))
        if not np.isfinite(lengths).all():
            name = ids[np.flatnonzero(~np.isfinite(lengths))[0]]
            raise InputError(f"the vector of {name} has a NaN or an infinity in it")
        self.metric = metric
        self._normalization = choose_normalization(self.vectors, lengths, metric)
        self.values = self._normalization.apply(self.vectors, lengths)
        self.squares = lengths**2 if self.values is self.vectors else squared_lengths(self.values)
        # Zero-norm rows are at distance 1; half the squared distance of the origin from unit vectors is 1/2.
        self._zero_norm = (lengths == 0) & (metric == "cosine")
        self.squares[self._zero_norm] += 1
        self.low = (self.squares / 2 - self.error(self.squares)).astype(np.float32)

    def error(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what normalized vectors of these squared lengths contribute to the error of a key."""
        units = (self.values.shape[1] + 16) * _UNIT
        error: NDArray[np.float64] = units / (1 - units) * squares / 2
        return error

    def normalize(self, queries: NDArray[np.float32]) -> NormalizedQueries:
        """Return normalized queries (m, d), their squared lengths (m,) and their error (m,).

        The error is infinite for queries so long that their products would overflow.
        """
        normalization = self._normalization
        lengths = np.sqrt(squared_lengths(queries))
        beyond = (lengths * normalization.scale > _LONGEST_QUERY) & (not normalization.unit)
        if beyond.any():
            queries = np.where(beyond[:, None], np.float32(0), queries)
        values, squares, error = self._with_error(normalization.apply(queries, lengths))
        squares[beyond], error[beyond] = np.inf, np.inf
        return values, squares, error

    def rows(self, part: slice) -> NormalizedQueries:
        """Return some of the vectors as :meth:`normalize` returns them, the values not copied."""
        return self._with_error(self.values[part])

    def _with_error(self, values: NDArray[np.float32]) -> NormalizedQueries:
        squares = squared_lengths(values)
        # Beside what a share of the length bounds: what vanishes below float32's smallest number, and what
        # float64 rounds before a center is subtracted.
        tiny = (values.shape[1] + 4) * 2.0**-125 + self._normalization.rounding**2 / (2 * _UNIT)
        return values, squares, self.error(squares) + tiny

    def difference_error(
        self, squares: NDArray[np.float64], rows: NDArray[np.int64], query_squares: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return distances (p,) of pairs from their float32 squares, and how much they may be wrong.

        query_squares: (p,) the squared length of each pair's normalized query
        """
        distances = np.sqrt(squares + self._zero_norm[rows])
        dimension = self.values.shape[1]
        error = (dimension + 16) * _UNIT * distances + np.sqrt(dimension) * 2.0**-62
        if self.values is not self.vectors:
            lengths = np.sqrt(query_squares) + np.sqrt(self.squares[rows])
            error += 2 * _UNIT * lengths + 2 * self._normalization.rounding
        # There is no bound for values that overflowed.
        known = np.isfinite(squares + query_squares)
        return np.where(known, distances, 0), np.where(known, error, np.inf)
