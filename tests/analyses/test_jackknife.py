"""The jackknife by hand; figures without a block are those of the store without its photos."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats

from objectspace.analyses.agreement import measure_agreement
from objectspace.analyses.factor_values import Factor, random_agreement
from objectspace.analyses.groups import make_folds, make_groups
from objectspace.analyses.jackknife import Range, Spread, jackknife, jackknifed, make_blocks
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.probes import measure_probe
from objectspace.analyses.ridge import PENALTIES, Columns, FoldedRidge
from objectspace.analyses.statistics import Estimate


def estimate(value: float = 0.6, chance: float = 0.5, groups: int = 9) -> Estimate:
    return Estimate(value, chance, math.nan, math.nan, 90, groups)


def test_the_error_of_a_mean_is_the_usual_one() -> None:
    values = np.random.default_rng(0).normal(size=12)
    without = np.array([np.delete(values, one).mean() for one in range(12)])
    spread = jackknife(without, np.arange(12))
    assert spread.error == pytest.approx(values.std(ddof=1) / np.sqrt(12))
    assert spread.degrees == pytest.approx(11)
    expected = scipy.stats.ttest_1samp(values, 0.3)
    assert spread.p_value(values.mean() - 0.3) == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert spread.reach == pytest.approx((high - low) / 2)


def test_blocks_of_unequal_size_have_fewer_degrees_of_freedom() -> None:
    # Sizes 6, 1, 1, 1: 81 / 39 blocks of one size.
    spread = jackknife(np.array([0.1, 0.2, 0.3, 0.2]), np.repeat(np.arange(4), [6, 1, 1, 1]))
    assert spread.degrees == pytest.approx(81 / 39 - 1)


def test_no_interval_is_narrower_than_the_permutations_are_spread() -> None:
    assert Spread(0.0, 9, 0.5).reach == pytest.approx(0.98, abs=0.001)
    assert Spread(0.0, 9, 0.5).p_value(0.98) == pytest.approx(0.05, abs=0.001)
    assert Spread(0.0, 9, 0.0).p_value(0.98) is None


@pytest.mark.parametrize(
    "bounds",
    [Range(0.0, 1.0), Range(0.0), Range(high=1.0), Range(), Range(0.0, 180.0), Range(-0.5, 2.0), Range(-3.0)],
    ids=str,
)
def test_scales_are_undone_and_their_slopes_are_those_of_small_steps(bounds: Range) -> None:
    assert bounds.back(bounds.scaled(0.3)) == pytest.approx(0.3)
    step = (bounds.scaled(0.3 + 1e-6) - bounds.scaled(0.3 - 1e-6)) / 2e-6
    assert bounds.slope(0.3) == pytest.approx(step, rel=1e-5)


def test_intervals_stay_inside_the_bounds() -> None:
    without = np.stack([np.linspace(0.9, 1.0, 9), np.full(9, 0.5)], axis=1)
    block = np.arange(90) // 10
    found = jackknifed(estimate(0.95), without, block, block, bounds=Range(0.0, 1.0))
    assert 0 < found.low < 0.95 < found.high < 1
    assert found.excess is not None
    assert found.excess[1] == pytest.approx(found.high - 0.5)
    at_end = jackknifed(estimate(1.0), without, block, block, bounds=Range(0.0, 1.0))
    assert at_end.high == 1


def varying(value: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return figures without each of nine blocks of ten objects, and these blocks."""
    return np.stack([value, chance], axis=1), np.arange(90) // 10


def test_the_excess_of_bounded_figures_ends_on_the_ellipse_of_both() -> None:
    """The extremes among random points of the ellipse, moved on the scale of log odds."""
    rng = np.random.default_rng(0)
    chance = 0.86 + 0.01 * rng.normal(size=9)
    without, block = varying(0.9 + 0.6 * (chance - 0.86) + 0.002 * rng.normal(size=9), chance)
    found = jackknifed(estimate(0.9, 0.86), without, block, block, bounds=Range(0.0, 1.0))
    assert found.excess is not None
    deviations = without - without.mean(0)
    covariance = deviations.T @ deviations * 8 / 9 * scipy.stats.t.ppf(0.975, 8) ** 2
    circle = rng.normal(size=(20_000, 2))
    points = circle / np.linalg.norm(circle, axis=1, keepdims=True) @ np.linalg.cholesky(covariance).T
    value, chance = (
        scipy.special.expit(scipy.special.logit(center) + step / (center * (1 - center)))
        for center, step in zip((0.9, 0.86), points.T, strict=True)
    )
    assert found.excess == pytest.approx(((value - chance).min(), (value - chance).max()), abs=2e-4)
    # The smaller the excess of a store, the smaller its error: the long side is away from 0.
    assert found.excess[1] - 0.04 > 1.2 * (0.04 - found.excess[0])


