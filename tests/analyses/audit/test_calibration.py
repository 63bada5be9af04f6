"""Shares with intervals over groups, thresholds, and the places of planted cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, binomtest
from scipy.stats import t as student

from objectspace.analyses.audit.calibration import (
    Planted,
    best_threshold,
    calibrate,
    places,
    real_share,
    share_of,
)


def test_independent_cases_have_about_clopper_and_pearsons_interval() -> None:
    hit = np.arange(200) % 10 < 3
    share = share_of(hit, np.arange(200))
    exact = binomtest(60, 200).proportion_ci(method="exact")
    assert share.value == 0.3
    assert (share.low, share.high) == (
        pytest.approx(exact.low, abs=0.003),
        pytest.approx(exact.high, abs=0.003),
    )


def test_cases_that_vary_with_their_group_count_as_one_each() -> None:
    """40 groups of 5 alike: the interval of 40 cases, not of 200."""
    group = np.repeat(np.arange(40), 5)
    share = share_of(group < 12, group)
    exact = binomtest(12, 40).proportion_ci(method="exact")
    assert (share.low, share.high) == (
        pytest.approx(exact.low, abs=0.01),
        pytest.approx(exact.high, abs=0.01),
    )


@pytest.mark.parametrize("hits", [True, False])
def test_where_all_agree_each_group_is_one_case(hits: bool) -> None:
    share = share_of(np.full(90, hits), np.arange(90) % 30)
    bound = float(beta.ppf(0.025, 30, 1))
    assert (share.low, share.high) == ((pytest.approx(bound), 1) if hits else (0, pytest.approx(1 - bound)))


def test_one_group_says_nothing() -> None:
    share = share_of(np.array([True, False]), np.zeros(2))
    assert (share.value, share.low, share.high) == (0.5, 0.0, 1.0)
    assert math.isnan(share_of(np.empty(0, bool), np.empty(0)).value)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    held = []
    for _ in range(400):
        group = np.repeat(np.arange(40), random.integers(1, 6, 40))
        chance = random.beta(4, 2, 40)[group]
        share = share_of(random.random(len(group)) < chance, group)
        held.append(share.low <= 4 / 6 <= share.high)
    assert 0.93 <= np.mean(held) <= 0.99


def test_the_interval_of_another_planting_holds_what_that_one_finds() -> None:
    """Both samples vary: the interval of the truth holds the second one's share too seldom."""
    random = np.random.default_rng(6)
    held = {True: 0, False: 0}
    for _ in range(400):
        samples = []
        for _ in range(2):
            group = np.repeat(np.arange(40), random.integers(1, 6, 40))
            samples.append((random.random(len(group)) < random.beta(4, 2, 40)[group], group))
        (hit, group), (other, _) = samples
        for again in held:
            share = share_of(hit, group, again=again)
            held[again] += share.low <= other.mean() <= share.high
    assert held[True] >= 0.94 * 400 > 0.9 * 400 > held[False]


def test_another_planting_may_find_all() -> None:
    """49 of 50: the bound is a share that 50 cases can have, and 50 of 50 is one."""
    share = share_of(np.arange(50) > 0, np.arange(50), again=True)
    assert share.high == 1.0
    assert share.low * 50 == round(share.low * 50)


def test_figures_of_planted_cases_are_of_another_planting() -> None:
    group = np.arange(40)
    cases = Planted(np.full(40, "x", object), np.where(group < 30, 2.0, 0.0), group, group / 100)
    made = calibrate(cases, group < 10, group, 1.0, how=("planted", "from"))
    hit = group < 30
    assert made.kind("x").found == share_of(hit, group, again=True) != share_of(hit, group)
    assert made.kind("x").first[0.1] == share_of(group < 10, group, again=True)
    assert made.false_alarms == share_of(group < 10, group)


def test_the_threshold_errs_least_by_hand() -> None:
    """Every threshold tried one by one, at nine unplanted for each planted."""
    random = np.random.default_rng(3)
    planted, unplanted = random.normal(3, 1, 60), random.normal(0, 1, 300)
    tried = np.sort(np.concatenate([planted, unplanted]))
    gain = [(planted >= t).mean() - 9 * (unplanted >= t).mean() for t in tried]
    t = best_threshold(planted, unplanted)
    assert (planted >= t).mean() - 9 * (unplanted >= t).mean() == pytest.approx(max(gain))


def test_the_threshold_is_in_the_middle_of_the_gap() -> None:
    assert best_threshold(np.array([-15.0, -10.0]), np.full(100, -38.0)) == -26.5


