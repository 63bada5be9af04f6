"""Systems of the features' weights, from products of each fold, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.features import Centered, Real, in_blocks
from objectspace.analyses.groups import Codes
from objectspace.analyses.packed import Packed
from objectspace.analyses.ridge_deletions import Deletion, solve_without
from objectspace.analyses.ridge_sums import RowSums, add_product, all_targets, column_products
from objectspace.analyses.ridge_systems import FIRST_RUN, Fitted, RightSide
from objectspace.analyses.ridge_targets import Targets, at_level, level_means, level_sums

Matrix = NDArray[np.float64]

# Rows whose targets' mean is the origin of all, and columns and levels that are solved for together.
_FIRST, _TOGETHER = 100, 128

# Weights, of several penalties, whose errors are computed together.
_WEIGHTS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class FoldProducts:
    """Sums over the rows of a fold.

    gram: (d, d) of their products, in the precision of the features
    sums: (levels, d) at each level, of counts (levels,) rows; squares: (d,)
    """

    rows: Codes
    gram: Packed
    sums: Matrix
    counts: Codes
    squares: Matrix

    @classmethod
    def of(cls, x: Centered, rows: Codes) -> FoldProducts:
        """Return the sums over some rows of features (n, d)."""
        levels = len(x.mean)
        gram = Packed.zeros(x.dimension, x.precision)
        sums, squares = np.zeros((levels, x.dimension)), np.zeros(x.dimension)
        for part in in_blocks(rows, x.dimension):
            own = x[part]
            gram.add_products(own)
            sums += level_sums(own, x.level[part], levels)
            squares += column_products(own, own)
        return cls(rows, gram, sums, np.bincount(x.level[rows], minlength=levels), squares)


class FeatureSystems:
    """Systems (d, d) of the features' weights: the products of each fold, added up without those held out.

    Nothing is subtracted, so that float32 is enough for them.
    """

    def __init__(self, x: Centered, folds: Sequence[Codes]) -> None:
        self.x = x
        self.folds = [FoldProducts.of(x, rows) for rows in folds]

    def system(self, held: Sequence[int]) -> FeatureSystem:
        """Return the system of all folds but those held out, for predictions of the rows of these."""
        kept = [fold for number, fold in enumerate(self.folds) if number not in held]
        queries = np.concatenate([self.folds[number].rows for number in held])
        return FeatureSystem(self, kept, np.empty(0, np.int64), queries)

    def errors(self, asked: Sequence[Targets], penalties: Matrix) -> Iterator[tuple[int, int, Matrix]]:
        """Yield squared errors, as :meth:`Systems.errors`, from sums over each fold."""
        origin = all_targets(asked, self.folds[0].rows).mean(0)
        whole = [RowSums.of(self.x, fold.rows, asked, origin) for fold in self.folds]
        for one in range(len(whole)):
            held = [one, (one + 1) % len(whole)]
            system = self.system(held)
            kept = [fold for number, fold in enumerate(whole) if number not in held]
            sums, products = (sum(getattr(fold, name) for fold in kept) for name in ("targets", "products"))
            side = system.centered(sums, products)
            count = max(1, _WEIGHTS // side.values.size)
            for start in range(0, len(penalties), count):
                weights = np.hstack(
                    [system.solved(side, penalty) for penalty in penalties[start : start + count]]
                )
                errors = [whole[fold].errors(weights, system.center, side.mean) for fold in held]
                for number, found in enumerate(np.stack(errors, axis=1), start):
                    yield one, number, found


class FeatureSystem:
    """A system of the features' weights: the sums of the folds that are kept, less those of rows left out.

    Features are not scaled: a penalty times a feature's variance is that of the scaled feature.
    center: (levels, d) their mean in training
    """

    def __init__(
        self, of: FeatureSystems, kept: Sequence[FoldProducts], dropped: Codes, queries: Codes
    ) -> None:
        self._of, self._kept, self._dropped, self._queries = of, kept, dropped, queries
        rows = np.concatenate([fold.rows for fold in kept])
        self._train = np.setdiff1d(rows, dropped, assume_unique=True)
        x, level = of.x, of.x.level
        self._counts = np.bincount(level[self._train], minlength=len(x.mean))
        sums, squares = np.zeros_like(x.mean), np.zeros(x.dimension)
        for fold in kept:
            sums += fold.sums
            squares += fold.squares
        whole = squares.copy()
        for part in in_blocks(dropped, x.dimension):
            own = x[part]
            sums -= level_sums(own, level[part], len(sums))
            squares -= column_products(own, own)
        self.center = x.centers(sums, self._counts)
        self._weighted = self._counts[:, None] * self.center
        squares -= (self._weighted * self.center).sum(0)
        # Beside the squares before, as what is left of them by subtraction may be rounding.
        precision = np.finfo(x.precision)
        used = squares > np.maximum(precision.eps**0.75 * whole, precision.tiny**0.75)
        self._variance = np.where(used, np.maximum(squares, 0) / len(self._train), _unused(x))

    @property
    def size(self) -> int:
        """Numbers in a right-hand side."""
        return self._of.x.dimension

    def right(self, targets: Targets, runs: Codes) -> RightSide:
        """Return the right-hand sides of the targets of some runs."""
        origin = self._origin(targets, runs)
        return self.centered(*self._target_sums(self._train, targets, runs, origin), origin)

    def _origin(self, targets: Targets, runs: Codes) -> Matrix:
        """Return numbers (t,) near the targets' means: products with what is around these lose few digits."""
        origin: Matrix = targets.of(self._train[:_FIRST], runs).mean(0)
        return origin

    def _target_sums(self, rows: Codes, targets: Targets, runs: Codes, origin: Matrix) -> tuple[Matrix, Real]:
        """Return the targets' sums (levels, t), and products (d, t) with what is around their origin."""
        x, width = self._of.x, targets.width * len(runs)
        sums, products = np.zeros((len(x.mean), width)), np.zeros((self.size, width), x.precision, order="F")
        for part in in_blocks(rows, self.size, width):
            y = targets.of(part, runs)
            sums += level_sums(y, x.level[part], len(sums))
            y -= origin
            products = add_product(x[part], y, products)
        return sums, products

    def centered(self, sums: Matrix, products: Real, origin: Matrix | float = 0.0) -> RightSide:
        """Return right-hand sides from sums (levels, t), and products (d, t), which are overwritten.

        origin: (t,) what was subtracted from targets in the products alone
        """
        mean = level_means(sums, self._counts)
        products -= self._weighted.T @ (mean - origin)
        return RightSide(products, mean)

    def fits(
        self, targets: Targets, penalty: float, parts: Sequence[tuple[Codes, Codes]]
    ) -> Iterator[Fitted]:
        """Yield the regressions of a single run, as :meth:`System.fits`."""
        if self._of.x.precision is np.float64:
            for rows, queries in parts:
                part = FeatureSystem(self._of, self._kept, rows, queries)
                yield part.at(penalty, targets.width).fit(part.right(targets, FIRST_RUN))
            yield self.at(penalty, targets.width).fit(self.right(targets, FIRST_RUN))
        else:
            yield from self._fits_by_deletion(targets, penalty, parts)

    def _fits_by_deletion(
        self, targets: Targets, penalty: float, parts: Sequence[tuple[Codes, Codes]]
    ) -> Iterator[Fitted]:
        """Yield the regressions of a single run from one factor, as one for each part costs d³ / 3."""
        origin = self._origin(targets, FIRST_RUN)
        sums, products = self._target_sums(self._train, targets, FIRST_RUN, origin)
        side = self.centered(sums, products.copy(order="F"), origin)
        solver = self.at(penalty, targets.width)
        weights = solver.factor.solve(side.values)
        size = max(1, _TOGETHER // (targets.width + len(sums)))
        for some in (parts[start : start + size] for start in range(0, len(parts), size)):
            systems = [FeatureSystem(self._of, self._kept, *part) for part in some]
            sides = []
            for system, (rows, _) in zip(systems, some, strict=True):
                less = self._target_sums(rows, targets, FIRST_RUN, origin)
                sides.append(system.centered(sums - less[0], products - less[1], origin))
            deletions = [self._deletion(system, penalty) for system in systems]
            right = np.asfortranarray(np.hstack([one.values for one in sides]))
            found, good = solve_without(solver.factor, (side.values, weights), deletions, right)
            solved = zip(systems, sides, np.split(found, len(some), axis=1), good, strict=True)
            for system, one, own, there in solved:
                yield system._fitted(own, one) if there else system.at(penalty, targets.width).fit(one)
        yield self._fitted(weights, side)

    def _fitted(self, weights: Real, side: RightSide) -> Fitted:
        predictions = _predictions(self._of.x, self._queries, weights, self.center)
        return Fitted(self._queries, side.mean, predictions)

    def _deletion(self, system: FeatureSystem, penalty: float) -> Deletion:
        """Return what a system without some rows is, less this one."""
        x = self._of.x
        # A feature that varies in the rows left out alone keeps its place: its weight is 0 at any.
        kept = (system._variance < _unused(x)) & (self._variance < _unused(x))
        diagonal = np.where(kept, penalty * (system._variance - self._variance), 0.0)
        before, after = (
            (np.sqrt(one._counts)[:, None] * one.center).astype(x.precision) for one in (self, system)
        )
        return Deletion(x, system._dropped, before, after, diagonal[:, None].astype(x.precision))

    def solved(self, side: RightSide, penalty: float) -> Real:
        """Return the weights (d, t) for right-hand sides."""
        return self.at(penalty, side.values.shape[1]).factor.solve(side.values)

    def at(self, penalty: float, targets: int) -> FeatureSolver:
        """Return a solver for so many targets."""
        x = self._of.x
        gram = Packed.zeros(self.size, x.precision)
        for fold in self._kept:
            gram.add(fold.gram)
        for part in in_blocks(self._dropped, self.size):
            gram.add_products(x[part], -1.0)
        gram.add_products(np.sqrt(self._counts)[:, None] * self.center, -1.0)
        gram.add_to_diagonal(penalty * self._variance)
        gram.factor()
        return FeatureSolver(x, self._queries, gram, self.center)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSolver:
    """The Cholesky factor of a system of the features' weights; center: (levels, d)."""

    x: Centered
    queries: Codes
    factor: Packed
    center: Matrix

    def fit(self, side: RightSide) -> Fitted:
        """Return the regression for right-hand sides."""
        weights = self.factor.solve(side.values)
        return Fitted(self.queries, side.mean, _predictions(self.x, self.queries, weights, self.center))


def _predictions(
    x: Centered, queries: Codes, weights: Real, center: Matrix
) -> Iterator[tuple[slice, Matrix]]:
    """Yield slices of the query rows and their predictions by weights (d, t) around a center (levels, d)."""
    offset, start = center.astype(weights.dtype) @ weights, 0
    for rows in in_blocks(queries, *weights.shape):
        predicted = (x[rows] @ weights).astype(np.float64, copy=False)
        predicted -= at_level(offset, x.level[rows])
        yield slice(start, start + len(rows)), predicted
        start += len(rows)


def _unused(x: Centered) -> float:
    """Return the variance that a feature is given which is constant in training, so that its weight is 0."""
    return float(np.sqrt(np.finfo(x.precision).max))
