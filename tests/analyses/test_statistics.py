"""Permutations move what may be exchanged and nothing else; intervals against scipy and by coverage."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from objectspace.analyses import statistics
from objectspace.analyses.groups import comparable, make_groups
from objectspace.analyses.statistics import (
    Estimate,
    bootstrap,
    draws,
    estimate_mean,
    expanded_percentiles,
    least_p_value,
    mean_interval,
    p_value,
    permutation_count,
    permutations,
    ratio_interval,
    skewness,
)


def test_a_photo_of_two_groups_joins_them() -> None:
    groups = make_groups(np.array(["1", "1", "2", "3"]), group=np.array(["a", "b", "b", "c"]))
    assert groups.group.tolist() == [0, 0, 0, 1]


def test_a_level_of_one_cluster_has_nobody_to_compare_with() -> None:
    groups = make_groups(np.array(["1", "1", "2"]), level=np.array([0, 1, 0]))
    assert comparable(groups).tolist() == [True, False, True]


def test_single_objects_are_permuted_freely() -> None:
    groups = make_groups(np.arange(4))
    seen = {tuple(rows) for rows in permutations(groups, 400)}
    assert len(seen) == 24


def test_no_objects_have_empty_permutations() -> None:
    assert [rows.tolist() for rows in permutations(make_groups(np.array([], int)), 3)] == [[], [], []]


def test_a_factor_of_the_photos_stays_one() -> None:
    photo = np.repeat([0, 1, 2, 3], [1, 2, 3, 4])
    for rows in permutations(make_groups(photo), 50):
        moved = photo[rows]
        assert all(len(set(moved[photo == one])) == 1 for one in range(4))


def test_photos_of_equal_size_exchange_all_their_values() -> None:
    photo = np.repeat(np.arange(4), 3)
    for rows in permutations(make_groups(photo), 50):
        assert sorted(rows) == list(range(12))


def test_photos_stay_whole_inside_their_group() -> None:
    photo, group = np.repeat(np.arange(6), 2), np.repeat([0, 1, 2], 4)
    for rows in permutations(make_groups(photo, group=group), 50):
        assert all(len(set(photo[rows][photo == one])) == 1 for one in range(6))
        assert all(len(set(group[rows][group == one])) == 1 for one in range(3))


def test_values_never_leave_their_level() -> None:
    rng = np.random.default_rng(0)
    photo, level = rng.integers(0, 8, 60), rng.integers(0, 3, 60)
    for rows in permutations(make_groups(photo, level=level), 50):
        assert (level[rows] == level).all()


def test_clusters_move_through_all_levels_together() -> None:
    """The same apple's color at two elevations is one value, not two."""
    apple, elevation = np.repeat(np.arange(5), 2), np.tile([0, 1], 5)
    groups = make_groups(np.arange(10), group=apple, level=elevation)
    for rows in permutations(groups, 50):
        assert (apple[rows][elevation == 0] == apple[rows][elevation == 1]).all()