def test_real_cases_among_the_unplanted_do_not_move_it() -> None:
    strangers = np.full(100, -38.0)
    copies = np.concatenate([np.full(70, -38.0), np.full(30, -1.0)])
    planted = np.array([-15.0, -10.0, -2.0] * 5)
    assert best_threshold(planted, copies, often_real=True) == -26.5
    assert best_threshold(planted, strangers, often_real=True) == -26.5


def test_the_share_that_looks_like_the_planted_is_that_of_the_mixture() -> None:
    """Of a thousand unplanted three in ten are like the planted, the others far from them."""
    random = np.random.default_rng(4)
    unplanted = np.concatenate([random.normal(3, 1, 300), random.normal(-9, 1, 700)])
    assert real_share(random.normal(3, 1, 2000), unplanted) == pytest.approx(0.3, abs=0.04)
    assert real_share(random.normal(3, 1, 2000), unplanted[300:]) == 0
    assert real_share(np.full(3, -np.inf), unplanted) == 0


def test_what_cannot_be_told_apart_has_no_threshold() -> None:
    assert best_threshold(np.zeros(5), np.ones(5)) == math.inf
    assert best_threshold(np.zeros(5), np.ones(5), often_real=True) == math.inf
    assert best_threshold(np.empty(0), np.ones(5)) == math.inf
    # All of the planted, and one of nine of the others: as good as no list.
    assert best_threshold(np.ones(7), np.array([1.0] + [0.0] * 8)) == math.inf
    assert best_threshold(np.ones(7), np.array([1.0] + [0.0] * 9)) == 0.5


def test_a_case_comes_after_all_that_are_as_suspicious() -> None:
    among = np.array([5.0, 3.0, 3.0, 1.0])
    assert places(np.array([9.0, 5.0, 3.0, 2.0, 0.0, -np.inf]), among).tolist() == [0, 0.25, 0.75, 0.75, 1, 1]


def test_planted_cases_are_counted_by_kind_and_part() -> None:
    planted = Planted(
        kind=np.array(["jpeg", "flip", "jpeg", "flip"], object),
        suspicion=np.array([5.0, 1.0, 4.0, -np.inf]),
        group=np.array(["a", "b", "c", "d"]),
        place=np.array([0.0, 0.3, 0.02, 1.0]),
    )
    alarms = np.array([True] + [False] * 9)
    made = calibrate(planted, alarms, np.arange(10), 4.0, how=("put in", "chosen"))
    assert [(one.kind, one.found.value, one.found.n) for one in made.kinds] == [
        ("all", 0.5, 4), ("jpeg", 1.0, 2), ("flip", 0.0, 2)
    ]  # fmt: skip
    assert {part: share.value for part, share in made.kind("jpeg").first.items()} == {
        0.01: 0.5,
        0.05: 1,
        0.1: 1,
    }
    assert made.false_alarms.value == 0.1
    assert made.to_json()["kinds"][1]["first"]["0.05"]["value"] == 1


