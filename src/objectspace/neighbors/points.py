"""The searched vectors: as the matrix product sees them, and their distances in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, QueryError
from objectspace.neighbors.frame import choose_frame, inverses, slices, squares, sum_squares, survey

METRICS = ("euclidean", "cosine")

# Longer products than this could overflow on the way.
_LARGEST_PRODUCT = 2.0**100


class Points:
    """Vectors (n, d) of one metric, placed in a frame where a float32 product tells them apart.

    The squared distance of two placed vectors is that of the vectors themselves up to one scale, or twice
    their cosine distance, within the errors that the frame states; ``halves`` (n,) is half the squared length
    of each placed vector, so that the order of ``q.x - halves`` is that of the distances from q.

    Vectors that are not placed where they are get a copy.
    """

    def __init__(self, vectors: NDArray[np.float32], metric: str) -> None:
        if metric not in METRICS:
            raise QueryError(f"metric {metric!r} is unknown; expected {' or '.join(METRICS)}")
        self.metric = metric
        self.vectors = np.asarray(vectors, np.float32)
        if self.vectors.ndim != 2:
            raise InputError(f"vectors have shape {self.vectors.shape}, expected (objects, numbers)")
        self.lengths, mean = survey(self.vectors, metric)
        self.frame = choose_frame(self.lengths, mean, metric)
        self._place_all()

    def __len__(self) -> int:
        return len(self.vectors)

    def _place_all(self) -> None:
        #: All placed vectors (n, d).
        self.placed: NDArray[np.float32] = self.vectors
        self.halves = self.lengths**2 / 2
        #: Rows (n,) without a direction, which the cosine puts at distance 1 from everything. That is a
        #: squared chord of 2; from their place at the origin to unit vectors it is 1, which is 1 too short.
        self.blind = self.lengths == 0 if self.metric == "cosine" else np.zeros(len(self), bool)
        if self.frame.is_identity:
            return
        self.placed = np.empty_like(self.vectors)
        for rows in slices(*self.vectors.shape):
            self.placed[rows] = self.frame.place(self.vectors[rows], self.lengths[rows])
            self.halves[rows] = squares(self.placed[rows]) / 2
        self.halves[self.blind] += 0.5

    def placed_rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some placed vectors; ``rows`` ascend."""
        first, last = int(rows[0]), int(rows[-1])
        # Rows without a gap are a view; others are gathered.
        part: Any = slice(first, last + 1) if last - first + 1 == len(rows) else rows
        placed: NDArray[np.float32] = self.placed[part]
        return placed

    def beyond_products(self, lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Queries (q,) of these lengths that no product can sieve: without a direction, or too long."""
        if self.metric == "cosine":
            return np.asarray(lengths == 0)
        longest = float(self.lengths.max(initial=0)) * self.frame.scale
        return np.asarray(lengths * self.frame.scale * max(longest, 1.0) > _LARGEST_PRODUCT)

    def distances(
        self, queries: NDArray[np.float32], query: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The distances (p,) of pairs: of the queries (q, d) number ``query`` (p,) from ``rows`` (p,)."""
        return pair_distances(queries, query, self.vectors, rows, self.metric)


def pair_distances(
    queries: NDArray[np.float32],
    query: NDArray[np.int64],
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    metric: str,
) -> NDArray[np.float64]:
    """The distances (p,) of queries (q, d) number ``query`` (p,) from vectors (n, d) number ``rows`` (p,).

    By float64 differences; each depends on its own two vectors only.
    """
    measure = _euclidean if metric == "euclidean" else _cosine
    distances = np.empty(len(rows))
    for part in slices(len(rows), queries.shape[1]):
        distances[part] = measure(queries[query[part]], vectors[rows[part]])
    return distances


def _euclidean(queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.sqrt(sum_squares(np.subtract(vectors, queries, dtype=np.float64)))


def _cosine(queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    ends, lengths = zip(*(_directions(points) for points in (queries, vectors)), strict=True)
    # Half the squared chord is 1 - cos, and exactly 0 for a vector and itself.
    halves = sum_squares(ends[0] - ends[1]) / 2
    return np.where((lengths[0] > 0) & (lengths[1] > 0), halves, 1.0)


def _directions(points: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The unit vectors (p, d) of the points and their lengths (p,)."""
    lengths = np.sqrt(squares(points))
    return points * inverses(lengths)[:, None], lengths