def test_the_excess_of_a_difference_without_an_upper_bound_is_made_of_the_limits_of_both() -> None:
    """By hand: a value of 2 and a chance of 4 that vary in proportion, by 10 % without each of two blocks."""
    scale = np.array([0.9, 1.1, *np.ones(7)])
    without, block = varying(2 * scale, 4 * scale)
    found = jackknifed(estimate(2.0, 4.0), without, block, block, bounds=Range(0.0))
    assert found.excess is not None
    reach = scipy.stats.t.ppf(0.975, 8) * np.sqrt(0.02 * 8 / 9)
    low, high, least, most = (level * np.exp(side * reach) for level in (2, 4) for side in (-1, 1))
    # Fully correlated, so the distances to the limits are subtracted.
    expected = (-2 - abs((2 - low) - (most - 4)), -2 + abs((high - 2) - (4 - least)))
    assert found.excess == pytest.approx(expected)


@pytest.mark.parametrize("bounds", [Range(0.0, 1.0), Range(0.0), Range()], ids=str)
def test_where_chance_does_not_vary_the_excess_varies_as_the_value(bounds: Range) -> None:
    without, block = varying(np.linspace(0.5, 0.7, 9), np.full(9, 0.5))
    found = jackknifed(estimate(0.6, 0.5), without, block, block, bounds=bounds)
    assert found.excess == pytest.approx((found.low - 0.5, found.high - 0.5))


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [((9, 9, 9, 9), "4 groups, 5 are needed"), ((60, 10, 10, 10, 10), "one group holds 60% of the objects")],
)
def test_the_reason_stands_where_there_is_no_interval(sizes: tuple[int, ...], reason: str) -> None:
    group = np.repeat(np.arange(len(sizes)), sizes)
    found = jackknifed(estimate(), np.full((len(sizes), 2), 0.5), group, group)
    assert math.isnan(found.low)
    assert (found.no_interval, found.excess, found.population) == (reason, None, "groups")
    assert found.note == f"no interval: {reason}"
    assert found.to_json()["no_interval"] == reason


def test_a_figure_that_some_group_alone_allows_has_no_interval() -> None:
    group = np.arange(9)
    without = np.full((9, 2), 0.5)
    without[3] = np.nan
    assert "nothing is left" in jackknifed(estimate(), without, group, group).no_interval


def test_what_is_detectable_is_the_critical_distance_and_what_is_exceeded_in_80_percent() -> None:
    null = np.random.default_rng(0).normal(size=20_000) * 0.1
    group = np.arange(9)
    tested = estimate().tested(0.1, null)
    found = jackknifed(tested, np.full((9, 2), 0.5), group, group, null)
    assert found.detectable == pytest.approx((1.96 + 0.8416) * 0.1, rel=0.02)
    # Two permutations cannot give a p of 0.05, whatever the effect.
    assert (
        jackknifed(estimate().tested(0.1, null[:2]), np.full((9, 2), 0.5), group, group, null).detectable
        is None
    )


def clustered(seed: int, kind: str) -> tuple[np.ndarray, Factor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 3])
    photo = rng.permutation(np.repeat(np.arange(7), [2, 9, 4, 5, 3, 6, 7]))
    level = rng.integers(0, 2, len(photo))
    values = rng.integers(0, 3, len(photo)) * 1.0 if kind == "categorical" else rng.uniform(0, 90, len(photo))
    vectors = (
        rng.normal(size=(len(photo), 4))
        + rng.normal(size=(7, 4))[photo]
        + values[:, None] / (1 if kind == "categorical" else 50)
    )
    period = 90.0 if kind == "circular" else math.nan
    factor = Factor("f", kind, values, period, tuple("abc") if kind == "categorical" else ())
    return vectors.astype(np.float32), factor, photo, level


