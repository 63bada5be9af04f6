"""The rule that makes a difference of three numbers, learned from planted copies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from objectspace.analyses.audit.copy_rule import PRODUCT, CopyRule, fit_copy_rule, judge_held_out


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
