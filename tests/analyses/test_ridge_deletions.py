"""Systems without some of their rows against those that are made without them."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses import ridge_deletions
from objectspace.analyses.features import Centered
from objectspace.analyses.packed import Packed
from objectspace.analyses.ridge_deletions import Deletion, solve_without

RNG = np.random.default_rng


@pytest.mark.parametrize(
    ("precision", "error"), [(np.float64, 1e-9), (np.float32, 1e-4)], ids=["float64", "float32"]
)
def test_solutions_are_those_of_the_systems_without_the_rows(
    precision: type[np.floating], error: float
) -> None:
    """Three parts of 5, 30 and no rows, two targets, of which one is 0; two levels' means change as well."""
    rng = RNG(0)
    features = rng.normal(size=(90, 20)).astype(np.float32)
    x = Centered.of(features, precision=precision)
    whole, right = x[np.arange(90)].astype(float), rng.normal(size=(20, 2))
    right[:, 1] = 0
    before, diagonal = rng.normal(size=(2, 20)), rng.uniform(3, 5, 20)
    system = whole.T @ whole - before.T @ before + np.diag(diagonal)
    factor = Packed.zeros(20, precision)
    factor.add_products(whole)
    factor.add_products(before, -1.0)
    factor.add_to_diagonal(diagonal)
    factor.factor()
    deletions, expected, sides = [], [], []
    for rows in (np.arange(5), np.arange(40, 70), np.arange(0)):
        after, change, side = rng.normal(size=(2, 20)), rng.uniform(-1, 1, 20), rng.normal(size=(20, 2))
        side[:, 1] = 0
        less = whole[rows].T @ whole[rows] + after.T @ after - before.T @ before
        expected.append(np.linalg.solve(system - less + np.diag(change), side))
        means = before.astype(precision), after.astype(precision)
        deletions.append(Deletion(x, rows, *means, change[:, None].astype(precision)))
        sides.append(side.astype(precision))
    start = right.astype(precision), np.linalg.solve(system, right).astype(precision)
    found, good = solve_without(factor, start, deletions, np.asfortranarray(np.hstack(sides)))
    assert found.dtype == precision
    assert good.tolist() == [True, True, True]
    np.testing.assert_allclose(found, np.hstack(expected), atol=error * np.abs(expected).max())


def test_a_part_that_takes_too_many_steps_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two directions change, which takes two steps; nothing of the other part."""
    monkeypatch.setattr(ridge_deletions, "_STEPS", 1)
    vectors = np.zeros((9, 2), np.float32)
    vectors[[0, 1], [0, 1]] = 3, 5
    x = Centered(vectors, np.zeros((1, 2)), np.arange(9), np.zeros(9, np.int64))
    factor = Packed.zeros(2)
    factor.add_products(x[np.arange(9)])
    factor.add_to_diagonal(np.ones(2))
    factor.factor()
    nothing = np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((2, 1))
    deletions = [Deletion(x, rows, *nothing) for rows in (np.arange(2), np.arange(5, 9))]
    whole = np.ones((2, 1)), np.array([[1 / 10], [1 / 26]])
    found, good = solve_without(factor, whole, deletions, np.ones((2, 2), order="F"))
    assert good.tolist() == [False, True]
    np.testing.assert_allclose(found[:, 1:], whole[1])
