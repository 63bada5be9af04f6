"""Systems of the training rows' weights, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, cho_factor, cho_solve

from objectspace.analyses.features import Centered, Real, in_blocks
from objectspace.analyses.groups import Codes
from objectspace.analyses.ridge_systems import FIRST_RUN, Fitted, RightSide
from objectspace.analyses.ridge_targets import Targets, at_level, level_means, level_sums

Matrix = NDArray[np.float64]

# Rows of a triangle that are copied at a time.
_TRIANGLE = 128


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

    Its products are made when they are first needed, and serve the systems without some of its training rows;
    once the system itself is solved they are gone, and what is left of them serves all penalties.
    """

    def __init__(self, of: RowSystems, train: Codes, queries: Codes, whole: RowSystem | None = None) -> None:
        self._of, self._train, self._queries, self._whole = of, train, queries, whole
        self._products: Matrix | None = None
        self._around: tuple[Matrix, Matrix] | None = None

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
            yield part.at(penalty, targets.width, last=True).fit(part.right(targets, FIRST_RUN))
        yield self.at(penalty, targets.width, last=True).fit(self.right(targets, FIRST_RUN))

    def at(self, penalty: float, targets: int, *, last: bool = False) -> RowSolver:
        """Return a solver for so many targets; the ``last`` one may overwrite the system."""
        gram, cross = self._around or self._centered()
        self._products, self._around = None, None if last else (gram, cross)
        gram = gram if last else gram.copy(order="F")
        np.einsum("ii->i", gram)[:] += penalty
        factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
        # The hat matrix costs as much as there are queries, the weights as much as there are targets.
        if len(cross) < targets:
            hat = cho_solve(factor, cross.T, overwrite_b=last, check_finite=False).T
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
