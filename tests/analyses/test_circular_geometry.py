"""The geometry of a circular factor against loops: several things, levels, groups at once."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from objectspace.analyses import circular_geometry
from objectspace.analyses.circular_geometry import BINS, Geometry, measure_geometry
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.groups import Groups, make_groups
from objectspace.analyses.statistics import draws, estimate_mean, expanded_percentiles, permutations

PERIOD = 90.0
BIN = PERIOD / 2 / (BINS - 1)


def scene(seed: int = 0) -> tuple[np.ndarray, Factor, Groups, np.ndarray]:
    """Views in random order, of three things of 5, 13 and 24, at levels and in groups of unequal size."""
    rng = np.random.default_rng(seed)
    thing = rng.permutation(np.repeat(["mug", "car", "pen"], [5, 13, 24])).astype(object)
    image = rng.integers(0, 15, len(thing))
    level = rng.choice(3, len(thing), p=[0.2, 0.5, 0.3])
    groups = make_groups(image, group=image // 2, level=level)
    # Whole steps, so that every bin has pairs and none is on the border of two.
    angle = BIN * rng.integers(0, 2 * (BINS - 1), len(thing))
    vectors = (1 + level[:, None]) * rng.normal(size=(len(thing), 4))
    # Some views are the same, so that two can be equally far from a third.
    vectors[rng.integers(0, len(thing), 12)] = vectors[0]
    return vectors.astype(np.float32), Factor("yaw", "circular", angle, PERIOD), groups, thing


def far_apart(one: np.ndarray, other: np.ndarray, metric: str) -> float:
    one, other = one.astype(float), other.astype(float)
    if metric == "euclidean":
        return float(np.sqrt(((one - other) ** 2).sum()))
    return 1 - float((one * other).sum()) / float(np.sqrt((one**2).sum() * (other**2).sum()))


def all_pairs(metric: str, seed: int = 0) -> list[tuple[int, int, int, float]]:
    """Return views, bin and distance of each pair that counts, where 1 is the mean of its thing and level."""
    vectors, factor, groups, thing = scene(seed)
    strata: dict[tuple[str, int], list[tuple[int, int, int, float]]] = {}
    for one, other in combinations(range(len(thing)), 2):
        same = thing[one] == thing[other] and groups.level[one] == groups.level[other]
        if same and groups.image[one] != groups.image[other]:
            apart = abs(factor.values[one] - factor.values[other])
            steps = round(min(apart, PERIOD - apart) / BIN)
            far = far_apart(vectors[one], vectors[other], metric)
            strata.setdefault((thing[one], int(groups.level[one])), []).append((one, other, steps, far))
    assert len({len(pairs) for pairs in strata.values()}) > 4
    return [
        (one, other, steps, far / np.mean([pair[3] for pair in pairs]))
        for pairs in strata.values()
        for one, other, steps, far in pairs
    ]


def measured(metric: str = "euclidean", seed: int = 0, draw: int = 0) -> Geometry:
    vectors, factor, groups, thing = scene(seed)
    found = measure_geometry(vectors, factor, groups, thing, same="label", metric=metric, seed=draw)
    assert found is not None
    return found


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_distance_by_angle_is_that_of_a_loop_over_all_pairs(metric: str) -> None:
    found, pairs = measured(metric), all_pairs(metric)
    np.testing.assert_allclose(found.angle, BIN * np.arange(BINS))
    for number in range(BINS):
        far = [pair[3] for pair in pairs if pair[2] == number]
        assert found.pairs[number] == len(far) > 0
        assert found.distance[number] == pytest.approx(np.mean(far))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_opposite_is_farthest_as_often_as_in_a_loop_over_all_views(metric: str) -> None:
    pairs, hits, chances = all_pairs(metric), [], []
    for view in range(42):
        own = [(far, steps == BINS - 1) for one, other, steps, far in pairs if view in (one, other)]
        if any(opposite for _, opposite in own):
            farthest = max(far for far, _ in own)
            hits.append(np.mean([opposite for far, opposite in own if far > farthest - 1e-9]))
            chances.append(np.mean([opposite for _, opposite in own]))
    found = measured(metric).opposite
    assert 3 < len(hits) < 42
    assert found.n == len(hits)
    assert found.value == pytest.approx(np.mean(hits))
    assert found.chance == pytest.approx(np.mean(chances))


def test_the_order_of_views_does_not_matter() -> None:
    vectors, factor, groups, thing = scene()
    order = np.random.default_rng(1).permutation(len(thing))
    other = measure_geometry(
        vectors[order], factor.take(order), groups.take(order), thing[order], same="label"
    )
    assert other is not None
    found = measured()
    np.testing.assert_allclose(other.distance, found.distance)
    assert other.pairs.tolist() == found.pairs.tolist()
    assert other.opposite.value == pytest.approx(found.opposite.value)


def test_a_sample_of_pairs_is_of_those_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the pairs, none twice, at a distance of 1 on average in each thing and level."""
    vectors, _, groups, thing = scene()
    names = np.unique(thing.astype(str), return_inverse=True)[1]
    expected = {(one, other): far for one, other, _, far in all_pairs("euclidean")}
    level = groups.level
    possible = sum(
        thing[one] == thing[other] and level[one] == level[other] for one, other in combinations(range(42), 2)
    )
    for most, whole in ((possible, True), (possible - 1, False)):
        monkeypatch.setattr(circular_geometry, "MOST_PAIRS", most)
        found = circular_geometry._make_pairs(vectors, groups, names, "euclidean", 0)
        assert (len(found.first) == len(expected)) is whole
    monkeypatch.setattr(circular_geometry, "MOST_PAIRS", possible // 8)
    few = circular_geometry._make_pairs(vectors, groups, names, "euclidean", 0)
    pairs = [tuple(sorted(pair)) for pair in zip(few.first.tolist(), few.second.tolist(), strict=True)]
    assert len(set(pairs)) == len(pairs)
    assert 3 < len(pairs) <= possible // 8
    assert set(pairs) < set(expected)
    for one, kind in {(names[pair[0]], level[pair[0]]) for pair in pairs}:
        own = (names[few.first] == one) & (level[few.first] == kind)
        assert few.distance[own].mean() == pytest.approx(1)


def test_sampled_pairs_are_even_over_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of strata of 2, 5 and 3 objects: 1, 10 and 3 pairs, each as likely as any other."""
    monkeypatch.setattr(circular_geometry, "MOST_PAIRS", 7)
    size, drawn = np.array([2, 5, 1, 3]), []
    for seed in range(800):
        pairs = circular_geometry._sampled(size, np.random.default_rng(seed))
        assert len(np.unique(pairs, axis=1).T) == pairs.shape[1] <= 7
        drawn += pairs.T.tolist()
    counts: dict[tuple[int, int], int] = {}
    for one, other in drawn:
        counts[one, other] = counts.get((one, other), 0) + 1
    possible = {pair for rows in ((0, 1), range(2, 7), (8, 9, 10)) for pair in combinations(rows, 2)}
    assert set(counts) == possible
    # A pair is among seven draws of fourteen in 1 - (13/14)^7 of the samples.
    assert max(abs(count / 800 - (1 - (13 / 14) ** 7)) for count in counts.values()) < 0.07


def test_distances_in_blocks_are_those_of_each_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circular_geometry, "_AT_ONCE", 4000)  # four rows, then one
    vectors = np.random.default_rng(0).normal(size=(5, 1000)).astype(np.float32)
    vectors[4] = 0
    first, second = np.arange(5), np.roll(np.arange(5), 2)
    for metric in ("euclidean", "cosine"):
        found = circular_geometry._distances(vectors, first, second, metric)
        for row in range(5):
            one, other = vectors[first[row]], vectors[second[row]]
            expected = 1.0 if metric == "cosine" and 4 in (first[row], second[row]) else None
            assert found[row] == pytest.approx(expected or far_apart(one, other, metric))


def test_views_of_one_image_and_things_seen_once_are_no_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors, thing = rng.normal(size=(6, 3)).astype(np.float32), np.array([*"aabbcd"], object)
    factor = Factor("yaw", "circular", np.array([0.0, 45, 0, 45, 0, 45]), PERIOD)
    # Both views of a are of one image; those of b are not; c and d have one view each.
    groups = make_groups(np.array([0, 0, 1, 2, 3, 4]))
    found = measure_geometry(vectors, factor, groups, thing, same="label")
    assert found is not None
    assert found.pairs.tolist() == [0] * (BINS - 1) + [1]
    assert (found.distance[-1], found.opposite.n) == (1, 2)
    assert np.isnan(found.distance[:-1]).all()
    assert (
        measure_geometry(vectors[:2], factor.take([0, 1]), groups.take([0, 1]), thing[:2], same="x") is None
    )


def test_a_thing_whose_views_are_all_the_same_is_left_out() -> None:
    """Its pairs have no distance to be compared by."""
    rng = np.random.default_rng(2)
    thing = np.repeat(np.array(["ball", "car"], object), [5, 7])
    vectors = rng.normal(size=(12, 3)).astype(np.float32)
    vectors[:5] = vectors[0]
    factor = Factor("yaw", "circular", BIN * rng.integers(0, 16, 12), PERIOD)
    factor.values[[0, 5]], factor.values[[1, 6]] = 0, PERIOD / 2
    found, alone = (
        measure_geometry(vectors[rows], factor.take(rows), make_groups(rows), thing[rows], same="label")
        for rows in (np.arange(12), np.arange(5, 12))
    )
    assert found is not None
    assert alone is not None
    assert found.pairs.tolist() == alone.pairs.tolist()
    assert found.pairs.sum() == 21
    np.testing.assert_allclose(found.distance, alone.distance)
    assert (found.opposite.value, found.opposite.n) == (alone.opposite.value, alone.opposite.n)


def test_without_opposite_views_there_is_no_geometry() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    factor = Factor("yaw", "circular", np.arange(6) * BIN, PERIOD)
    assert (
        measure_geometry(vectors, factor, make_groups(np.arange(6)), np.array(["a"] * 6, object), same="x")
        is None
    )


def test_the_interval_is_that_of_a_loop_over_draws_of_groups() -> None:
    """A pair counts as often as its group was drawn, or as the product of its two."""
    _, _, groups, _ = scene()
    found, group = measured(), groups.group.tolist()
    of_groups = [(group[one], group[other], *rest) for one, other, *rest in all_pairs("euclidean")]
    means: list[list[float]] = [[] for _ in range(BINS)]
    for block in draws(groups.count, 0):
        for drawn in block:
            times = [int((drawn == one).sum()) for one in range(groups.count)]
            over, under = np.zeros(BINS), np.zeros(BINS)
            for own, its, steps, far in of_groups:
                weight = times[own] if own == its else times[own] * times[its]
                over[steps] += weight * far
                under[steps] += weight
            for number in np.flatnonzero(under):
                means[number].append(over[number] / under[number])
    tails = expanded_percentiles(groups.count)
    expected = np.array([np.quantile(row, tails) for row in means])
    np.testing.assert_allclose(found.low, expected[:, 0])
    np.testing.assert_allclose(found.high, expected[:, 1])


def test_p_and_interval_of_opposite_are_those_of_loops_over_permutations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How often the farthest view is an opposite one, less how many are, of all views that have one."""
    monkeypatch.setattr(circular_geometry, "PERMUTED", 39)
    _, factor, groups, _ = scene()
    pairs = [(one, other, far) for one, other, _, far in all_pairs("euclidean")]

    def gains(values: np.ndarray) -> dict[int, tuple[float, float]]:
        """The hit and the share of each view."""
        found = {}
        for view in range(42):
            own = []
            for one, other, far in pairs:
                if view in (one, other):
                    apart = abs(values[one] - values[other])
                    own.append((far, round(min(apart, PERIOD - apart) / BIN) == BINS - 1))
            if any(opposite for _, opposite in own):
                farthest = max(far for far, _ in own)
                hit = np.mean([opposite for far, opposite in own if far > farthest - 1e-9])
                found[view] = hit, np.mean([opposite for _, opposite in own])
        return found

    views = gains(factor.values)
    observed = sum(hit - share for hit, share in views.values())
    drawn = permutations(groups, 39, values=factor.values, seed=6)
    null = np.array(
        [sum(hit - share for hit, share in gains(factor.values[rows]).values()) for rows in drawn]
    )
    found = measured(seed=0, draw=6).opposite
    extreme = min((null >= observed - 1e-9).sum(), (null <= observed + 1e-9).sum())
    assert found.p == pytest.approx(min(1, 2 * (1 + extreme) / 40))
    hit, share = np.array([*views.values()]).T
    expected = estimate_mean(hit, share, groups.group[[*views]], seed=6)
    for name in ("value", "chance", "low", "high", "excess", "n", "groups"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name))


def test_geometry_as_json_has_a_row_for_each_angle() -> None:
    found = measured()
    document = found.to_json()
    assert document["same"] == "label"
    assert document["opposite"] == found.opposite.to_json()
    for number, row in enumerate(document["distance"]):
        assert row["angle"] == BIN * number
        assert row["pairs"] == found.pairs[number]
        assert (row["value"], row["low"], row["high"]) == (
            found.distance[number],
            found.low[number],
            found.high[number],
        )
