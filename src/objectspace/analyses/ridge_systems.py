"""The two equal systems of a ridge regression, whichever is smaller, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, cho_factor, cho_solve

from objectspace.analyses.features import Centered, Real, in_blocks
from objectspace.analyses.groups import Codes
from objectspace.analyses.packed import Packed
from objectspace.analyses.ridge_deletions import Deletion, solve_without
from objectspace.analyses.ridge_sums import RowSums, add_product, all_targets, column_products
from objectspace.analyses.ridge_targets import Targets, at_level, level_means, level_sums

Matrix = NDArray[np.float64]

# Rows whose targets' mean is the origin of all, the only run of some targets, columns that are solved for
# together, and rows of a triangle that are copied at a time.
_FIRST, _FIRST_RUN, _TOGETHER = 100, np.zeros(1, np.int64), 128
_TRIANGLE = 128


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


# ---------------------------------------------------------------------------------------- by the features


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
            for number, penalty in enumerate(penalties):
                weights = system.at(penalty, side.values.shape[1]).factor.solve(side.values)
                errors = [whole[fold].errors(weights, system.center, side.mean) for fold in held]
                yield one, number, np.stack(errors)


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
        used = squares > np.finfo(x.precision).eps ** 0.75 * whole
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
                yield part.at(penalty, targets.width).fit(part.right(targets, _FIRST_RUN))
            yield self.at(penalty, targets.width).fit(self.right(targets, _FIRST_RUN))
        else:
            yield from self._fits_by_deletion(targets, penalty, parts)

    def _fits_by_deletion(
        self, targets: Targets, penalty: float, parts: Sequence[tuple[Codes, Codes]]
    ) -> Iterator[Fitted]:
        """Yield the regressions of a single run from one factor, as one for each part costs d³ / 3."""
        origin = self._origin(targets, _FIRST_RUN)
        sums, products = self._target_sums(self._train, targets, _FIRST_RUN, origin)
        side = self.centered(sums, products.copy(order="F"), origin)
        solver = self.at(penalty, targets.width)
        weights = solver.factor.solve(side.values)
        size = max(1, _TOGETHER // targets.width)
        for some in (parts[start : start + size] for start in range(0, len(parts), size)):
            systems = [FeatureSystem(self._of, self._kept, *part) for part in some]
            sides = []
            for system, (rows, _) in zip(systems, some, strict=True):
                less = self._target_sums(rows, targets, _FIRST_RUN, origin)
                sides.append(system.centered(sums - less[0], products - less[1], origin))
            deletions = [self._deletion(system, penalty) for system in systems]
            right = np.asfortranarray(np.hstack([one.values for one in sides]))
            found = solve_without(solver.factor, (side.values, weights), deletions, right)
            for system, one, own in zip(systems, sides, np.split(found, len(some), axis=1), strict=True):
                yield system._fitted(own, one)
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
    offset, start = center @ weights, 0
    for rows in in_blocks(queries, *weights.shape):
        predicted = (x[rows] @ weights).astype(np.float64, copy=False)
        predicted -= at_level(offset, x.level[rows])
        yield slice(start, start + len(rows)), predicted
        start += len(rows)


def _unused(x: Centered) -> float:
    """Return the variance that a feature is given which is constant in training, so that its weight is 0."""
    return float(np.sqrt(np.finfo(x.precision).max))


# -------------------------------------------------------------------------------------------- by the rows


class RowSystems:
    """Systems (m, m) of the m training rows' weights, from products of rows summed over blocks of columns.

    A block in which only some of the rows have numbers costs what these rows do.
    """

    def __init__(self, x: Centered, folds: Sequence[Codes]) -> None:
        self.x, self.level, self.folds = x, x.level, folds

    def system(self, held: Sequence[int]) -> RowSystem:
        """Return the system of all folds but those held out, for predictions of the rows of these."""
        queries = np.concatenate([self.folds[number] for number in held])
        return RowSystem(self, np.setdiff1d(np.arange(len(self.x)), queries), queries)

    def errors(self, asked: Sequence[Targets], penalties: Matrix) -> Iterator[tuple[int, int, Matrix]]:
        """Yield squared errors, as :meth:`Systems.errors`, of predictions of each row."""
        for one in range(len(self.folds)):
            # In a function of its own, so that one system is gone before the next is made.
            for number, found in enumerate(self._errors(one, asked, penalties)):
                yield one, number, found

    def _errors(self, one: int, asked: Sequence[Targets], penalties: Matrix) -> Iterator[Matrix]:
        """Yield the squared errors (2, t) of a fold and of the next at each penalty."""
        system, first = self.system([one, (one + 1) % len(self.folds)]), len(self.folds[one])
        sides = [system.right(targets, np.arange(targets.runs)) for targets in asked]
        width = sum(side.values.shape[1] for side in sides)
        for penalty in penalties:
            solver = system.at(penalty, width)
            found = [
                self._squares(solver.fit(side), targets, first)
                for targets, side in zip(asked, sides, strict=True)
            ]
            del solver  # before the next is made
            yield np.hstack(found)

    def _squares(self, fitted: Fitted, targets: Targets, first: int) -> Matrix:
        """Return the squared errors (2, t) of the predictions of the ``first`` queries, and of the others."""
        squares = np.zeros((2, fitted.mean.shape[1]))
        for part, errors in fitted.parts:
            rows = fitted.queries[part]
            errors += at_level(fitted.mean, self.level[rows])
            errors -= targets.of(rows, np.arange(targets.runs))
            errors *= errors
            own = max(0, first - part.start)
            squares += errors[:own].sum(0), errors[own:].sum(0)
        return squares

    def products(self, train: Codes, queries: Codes) -> Matrix:
        """Return the products (m + q, m + q) of training rows, then queries, scaled: the lower triangle."""
        rows, count = np.concatenate([train, queries]), len(train)
        counts = np.bincount(self.level[train], minlength=int(self.level.max()) + 1)
        mean = _averaging(self.level[train], counts)
        products = np.zeros((len(rows), len(rows)), order="F")
        for there, x in self.x.columns(rows):
            if len(there) == len(rows):
                x -= x.mean(0)  # Which loses the fewest digits.
            split = np.searchsorted(there, count)
            x /= _scale(x[:split], mean[:, there[:split]], counts)
            own = products if len(there) == len(rows) else np.zeros((len(there), len(there)), order="F")
            own = blas.dsyrk(1.0, x.T, 1.0, own, trans=1, lower=1, overwrite_c=1)
            if len(there) < len(rows):
                products[np.ix_(there, there)] += own
        return products


class RowSystem:
    """A system of the training rows' weights.

    Its products are made when they are first needed, and serve the systems without some of its training rows.
    """

    def __init__(self, of: RowSystems, train: Codes, queries: Codes, whole: RowSystem | None = None) -> None:
        self._of, self._train, self._queries, self._whole = of, train, queries, whole
        self._products: Matrix | None = None

    @property
    def size(self) -> int:
        """Numbers in a right-hand side."""
        return len(self._train)

    @property
    def products(self) -> Matrix:
        """The products of its training rows, then its queries, scaled."""
        if self._products is None:
            self._products = self._of.products(self._train, self._queries)
            _mirror(self._products)
        return self._products

    def without(self, dropped: Codes, queries: Codes) -> RowSystem:
        """Return the system without some of the training rows, for some of the queries.

        Features keep the scale that they have with all of the training rows: another one for each part that
        is left out would cost all products anew, and the interval differs by a fiftieth.
        """
        return RowSystem(self._of, np.setdiff1d(self._train, dropped, assume_unique=True), queries, self)

    def right(self, targets: Targets, runs: Codes) -> RightSide:
        """Return the right-hand sides of the targets of some runs."""
        level = self._of.level
        y = targets.of(self._train, runs)
        counts = np.bincount(level[self._train], minlength=int(level.max()) + 1)
        mean = level_means(level_sums(y, level[self._train], len(counts)), counts)
        y -= at_level(mean, level[self._train])
        return RightSide(y, mean)

    def fits(
        self, targets: Targets, penalty: float, parts: Sequence[tuple[Codes, Codes]]
    ) -> Iterator[Fitted]:
        """Yield the regressions of a single run, as :meth:`System.fits`."""
        for rows, queries in parts:
            part = self.without(rows, queries)
            yield part.at(penalty, targets.width).fit(part.right(targets, _FIRST_RUN))
        yield self.at(penalty, targets.width, last=True).fit(self.right(targets, _FIRST_RUN))

    def at(self, penalty: float, targets: int, *, last: bool = False) -> RowSolver:
        """Return a solver for so many targets; the ``last`` one may overwrite the system."""
        gram, cross = self._centered()
        if last:
            self._products = None
        np.einsum("ii->i", gram)[:] += penalty
        factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
        # The hat matrix costs as much as there are queries, the weights as much as there are targets.
        if len(cross) < targets:
            hat = cho_solve(factor, cross.T, overwrite_b=True, check_finite=False).T
            return RowSolver(self._queries, hat, None)
        return RowSolver(self._queries, cross, factor)

    def _centered(self) -> tuple[Matrix, Matrix]:
        """Return products of its training rows (m, m), of its queries with them (q, m), around each level."""
        whole = self._whole or self
        place = np.empty(len(self._of.level), np.int64)
        place[np.concatenate([whole._train, whole._queries])] = np.arange(len(whole.products))
        train, queries = place[self._train], place[self._queries]
        gram = whole.products[np.ix_(train, train)].T  # symmetric; in the order that is factored in place
        cross = whole.products[np.ix_(queries, train)]
        level, of_queries = self._of.level[self._train], self._of.level[self._queries]
        mean = _averaging(level, np.bincount(level, minlength=int(self._of.level.max()) + 1))
        of_means = mean @ gram
        among = at_level((of_means @ mean.T).T, level).T  # (levels, m)
        cross -= at_level((cross @ mean.T).T, level).T
        cross -= at_level(of_means - among, of_queries)
        gram -= at_level(of_means, level).T
        gram -= at_level(of_means - among, level)
        return gram, cross


def _averaging(level: Codes, counts: Codes) -> Matrix:
    """Return what takes rows (m, c) to the mean of each level, of all where it has none: (levels, m)."""
    averaging: Matrix = level_means((level == np.arange(len(counts))[:, None]) * 1.0, counts)
    return averaging


@dataclass(frozen=True, slots=True, eq=False)
class RowSolver:
    """The hat matrix (queries, m) of a system of the rows' weights, or what is left of it and the factor."""

    queries: Codes
    left: Matrix
    factor: tuple[Matrix, bool] | None

    def fit(self, side: RightSide) -> Fitted:
        """Return the regression for right-hand sides."""
        weights = side.values
        if self.factor is not None:
            weights = cho_solve(self.factor, weights, check_finite=False)
        return Fitted(self.queries, side.mean, self._predictions(weights))

    def _predictions(self, weights: Real) -> Iterator[tuple[slice, Matrix]]:
        for rows in in_blocks(np.arange(len(self.left)), 1, weights.shape[1]):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            yield part, self.left[part] @ weights


def _mirror(products: Matrix) -> None:
    """Write the lower triangle of a matrix to the upper one, which is zero, in place."""
    for start in range(0, len(products), _TRIANGLE):
        rows = slice(start, start + _TRIANGLE)
        products[:start, rows] = products[rows, :start].T
        own = products[rows, rows]
        own += np.tril(own, -1).T


def _scale(x: Matrix, mean: Matrix, counts: Codes) -> Matrix:
    """Return the standard deviation (c,) around the level of columns (m, c) of training rows.

    mean: (levels, m); training has ``counts`` rows at each level.
    Infinite for a feature that is constant in training, and so unused.
    """
    before = (x**2).sum(0)
    squares = before - (counts[:, None] * (mean @ x) ** 2).sum(0)
    used = squares > 1e-12 * before
    return np.where(used, np.sqrt(np.maximum(squares, 0) / counts.sum()), np.inf)
