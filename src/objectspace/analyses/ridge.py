"""Ridge regression with folds held out, for many targets at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.features import Centered, Features, Matrix
from objectspace.analyses.groups import Codes
from objectspace.analyses.ridge_by_features import FeatureSystems
from objectspace.analyses.ridge_by_rows import RowSystems
from objectspace.analyses.ridge_systems import Fitted, System, Systems
from objectspace.analyses.ridge_targets import Targets, at_level

#: Penalties, as multiples of the number of features (the mean squared length of a standardized vector).
PENALTIES: Matrix = np.array([0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4])

#: Numbers of a vector beyond which systems of the features' weights are in float32.
SINGLE = 2048

# Numbers in right-hand sides that are solved for at once (4 MB), and as a share of those of the system.
_NUMBERS, _SHARE = 1 << 19, 8


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Targets that are neighboring columns of a matrix (n, runs * width)."""

    matrix: Matrix
    runs: int

    @property
    def width(self) -> int:
        """Columns of a run."""
        return int(self.matrix.shape[1]) // self.runs

    def of(self, rows: Codes, runs: Codes) -> Matrix:
        """Return the targets (m, r * width) of some rows in some runs."""
        columns = (runs[:, None] * self.width + np.arange(self.width)).reshape(-1)
        targets: Matrix = self.matrix[np.ix_(rows, columns)]
        return targets


