"""Measures against slow loops: several groups, levels and folds at once, unequal in size, out of order."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t as student

from objectspace.analyses import alignment, erasure, projection
from objectspace.analyses.alignment import measure_cka
from objectspace.analyses.comparison import compare_spaces
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.factors import FactorSpec
from objectspace.analyses.grid_positions import GridPositions
from objectspace.analyses.groups import Groups, comparable, make_groups
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.probes import make_folds, measure_probe
from objectspace.analyses.ridge import PENALTIES, FoldedRidge
from objectspace.analyses.statistics import _positions
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects, concatenate, make_objects


def uneven(count: int, groups: int, seed: int) -> np.ndarray:
    """The group (count,) of objects in random order: half of them, half of the rest, and so on."""
    share = 0.5 ** np.arange(1, groups + 1)
    return np.random.default_rng([seed, 6]).choice(groups, count, p=share / share.sum())


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


# ---------------------------------------------------------------------------------------------------- ridge


def level_means(x: np.ndarray, level: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The mean of the training rows at the level of each row, or of all where its level has none."""
    rows = [train & (level == one) for one in level]
    return np.stack([x[own if own.any() else train].mean(0) for own in rows])


def slow_ridge(
    x: np.ndarray, y: np.ndarray, level: np.ndarray, train: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and baselines of all rows."""
    x, means = x - level_means(x, level, train), level_means(y, level, train)
    scale = np.sqrt((x[train] ** 2).mean(0))
    used = scale > 1e-9
    x = x[:, used] / scale[used]
    weights = np.linalg.solve(
        x[train].T @ x[train] + penalty * np.eye(used.sum()), x[train].T @ (y - means)[train]
    )
    return x @ weights + means, means


@pytest.fixture(params=[4, 33, 60], ids=["narrow", "nearly wide", "wide"])
def regression(request: pytest.FixtureRequest) -> tuple[np.ndarray, ...]:
    """Features with a constant one among them, six targets, folds of unequal size, levels that some lack."""
    rng = np.random.default_rng(request.param)
    fold = rng.permutation(np.repeat(np.arange(5), [3, 5, 6, 8, 14]))
    level = rng.choice(4, 36, p=[0.4, 0.3, 0.2, 0.1])
    # All of level 4 is in fold 4, and nothing of level 1 in fold 0.
    level[np.flatnonzero(fold == 4)[:4]] = 4
    level[(fold == 0) & (level == 1)] = 0
    x = rng.normal(size=(36, request.param)) * np.linspace(1, 9, request.param) + level[:, None]
    x[:, 2] = 7.0
    y = x[:, :1] * rng.normal(size=6) + rng.normal(size=(36, 6)) * np.array([0.1, 9, 1, 30, 3, 0.5])
    return x.astype(np.float32), y, fold, level


def test_ridge_with_levels_is_that_of_a_loop(regression: tuple[np.ndarray, ...]) -> None:
    x, y, fold, level = regression
    chosen = np.random.default_rng(1).integers(0, len(PENALTIES), (5, 3))
    predicted, baseline = FoldedRidge(x, fold, level).predict(y, chosen)
    for held in range(5):
        for target in range(6):
            # Two neighboring targets are a run and share their penalty.
            penalty = PENALTIES[chosen[held, target // 2]] * x.shape[1]
            expected, means = slow_ridge(x.astype(float), y[:, [target]], level, fold != held, penalty)
            own = fold == held
            np.testing.assert_allclose(predicted[own, target], expected[own, 0], atol=1e-6)
            np.testing.assert_allclose(baseline[own, target], means[own, 0], atol=1e-9)


def test_penalties_are_those_of_the_least_error_on_two_neighboring_folds(
    regression: tuple[np.ndarray, ...],
) -> None:
    x, y, fold, level = regression
    chosen = FoldedRidge(x, fold, level).choose_penalties(y, 3)
    for held in range(5):
        errors = np.zeros((len(PENALTIES), 3))
        for tried in ((held + 1) % 5, (held - 1) % 5):
            train, own = (fold != held) & (fold != tried), fold == tried
            for number, penalty in enumerate(PENALTIES):
                expected, _ = slow_ridge(x.astype(float), y, level, train, penalty * x.shape[1])
                errors[number] += ((expected - y)[own] ** 2).sum(0).reshape(3, 2).sum(1)
        assert chosen[held].tolist() == errors.argmin(0).tolist()
    assert len(np.unique(chosen)) > 2


def test_folds_are_filled_greedily() -> None:
    group = np.unique(uneven(90, 9, 0), return_inverse=True)[1]
    size, fold = np.bincount(group), make_folds(group, 4, seed=3)
    of_group = [int(fold[group == one][0]) for one in range(len(size))]
    filled = np.zeros(4, int)
    for one in sorted(range(len(size)), key=lambda one: -size[one]):
        # Among groups of one size any order will do.
        assert filled[of_group[one]] == filled.min() or (size == size[one]).sum() > 1
        filled[of_group[one]] += size[one]
    assert filled.tolist() == np.bincount(fold, minlength=4).tolist()
    assert make_folds(np.array([2, 0, 1, 0]), 5).max() == 2


# ---------------------------------------------------------------------------------------------- permutations


def test_groups_are_in_the_order_of_their_mean_rank_at_each_level() -> None:
    rng = np.random.default_rng(0)
    image, level = uneven(60, 6, 1), rng.integers(0, 3, 60)
    groups = make_groups(image, level=level)
    # Values differ in size between levels, and many are equal.
    values = np.round(rng.normal(size=60), 1) * 10.0**level
    shares: dict[int, list[float]] = {}
    for row in range(60):
        own = values[groups.level == groups.level[row]]
        rank = (own < values[row]).sum() + (own == values[row]).sum() / 2
        shares.setdefault(int(groups.group[row]), []).append(rank / len(own))
    order = sorted(shares, key=lambda one: np.mean(shares[one]))
    assert np.argsort(_positions(groups, values)).tolist() == order


def test_what_can_be_compared_is_at_a_level_of_two_groups() -> None:
    """Of few objects in few groups, by a loop, many times; none at all has nothing to compare."""
    rng = np.random.default_rng(13)
    for _ in range(200):
        image, level = rng.integers(0, 4, 7), rng.integers(0, 4, 7)
        groups = make_groups(image, level=level)
        expected = [
            any(level[other] == level[row] and image[other] != image[row] for other in range(7))
            for row in range(7)
        ]
        assert comparable(groups).tolist() == expected
    assert comparable(make_groups(np.zeros(0, int))).tolist() == []


def test_images_and_values_that_share_an_object_are_one_group() -> None:
    rng = np.random.default_rng(14)
    for _ in range(50):
        image, value = rng.integers(0, 7, 9), rng.integers(0, 7, 9)
        first = list(range(9))
        for _ in range(9):
            for one in range(9):
                for other in range(9):
                    if image[one] == image[other] or value[one] == value[other]:
                        first[one] = min(first[one], first[other])
        found = make_groups(image, group=value).group
        assert (found[:, None] == found).tolist() == [[a == b for b in first] for a in first]
        assert sorted(set(found.tolist())) == list(range(len(set(first))))


# ------------------------------------------------------------------------------------------------ comparison


def song(one: np.ndarray, other: np.ndarray) -> float:
    """The unbiased HSIC as a mean over all quadruples of different objects, from sums over their indices."""
    count = len(one)
    k, m = one * (1 - np.eye(count)), other * (1 - np.eye(count))
    pairs = np.einsum("ij,ij->", k, m) / (count * (count - 1))
    triples = (np.einsum("ij,ik->", k, m) - np.einsum("ij,ij->", k, m)) / (count * (count - 1) * (count - 2))
    fours = (k.sum() * m.sum() - 4 * np.einsum("ij,ik->", k, m) + 2 * np.einsum("ij,ij->", k, m)) / (
        count * (count - 1) * (count - 2) * (count - 3)
    )
    return float(pairs + fours - 2 * triples)


def slow_cka(x: np.ndarray, y: np.ndarray) -> float:
    k, m = x @ x.T, y @ y.T
    return song(k, m) / np.sqrt(song(k, k) * song(m, m))


@pytest.mark.parametrize("count", [7, 27])
def test_alignment_and_its_jackknife_over_groups_of_unequal_size(count: int) -> None:
    """Seven groups are seven parts; of 27, some parts are of two groups."""
    groups = make_groups(uneven(50, 4, 0) * 7 + np.arange(50) % 7 if count == 27 else uneven(50, 7, 0))
    x = normal(0, 50, 4)
    y = x[:, :3] * 100 + 60 * normal(1, 50, 3) + 5
    found, _ = measure_cka(x.astype(np.float32), y.astype(np.float32), groups, seed=3)
    assert found.value == pytest.approx(slow_cka(x, y), rel=1e-4)
    assert (found.n, found.groups, found.chance) == (50, groups.count, 0)
    part = np.random.default_rng([3, 4]).permutation(groups.count)[groups.group] % 20
    parts = np.unique(part)
    without = np.array([slow_cka(x[part != one], y[part != one]) for one in parts])
    spread = np.sqrt((len(parts) - 1) / len(parts) * ((without - without.mean()) ** 2).sum())
    reach = student.ppf(0.975, len(parts) - 1) * spread
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach), rel=1e-3)


def test_alignment_needs_four_objects_and_two_parts() -> None:
    x = normal(0, 4, 2).astype(np.float32)
    four, three = (measure_cka(x[:n], x[:n] * 2, make_groups(np.arange(n)))[0] for n in (4, 3))
    assert four.value == pytest.approx(1)
    assert np.isnan(three.value)
    one = measure_cka(x, x * 2, make_groups(np.zeros(4, int)))[0]
    assert one.value == pytest.approx(1)
    assert np.isnan([one.low, one.high]).all()


@pytest.mark.parametrize("scale", [1e38, 1e-30])
def test_alignment_does_not_depend_on_the_scale_of_vectors(scale: float) -> None:
    """Of which the products of products exceed what float64 holds."""
    x, y = (np.float32(normal(seed, 30, 400) / 5) for seed in (0, 1))
    y[:, :300] += x[:, :300]
    groups = make_groups(np.arange(30) // 2)
    (one, biased), (other, scaled) = (
        measure_cka(by * x, by * y, groups) for by in (np.float32(1), np.float32(scale))
    )
    for figure in ("value", "low", "high", "p"):
        assert getattr(other, figure) == pytest.approx(getattr(one, figure), rel=1e-3)
    assert scaled == pytest.approx(biased, rel=1e-4)


def test_alignment_of_many_objects_is_that_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(0, 50, 4), normal(1, 50, 3)
    monkeypatch.setattr(alignment, "MOST_OBJECTS", 50)
    assert measure_cka(x.astype(np.float32), y.astype(np.float32), make_groups(np.arange(50)))[0].n == 50
    monkeypatch.setattr(alignment, "MOST_OBJECTS", 49)
    found, _ = measure_cka(x.astype(np.float32), y.astype(np.float32), make_groups(uneven(50, 7, 0)), seed=2)
    rows = np.random.default_rng([2, 4]).choice(50, 49, replace=False)
    assert (found.n, found.value) == (49, pytest.approx(slow_cka(x[rows], y[rows]), abs=1e-5))


RECIPE = Recipe("crop", "fake", "0" * 64, "tap", {}, "float32", "0")


def objects_in(image: np.ndarray, **factors: np.ndarray) -> Objects:
    """An object of each image's number, in this order."""
    made = [
        make_objects(image_id=f"{one:02d}", xyxy=np.float32([[0, 0, 1 + row, 2]]), label=["dog"], source="s")
        for row, one in enumerate(image)
    ]
    return concatenate(made).with_factors(factors)


def test_three_spaces_compared_by_a_column_of_groups() -> None:
    """Groups of 1 to 20 objects; of five the group is not known; the largest has fewer others than k."""
    image, rng = np.arange(40), np.random.default_rng(0)
    street = rng.permutation(np.repeat([3.0, 1.0, 8.0, np.nan], [24, 4, 7, 5]))
    objects = objects_in(image, street=street, value=normal(5, 40))
    vectors = [normal(0, 40, 3)]
    vectors += [vectors[0] + scale * normal(seed, 40, 3) for seed, scale in ((1, 0.5), (2, 2.0))]
    orders = [rng.permutation(40) for _ in range(3)]
    spaces = [
        Space(name, RECIPE, objects.object_id[order], one[order].astype(np.float32))
        for name, one, order in zip("abc", vectors, orders, strict=True)
    ]
    k = 14
    found = compare_spaces(spaces, objects, [FactorSpec("value", group="street")], group="street", k=k)
    kept = np.flatnonzero(~np.isnan(street))
    assert (found.n, found.groups) == (35, 3)
    near: list[list[set[int]]] = []
    for one in vectors:
        far = np.linalg.norm(one[:, None] - one, axis=2)
        others = [[o for o in kept if street[o] != street[row]] for row in kept]
        near.append(
            [
                set(sorted(all_of, key=lambda o, r=row: far[r, o])[:k])
                for row, all_of in zip(kept, others, strict=True)
            ]
        )
    chance = np.mean([min(k, len(all_of)) / len(all_of) for all_of in others])
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair, (one, other) in zip(found.pairs, combinations(range(3), 2), strict=True):
        shares = [len(mine & theirs) / len(mine) for mine, theirs in zip(near[one], near[other], strict=True)]
        assert pair.overlap.value == pytest.approx(np.mean(shares))
        assert pair.overlap.chance == pytest.approx(chance)
        assert pair.cka.value == pytest.approx(slow_cka(vectors[one][kept], vectors[other][kept]), abs=1e-5)
    (factor,) = found.factors
    values = [one.neighbors.overall.value for one in factor.measures]
    assert [one.value for one in factor.differences] == pytest.approx(
        [values[one] - values[other] for one, other in combinations(range(3), 2)]
    )
    assert [(one.first, one.second) for one in factor.differences] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_a_better_space_of_names_has_a_positive_difference() -> None:
    kind = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1])
    objects = objects_in(np.arange(12), kind=np.array(["cat", "dog"], object)[kind])
    spaces = [
        Space(name, RECIPE, objects.object_id, one.astype(np.float32))
        for name, one in (("noise", normal(0, 12, 3)), ("truth", np.eye(2)[kind] + 0.01 * normal(1, 12, 2)))
    ]
    (difference,) = compare_spaces(spaces, objects, [FactorSpec("kind")], k=3).factors[0].differences
    assert 0 < difference.low <= difference.value <= difference.high


