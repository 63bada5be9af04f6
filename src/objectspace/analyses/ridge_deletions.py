"""A system of many features without some of its rows, solved by the factor of the whole one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.features import Centered, Matrix, Real, in_blocks
from objectspace.analyses.groups import Codes
from objectspace.analyses.packed import Packed
from objectspace.analyses.ridge_sums import column_products

# The power of the precision to which an error falls, beside the solution (3e-6 for float32), and steps after
# which a factor of its own costs a part no more.
_POWER, _STEPS = 0.8, 50


@dataclass(frozen=True, slots=True, eq=False)
class Deletion:
    """What is left of a system (d, d) without some rows, less the whole one.

    x, rows: these rows
    before, after: (levels, d) means at each level, times the root of its rows, with these rows and without
    diagonal: (d, 1)
    """

    x: Centered
    rows: Codes
    before: Real
    after: Real
    diagonal: Real

    def __matmul__(self, columns: Real) -> Real:
        """Return its product with columns (d, t)."""
        product = self.diagonal * columns
        product += self.before.T @ (self.before @ columns)
        product -= self.after.T @ (self.after @ columns)
        for part in in_blocks(self.rows, len(columns)):
            x = self.x[part]
            product -= x.T @ (x @ columns)
        return product


def solve_without(
    factor: Packed, whole: tuple[Real, Real], deletions: Sequence[Deletion], right: Real
) -> tuple[Real, NDArray[np.bool_]]:
    """Return solutions (d, b * t) of the system without each of b parts of its rows, and which (b,) are good.

    Not those that take more than 50 steps: of features that hardly vary but in the rows that are left out.
    By conjugate gradients (Hestenes and Stiefel 1952), which the whole system's factor preconditions and its
    solution starts: a share of the rows changes few of the directions much. All parts' columns are solved for
    together, as triangles of few columns cost their reading.

    whole: right-hand sides and solutions (d, t) of the whole system
    right: (d, b * t) right-hand sides of the parts
    """
    count, precision = len(deletions), factor.numbers.dtype
    start, found = (np.asfortranarray(np.tile(one, count), precision) for one in whole)

    def changed(columns: Real) -> Real:
        parts = np.split(columns, count, axis=1)
        return np.hstack([one @ part for one, part in zip(deletions, parts, strict=True)])

    least = np.finfo(precision).eps ** (2 * _POWER) * column_products(right, factor.solve(right))
    residual = right - start - changed(found)
    near = factor.solve(residual)
    # The whole system's product with a direction follows from how this was made of residuals.
    direction, product = near, residual
    error = column_products(residual, near)
    open_ = error > least
    for _ in range(_STEPS):
        if not open_.any():
            break
        image = product + changed(direction)
        step = _ratio(error, column_products(direction, image), open_).astype(precision)
        found = found + step * direction
        residual = residual - step * image
        near = factor.solve(residual)
        before, error = error, column_products(residual, near)
        kept = _ratio(error, before, open_).astype(precision)
        direction, product = near + kept * direction, residual + kept * product
        open_ = error > least
    good: NDArray[np.bool_] = np.logical_not(open_.reshape(count, -1).any(axis=1))
    return found, good


def _ratio(over: Matrix, under: Matrix, where: NDArray[np.bool_]) -> Matrix:
    """Return a ratio where it is asked for, else 0."""
    ratio: Matrix = np.divide(over, under, out=np.zeros_like(over), where=where & (under > 0))
    return ratio
