"""Targets of a regression, and their sums and means at each level."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from objectspace.analyses.groups import Codes

Matrix = NDArray[np.float64]
Real = TypeVar("Real", bound=np.floating)


class Targets(Protocol):
    """Targets of n rows in several runs, of ``width`` columns each."""

    @property
    def runs(self) -> int:
        """How many runs there are."""
        ...

    @property
    def width(self) -> int:
        """Targets of a run."""
        ...

    def of(self, rows: Codes, runs: Codes) -> Matrix:
        """Return the targets of some rows (m,) in some runs (r,): (m, r * width)."""
        ...


def level_sums(columns: NDArray[np.floating], level: Codes, levels: int) -> Matrix:
    """Return the sums (levels, c) of columns (m, c) at each level (m,)."""
    if levels == 1:
        total: Matrix = columns.sum(0, np.float64, keepdims=True)
        return total
    member = csr_array((np.ones(len(level)), (level, np.arange(len(level)))), shape=(levels, len(level)))
    sums: Matrix = member @ columns
    return sums


def level_means(sums: Matrix, counts: Codes) -> Matrix:
    """Return means (levels, c) from sums; the mean of all for a level without rows."""
    own = counts[:, None]
    means: Matrix = np.where(own > 0, sums / np.maximum(own, 1), sums.sum(0) / counts.sum())
    return means


def at_level(means: NDArray[Real], level: Codes) -> NDArray[Real]:
    """Return the row (m, c) of each level (m,), or (1, c) where there is one level only."""
    return means if len(means) == 1 else means[level]