def test_spaces_of_one_group_or_without_an_object_are_not_compared() -> None:
    objects = objects_in(np.zeros(6, int), street=np.array([1.0] * 5 + [2.0]))
    space = Space("a", RECIPE, objects.object_id, normal(0, 6, 2).astype(np.float32))
    with pytest.raises(InputError, match="share objects of 1 photo, expected two or more"):
        compare_spaces([space, space], objects)
    several = objects_in(np.arange(6), street=np.ones(6))
    with pytest.raises(InputError, match="share objects of 1 value of street, expected two or more"):
        compare_spaces([Space("a", RECIPE, several.object_id, space.vectors)] * 2, several, group="street")
    with pytest.raises(InputError, match="has no vector in space b"):
        compare_spaces([space, Space("b", RECIPE, objects.object_id[:5], space.vectors[:5])], objects)


def test_neighbors_of_several_levels_and_groups_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(3)
    vectors, image = normal(4, 60, 3).astype(np.float32), uneven(60, 8, 2)
    groups = Groups(image, image // 2, rng.choice(3, 60, p=[0.6, 0.3, 0.1]))
    near = find_neighbors(vectors, np.arange(60).astype(str), groups, k=7, metric="euclidean")
    for row in range(60):
        others = [
            o
            for o in range(60)
            if groups.group[o] != groups.group[row] and groups.level[o] == groups.level[row]
        ]
        nearest = sorted(
            others, key=lambda o: float(np.linalg.norm(vectors[o].astype(float) - vectors[row]))
        )[:7]
        own = near.query == row
        assert sorted(near.neighbor[own].tolist()) == sorted(nearest)
        assert near.weight[own].tolist() == [1.0] * len(nearest)


# --------------------------------------------------------------------------------------------------- erasure


def test_nearness_is_a_gaussian_of_the_distance_to_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "LANDMARKS", 5)
    vectors = (normal(0, 12, 3) + 50).astype(np.float32)
    chosen = np.random.default_rng(4).permutation(12)[:5]
    squares = [[((one.astype(float) - vectors[mark]) ** 2).sum() for mark in chosen] for one in vectors]
    expected = np.exp(-np.array(squares) / np.median(squares))
    np.testing.assert_allclose(erasure._nearness(vectors, 4), expected, rtol=1e-4)


