"""Squared errors of a regression on some rows, from sums over them instead of predictions of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from objectspace.analyses.features import Centered, in_blocks
from objectspace.analyses.groups import Codes
from objectspace.analyses.ridge_targets import Targets, level_sums

Matrix = NDArray[np.float64]

# Rows for each feature from which on the products of features are fewer numbers than the features.
_ROWS = 2


@dataclass(frozen=True, slots=True, eq=False)
class RowSums:
    """Sums over some rows of a level each, whose errors then cost nothing a row, at any number of penalties.

    count, features, targets: (levels,) rows, and sums (levels, d) and (levels, t) over the rows of a level
    products: (d, t) of features and targets; squares: (t,) of targets
    gram: (d, d) of features, where the rows are more than twice as many; else x and rows give the features
    """

    count: Codes
    features: Matrix
    targets: Matrix
    products: Matrix
    squares: Matrix
    gram: Matrix | None
    x: Centered
    rows: Codes

    @classmethod
    def of(
        cls, x: Centered, rows: Codes, level: Codes, asked: Sequence[Targets], origin: Matrix | None = None
    ) -> RowSums:
        """Return the sums over some rows of features (n, d), levels (n,) and all targets, side by side.

        origin: (t,), which is subtracted from the targets: near their means, so that sums lose few digits
        """
        levels, width = int(level.max()) + 1, sum(one.runs * one.width for one in asked)
        dimension = len(x.mean)
        features, targets = np.zeros((levels, dimension)), np.zeros((levels, width))
        products, squares = np.zeros((dimension, width), order="F"), np.zeros(width)
        gram = np.zeros((dimension, dimension)) if len(rows) > _ROWS * dimension else None
        for part in in_blocks(rows, dimension, width):
            own, y = x[part], all_targets(asked, part)
            if origin is not None:
                y -= origin
            features += level_sums(own, level[part], levels)
            targets += level_sums(y, level[part], levels)
            products = add_product(own, y, products)
            squares += np.einsum("it,it->t", y, y)
            if gram is not None:
                gram += own.T @ own
        count = np.bincount(level[rows], minlength=levels)
        return cls(count, features, targets, products, squares, gram, x, rows)

    def errors(self, weights: Matrix, center: Matrix, mean: Matrix) -> Matrix:
        """Return the squared errors (t,) of ``(x - center) @ weights + mean``, of the row's level each.

        weights: (d, t); center: (levels, d); mean: (levels, t), less the origin of the targets
        """
        count, shift, sums = self.count[:, None], center @ weights, self.features @ weights
        of_targets = self.squares + (mean * (count * mean - 2 * self.targets)).sum(0)
        of_predictions = self._squares(weights) + (shift * (count * shift - 2 * sums)).sum(0)
        of_both = np.einsum("dt,dt->t", weights, self.products) - (sums * mean).sum(0)
        of_both += (shift * (count * mean - self.targets)).sum(0)
        errors: Matrix = of_targets - 2 * of_both + of_predictions
        return errors

    def _squares(self, weights: Matrix) -> Matrix:
        """Return the sums of squares (t,) of ``x @ weights``."""
        if self.gram is not None:
            squares: Matrix = np.einsum("dt,dt->t", weights, self.gram @ weights)
            return squares
        total = np.zeros(weights.shape[1])
        for part in in_blocks(self.rows, *weights.shape):
            predicted = self.x[part] @ weights
            total += np.einsum("it,it->t", predicted, predicted)
        return total


def all_targets(asked: Sequence[Targets], rows: Codes) -> Matrix:
    """Return several kinds of targets of some rows in all runs, side by side (m, t)."""
    return np.hstack([targets.of(rows, np.arange(targets.runs)) for targets in asked])


def add_product(x: Matrix, y: Matrix, products: Matrix) -> Matrix:
    """Return ``products + x.T @ y``, in the place of products, which are in Fortran's order."""
    added: Matrix = blas.dgemm(1.0, x.T, y.T, 1.0, products, trans_b=1, overwrite_c=1)
    return added
