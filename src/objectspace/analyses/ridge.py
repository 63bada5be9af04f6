"""Ridge regression with folds held out, for many targets at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from objectspace.analyses.groups import Codes

Matrix = NDArray[np.float64]

#: Penalties, as multiples of the number of features (the mean squared length of a standardised vector).
PENALTIES = 10.0 ** np.arange(-2, 5)


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """``left @ solve(gram + penalty, right)`` is the prediction less its start."""

    gram: Matrix
    right: Matrix
    left: Matrix
    start: Matrix

    def predict(self, penalty: float, columns: NDArray[np.bool_] | slice = slice(None)) -> Matrix:
        """(rows, t) of the chosen targets."""
        gram = self.gram.copy()
        np.einsum("ii->i", gram)[:] += penalty
        factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
        weights = cho_solve(factor, self.right[:, columns], overwrite_b=False, check_finite=False)
        predicted: Matrix = self.start[:, columns] + self.left @ weights
        return predicted


class FoldedRidge:
    """Features (n, d) and targets (n, t) in folds (n,), ready to be fitted without some of them.

    Features are centred and scaled, and targets centred, by the training rows alone, at each level (n,)
    apart; a level without training rows takes the mean of all. The smaller of the two equal systems is
    solved: for the features' weights, from sums that are kept for each fold, or for the training rows' own
    weights.
    """

    def __init__(self, features: NDArray[np.float32], targets: Matrix, fold: Codes, level: Codes) -> None:
        self.targets, self.fold, self.level = targets, fold, level
        # Sums of squares lose the fewest digits around the mean.
        self.x = features.astype(np.float64) - features.mean(0, dtype=np.float64)
        self.rows = [np.flatnonzero(fold == one) for one in range(int(fold.max()) + 1)]
        self.penalties = PENALTIES * features.shape[1]
        self.wide = features.shape[1] > len(features) * (len(self.rows) - 2) / len(self.rows)
        if not self.wide:
            self.grams = [self.x[rows].T @ self.x[rows] for rows in self.rows]
            self.rights = [self.x[rows].T @ targets[rows] for rows in self.rows]

    def without(self, held: Sequence[int], rows: Codes) -> _System:
        """The system of all folds but ``held``, that predicts ``rows``."""
        kept = [one for one in range(len(self.rows)) if one not in held]
        train = np.concatenate([self.rows[one] for one in kept])
        level = self.level[train]
        centre, mean = (_level_means(columns, train, self.level) for columns in (self.x, self.targets))
        start, asked = mean[self.level[rows]], self.x[rows] - centre[self.level[rows]]
        if self.wide:
            fitted = self.x[train] - centre[level]
            scale = _scale((fitted**2).sum(0), (self.x[train] ** 2).sum(0), len(train))
            fitted /= scale
            return _System(
                fitted @ fitted.T, self.targets[train] - mean[level], asked / scale @ fitted.T, start
            )
        weighted = np.bincount(level, minlength=len(centre))[:, None] * centre
        gram = sum(self.grams[one] for one in kept)
        squares = np.diag(gram).copy()
        gram -= weighted.T @ centre
        scale = _scale(np.diag(gram), squares, len(train))
        right = sum(self.rights[one] for one in kept) - weighted.T @ mean
        return _System(gram / scale / scale[:, None], right / scale[:, None], asked / scale, start)


def held_out(ridge: FoldedRidge, size: int) -> tuple[Matrix, Matrix]:
    """Predictions, and the means that they start from (n, t): every row from the folds that it is not in.

    ``size`` neighbouring targets share a penalty: the best on two of the training folds.
    """
    best = _penalty_errors(ridge, size).argmin(1)
    predicted, start = np.empty_like(ridge.targets), np.empty_like(ridge.targets)
    for held, rows in enumerate(ridge.rows):
        chosen = np.repeat(best[held], size)
        system = ridge.without([held], rows)
        start[rows] = system.start
        for number in np.unique(chosen):
            columns = chosen == number
            predicted[np.ix_(rows, columns)] = system.predict(ridge.penalties[number], columns)
    return predicted, start


def _penalty_errors(ridge: FoldedRidge, size: int) -> Matrix:
    """(folds, penalties, t / size) squared errors inside the training folds of each fold.

    A model without two neighbouring folds of a ring serves both: it predicts the one for the other's choice.
    """
    count = len(ridge.rows)
    errors = np.zeros((count, len(PENALTIES), ridge.targets.shape[1] // size))
    for one in range(count):
        other = (one + 1) % count
        rows = np.concatenate([ridge.rows[one], ridge.rows[other]])
        first = len(ridge.rows[one])
        system = ridge.without([one, other], rows)
        for number, penalty in enumerate(ridge.penalties):
            squares = (system.predict(penalty) - ridge.targets[rows]) ** 2
            grouped = squares.reshape(len(rows), -1, size).sum(2)
            errors[other, number] += grouped[:first].sum(0)
            errors[one, number] += grouped[first:].sum(0)
    return errors


def _scale(squares: Matrix, before: Matrix, count: int) -> Matrix:
    """Standard deviations; infinite for a feature that does not vary in training, as it carries nothing."""
    return np.where(squares > 1e-12 * before, np.sqrt(np.maximum(squares, 0) / count), np.inf)


def _level_means(columns: Matrix, train: Codes, level: Codes) -> Matrix:
    """(levels, c) the means of each level's training rows; of all training rows where it has none."""
    levels = int(level.max()) + 1
    means: Matrix = np.repeat(columns[train].mean(0)[None], levels, axis=0)
    for one in np.unique(level[train]) if levels > 1 else ():
        means[one] = columns[train[level[train] == one]].mean(0)
    return means