@pytest.mark.parametrize("kind", ["categorical", "linear", "circular"])
def test_an_agreement_without_a_block_is_that_of_the_store_without_it(kind: str) -> None:
    vectors, factor, photo, level = clustered(0, kind)
    labels = np.array(["thing"] * len(photo), object)

    def measured(rows):
        groups = make_groups(photo[rows], level=level[rows])
        block = make_blocks(groups.group)
        ids = rows.astype(str)
        near = find_neighbors(vectors[rows], ids, groups, k=3, metric="euclidean", block=block)
        return measure_agreement(near, factor.take(rows), groups, labels[rows], permuted=19), block, groups

    whole, block, groups = measured(np.arange(len(photo)))
    chance = random_agreement(factor, factor.values, groups).mean()
    assert whole.overall.population == "groups"
    assert whole.overall.low < whole.overall.value < whole.overall.high
    assert whole.overall.chance == pytest.approx(chance)
    figures = [measured(np.flatnonzero(block != one))[0].overall for one in range(7)]
    assert whole.without == pytest.approx([one.value for one in figures])


def test_labels_have_intervals_of_their_own() -> None:
    vectors, factor, photo, _ = clustered(1, "linear")
    groups = make_groups(photo)
    labels = np.where(photo < 3, "few", "many").astype(object)
    near = find_neighbors(
        vectors, np.arange(len(photo)).astype(str), groups, k=3, metric="euclidean", block=groups.group
    )
    found = measure_agreement(near, factor, groups, labels, permuted=19).labels
    assert found["few"].no_interval == "3 groups, 5 are needed"
    assert found["many"].no_interval == "4 groups, 5 are needed"


@pytest.mark.parametrize("dimension", [4, 60])
def test_regressions_without_rows_are_those_of_the_other_rows(dimension: int) -> None:
    """Both systems, with levels; one fold loses all its rows."""
    rng = np.random.default_rng(0)
    group, level = np.arange(50) // 5, np.arange(50) % 2
    fold = make_folds(group, 5)
    features = rng.normal(size=(50, dimension)).astype(np.float32)
    targets = rng.normal(size=(50, 2)) + features[:, :2]
    chosen = np.full((5, 1), 3)
    for block in (group, fold):
        found = np.full((block.max() + 1, 50, 4), np.nan)
        ridge = FoldedRidge(features, fold, level)
        for dropped, held in ridge.predictions_without(Columns(targets, 1), chosen, block):
            if dropped is not None:
                found[dropped, held.rows] = np.hstack([held.predicted, held.baseline])
        for dropped in range(block.max() + 1):
            kept = block != dropped
            for held in range(5):
                queries, train = kept & (fold == held), kept & (fold != held)
                # Of more features than rows each keeps the scale that it has with the rows.
                scaled = fold != held if dimension > 50 else train
                expected = slow_predictions(features.astype(float), targets, level, train, scaled)
                assert found[dropped, queries] == pytest.approx(expected[queries], abs=1e-8)
            assert np.isnan(found[dropped, ~kept]).all()


def slow_predictions(
    x: np.ndarray, y: np.ndarray, level: np.ndarray, train: np.ndarray, scaled: np.ndarray
) -> np.ndarray:
    """Predictions (n, t) and the means of the level, side by side, at the fourth penalty."""
    x, mean = (around_levels(x, level, scaled)[0], around_levels(y, level, train)[1])
    x = around_levels(x / x[scaled].std(0), level, train)[0]
    system = x[train].T @ x[train] + PENALTIES[3] * x.shape[1] * np.eye(x.shape[1])
    weights = np.linalg.solve(system, x[train].T @ (y - mean)[train])
    return np.hstack([x @ weights + mean, mean])


