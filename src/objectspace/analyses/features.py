"""Features of a regression, read a block of rows or of columns at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from objectspace.analyses.groups import Codes
from objectspace.analyses.ridge_targets import at_level, level_means, level_sums
from objectspace.neighbors import BlockSource, JointVectors

Matrix = NDArray[np.float64]
Real = NDArray[np.floating]
Features = NDArray[np.floating] | JointVectors | BlockSource

# Rows that are read at a time, numbers in them (16 MB in float64), and numbers that are computed from them.
_AT_ONCE, _NUMBERS, _RESULTS = 4096, 1 << 21, 1 << 19


@dataclass(frozen=True, slots=True, eq=False)
class Centered:
    """Rows of features around the mean of their level, where sums of squares lose the fewest digits.

    ``[rows]`` reads some of them in a precision, a joint space written out; all of them are never held.
    mean: (levels, d); level: (n,) of each row
    at: (n,) the row of the features of each row
    """

    features: Features
    mean: Matrix
    at: Codes
    level: Codes
    precision: type[np.floating] = np.float64

    @classmethod
    def of(
        cls,
        features: Features,
        rows: Codes | None = None,
        level: Codes | None = None,
        precision: type[np.floating] = np.float64,
    ) -> Centered:
        """Return some rows (n,) of features, or all; of one level, or of those (n,) that are given.

        Of features on disk some rows are read into memory, and all where they are fewer than their numbers.
        """
        count = features.shape[0] if rows is None else len(rows)
        if not _in_memory(features) and (count < features.shape[0] or count < features.shape[1]):
            features, rows = _read(features, np.arange(features.shape[0]) if rows is None else rows), None
        at = np.arange(features.shape[0]) if rows is None else rows
        level = np.zeros(len(at), np.int64) if level is None else level
        sums = np.zeros((int(level.max()) + 1, features.shape[1]))
        # Small blocks, as they are all the memory that this takes.
        for part in in_blocks(np.arange(len(at)), 4 * features.shape[1]):
            sums += level_sums(np.asarray(features[at[part]], np.float64), level[part], len(sums))
        return cls(features, level_means(sums, np.bincount(level)), at, level, precision)

    def __len__(self) -> int:
        return len(self.at)

    @property
    def dimension(self) -> int:
        """Numbers of a row."""
        return int(self.mean.shape[1])

    def __getitem__(self, rows: Codes) -> Real:
        part = np.array(self.features[self.at[rows]], self.precision)
        part -= at_level(self.mean.astype(self.precision, copy=False), self.level[rows])
        return part

    def centers(self, sums: Matrix, counts: Codes) -> Matrix:
        """Return the means (levels, d) of rows around their level, from sums and counts of such rows.

        The mean of all rows, around its level, for a level that has none of them.
        """
        own = counts[:, None]
        of_all = (sums + own * self.mean).sum(0) / counts.sum() - self.mean
        return np.where(own > 0, sums / np.maximum(own, 1), of_all)

    def blocks(self) -> list[Codes]:
        """Return all rows in blocks of bounded memory."""
        return in_blocks(np.arange(len(self)), self.dimension)

    def gram(self, rows: Codes) -> Matrix:
        """Return the products of the features of some rows with each other (d, d): the lower triangle."""
        total = np.zeros((self.dimension, self.dimension), order="F")
        for part in in_blocks(rows, self.dimension):
            # Half the products, and no second matrix to add them from.
            total = blas.dsyrk(1.0, self[part].T, 1.0, total, lower=1, overwrite_c=1)
        return total

    def columns(self, rows: Codes) -> Iterator[tuple[Codes, Matrix]]:
        """Yield the features of some rows (r,), uncentered, a block of columns at a time.

        Which of the rows (m,) have numbers other than 0 there, sorted, and these (m, c); a joint space's
        parts are never written out together. The features are in memory.
        """
        width = max(1, _NUMBERS // (8 * max(1, len(rows))))
        at = self.at[rows]
        if isinstance(self.features, JointVectors):
            for there, part in self.features.columns(at, width):
                yield there, part.astype(np.float64)
            return
        every = np.arange(len(rows))
        for start in range(0, self.dimension, width):
            part = np.asarray(self.features)[:, start : start + width]
            yield every, part[at].astype(np.float64)


def in_blocks(rows: Codes, width: int, results: int = 0) -> list[Codes]:
    """Split rows, of so many numbers and results each, into blocks of bounded memory."""
    size = max(1, min(_AT_ONCE, _NUMBERS // max(1, width), _RESULTS // max(1, results)))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _read(features: Features, rows: Codes) -> Features:
    """Return some rows of features on disk in memory, as float16 where this holds all of their numbers."""
    if isinstance(features, JointVectors):
        return features[rows]
    found: NDArray[np.floating] = np.empty((len(rows), features.shape[1]), np.float16)
    # In parts, as what is read is in memory twice.
    for part in in_blocks(np.arange(len(rows)), features.shape[1]):
        own = features[rows[part]]
        if found.dtype == np.float16 and not _fits_half(own):
            found = found.astype(np.float32)
        found[part[0] : part[-1] + 1] = own
    return found


def _fits_half(numbers: NDArray[np.float32]) -> bool:
    """Return whether float16 holds all of some numbers exactly."""
    with np.errstate(over="ignore"):
        return bool((numbers.astype(np.float16) == numbers).all())


def _in_memory(features: Features) -> bool:
    return features.in_memory if isinstance(features, JointVectors) else isinstance(features, np.ndarray)