def photos_of_kinds(seed: int, photos: int, kinds: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Photo and kind of objects: each kind is in a share of the photos, whichever others are."""
    photo, kind = np.nonzero(np.random.default_rng(seed).random((photos, kinds)) < share)
    return photo, kind


def test_each_level_is_permuted_freely_whatever_the_other_levels_of_a_photo() -> None:
    """Hardly two of these photos have the same kinds."""
    photo, kind = photos_of_kinds(0, 40, 8, 0.4)
    groups = make_groups(photo, level=kind)
    values = np.random.default_rng(1).normal(size=len(photo))
    drawn = np.stack(list(permutations(groups, 400, values=values)))
    assert (np.sort(drawn) == np.arange(len(photo))).all()
    # In a uniform permutation each gives to each other equally often, itself included.
    for level in range(8):
        rows = np.flatnonzero(kind == level)
        given = (drawn[:, rows, None] == rows).mean(0)
        error = np.sqrt((1 - 1 / len(rows)) / len(rows) / 400)
        assert (np.abs(given - 1 / len(rows)) < 5 * error).all()


def test_clusters_of_other_levels_keep_a_value_that_they_share() -> None:
    """A photo's light is one at all its kinds: photos that share two kinds draw light values in one order."""
    photo, kind = photos_of_kinds(2, 200, 4, 0.5)
    light = np.random.default_rng(3).normal(size=200)[photo]
    tables = []
    for rows in permutations(make_groups(photo, level=kind), 20, values=light):
        table = np.full((200, 4), np.nan)
        table[photo, kind] = light[rows]
        tables.append(table[~np.isnan(table[:, :2]).any(1), :2])
    assert np.corrcoef(np.concatenate(tables).T)[0, 1] > 0.9


@pytest.mark.parametrize("shared", ["photo", "object"])
@pytest.mark.slow
def test_p_is_uniform_where_photos_hang_together_across_levels(shared: str) -> None:
    """Vectors of a photo alike at all its kinds, values its own or its objects', and independent of them."""
    p = []
    for seed in range(300):
        rng = np.random.default_rng([seed, 9])
        photo, kind = photos_of_kinds(seed, 30, 4, 0.7)
        groups = make_groups(photo, level=kind)
        value = rng.normal(size=30)[photo] if shared == "photo" else rng.normal(size=len(photo))
        value += 2 * rng.normal(size=4)[kind]
        vectors = rng.normal(size=(30, 2))[photo]
        compared = (kind[:, None] == kind) & (photo[:, None] != photo)
        rows = np.stack([np.arange(len(photo)), *permutations(groups, 19, values=value, seed=seed)])
        member = np.eye(4)[kind]
        centered = value - (value @ member / member.sum(0))[kind]
        likeness = np.einsum("pi,ij,pj->p", centered[rows], vectors @ vectors.T * compared, centered[rows])
        p.append(p_value(float(likeness[0]), likeness[1:]))
    # Two-sided, of 19 permutations: p is a multiple of 1 / 10.
    for level in (0.1, 0.3, 0.5, 0.8):
        # Outside these bounds comes once in 300 times.
        low, high = scipy.stats.binom.interval(1 - 1 / 300, 300, level)
        assert low <= np.count_nonzero(np.array(p) <= level + 1e-9) <= high


def test_permutations_are_the_same_for_the_same_seed() -> None:
    groups = make_groups(np.arange(9) // 2)
    one, again, other = (np.stack(list(permutations(groups, 5, seed=seed))) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


@pytest.mark.parametrize("together", [1, 25, 1 << 15])
def test_permutations_are_the_same_however_many_are_drawn_together(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 12 objects one at a time, two, and all."""
    groups = make_groups(np.arange(12) // 5, level=np.arange(12) % 2)
    usual = [rows.tolist() for rows in permutations(groups, 7)]
    monkeypatch.setattr(statistics, "_DRAWN", together)
    assert [rows.tolist() for rows in permutations(groups, 7)] == usual


@pytest.mark.parametrize(
    ("grouped", "leveled", "expected"),
    [
        (False, False, [[7, 6, 9, 5, 4, 0, 9, 10, 8, 7, 3], [10, 8, 7, 4, 2, 7, 7, 9, 6, 10, 1]]),
        (True, False, [[7, 2, 8, 6, 1, 4, 8, 10, 3, 7, 9], [3, 8, 10, 4, 6, 10, 10, 0, 5, 1, 7]]),
        (False, True, [[10, 1, 0, 6, 5, 4, 0, 7, 8, 9, 3], [10, 5, 0, 8, 1, 9, 0, 4, 2, 7, 3]]),
        (True, True, [[8, 5, 8, 2, 1, 4, 8, 1, 3, 7, 0], [3, 4, 10, 8, 5, 1, 10, 9, 6, 1, 8]]),
    ],
)
def test_permutations_of_a_seed_are_the_same_with_every_numpy(
    grouped: bool, leveled: bool, expected: list[list[int]]
) -> None:
    """Written down with numpy 2.4.6, and equal with 1.26.0: another order of equals would show here."""
    photo = np.array([3, 0, 1, 0, 2, 1, 1, 4, 2, 3, 5])
    group = np.array([0, 1, 0, 1, 2, 0, 0, 2, 2, 0, 1]) if grouped else None
    level = np.array([0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0]) if leveled else None
    groups = make_groups(photo, group=group, level=level)
    assert [rows.tolist() for rows in permutations(groups, 2, seed=7)] == expected


@pytest.mark.parametrize(("observed", "p"), [(10.0, 0.2), (8.0, 0.6), (5.0, 1.0), (2.0, 0.6), (-1.0, 0.2)])
def test_p_counts_the_value_itself_on_both_sides(observed: float, p: float) -> None:
    assert p_value(observed, np.arange(1.0, 10.0)) == pytest.approx(p)


def test_p_of_what_is_not_known_is_none() -> None:
    assert p_value(np.nan, np.arange(9.0)) is None
    assert p_value(1.0, np.empty(0)) is None
    assert least_p_value(np.nan, np.arange(9.0)) is None


def test_a_permutation_that_is_not_known_speaks_against_the_value() -> None:
    assert p_value(9.0, np.array([1.0, np.nan, 2.0])) == 1.0


def test_least_p_is_that_of_the_most_extreme_arrangement() -> None:
    """Three groups have six arrangements: each comes often, the best one as often as any."""
    rng = np.random.default_rng(0)
    arrangements = np.array([3.0, 1.0, 2.0, 0.0, -1.0, -5.0])
    drawn = arrangements[rng.integers(0, 6, 999)]
    for observed in (3.0, 0.0, -5.0):
        assert least_p_value(observed, drawn) == pytest.approx(2 / 6, abs=0.05)
    assert p_value(3.0, drawn) == pytest.approx(2 / 6, abs=0.06)
    assert least_p_value(1.5, np.arange(99.0)) == 0.02


def test_direction_is_the_side_of_chance() -> None:
    sides = [Estimate(value, 0.5, 0.1, 0.9, 9, 9).direction for value in (0.6, 0.4, 0.5, np.nan)]
    assert sides == ["above", "below", None, None]


@pytest.mark.parametrize(
    ("value", "low", "high", "p", "stands"),
    [
        (0.7, 0.6, 0.8, 0.05, "better"),
        (0.3, 0.2, 0.4, 0.05, "worse"),
        (0.7, 0.6, 0.8, 0.06, "not shown"),
        (0.7, 0.5, 0.8, 0.01, "not shown"),
        (0.3, 0.2, 0.5, 0.01, "not shown"),
        (0.7, np.nan, np.nan, 0.01, "better"),
        (0.5, np.nan, np.nan, 0.01, "not shown"),
        (0.7, 0.6, 0.8, None, None),
    ],
)
def test_a_figure_stands_to_chance_by_p_and_interval(value, low, high, p, stands) -> None:
    estimate = Estimate(value, 0.5, low, high, 9, 9, p=p)
    assert estimate.stands("above") == stands
    other = {"better": "worse", "worse": "better"}.get(stands, stands)
    assert estimate.stands("below") == other


def test_interval_of_single_objects_is_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(0).normal(size=400)
    expected = scipy.stats.bootstrap((values,), np.mean, method="percentile", random_state=0)
    assert mean_interval(values, np.arange(400)) == pytest.approx(
        tuple(expected.confidence_interval), abs=0.01
    )


def test_interval_is_wider_where_objects_hang_together() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=40), 10)
    free = mean_interval(values, np.arange(400))
    clustered = mean_interval(values, np.repeat(np.arange(40), 10))
    assert np.ptp(clustered) > 2.5 * np.ptp(free)


@pytest.mark.parametrize(("groups", "size"), [(10, 1), (30, 5)])
@pytest.mark.slow
def test_interval_covers_at_its_level(groups: int, size: int) -> None:
    rng = np.random.default_rng(groups)
    covered = 0
    for seed in range(150):
        values = np.repeat(rng.normal(size=groups), size) + rng.normal(size=groups * size)
        low, high = mean_interval(values, np.repeat(np.arange(groups), size), seed=seed)
        covered += low <= 0 <= high
    # 95 % of 150 is 142.5; outside these bounds comes once in 500 times.
    assert 133 <= covered <= 149


def test_interval_of_a_ratio_weighs_clusters_by_their_size() -> None:
    over, under = np.array([1.0, 30.0]), np.array([1.0, 10.0])
    low, high = ratio_interval(over, under, np.array([0, 1]))
    assert (low, high) == (1, 3)


def test_one_cluster_has_no_interval() -> None:
    assert np.isnan(mean_interval(np.arange(5.0), np.zeros(5, np.int64))).all()


def test_percentiles_are_the_usual_ones_with_many_clusters() -> None:
    assert expanded_percentiles(100_000) == pytest.approx((0.025, 0.975), abs=1e-4)
    # With 10: the normal tail beyond sqrt(10 / 9) times Student's 2.262.
    assert expanded_percentiles(10)[0] == pytest.approx(
        scipy.stats.norm.cdf(-np.sqrt(10 / 9) * 2.2622), abs=1e-5
    )


# ------------------------------------------------------------------------------------ value beside its chance


def test_excess_is_the_bootstrap_of_the_difference() -> None:
    """By a plain loop over the draws; one chance level is not known."""
    rng = np.random.default_rng(1)
    group = rng.integers(0, 12, 40)
    chance = rng.normal(size=40)
    values = chance + 0.1 + 0.01 * rng.normal(size=40)
    chance[3] = np.nan
    found = estimate_mean(values, chance, group, seed=5)
    rows = [np.flatnonzero(group == one) for one in np.unique(group)]
    drawn = [np.concatenate([rows[one] for one in draw]) for block in draws(len(rows), 5) for draw in block]
    differences = [values[own].mean() - np.nanmean(chance[own]) for own in drawn]
    assert found.excess == pytest.approx(tuple(np.quantile(differences, expanded_percentiles(len(rows)))))
    assert found.chance == pytest.approx(np.nanmean(chance))


def test_a_value_that_follows_its_chance_differs_from_it_for_certain() -> None:
    """Groups differ by far more than values and chance do, so the value's own interval includes chance."""
    chance = np.random.default_rng(0).normal(size=50)
    found = estimate_mean(chance + 0.1, chance, np.arange(50))
    assert found.low < found.chance < found.high
    assert found.excess == pytest.approx((0.1, 0.1))
    assert found.interval_over_chance() == found.excess


def test_a_constant_chance_is_taken_from_the_interval() -> None:
    estimate = Estimate(0.7, 0.5, 0.6, 0.8, n=10, groups=10)
    assert estimate.interval_over_chance() == pytest.approx((0.1, 0.3))


def test_an_unknown_p_is_none_and_estimates_are_equal() -> None:
    """NaN would not be equal to itself."""
    one, other = (estimate_mean(np.arange(9.0), np.zeros(9), np.arange(9)) for _ in range(2))
    assert one.p is None
    assert one == other
    assert one.to_json()["p"] is None


def test_a_resample_without_a_statistic_is_left_out() -> None:
    columns = np.array([[1.0, 1.0], [0.0, 0.0]])
    ((low, high),) = bootstrap(
        columns,
        np.arange(2),
        lambda sums: np.divide(*sums, out=np.full(sums.shape[1], np.nan), where=sums[1] > 0)[None],
    )
    assert (low, high) == (1, 1)


def test_a_large_p_beside_an_interval_without_chance_has_its_reason() -> None:
    few = Estimate(0.9, 0.5, 0.7, 0.95, 9, 5, p=0.1, least_p=0.1)
    assert few.note == "so few groups or permutations allow no p below 0.100"
    assert "p decides" in Estimate(0.9, 0.5, 0.7, 0.95, 9, 5, p=0.1, least_p=0.002).note
    assert Estimate(0.9, 0.5, 0.7, 0.95, 9, 5, p=0.04, least_p=0.002).note == ""
    assert Estimate(0.9, 0.5, 0.4, 0.95, 9, 5, p=0.4, least_p=0.4).note == ""
    assert Estimate(0.3, 0.5, 0.2, 0.4, 9, 5, p=0.4, least_p=0.4).note != ""


def test_an_estimate_shows_itself_in_one_line() -> None:
    one = Estimate(0.75, 0.5, 0.625, 0.875, n=12, groups=5)
    assert repr(one) == "Estimate(0.750, 95 % 0.625 to 0.875, chance 0.500, n 12 in 5 groups)"
    assert ", p 0.001 above, n 12" in repr(Estimate(0.75, 0.5, 0.625, 0.875, n=12, groups=5, p=0.001))


@pytest.mark.parametrize("scale", [1.0, 1e6, -1e6, 1e-3])
def test_values_that_differ_by_rounding_are_equal(scale: float) -> None:
    """By a billionth of the value, or of 1 where it is less."""
    slack = 1e-9 * max(1, abs(scale))
    equal = scale + slack * np.array([0.9, -0.9, 0.5])
    apart = scale + slack * np.array([2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, -2.0])
    assert p_value(scale, np.concatenate([equal, apart])) == pytest.approx(2 * (1 + 4) / 12)
    assert p_value(scale, apart) == pytest.approx(2 * (1 + 1) / 9)
    assert p_value(scale, equal) == least_p_value(scale, equal) == 1
    assert least_p_value(scale, apart[:3]) == pytest.approx(2 * 1 / 4)


def test_an_estimate_as_json_holds_all_that_is_known() -> None:
    one = Estimate(0.75, 0.5, 0.625, 0.875, 12, 5, p=0.01, excess=(0.1, 0.4), least_p=0.002, detectable=0.2)
    assert one.to_json() == {
        "value": 0.75,
        "chance": 0.5,
        "low": 0.625,
        "high": 0.875,
        "n": 12,
        "groups": 5,
        "p": 0.01,
        "least_p": 0.002,
        "direction": "above",
        "detectable": 0.2,
        "population": "queries",
        "excess": [0.1, 0.4],
        "no_interval": None,
    }
    without = one.without_interval("few").to_json()
    assert (without["low"], without["high"], without["excess"], without["detectable"]) == (None,) * 4
    assert (without["no_interval"], without["p"]) == ("few", 0.01)
    assert Estimate(np.nan, np.inf, 0, 1, 1, 1).to_json()["value"] is None


@pytest.mark.parametrize(
    ("objects", "most", "count"),
    [(5, 5, 999), (6, 5, 199), (4, 5, 999), (10**6, None, 999), (0, 0, 999), (1, 0, 199)],
)
def test_many_objects_are_permuted_less(objects: int, most: int | None, count: int) -> None:
    assert permutation_count(objects, most) == count


def test_skewness_is_scipys() -> None:
    values = np.random.default_rng(2).exponential(size=(4, 30))
    assert [skewness(row) for row in values] == pytest.approx(scipy.stats.skew(values, axis=1).tolist())
    assert skewness(np.full(5, 0.1)) == 0


def test_two_groups_are_enough_for_an_interval() -> None:
    """Drawn twice, one of each, or the other twice: the mean of either, or of both."""
    low, high = mean_interval(np.array([1.0, 4.0, 4.0]), np.array([7, 3, 3]))
    assert (low, high) == (1, 4)
    assert np.isnan(mean_interval(np.array([1.0, 4.0]), np.array([7, 7]))).all()


def test_where_no_chance_is_known_there_is_none() -> None:
    found = estimate_mean(np.arange(4.0), np.full(4, np.nan), np.arange(4))
    assert (found.value, found.n) == (1.5, 4)
    assert np.isnan([found.chance, *found.excess]).all()
    assert found.low < 1.5 < found.high


@pytest.mark.parametrize(
    ("low", "high", "p", "least_p", "note"),
    [
        (0.6, 0.9, 0.05, 0.01, ""),
        (0.6, 0.9, 0.06, 0.05, "p decides"),
        (0.6, 0.9, 0.06, 0.06, "so few groups"),
        (0.6, 0.9, 0.06, None, "p decides"),
        (0.5, 0.9, 0.06, 0.01, ""),
        (0.1, 0.5, 0.06, 0.01, ""),
        (0.1, 0.4, 0.06, 0.01, "p decides"),
        (0.6, 0.9, None, None, ""),
    ],
)
def test_the_note_is_of_a_large_p_beside_an_interval_without_chance(low, high, p, least_p, note) -> None:
    found = Estimate(0.5, 0.5, low, high, 9, 9, p=p, least_p=least_p).note
    assert found.startswith(note)
    assert bool(found) is bool(note)
