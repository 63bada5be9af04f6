"""Features of a regression, read a block of rows or of columns at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from objectspace.analyses.groups import Codes
from objectspace.neighbors import BlockSource, JointVectors

Matrix = NDArray[np.float64]
Features = NDArray[np.float32] | JointVectors | BlockSource

# Rows that are read at a time, numbers in them (16 MB in float64), and numbers that are computed from them.
_AT_ONCE, _NUMBERS, _RESULTS = 4096, 1 << 21, 1 << 19


@dataclass(frozen=True, slots=True, eq=False)
class Centered:
    """Rows of features around their mean, where sums of squares lose the fewest digits.

    ``[rows]`` reads some of them as float64, a joint space written out; all of them are never held.
    at: (n,) the row of the features of each row
    """

    features: Features
    mean: Matrix
    at: Codes

    @classmethod
    def of(cls, features: Features, rows: Codes | None = None) -> Centered:
        """Return some rows (n,) of features, or all.

        Of features on disk some rows are read into memory, and all where they are fewer than their numbers.
        """
        count = features.shape[0] if rows is None else len(rows)
        if not _in_memory(features) and (count < features.shape[0] or count < features.shape[1]):
            features, rows = features[slice(None) if rows is None else rows], None
        at = np.arange(features.shape[0]) if rows is None else rows
        whole = cls(features, np.zeros(features.shape[1]), at)
        # Small blocks, as they are all the memory that this takes.
        parts = in_blocks(np.arange(len(at)), 4 * features.shape[1])
        total = sum((whole[part].sum(0) for part in parts), np.zeros(features.shape[1]))
        return replace(whole, mean=total / len(at))

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, rows: Codes) -> Matrix:
        part = np.array(self.features[self.at[rows]], np.float64)
        part -= self.mean
        return part

    def blocks(self) -> list[Codes]:
        """Return all rows in blocks of bounded memory."""
        return in_blocks(np.arange(len(self)), len(self.mean))

    def gram(self, rows: Codes) -> Matrix:
        """Return the products of the features of some rows with each other (d, d): the lower triangle."""
        total = np.zeros((len(self.mean), len(self.mean)), order="F")
        for part in in_blocks(rows, len(self.mean)):
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
        for start in range(0, len(self.mean), width):
            part = np.asarray(self.features)[:, start : start + width]
            yield every, part[at].astype(np.float64)


def in_blocks(rows: Codes, width: int, results: int = 0) -> list[Codes]:
    """Split rows, of so many numbers and results each, into blocks of bounded memory."""
    size = max(1, min(_AT_ONCE, _NUMBERS // max(1, width), _RESULTS // max(1, results)))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _in_memory(features: Features) -> bool:
    return features.in_memory if isinstance(features, JointVectors) else isinstance(features, np.ndarray)