def around_levels(x: np.ndarray, level: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns less their mean over the training rows of the row's level, and that mean."""
    mean = np.stack([x[train & (level == one)].mean(0) for one in level])
    return x - mean, mean


@pytest.mark.parametrize("kind", ["categorical", "linear", "circular"])
def test_a_probe_has_an_interval_of_new_groups(kind: str) -> None:
    vectors, factor, photo, _ = clustered(2, kind)
    probe = measure_probe(vectors, factor, make_groups(photo), permuted=39)
    assert probe is not None
    score = probe.score
    assert score.population == "groups"
    assert score.low < score.value < score.high
    assert score.excess is not None
    assert score.excess[0] < score.value - score.chance < score.excess[1]
    assert probe.permutations == 39


def test_a_probe_that_guesses_has_no_interval() -> None:
    """One object of 36 has another value than all others, and the vectors do not know which."""
    photo = np.repeat(np.arange(9), 4)
    factor = Factor("f", "categorical", (np.arange(36) == 5) * 1.0, categories=("a", "b"))
    vectors = np.random.default_rng(0).normal(size=(36, 3)).astype(np.float32)
    probe = measure_probe(vectors, factor, make_groups(photo), permuted=19)
    assert probe is not None
    assert probe.score.no_interval == "vectors change predictions in 0 groups, 5 are needed"
    assert math.isnan(probe.score.low)


def test_a_perfect_value_differs_from_a_chance_that_varies() -> None:
    """On the scale of a value near its bound, the error of chance would be without measure."""
    group = np.arange(9)
    without = np.stack([np.full(9, 1e-9) * (1 + group), 90 + group % 3], axis=1)
    found = jackknifed(estimate(5e-9, 91.0), without, group, group, bounds=Range(0.0, 180.0))
    assert found.excess is not None
    assert found.excess[1] < -80


@pytest.mark.parametrize("bounds", [Range(high=1.0), Range(0.0)], ids=str)
def test_a_figure_that_rests_on_single_groups_has_no_interval(bounds: Range) -> None:
    """R2 as of ten apples: 0.77 with all, and far below chance without one of them."""
    side = 1 if bounds.high == 1 else -1
    value = np.array([-1.343, 0.793, 0.798, 0.79, 0.778, 0.75, 0.791, 0.787, 0.589])
    value = value if side == 1 else 1 - value
    without, block = varying(value, np.full(9, -0.647 if side == 1 else 1.647))
    found = jackknifed(estimate(0.5 + side * 0.275, without[0, 1]), without, block, block, bounds=bounds)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    told = "-1.343" if side == 1 else "2.343"
    assert found.no_interval == f"it rests on single groups, {told} without some"
    # What is as far from the bound as it is near without one group, or nearer, has one.
    near, _ = varying(0.5 + side * np.linspace(0.2, 0.3, 9), without[:, 1])
    kept = jackknifed(estimate(0.5 + side * 0.25, without[0, 1]), near, block, block, bounds=bounds)
    assert kept.low < 0.5 + side * 0.25 < kept.high


def test_wild_permutations_allow_no_interval_of_a_figure_with_one_bound() -> None:
    without, block = varying(np.full(9, 0.775), np.full(9, -0.647))
    null = np.random.default_rng(0).normal(size=199) * 40
    found = jackknifed(estimate(0.775, -0.647), without, block, block, null, bounds=Range(high=1.0))
    assert found.no_interval.startswith("permutations vary too much, by ")


def test_no_effect_beyond_the_bounds_is_called_detectable() -> None:
    """A distance of 0.56 (2.8 errors of 0.2): 0.66 from a chance of 0.1, beyond 1 from one of 0.5."""
    null = np.random.default_rng(0).normal(size=20_000) * 0.2
    group = np.arange(9)
    for chance, known in ((0.1, True), (0.5, False)):
        without = np.full((9, 2), chance)
        tested = estimate(chance + 0.1, chance).tested(0.1, null)
        found = jackknifed(tested, without, group, group, null, bounds=Range(0.0, 1.0))
        assert (found.detectable is not None) is known


@pytest.mark.parametrize(
    ("sizes", "there"),
    [((5, 5, 4, 3, 3), True), ((10, 4, 3, 2, 1), True), ((11, 4, 3, 2, 1), False), ((5, 5, 5, 5), False)],
)
def test_five_groups_of_which_none_holds_more_than_half_have_an_interval(
    sizes: tuple[int, ...], there: bool
) -> None:
    group = 3 * np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    without = np.stack([np.linspace(0.5, 0.7, len(sizes)), np.full(len(sizes), 0.5)], axis=1)
    found = jackknifed(estimate(), without, group // 3, group)
    assert (found.no_interval == "") is there
    assert math.isnan(found.low) is not there


@pytest.mark.parametrize("bounds", [Range(0.0), Range(high=1.0)], ids=["low", "high"])
@pytest.mark.parametrize(("reach", "there"), [(2.99, True), (3.01, False)])
def test_half_an_interval_is_three_times_the_distance_to_its_one_bound_at_most(
    bounds: Range, reach: float, there: bool
) -> None:
    """By the error, and by permutations."""
    value = 0.25 if math.isfinite(bounds.low) else 0.75
    spread = np.array([1.0, -1.0, *np.zeros(7)]) * 0.25 * reach / scipy.stats.t.ppf(0.975, 8)
    without, block = varying(value + spread / np.sqrt(2 * 8 / 9), np.full(9, 0.5))
    found = jackknifed(estimate(value), without, block, block, bounds=bounds)
    assert (found.no_interval == "") is there
    still, _ = varying(np.full(9, value), np.full(9, value))
    null = np.array([-1.0, 1.0]) * 0.25 * reach / scipy.stats.norm.ppf(0.975)
    found = jackknifed(estimate(value, value), still, block, block, null, bounds=bounds)
    assert (found.no_interval == "") is there
    # With two bounds, or none, any width is told.
    for others in (Range(0.0, 1.0), Range()):
        assert jackknifed(estimate(value), without, block, block, bounds=others).no_interval == ""


def test_permutations_are_as_wide_at_the_value_as_they_are_at_chance_on_the_scale_without_bounds() -> None:
    """At 0.95 a step of log odds is 0.19 times as long as at 0.5; it is never longer than it is there."""
    block, null = np.arange(90) // 10, np.random.default_rng(1).normal(size=300) * 0.02
    for value, chance, shrunk in ((0.95, 0.5, 0.95 * 0.05 / 0.25), (0.5, 0.95, 1.0), (1.0, 0.5, 1.0)):
        without, _ = varying(np.full(9, value), np.full(9, chance))
        found = jackknifed(estimate(value, chance), without, block, block, null, bounds=Range(0.0, 1.0))
        reach = scipy.stats.norm.ppf(0.975) * null.std() * shrunk
        if value == 1:
            assert (found.low, found.high) == pytest.approx((1 - reach, 1))
        else:
            steps = np.array([-reach, reach]) / (value * (1 - value))
            expected = scipy.special.expit(scipy.special.logit(value) + steps)
            assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_values_at_a_bound_move_by_their_error_and_no_farther_than_the_bounds() -> None:
    without, block = varying(np.linspace(0.6, 1.0, 9), np.full(9, 0.5))
    reach = scipy.stats.t.ppf(0.975, 8) * np.sqrt(8 / 9 * ((without[:, 0] - 0.8) ** 2).sum())
    for value, low, high in ((1.0, max(0, 1 - reach), 1.0), (0.0, 0.0, min(1, reach))):
        found = jackknifed(estimate(value), without, block, block, bounds=Range(0.0, 1.0))
        assert (found.low, found.high) == pytest.approx((low, high))
    free = jackknifed(estimate(1.0), without, block, block)
    assert (free.low, free.high) == pytest.approx((1 - reach, 1 + reach))


@pytest.mark.parametrize("side", [1, -1])
def test_value_and_chance_that_vary_in_proportion_are_on_a_line(side: int) -> None:
    """Their correlation is 1 or -1, which rounding exceeds."""
    for seed in range(40):
        step = np.random.default_rng(seed).normal(size=9) * 0.01
        without, block = varying(0.6 + step, 0.5 + side * 0.3 * step)
        found = jackknifed(estimate(), without, block, block, bounds=Range(0.0, 1.0))
        deviation = without[:, 0] - without[:, 0].mean()
        reach = scipy.stats.t.ppf(0.975, 8) * np.sqrt(8 / 9 * (deviation**2).sum())
        turns = np.cos(np.linspace(0, np.pi, 2000)) * reach
        ends = scipy.special.expit(scipy.special.logit(0.6) + turns / 0.24) - scipy.special.expit(
            side * 0.3 * turns / 0.25
        )
        assert found.excess == pytest.approx((ends.min(), ends.max()), abs=1e-5)