def test_erasure_is_measured_on_the_half_that_it_was_not_fitted_to() -> None:
    image, rng = uneven(70, 9, 0).astype(str), np.random.default_rng(0)
    factors = {"a": rng.normal(size=70), "b": rng.normal(size=70)}
    vectors = (
        rng.normal(size=(70, 5))
        + np.outer(factors["a"], [1, 0, 2, 0, 0])
        + np.outer(factors["b"], [0, 1, 0, 0, 1])
    )
    found = erasure.measure_erasure(vectors.astype(np.float32), factors, image, seed=2)
    fitted = make_folds(make_groups(image).group, 2, seed=2) == 0
    eraser = erasure.fit_eraser(vectors[fitted].astype(np.float32), np.stack([*factors.values()], 1)[fitted])
    before = vectors[~fitted].astype(np.float32)
    after = eraser.erase(before).astype(np.float32)
    for name, values in factors.items():
        for part, features in zip(
            (*found[name].linear, *found[name].nonlinear),
            (before, after, erasure._nearness(before, 2), erasure._nearness(after, 2)),
            strict=True,
        ):
            probe = measure_probe(
                features, Factor(name, "linear", values[~fitted]), make_groups(image[~fitted]), seed=2
            )
            assert probe is not None
            assert part.value == pytest.approx(probe.score.value, abs=1e-4)
    assert found["a"].linear[0].value > 0.5 > found["a"].linear[1].value


