"""Ridge regression with folds held out, for many targets at once."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from objectspace.analyses.groups import Codes
from objectspace.neighbors import BlockSource, JointVectors

Matrix = NDArray[np.float64]
Features = NDArray[np.float32] | JointVectors | BlockSource

#: Penalties, as multiples of the number of features (the mean squared length of a standardized vector).
PENALTIES = 10.0 ** np.arange(-2, 5)

# Rows that are read at a time, and numbers in them (16 MB in float64).
_AT_ONCE, _NUMBERS = 4096, 1 << 21


class FoldedRidge:
    """Ridge regressions on features (n, d) that leave out some of the folds (n,), for any targets (n, t).

    Features are centered and scaled, and targets centered, by the training rows alone, at each level (n,)
    apart; a level without training rows takes the mean of all. The smaller of the two equal systems is
    solved: for the features' weights, from sums that are kept for each fold, or for the training rows' own
    weights. Targets come in runs: t / runs neighboring columns that share a penalty.

    >>> features = np.random.default_rng(0).normal(size=(50, 3))
    >>> ridge = FoldedRidge(features, np.arange(50) % 5, np.zeros(50, int))
    >>> targets = features[:, :1] + 4
    >>> predicted, baseline = ridge.predict(targets, ridge.choose_penalties(targets, 1))
    >>> bool(np.abs(predicted - targets).max() < 0.02)
    True
    """

    def __init__(self, features: Features, fold: Codes, level: Codes, *, rows: Codes | None = None) -> None:
        self.x = Centered.of(features, rows)
        self.level = level
        self.rows = [np.flatnonzero(fold == one) for one in range(int(fold.max()) + 1)]
        self.fold = fold
        self.penalties = PENALTIES * features.shape[1]
        self.wide = features.shape[1] > len(fold) * (len(self.rows) - 2) / len(self.rows)
        self._grams = [] if self.wide else [self.x.gram(rows) for rows in self.rows]
        self._means = _LevelMeans(fold, level)
        self._x_sums = self._means.sums(self.x)

    def without(self, dropped: NDArray[np.bool_]) -> FoldedRidge:
        """Return the same regressions without some of the rows (n,): folds and levels keep their numbers."""
        left = copy(self)
        kept = ~dropped
        left.x, left.fold, left.level = self.x.take(kept), self.fold[kept], self.level[kept]
        left.rows = [np.flatnonzero(left.fold == one) for one in range(len(self.rows))]
        gone = [rows[dropped[rows]] for rows in self.rows]
        left._grams = [gram - self.x.gram(rows) for gram, rows in zip(self._grams, gone, strict=False)]
        left._means = _LevelMeans(left.fold, left.level, shape=self._means.counts.shape)
        left._x_sums = left._means.sums(left.x)
        return left

    def choose_penalties(self, targets: Matrix, runs: int) -> Codes:
        """Return the number of the best penalty (folds, runs) for each fold when it is held out.

        The best has the smallest squared error over the targets of a run, on two of the training folds, each
        predicted from the other three. A model without two neighboring folds of a ring serves both: it
        predicts the one for the other's choice.
        """
        count = len(self.rows)
        errors = np.zeros((count, len(PENALTIES), runs))
        sums = self._sums(targets)
        for one in range(count):
            other = (one + 1) % count
            rows = np.concatenate([self.rows[one], self.rows[other]])
            first = len(self.rows[one])
            system, start = self._without([one, other], rows, targets, sums)
            actual = targets[rows] - start
            for number, penalty in enumerate(self.penalties):
                squares = (system.solve(penalty) - actual) ** 2
                for fold, part in ((other, squares[:first]), (one, squares[first:])):
                    errors[fold, number] += part.sum(0).reshape(runs, -1).sum(1)
        best: Codes = errors.argmin(1)
        return best

    def predict(self, targets: Matrix, chosen: Codes) -> tuple[Matrix, Matrix]:
        """Return predictions and baselines (n, t): every row from the folds that it is not in.

        ``chosen`` are the numbers of the penalties (folds, runs). The baseline is the mean of the training
        rows at the row's level.
        """
        predicted, baseline = np.empty_like(targets), np.empty_like(targets)
        sums = self._sums(targets)
        for held, rows in enumerate(self.rows):
            system, baseline[rows] = self._without([held], rows, targets, sums)
            numbers = np.repeat(chosen[held], targets.shape[1] // chosen.shape[1])
            for number in np.unique(numbers):
                columns = np.flatnonzero(numbers == number)
                predicted[np.ix_(rows, columns)] = system.solve(self.penalties[number], columns)
        predicted += baseline
        return predicted, baseline

    def _sums(self, targets: Matrix) -> tuple[Matrix, list[Matrix]]:
        """Return sums of targets in each fold, by level, and of their products with the features (d, t)."""
        products = [] if self.wide else [self.x.products(rows, targets[rows]) for rows in self.rows]
        return self._means.sums(targets), products

    def _without(
        self, held: Sequence[int], rows: Codes, targets: Matrix, sums: tuple[Matrix, list[Matrix]]
    ) -> tuple[_System, Matrix]:
        """Return the system of all folds but ``held`` for predicting ``rows``, and the starting means."""
        kept = [one for one in range(len(self.rows)) if one not in held]
        train = np.concatenate([self.rows[one] for one in kept])
        center, mean = (self._means.of(part, kept) for part in (self._x_sums, sums[0]))
        start = mean[self.level[rows]]
        if self.wide:
            fitted = self.x[train]
            before = (fitted**2).sum(0)
            fitted -= center[self.level[train]]
            scale = _scale((fitted**2).sum(0), before, len(train))
            fitted /= scale
            right = targets[train] - mean[self.level[train]]
            queries = _Standardized(self.x, rows, self.level, center, scale)
            return _System(fitted @ fitted.T, right, queries @ fitted.T), start
        weighted = self._means.counts[kept].sum(0)[:, None] * center
        gram = sum(self._grams[one] for one in kept)
        squares = np.diag(gram).copy()
        gram -= weighted.T @ center
        scale = _scale(np.diag(gram), squares, len(train))
        right = sum(sums[1][one] for one in kept) - weighted.T @ mean
        queries = _Standardized(self.x, rows, self.level, center, scale)
        gram /= scale
        gram /= scale[:, None]
        return _System(gram, right / scale[:, None], queries), start


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """``left @ inverse(gram + penalty) @ right`` is the prediction (rows, t) less the mean of the level."""

    gram: Matrix
    right: Matrix
    left: Matrix | _Standardized

    def solve(self, penalty: float, columns: Codes | slice = slice(None)) -> Matrix:
        """Return the predictions (rows, t) of the chosen targets."""
        gram = self.gram.copy()
        np.einsum("ii->i", gram)[:] += penalty
        factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
        right = self.right[:, columns]
        # The hat matrix costs as much as there are rows, the weights as much as there are targets.
        if len(self.left) < right.shape[1]:
            hat: Matrix = cho_solve(factor, self.left[:].T, check_finite=False).T
            return hat @ right
        predicted: Matrix = self.left @ cho_solve(factor, right, check_finite=False)
        return predicted


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
        """Return some rows (n,) of features, or all; of features on disk, some rows are read into memory."""
        count = features.shape[0]
        if rows is not None and len(rows) < count and not _in_memory(features):
            features, rows = features[rows], None
        at = np.arange(features.shape[0]) if rows is None else rows
        whole = cls(features, np.zeros(features.shape[1]), at)
        total = sum((whole[part].sum(0) for part in whole.blocks()), np.zeros(features.shape[1]))
        return replace(whole, mean=total / len(at))

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, rows: Codes) -> Matrix:
        part = np.array(self.features[self.at[rows]], np.float64)
        part -= self.mean
        return part

    def take(self, kept: NDArray[np.bool_]) -> Centered:
        """Return some of the rows, around the same mean."""
        return replace(self, at=self.at[kept])

    def blocks(self) -> list[Codes]:
        """Return all rows in blocks of bounded memory."""
        return _some(np.arange(len(self)), len(self.mean))

    def gram(self, rows: Codes) -> Matrix:
        """Return the products of the features of some rows with each other (d, d)."""
        total = np.zeros((len(self.mean), len(self.mean)))
        for part in _some(rows, len(self.mean)):
            x = self[part]
            total += x.T @ x
        return total

    def products(self, rows: Codes, columns: Matrix) -> Matrix:
        """Return the products of the features of some rows (r,) with columns (r, c): (d, c)."""
        total = np.zeros((len(self.mean), columns.shape[1]))
        for place in _some(np.arange(len(rows)), len(self.mean)):
            part = rows[place]
            total += self[part].T @ columns[place]
        return total


@dataclass(frozen=True, slots=True, eq=False)
class _Standardized:
    """Features of some rows less the center (levels, d) of their level (n,), over a scale (d,)."""

    x: Centered
    rows: Codes
    level: Codes
    center: Matrix
    scale: Matrix

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Matrix:
        rows = self.rows[part]
        read = self.x[rows]
        read -= self.center[self.level[rows]]
        read /= self.scale
        return read

    def __matmul__(self, columns: Matrix) -> Matrix:
        out = np.empty((len(self), columns.shape[1]))
        for rows in _some(np.arange(len(self)), len(self.scale)):
            part = slice(rows[0], rows[-1] + 1)
            out[part] = self[part] @ columns
        return out


def _in_memory(features: Features) -> bool:
    return features.in_memory if isinstance(features, JointVectors) else isinstance(features, np.ndarray)


def _some(rows: Codes, width: int) -> list[Codes]:
    """Split rows of so many numbers into blocks of bounded memory."""
    size = min(_AT_ONCE, max(1, _NUMBERS // max(1, width)))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class _LevelMeans:
    """Means at each level (n,) over some of the folds (n,)."""

    def __init__(self, fold: Codes, level: Codes, shape: tuple[int, ...] | None = None) -> None:
        folds, levels = shape or (int(fold.max()) + 1, int(level.max()) + 1)
        place = (fold * levels + level, np.arange(len(fold)))
        self._member = csr_array((np.ones(len(fold)), place), shape=(folds * levels, len(fold)))
        self.counts = self._member.sum(1).reshape(folds, levels)

    def sums(self, columns: Matrix | Centered) -> Matrix:
        """Return the sums (folds, levels, c) of columns (n, c)."""
        width = len(columns.mean) if isinstance(columns, Centered) else columns.shape[1]
        parts = _some(np.arange(len(columns)), width)
        sums: Matrix = sum(self._member[:, part] @ columns[part] for part in parts)
        return sums.reshape(*self.counts.shape, -1)

    def of(self, sums: Matrix, kept: Sequence[int]) -> Matrix:
        """Return means (levels, c) in the folds ``kept``, overall means for a level without rows there."""
        total, count = sums[kept].sum(0), self.counts[kept].sum(0)[:, None]
        means: Matrix = np.where(count > 0, total / np.maximum(count, 1), total.sum(0) / count.sum())
        return means


def _scale(squares: Matrix, before: Matrix, count: int) -> Matrix:
    """Return standard deviations; infinite for a feature that is constant in training, and so unused."""
    return np.where(squares > 1e-12 * before, np.sqrt(np.maximum(squares, 0) / count), np.inf)
