"""Where float32 products work well: vectors made unit, scaled and moved, with the error of doing so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Unit roundoff of float32.
FLOAT32_UNIT = 2.0**-24

# Numbers that are turned to float64 in one go: a megabyte, which the second-level cache holds.
_CHUNK = 1 << 17
# Beyond these lengths float32 products could overflow or vanish.
_LONGEST, _SHORTEST = 2.0**50, 2.0**-40


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The place where the matrix product works: vectors made unit, scaled and moved so that float32 has room.

    Moving and scaling all vectors alike changes no order of distances; the distances that are returned are
    taken from the vectors themselves.
    """

    unit: bool
    scale: float
    center: NDArray[np.float64] | None

    @property
    def is_identity(self) -> bool:
        """Whether vectors are placed where they are."""
        return not self.unit and self.scale == 1 and self.center is None

    def place(self, vectors: NDArray[np.float32], lengths: NDArray[np.float64]) -> NDArray[np.float32]:
        """The vectors (n, d) in this frame."""
        placed = vectors.astype(np.float64)
        if self.unit:
            placed *= inverses(lengths)[:, None]
        else:
            placed *= self.scale
        if self.center is not None:
            placed -= self.center
        return placed.astype(np.float32)

    def error(self, length: Any) -> Any:
        """How far a placed vector of this length may lie from its true place.

        It was rounded to float32 once. Unit vectors were rounded in float64 before; of others, numbers below
        float32's smallest may have vanished.
        """
        if self.is_identity:
            return 0.0 * length
        return 2 * FLOAT32_UNIT * length + (2.0**-45 if self.unit else 2.0**-130)


def choose_frame(lengths: NDArray[np.float64], mean: NDArray[np.float64], metric: str) -> Frame:
    """Scale where float32 products could overflow or vanish; move where the mean hides the differences."""
    unit = metric == "cosine"
    longest = float(lengths.max(initial=0))
    fits = unit or longest == 0 or _SHORTEST < longest < _LONGEST
    # A power of two: scaling then rounds nothing.
    scale = 1.0 if fits else 2.0 ** -float(np.ceil(np.log2(longest)))
    mean = mean * scale
    square = float(mean @ mean)
    spread = (1.0 if unit else float(np.mean((lengths * scale) ** 2)) if len(lengths) else 0.0) - square
    return Frame(unit, scale, mean if square > 4 * spread else None)


def survey(vectors: NDArray[np.float32], metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length of each vector (n,) and the mean vector (d,), of unit vectors under cosine, in one pass."""
    lengths, total = np.empty(len(vectors)), np.zeros(vectors.shape[1])
    for rows in slices(len(vectors), vectors.shape[1]):
        block = vectors[rows].astype(np.float64)
        lengths[rows] = np.sqrt(sum_squares(block.copy()))
        weights = inverses(lengths[rows]) if metric == "cosine" else np.ones(len(block))
        total += weights @ block
    return lengths, total / max(1, len(vectors))


def squares(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The squared length of each vector (n,), summed in float64."""
    sums = np.empty(len(vectors))
    for rows in slices(*vectors.shape):
        sums[rows] = sum_squares(vectors[rows].astype(np.float64))
    return sums


def sum_squares(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of squares of each row (n,), which does not depend on the rows beside it; ``rows`` are overwritten.

    einsum and BLAS may sum a row in another order when it stands alone.
    """
    sums: NDArray[np.float64] = np.multiply(rows, rows, out=rows).sum(axis=1)
    return sums


def inverses(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / length, and 1 for a vector without a direction."""
    inverse: NDArray[np.float64] = 1 / np.where(lengths > 0, lengths, 1)
    return inverse


def slices(count: int, dimension: int) -> Iterator[slice]:
    """Slices of ``count`` rows of ``dimension`` numbers that fit the cache in float64."""
    size = max(1, _CHUNK // max(1, dimension))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