def test_twenty_objects_of_three_held_out_photos_are_enough_to_measure_erasure() -> None:
    vectors, factor = normal(0, 20, 3).astype(np.float32), {"a": normal(1, 20)}
    assert set(erasure.measure_erasure(vectors, factor, np.arange(20).astype(str))) == {"a"}
    with pytest.raises(InputError, match="19 objects are too few to fit and probe an eraser, expected 20"):
        erasure.measure_erasure(vectors[:19], {"a": factor["a"][:19]}, np.arange(19).astype(str))
    with pytest.raises(InputError, match="give three or more"):
        erasure.measure_erasure(vectors, factor, np.arange(20) % 4)


# ------------------------------------------------------------------------------------------------ projection


def test_r2_of_a_line_through_each_component_is_that_of_a_loop() -> None:
    fold, values = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [3, 5, 9, 23])), normal(1, 40)
    coordinates = normal(2, 40, 3) + np.outer(values, [3, 0, -1]) + 7
    for column, found in enumerate(projection._line_r2(coordinates, values, fold)):
        errors, spread = 0.0, 0.0
        for held in range(4):
            train, test = fold != held, fold == held
            slope, start = np.polyfit(coordinates[train, column], values[train], 1)
            errors += ((values[test] - slope * coordinates[test, column] - start) ** 2).sum()
            spread += ((values[test] - values[train].mean()) ** 2).sum()
        assert found == pytest.approx(1 - errors / spread)