@dataclass(frozen=True, slots=True, eq=False)
class Permuted:
    """Targets (n, width) of rows in permutations (n, runs), never written out together."""

    values: Matrix
    order: NDArray[np.integer]

    @property
    def runs(self) -> int:
        """Permutations."""
        return int(self.order.shape[1])

    @property
    def width(self) -> int:
        """Targets of a run."""
        return int(self.values.shape[1])

    def of(self, rows: Codes, runs: Codes) -> Matrix:
        """Return the targets (m, r * width) of some rows in some runs."""
        targets: Matrix = self.values[self.order[np.ix_(rows, runs)]].reshape(len(rows), -1)
        return targets


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Predictions (m, r * width) of some rows (m,) in some runs (r,).

    baseline: the mean of the training rows at the row's level, (1, r * width) where there is one level only
    """

    rows: Codes
    runs: Codes
    predicted: Matrix
    baseline: Matrix


class FoldedRidge:
    """Ridge regressions on features (n, d) that leave out some of the folds (n,), for any targets (n, t).

    Features are centered and scaled, and targets centered, by the training rows alone, at each level (n,)
    apart; a level without training rows takes the mean of all. The smaller of the two equal systems is
    solved: for the features' weights, or for the rows' own. Targets come in runs: t / runs neighboring
    columns that share a penalty.

    It holds the products of features of each fold and of a system, at times of two, each half as they are
    symmetric: 28 d² bytes with five folds, and 14 d² where vectors have more than 2,048 numbers, as these are
    float32 there; or the products of rows, where these are fewer. And right-hand sides of an eighth of a
    system or 4 MB. Choosing penalties takes right-hand sides of each fold, and products of features for each
    of more than 2 d rows.

    >>> features = np.random.default_rng(0).normal(size=(50, 3))
    >>> ridge = FoldedRidge(features, np.arange(50) % 5, np.zeros(50, int))
    >>> targets = features[:, :1] + 4
    >>> predicted, baseline = ridge.predict(targets, ridge.choose_penalties(targets, 1))
    >>> bool(np.abs(predicted - targets).max() < 0.02)
    True
    """

    def __init__(self, features: Features, fold: Codes, level: Codes, *, rows: Codes | None = None) -> None:
        self.rows = [np.flatnonzero(fold == one) for one in range(int(fold.max()) + 1)]
        self.fold = fold
        dimension = features.shape[1]
        self.penalties = PENALTIES * dimension
        wide = dimension > len(fold)
        x = Centered.of(features, rows, level, np.float32 if dimension > SINGLE else np.float64)
        self._systems: Systems = (RowSystems if wide else FeatureSystems)(x, self.rows)
        self._level = level

    def choose_penalties(self, targets: Matrix, runs: int) -> Codes:
        """Return the number of the best penalty (folds, runs) for each fold when it is held out."""
        return self.choose([Columns(targets, runs)])[0]

    def predict(self, targets: Matrix, chosen: Codes) -> tuple[Matrix, Matrix]:
        """Return predictions and baselines (n, t): every row from the folds that it is not in.

        ``chosen`` are the numbers of the penalties (folds, runs). The baseline is the mean of the training
        rows at the row's level.
        """
        predicted, baseline = np.empty_like(targets), np.empty_like(targets)
        runs = np.arange(targets.shape[1]).reshape(chosen.shape[1], -1)
        for held in self.predictions(Columns(targets, chosen.shape[1]), chosen):
            own = np.ix_(held.rows, runs[held.runs].reshape(-1))
            predicted[own], baseline[own] = held.predicted, held.baseline
        return predicted, baseline

    def choose(self, asked: Sequence[Targets]) -> list[Codes]:
        """Return the number of the best penalty (folds, runs) of each of several kinds of targets.

        The best has the smallest squared error over the targets of a run, on two of the training folds, each
        predicted from the other three. A model without two neighboring folds of a ring serves both: it
        predicts the one for the other's choice.
        """
        count, widths = len(self.rows), [targets.runs * targets.width for targets in asked]
        errors = np.zeros((count, len(PENALTIES), sum(widths)))
        for one, number, squares in self._systems.errors(asked, self.penalties):
            other = (one + 1) % count
            errors[[other, one], number] += squares
        parts = np.split(errors, np.cumsum(widths)[:-1], axis=2)
        return [
            part.reshape(count, len(PENALTIES), targets.runs, -1).sum(3).argmin(1)
            for part, targets in zip(parts, asked, strict=True)
        ]

    def predictions(self, targets: Targets, chosen: Codes) -> Iterator[Held]:
        """Yield the predictions of all rows in all runs, each from the folds that it is not in."""
        for held in range(len(self.rows)):
            system = self._systems.system([held])
            for number in np.unique(chosen[held]):
                runs = np.flatnonzero(chosen[held] == number)
                # In a function of its own, so that one solver is gone before the next is made.
                yield from self._at(system, self.penalties[number], targets, runs)

    def _at(self, system: System, penalty: float, targets: Targets, runs: Codes) -> Iterator[Held]:
        """Yield the predictions of some runs at a penalty."""
        solver = system.at(penalty, len(runs) * targets.width)
        for part in _blocks(runs, system.size * targets.width, _numbers(system)):
            yield from self._held(solver.fit(system.right(targets, part)), part)

    def predictions_without(
        self, targets: Targets, chosen: Codes, block: Codes
    ) -> Iterator[tuple[int | None, Held]]:
        """Yield the predictions of a single run, and what they are without each block (n,) of the rows.

        With each the block, None for none. ``chosen`` are the numbers of the penalties (folds, 1).
        """
        for held, rows in enumerate(self.rows):
            train, numbers = np.flatnonzero(self.fold != held), range(int(block.max()) + 1)
            parts = [(train[block[train] == one], rows[block[rows] != one]) for one in numbers]
            fits = self._systems.system([held]).fits(targets, self.penalties[chosen[held, 0]], parts)
            for one, fitted in zip((*numbers, None), fits, strict=True):
                for each in self._held(fitted, np.zeros(1, np.int64)):
                    yield one, each

    def _held(self, fitted: Fitted, runs: Codes) -> Iterator[Held]:
        for part, predicted in fitted.parts:
            rows = fitted.queries[part]
            baseline = at_level(fitted.mean, self._level[rows])
            predicted += baseline
            yield Held(rows, runs, predicted, baseline)


def _numbers(system: System) -> int:
    """Return how many numbers right-hand sides may have at once."""
    return max(_NUMBERS, system.size**2 // _SHARE)


def _blocks(runs: Codes, numbers: int, most: int) -> list[Codes]:
    """Split runs (r,) of so many numbers each into blocks of ``most`` numbers, or of one run."""
    count = max(1, most // max(1, numbers))
    return [runs[start : start + count] for start in range(0, len(runs), count)]
