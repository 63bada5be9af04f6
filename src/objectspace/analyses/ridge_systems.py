"""The two equal systems of a ridge regression, whichever is smaller: what both do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.features import Real
from objectspace.analyses.groups import Codes
from objectspace.analyses.ridge_targets import Targets

Matrix = NDArray[np.float64]

#: The only run of targets that have one.
FIRST_RUN = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class RightSide:
    """Right-hand sides (m, t) of a system, and the means (levels, t) that their targets have in training."""

    values: Real
    mean: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A regression's predictions of query rows (q,).

    mean: (levels, t) of the targets in training
    parts: slices of the query rows and their predictions (rows, t) less the mean of the level
    """

    queries: Codes
    mean: Matrix
    parts: Iterator[tuple[slice, Matrix]]


class Solver(Protocol):
    """A system at one penalty."""

    def fit(self, side: RightSide) -> Fitted:
        """Return the regression for right-hand sides."""
        ...


class Systems(Protocol):
    """The systems of regressions on features (n, d) of rows in folds."""

    def system(self, held: Sequence[int]) -> System:
        """Return the system of all folds but those held out, for predictions of the rows of these."""
        ...

    def errors(self, asked: Sequence[Targets], penalties: Matrix) -> Iterator[tuple[int, int, Matrix]]:
        """Yield squared errors (2, t) of a fold and the next in a ring, predicted from all other rows.

        Of several kinds of targets in all runs, side by side; with them the numbers of fold and penalty.
        """
        ...


class System(Protocol):
    """A regression of training rows for predictions of query rows."""

    @property
    def size(self) -> int:
        """Numbers in a right-hand side."""
        ...

    def right(self, targets: Targets, runs: Codes) -> RightSide:
        """Return the right-hand sides of the targets of some runs."""
        ...

    def at(self, penalty: float, targets: int) -> Solver:
        """Return a solver for so many targets."""
        ...

    def fits(
        self, targets: Targets, penalty: float, parts: Sequence[tuple[Codes, Codes]]
    ) -> Iterator[Fitted]:
        """Yield the regressions of a single run without parts of the training rows, and last with all.

        parts: rows that are left out, and the queries; the system is not used again
        """
        ...
