"""The rule that makes a difference of three numbers, learned from planted copies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from objectspace.analyses.audit.copy_rule import PRODUCT, CopyRule, fit_copy_rule, judge_held_out
from objectspace.analyses.groups import make_folds


def numbers(seed: int, count: int, middle: tuple[float, float, float], spread: float = 0.5) -> np.ndarray:
    """Numbers whose logarithms are normal."""
    normal = np.random.default_rng(seed).normal(0, spread, (count, 3))
    return np.exp(np.log(middle) + normal)


def test_differences_are_odds_by_hand() -> None:
    rule = CopyRule((2.0, 0.5, 1.0), math.log(3))
    odds = 3 * 0.1**2 * 0.25**0.5 * 0.2
    assert rule.differences(np.array([0.1, 0.25, 0.2])) == pytest.approx(odds / (1 + odds))
    assert rule.differences(np.array([[np.inf, np.inf, np.inf], [1, 1, 1]])).tolist() == [1.0, 0.75]


def test_the_number_that_tells_copies_apart_counts_most() -> None:
    """Only the third number differs between copies and others; the first says nothing."""
    copies, others = numbers(1, 200, (0.1, 0.5, 0.05)), numbers(2, 900, (0.1, 0.5, 0.5))
    rule = fit_copy_rule(copies, others)
    assert rule.weights[2] > 5 * max(rule.weights[:2])
    assert np.median(rule.differences(copies)) < 0.05 < 0.9 < np.median(rule.differences(others))


def test_a_number_that_is_larger_for_copies_is_left_out() -> None:
    rule = fit_copy_rule(numbers(1, 200, (0.4, 0.5, 0.05)), numbers(2, 900, (0.1, 0.5, 0.5)))
    assert rule.weights[0] == 0
    assert min(rule.weights) >= 0


def test_a_store_full_of_copies_teaches_nearly_the_same() -> None:
    """Half of the unplanted are copies themselves."""
    copies, others = numbers(1, 200, (0.02, 0.2, 0.05)), numbers(2, 900, (0.2, 0.6, 0.5))
    full = np.concatenate([others, numbers(3, 900, (0.02, 0.2, 0.05))])
    found = fit_copy_rule(copies, full).differences(others)
    listed = fit_copy_rule(copies, full).differences(copies)
    assert np.median(listed) < np.quantile(found, 0.01)


def test_what_differs_as_little_as_the_copies_do_is_left_out() -> None:
    """Of 11 copies nine in ten differ by at most what the tenth does: one that is as near may be real."""
    copies = np.tile(np.arange(1, 12)[:, None] / 16, 3)
    others = np.concatenate([np.full((40, 3), 0.9), copies[[9]]])
    assert fit_copy_rule(copies, others) == fit_copy_rule(copies, others[:40])
    farther = np.concatenate([others[:40], copies[[9]] + 1e-6])
    assert fit_copy_rule(copies, farther) != fit_copy_rule(copies, others[:40])


def test_without_copies_it_is_the_product() -> None:
    lost = np.full((4, 3), np.inf)
    assert fit_copy_rule(lost, numbers(2, 20, (0.1, 0.5, 0.5))) is PRODUCT
    assert fit_copy_rule(numbers(1, 20, (0.1, 0.5, 0.5)), lost) is PRODUCT


def test_a_planted_copy_is_judged_by_what_others_taught() -> None:
    """Each group is judged by the rule that was fitted without it."""
    copies, others = numbers(1, 60, (0.02, 0.2, 0.05)), numbers(2, 300, (0.2, 0.6, 0.5))
    group = np.repeat([f"image{number}" for number in range(12)], 5)
    before = judge_held_out(copies, group, others)
    changed = copies.copy()
    changed[:5] = 0.9
    after = judge_held_out(changed, group, others)
    assert not np.allclose(before[5:], after[5:])
    assert (after[:5] > 0.5).all()
    assert ((before >= 0) & (before <= 1)).all()


def slow_rule(copies: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Weights and offset of a weighted logistic regression with the penalty |w|^2 / 2, by an optimizer."""
    x = np.log(np.maximum(np.concatenate([copies, others]), 1e-4))
    stranger = np.arange(len(x)) >= len(copies)
    weight = np.where(stranger, 0.9 / len(others), 0.1 / len(copies)) * len(x)

    def fitted(used: list[int]) -> np.ndarray:
        def loss(at: np.ndarray) -> float:
            odds = x[:, used] @ at[1:] + at[0]
            return float(
                (weight * np.logaddexp(0, np.where(stranger, -odds, odds))).sum() + at[1:] @ at[1:] / 2
            )

        return minimize(loss, np.zeros(1 + len(used)), method="BFGS", options={"gtol": 1e-7}).x

    used = [0, 1, 2]
    while used and (found := fitted(used))[1:].min() < 0:
        used.pop(int(found[1:].argmin()))
    weights = np.zeros(4)
    weights[3], weights[used] = found[0], found[1:]
    return weights


@pytest.mark.parametrize(
    "middle", [(0.02, 0.2, 0.05), (0.4, 0.2, 0.05), (0.4, 0.9, 0.05)], ids=["3", "2", "1"]
)
def test_the_rule_is_a_weighted_regression_on_what_differs_more_than_nearly_all_copies(
    middle: tuple[float, float, float],
) -> None:
    """Of 40 copies, of which two are lost, and 90 others, of which some are as near as copies."""
    copies, others = numbers(1, 40, middle), numbers(2, 90, (0.2, 0.6, 0.5), spread=0.9)
    others[5] = (1e-9, 0.6, 0.9)
    copies[[3, 30]], others[7, 1] = np.inf, np.inf
    found = fit_copy_rule(copies, others)
    known, there = (one[np.isfinite(one).all(1)] for one in (copies, others))
    products = [(one[:, 0] * one[:, 2]) for one in (np.maximum(known, 1e-4), np.maximum(there, 1e-4))]
    limit = np.quantile(products[0] / (1 + products[0]), 0.9)
    kept = there[products[1] / (1 + products[1]) > limit]
    assert 20 < len(kept) < 90
    expected = slow_rule(known, kept)
    np.testing.assert_allclose([*found.weights, found.offset], expected, atol=2e-3)
    assert sum(weight > 0 for weight in found.weights) == (expected[:3] > 0).sum()


@pytest.mark.parametrize("seed", [0, 3])
def test_held_out_copies_are_judged_fold_by_fold(seed: int) -> None:
    copies, others = numbers(4, 23, (0.05, 0.3, 0.1)), numbers(5, 60, (0.2, 0.6, 0.5))
    group = np.array([f"image{n}" for n in np.random.default_rng(1).integers(0, 9, 23)])
    found = judge_held_out(copies, group, others, seed=seed)
    fold = make_folds(np.unique(group, return_inverse=True)[1], 5, seed=seed)
    for held in range(5):
        rule = fit_copy_rule(copies[fold != held], others)
        np.testing.assert_array_equal(found[fold == held], rule.differences(copies[fold == held]))