def test_shares_are_one_less_the_errors_of_ridges_on_cosines() -> None:
    fold, rng = (
        np.random.default_rng(0).permutation(np.repeat(np.arange(5), [9, 12, 20, 35, 44])),
        normal(3, 120, 4),
    )
    where = GridPositions(normal(1, 120, 2) * [0.1, 0.3], normal(2, 120, 2) * [2, 5])
    u, place = where.offset[:, 0], where.position
    vectors = np.stack([10 * u, place[:, 1], place[:, 0] * 0.3, np.zeros(120)], 1) + 0.1 * rng
    found = projection.principal_components(vectors, 3)
    shares = projection.measure_shares(vectors, found.coordinates, where, fold)
    bases = [slow_waves(where.offset), slow_waves(where.position)]
    bases.append(np.concatenate(bases, axis=1))
    for basis, share, column in zip(bases, (shares.phase, shares.place, shares.both), range(3), strict=True):
        for targets, value in ((vectors, share), (found.coordinates, shares.components[:, column])):
            ridge = FoldedRidge(basis.astype(np.float32), fold, np.zeros(120, int))
            predicted, means = ridge.predict(targets, ridge.choose_penalties(targets, targets.shape[1]))
            errors, spread = (((targets - one) ** 2).sum(0) for one in (predicted, means))
            expected = 1 - errors.sum() / spread.sum() if targets is vectors else 1 - errors / spread
            np.testing.assert_allclose(value, expected, atol=1e-5)


