"""Squared errors of a regression on some rows, from sums over them instead of predictions of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_blas_funcs

from objectspace.analyses.features import Centered, Real, in_blocks
from objectspace.analyses.groups import Codes
from objectspace.analyses.ridge_targets import Targets, level_sums

Matrix = NDArray[np.float64]

# Rows for each feature from which on the products of features are fewer numbers than the features.
_ROWS = 2


@dataclass(frozen=True, slots=True, eq=False)
class RowSums:
    """Sums over some rows of a level each, whose errors then cost nothing a row, at any number of penalties.

    count, features, targets: (levels,) rows, and sums (levels, d) and (levels, t) over the rows of a level
    products: (d, t) of features and targets, in the precision of x; squares: (t,) of targets
    gram: (d, d) of features in float64, where the rows are more than twice as many; else x and rows give the
        features
    """

    count: Codes
    features: Matrix
    targets: Matrix
    products: Real
    squares: Matrix
    gram: Matrix | None
    x: Centered
    rows: Codes

    @classmethod
    def of(cls, x: Centered, rows: Codes, asked: Sequence[Targets], origin: Matrix | None = None) -> RowSums:
        """Return the sums over some rows of features (n, d) and all targets, side by side.

        origin: (t,), which is subtracted from the targets: near their means, so that sums lose few digits
        """
        level = x.level
        levels, width = len(x.mean), sum(one.runs * one.width for one in asked)
        dimension = x.dimension
        features, targets = np.zeros((levels, dimension)), np.zeros((levels, width))
        products, squares = np.zeros((dimension, width), x.precision, order="F"), np.zeros(width)
        fewer = x.precision is np.float64 and len(rows) > _ROWS * dimension
        gram = np.zeros((dimension, dimension)) if fewer else None
        for part in in_blocks(rows, dimension, width):
            own, y = x[part], all_targets(asked, part)
            if origin is not None:
                y -= origin
            features += level_sums(own, level[part], levels)
            targets += level_sums(y, level[part], levels)
            products = add_product(own, y, products)
            squares += column_products(y, y)
            if gram is not None:
                gram += own.T @ own
        count = np.bincount(level[rows], minlength=levels)
        return cls(count, features, targets, products, squares, gram, x, rows)

    def errors(self, weights: Real, center: Matrix, mean: Matrix) -> Matrix:
        """Return the squared errors (p, t) of ``(x - center) @ weights + mean``, of the row's level each.

        weights: (d, p * t), of the targets at p penalties; center: (levels, d); mean: (levels, t), less the
        origin of the targets
        """
        count, precision, targets = self.count[:, None], weights.dtype, len(self.squares)
        shift, sums = (
            (each.astype(precision) @ weights).reshape(len(count), -1, targets)
            for each in (center, self.features)
        )
        of_targets = self.squares + (mean * (count * mean - 2 * self.targets)).sum(0)
        counts, means = count[:, None], mean[:, None]
        of_predictions = self._squares(weights).reshape(-1, targets)
        of_predictions += (shift * (counts * shift - 2 * sums)).sum(0)
        of_both = _products(weights.reshape(len(weights), -1, targets), self.products)
        of_both += (shift * (count * mean - self.targets)[:, None] - sums * means).sum(0)
        errors: Matrix = of_targets - 2 * of_both + of_predictions
        return errors

    def _squares(self, weights: Real) -> Matrix:
        """Return the sums of squares (t,) of ``x @ weights``."""
        if self.gram is not None:
            return column_products(weights, self.gram @ weights)
        total = np.zeros(weights.shape[1])
        for part in in_blocks(self.rows, *weights.shape):
            predicted = self.x[part] @ weights
            total += column_products(predicted, predicted)
        return total


def _products(weights: Real, products: Real) -> Matrix:
    """Return the products (p, t) of columns of weights (d, p, t) and of (d, t), added up in float64."""
    found: Matrix = np.einsum("ipt,it->pt", weights, products, dtype=np.float64)
    return found


def column_products(one: Real, other: Real) -> Matrix:
    """Return the products (t,) of the columns of two matrices (m, t), added up in float64."""
    products: Matrix = np.einsum("it,it->t", one, other, dtype=np.float64)
    return products


def all_targets(asked: Sequence[Targets], rows: Codes) -> Matrix:
    """Return several kinds of targets of some rows in all runs, side by side (m, t)."""
    return np.hstack([targets.of(rows, np.arange(targets.runs)) for targets in asked])


def add_product(x: Real, y: Matrix, products: Real) -> Real:
    """Return ``products + x.T @ y`` in the precision and place of products, which are in Fortran's order."""
    (multiply,) = get_blas_funcs(("gemm",), (products,))
    added: Real = multiply(1.0, x.T, y.T, 1.0, products, trans_b=1, overwrite_c=1)
    return added
