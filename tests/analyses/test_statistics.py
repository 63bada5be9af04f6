"""Permutations move what may be exchanged and nothing else; intervals against scipy and by coverage."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from objectspace.analyses.clusters import comparable, make_clusters
from objectspace.analyses.statistics import (
    expanded_percentiles,
    mean_interval,
    p_value,
    permutations,
    ratio_interval,
)


def test_a_photo_of_two_groups_joins_them() -> None:
    clusters = make_clusters(np.array(["1", "1", "2", "3"]), group=np.array(["a", "b", "b", "c"]))
    assert clusters.cluster.tolist() == [0, 0, 0, 1]


def test_a_level_of_one_cluster_has_nobody_to_compare_with() -> None:
    clusters = make_clusters(np.array(["1", "1", "2"]), level=np.array([0, 1, 0]))
    assert comparable(clusters).tolist() == [True, False, True]


def test_single_objects_are_permuted_freely() -> None:
    clusters = make_clusters(np.arange(4))
    seen = {tuple(rows) for rows in permutations(clusters, 400)}
    assert len(seen) == 24


def test_a_factor_of_the_photos_stays_one() -> None:
    photo = np.repeat([0, 1, 2, 3], [1, 2, 3, 4])
    for rows in permutations(make_clusters(photo), 50):
        moved = photo[rows]
        assert all(len(set(moved[photo == one])) == 1 for one in range(4))


def test_photos_of_equal_size_exchange_all_their_values() -> None:
    photo = np.repeat(np.arange(4), 3)
    for rows in permutations(make_clusters(photo), 50):
        assert sorted(rows) == list(range(12))


def test_photos_stay_whole_inside_their_group() -> None:
    photo, group = np.repeat(np.arange(6), 2), np.repeat([0, 1, 2], 4)
    for rows in permutations(make_clusters(photo, group=group), 50):
        assert all(len(set(photo[rows][photo == one])) == 1 for one in range(6))
        assert all(len(set(group[rows][group == one])) == 1 for one in range(3))


def test_values_never_leave_their_level() -> None:
    rng = np.random.default_rng(0)
    photo, level = rng.integers(0, 8, 60), rng.integers(0, 3, 60)
    for rows in permutations(make_clusters(photo, level=level), 50):
        assert (level[rows] == level).all()


def test_clusters_move_through_all_levels_together() -> None:
    """The same apple's colour at two elevations is one value, not two."""
    apple, elevation = np.repeat(np.arange(5), 2), np.tile([0, 1], 5)
    clusters = make_clusters(np.arange(10), group=apple, level=elevation)
    for rows in permutations(clusters, 50):
        assert (apple[rows][elevation == 0] == apple[rows][elevation == 1]).all()


def test_permutations_are_the_same_for_the_same_seed() -> None:
    clusters = make_clusters(np.arange(9) // 2)
    one, again, other = (np.stack(list(permutations(clusters, 5, seed=seed))) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


@pytest.mark.parametrize(("observed", "p"), [(10.0, 0.1), (5.0, 0.6), (-1.0, 1.0)])
def test_p_counts_the_value_itself(observed: float, p: float) -> None:
    assert p_value(observed, np.arange(1.0, 10.0)) == pytest.approx(p)


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


@pytest.mark.parametrize(("clusters", "size"), [(10, 1), (30, 5)])
def test_interval_covers_at_its_level(clusters: int, size: int) -> None:
    rng = np.random.default_rng(clusters)
    covered = 0
    for seed in range(150):
        values = np.repeat(rng.normal(size=clusters), size) + rng.normal(size=clusters * size)
        low, high = mean_interval(values, np.repeat(np.arange(clusters), size), seed=seed)
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