def slow_waves(points: np.ndarray) -> np.ndarray:
    unit = [(column - column.min()) / (column.max() - column.min()) for column in points.T]
    return np.stack(
        [
            np.cos(np.pi * a * unit[0]) * np.cos(np.pi * d * unit[1])
            for a in range(7)
            for d in range(7)
            if a + d
        ],
        axis=1,
    )


def test_waves_are_products_of_cosines_across_and_down() -> None:
    points = normal(0, 30, 2) * [3, 0.1] + 5
    np.testing.assert_allclose(projection._waves(points), slow_waves(points), atol=1e-9)
    # Points in a row have waves along it alone.
    points[:, 1] = 2.0
    assert len(np.unique(projection._waves(points).round(9), axis=1).T) == 6


def test_as_many_components_and_objects_as_are_asked_for() -> None:
    image = uneven(80, 6, 0)
    objects = objects_in(image)
    space = Space("s", RECIPE, objects.object_id, normal(0, 80, 60).astype(np.float32))
    found = projection.project(space, objects, {"x": normal(1, 80)})
    assert found.coordinates.shape == (80, 50)
    assert list(found.readings["x"].first) == [2, 10, 50]
    groups = make_groups(objects.image_id)
    for count, one in found.readings["x"].first.items():
        probe = measure_probe(
            found.coordinates[:, :count].astype(np.float32),
            Factor("x", "linear", found.factors["x"]),
            groups,
        )
        assert probe is not None
        assert one == probe.score
        if count == 2:
            np.testing.assert_array_equal(found.readings["x"].plane, probe.parts)


@pytest.mark.parametrize(("count", "images", "fits"), [(10, 3, True), (9, 3, False), (10, 2, False)])
def test_a_projection_needs_ten_objects_of_three_photos(count: int, images: int, fits: bool) -> None:
    objects = objects_in(np.arange(count) % images)
    space = Space("s", RECIPE, objects.object_id, normal(0, count, 4).astype(np.float32))
    if fits:
        assert projection.project(space, objects, {}).coordinates.shape == (10, 4)
    else:
        with pytest.raises(InputError, match="a projection needs ten or more, of three photos"):
            projection.project(space, objects, {})


def test_loadings_are_the_squared_weights_of_each_cell() -> None:
    axes = normal(0, 3, 2 * 4)
    found = projection._loadings(axes, 2)
    for one in range(3):
        for row in range(2):
            for column in range(2):
                # Channel by channel, then row by row.
                weights = [axes[one, channel * 4 + row * 2 + column] for channel in range(2)]
                assert found[one, row, column] == pytest.approx(sum(weight**2 for weight in weights))