def test_a_calibration_is_told_in_a_line_by_kind() -> None:
    """Of two kinds three of four and one of two cases are found; the whole is told once, before them."""
    kind = np.array(["jpeg", "crop", "jpeg", "jpeg", "crop", "jpeg"], object)
    suspicion = np.array([0.9, 0.2, 0.8, 0.1, 0.7, 0.6])
    planted = Planted(kind, suspicion, np.arange(6), np.array([0.005, 0.4, 0.02, 0.9, 0.03, 0.3]))
    alarms = np.arange(50) < 3
    found = calibrate(planted, alarms, np.arange(50), 0.5, how=["planted so", "chosen so"])
    assert found.text == (
        "of 6 planted cases 67% are listed (jpeg 75%, crop 50%), 17% in the first 1%, 50% in the first 5%, "
        "50% in the first 10%; of unplanted objects 6.0%"
    )
    assert [one.kind for one in found.kinds] == ["all", "jpeg", "crop"]
    assert [one.found.value for one in (found.kind(), found.kind("crop"), found.kind("jpeg"))] == [
        pytest.approx(4 / 6),
        0.5,
        0.75,
    ]
    assert (found.planted, found.threshold_from) == ("planted so", "chosen so")
    assert repr(found) == f"Calibration({found.kinds[0]!r}, false alarms 0.060)"


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_interval_is_korn_and_graubards_of_groups_of_unequal_size(seed: int, again: bool) -> None:
    """Groups out of order; the variance of a ratio between groups, step by step."""
    random = np.random.default_rng(seed)
    group = random.permutation(np.repeat([7, 2, 9, 4, 1, 5], [1, 9, 3, 14, 2, 6]))
    # One seed's groups agree within themselves; another's are opposite to each other, less than by chance.
    hit = random.random(35) < 0.7 if seed else np.isin(group, [2, 4, 1])
    found = share_of(hit, group, again=again)
    share = sum(hit) / 35
    residuals = [sum(hit[group == one]) - share * sum(group == one) for one in (7, 2, 9, 4, 1, 5)]
    variance = 6 / 5 * sum(one**2 for one in residuals) / 35**2
    cases = share * (1 - share) / variance * (student.ppf(0.975, 34) / student.ppf(0.975, 5)) ** 2
    cases = min(cases, 35) / (1 + again)
    low = beta.ppf(0.025, share * cases, cases - share * cases + 1)
    high = beta.ppf(0.975, share * cases + 1, cases - share * cases)
    if again:
        low, high = math.floor(low * 35) / 35, math.ceil(high * 35) / 35
    assert (found.value, found.n) == (pytest.approx(share), 35)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_independent_cases_count_no_more_than_they_are() -> None:
    """Groups that are each half hit vary less than chance would: 40 cases, and not more."""
    hit, group = np.arange(40) % 2 == 0, np.arange(40) // 4
    hit[0] = False
    found = share_of(hit, group)
    exact = binomtest(19, 40).proportion_ci(method="exact")
    assert (found.low, found.high) == (pytest.approx(exact.low), pytest.approx(exact.high))


@pytest.mark.parametrize("cases", [0, 1, 2])
def test_of_hardly_any_groups_a_share_says_what_it_can(cases: int) -> None:
    found = share_of(np.ones(cases, bool), np.arange(cases))
    if cases == 2:
        assert (found.value, found.high) == (1, 1)
        assert found.low == pytest.approx(0.025**0.5)
    else:
        values = (found.value, found.low, found.high)
        assert np.isnan(values).all() if not cases else values == (1, 0, 1)
    document = found.to_json()
    assert document["n"] == cases
    assert document["low"] == (None if not cases else found.low)


@pytest.mark.parametrize(("stranger", "threshold"), [(4.9, 0.5), (4.5, 0.5), (3.9, 4.45), (2.0, 3.5)])
def test_the_threshold_is_in_the_widest_of_gaps_that_are_equally_good(
    stranger: float, threshold: float
) -> None:
    """From 1 on all ten are found with one stranger of 90, from 5 on nine without any: as good, at odds of 9.

    Below 1 there is nothing down to 0, and below 5 down to the stranger.
    """
    planted = np.array([5.0, 1.0, *[9.0] * 8])
    unplanted = np.array([0.0] * 40 + [stranger] + [0.0] * 49)
    assert best_threshold(planted, unplanted) == pytest.approx(threshold)


def test_the_least_suspicious_of_all_may_be_the_threshold() -> None:
    """Where all is planted and nothing else as suspicious, there is nothing below to be between."""
    assert best_threshold(np.array([2.0, 3.0]), np.full(5, -np.inf)) == 2.0
    assert best_threshold(np.array([-np.inf, -np.inf]), np.full(5, -np.inf)) == math.inf


def test_half_of_the_planted_are_above_where_the_share_that_looks_like_them_is_read() -> None:
    """By every threshold in turn; what fewer than half of them reach says nothing."""
    random = np.random.default_rng(9)
    for _ in range(5):
        planted = random.normal(2, 2, 11).round(1)
        unplanted = np.concatenate([random.normal(2, 2, 15), random.normal(-2, 2, 23)]).round(1)
        ratios = [
            (unplanted >= t).mean() / (planted >= t).mean()
            for t in np.concatenate([planted, unplanted])
            if (planted >= t).mean() >= 0.5
        ]
        assert real_share(planted, unplanted) == pytest.approx(min(ratios))
        real = min(0.5, min(ratios))
        gains = {
            t: (planted >= t).mean()
            - 9 * max((unplanted >= t).mean() - real * (planted >= t).mean(), 0) / (1 - real)
            for t in np.concatenate([planted, unplanted])
        }
        found = best_threshold(planted, unplanted, often_real=True)
        above = min((t for t in gains if t >= found), default=math.inf)
        assert gains[above] == pytest.approx(max(gains.values()))
