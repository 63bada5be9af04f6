"""Distances of pairs of vectors in float64: the distances of every answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import QueryError
from objectspace.neighbors.sources import BlockSource

METRICS = ("euclidean", "cosine")

# Numbers that are converted to float64 at once: 256 kB, which a core's own cache holds.
_AT_ONCE = 1 << 15


def check_metric(metric: str) -> None:
    """Raise QueryError for an unknown metric."""
    if metric not in METRICS:
        raise QueryError(f"metric {metric!r} is unknown; expected {' or '.join(METRICS)}")


def pair_distances(
    queries: BlockSource,
    query: NDArray[np.int64],
    vectors: BlockSource,
    rows: NDArray[np.int64],
    metric: str,
) -> NDArray[np.float64]:
    """Return the distances (p,) of pairs: ``queries[query]`` (p, d) from ``vectors[rows]`` (p, d).

    They are computed by float64 differences, and each depends on its own two vectors only.
    """
    distances = np.empty(len(rows))
    for part in slices(len(rows), queries.shape[1]):
        ends = queries[query[part]].astype(np.float64), vectors[rows[part]].astype(np.float64)
        distances[part] = _euclidean(*ends) if metric == "euclidean" else _cosine(*ends)
    return distances


def float32_squares(
    queries: BlockSource,
    query: NDArray[np.int64],
    vectors: BlockSource,
    rows: NDArray[np.int64],
    factors: tuple[NDArray[np.float32] | None, NDArray[np.float32] | None] = (None, None),
) -> NDArray[np.float32]:
    """Return the squared Euclidean distances (p,) of pairs by float32 differences, inf beyond float32.

    factors: (q,) and (n,) by which the queries and the vectors are multiplied first; None for 1
    """
    squares = np.empty(len(rows), np.float32)
    with np.errstate(over="ignore"):
        for part in slices(len(rows), queries.shape[1]):
            ends = queries[query[part]], vectors[rows[part]]
            for end, factor, which in zip(ends, factors, (query, rows), strict=True):
                if factor is not None:
                    end *= factor[which[part], None]
            difference = np.subtract(*ends, out=ends[1])
            squares[part] = np.einsum("ij,ij->i", difference, difference)
    return squares


def _euclidean(queries: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    vectors -= queries
    return np.sqrt(_sum_squares(vectors))


def _cosine(queries: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = [np.sqrt(_sum_squares(ends.copy())) for ends in (queries, vectors)]
    for ends, length in zip((queries, vectors), lengths, strict=True):
        ends *= inverses(length)[:, None]
    vectors -= queries
    # Half the squared chord is 1 - cos, and exactly 0 for a vector and itself.
    return np.where((lengths[0] > 0) & (lengths[1] > 0), _sum_squares(vectors) / 2, 1.0)


def squared_lengths(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the squared length of each vector (n,), summed in float64."""
    sums = np.empty(len(vectors))
    for part in slices(*vectors.shape):
        sums[part] = _sum_squares(vectors[part].astype(np.float64))
    return sums


def _sum_squares(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of squares of each row (n,), which depends on no other row; ``vectors`` is overwritten.

    einsum and BLAS may add the numbers of a row in another order when it is alone.
    """
    sums: NDArray[np.float64] = np.multiply(vectors, vectors, out=vectors).sum(axis=1)
    return sums


def inverses(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / length, and 1 for a zero-norm vector."""
    inverse: NDArray[np.float64] = 1 / np.where(lengths > 0, lengths, 1)
    return inverse


def slices(count: int, dimension: int) -> Iterator[slice]:
    """Yield slices of ``count`` rows of ``dimension`` numbers that fit a core's cache in float64."""
    size = max(1, _AT_ONCE // max(1, dimension))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
