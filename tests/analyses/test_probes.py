"""Probes against scikit-learn's ridge, fold by fold and permutation by permutation, and their memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from objectspace.analyses import probes, ridge, ridge_deletions
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.groups import make_folds, make_groups
from objectspace.analyses.jackknife import jackknife, make_blocks
from objectspace.analyses.probes import measure_probe
from objectspace.analyses.ridge import PENALTIES, Columns, FoldedRidge
from objectspace.analyses.statistics import permutations
from objectspace.neighbors import Block, JointVectors, Part

RNG = np.random.default_rng


def joint(count: int, dimensions: tuple[int, ...], signal: np.ndarray, seed: int = 0) -> JointVectors:
    """A crop of every row and windows of one of two strides, in which a row has numbers or none."""
    rng, rows = RNG(seed), np.arange(count)
    stride = rng.random(count) < 0.6
    blocks = []
    for own, size in zip((rows, rows[stride], rows[~stride]), dimensions, strict=True):
        vectors = np.maximum(rng.standard_normal((len(own), size), np.float32) + 0.3, 0)
        vectors[:, 1] = 0.7
        vectors[:, 2] += signal[own]
        blocks.append(Block(Block(vectors, np.arange(len(own))).take(np.arange(len(own))).source, own))
    blocks = [Block(one.source, one.rows, np.linalg.norm(one.source.astype(float), axis=1)) for one in blocks]
    return JointVectors(
        [Part("crop", 1.0, 0.4, (blocks[0],)), Part("window", 2.0, 0.3, tuple(blocks[1:]))], count
    )


def slow_predictions(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Held-out predictions and baselines (n, t); penalties by the next and the last fold of the ring."""
    predicted, baseline = np.empty((2, *y.shape))
    count = int(fold.max()) + 1
    for held in range(count):
        errors = np.zeros(len(PENALTIES))
        for tried in ((held + 1) % count, (held - 1) % count):
            found = fitted(x, y, (fold != held) & (fold != tried), PENALTIES)[:, fold == tried]
            errors += ((found - y[fold == tried]) ** 2).sum((1, 2))
        own, train = fold == held, fold != held
        predicted[own] = fitted(x, y, train, PENALTIES[[errors.argmin()]])[0, own]
        baseline[own] = y[train].mean(0)
    return predicted, baseline


def fitted(
    x: np.ndarray, y: np.ndarray, train: np.ndarray, penalties: np.ndarray, scaled: np.ndarray | None = None
) -> np.ndarray:
    """Predictions (p, n, t) of all rows at each penalty by scikit-learn, of features that vary in training.

    scaled: the rows that features are scaled by, those of training if not others
    """
    scaled = train if scaled is None else scaled
    used = x[scaled].std(0) > 1e-9
    scaler = StandardScaler().fit(x[scaled][:, used])
    # A column of targets for each penalty, which scikit-learn takes column by column.
    columns, count = y.shape[1], len(penalties)
    model = Ridge(alpha=np.repeat(penalties, columns) * x.shape[1], solver="svd").fit(
        scaler.transform(x[train][:, used]), np.tile(y[train], count)
    )
    predicted = model.predict(scaler.transform(x[:, used])).reshape(len(y), count, columns)
    return predicted.transpose(1, 0, 2)


def slow_score(x: np.ndarray, kind: str, values: np.ndarray, fold: np.ndarray) -> tuple[float, float]:
    """The score and the baseline's."""
    if kind == "linear":
        y = values[:, None]
    elif kind == "circular":
        y = np.stack([np.cos(np.radians(values)), np.sin(np.radians(values))], axis=1)
    else:
        y = (values[:, None] == np.arange(3)) * 1.0
    both = slow_predictions(x, y, fold)
    if kind == "linear":
        errors, spread = (((one - y) ** 2).sum() for one in both)
        return 1 - errors / spread, 0.0
    if kind == "categorical":
        return tuple(float((one.argmax(1) == values).mean()) for one in both)
    angles = [np.degrees(np.arctan2(one[:, 1], one[:, 0])) for one in both]
    return tuple(float(np.abs((angle - values + 180) % 360 - 180).mean()) for angle in angles)


NARROW, WIDE = (6, 9, 5), (40, 90, 70)


@pytest.mark.parametrize(
    ("kind", "dimensions"),
    [("categorical", NARROW), ("categorical", WIDE), ("linear", NARROW), ("circular", WIDE)],
)
def test_a_probe_of_a_joint_space_is_that_of_scikit_learn(kind: str, dimensions: tuple[int, ...]) -> None:
    rng = RNG(3)
    photo = np.sort(rng.integers(0, 22, 90))
    values = {
        "categorical": rng.integers(0, 3, 90) * 1.0,
        "linear": rng.normal(size=90),
        "circular": rng.uniform(0, 360, 90),
    }[kind]
    vectors = joint(90, dimensions, values / np.ptp(values))
    categories = ("a", "b", "c") if kind == "categorical" else ()
    factor = Factor("f", kind, values, 360.0 if kind == "circular" else 0.0, categories)
    groups = make_groups(photo)
    found = measure_probe(vectors, factor, groups, permuted=4)
    assert found is not None
    x, fold = np.asarray(vectors, np.float64), make_folds(groups.group, 5)
    value, baseline = slow_score(x, kind, values, fold)
    assert found.score.value == pytest.approx(value, abs=1e-7)
    assert found.baseline == pytest.approx(baseline, abs=1e-7)
    drawn = permutations(groups, 4, values=values)
    null = np.array([np.subtract(*slow_score(x, kind, values[rows], fold)) for rows in drawn])
    extreme = min(sum(null >= value - baseline - 1e-9), sum(null <= value - baseline + 1e-9))
    assert found.score.p == pytest.approx(min(1.0, 2 * (1 + extreme) / 5))
    block = make_blocks(groups.group, most=10)
    np.testing.assert_allclose(*without_blocks(vectors, factor, fold, block), atol=1e-7)


def without_blocks(
    vectors: JointVectors, factor: Factor, fold: np.ndarray, block: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (b, n, 1) without each block at penalties that go with the fold, by us and by scikit-learn.

    Of more features than rows each keeps the scale that it has in the other folds with the block.
    """
    y, x = np.sin(factor.values)[:, None], np.asarray(vectors, np.float64)
    found = np.full((int(block.max()) + 1, len(fold), 1), np.nan)
    ridge, chosen = FoldedRidge(vectors, fold, np.zeros(len(fold), np.int64)), np.arange(5)[:, None]
    for dropped, held in ridge.predictions_without(Columns(y, 1), chosen, block):
        if dropped is not None:
            found[dropped, held.rows] = held.predicted
    expected = np.full_like(found, np.nan)
    for dropped, held in np.ndindex(len(found), 5):
        kept = block != dropped
        rows, train = kept & (fold == held), kept & (fold != held)
        # Of more features than rows, those of the block count for the scale.
        scaled = (fold != held) & ((x.shape[1] > x.shape[0]) | kept)
        expected[dropped, rows] = fitted(x, y, train, PENALTIES[[held]], scaled)[0, rows]
    return found, expected


def few_values(groups: int, objects: int, *, mixed: bool = False) -> tuple[np.ndarray, Factor, np.ndarray]:
    """Vectors, a factor of one value in each group but for a first one that is mixed, and the groups."""
    rng = RNG(7)
    group = np.sort(np.append(np.arange(groups), rng.integers(0, groups, objects - groups)))
    values = rng.normal(size=groups)[group]
    values[0] += mixed  # of two objects of the first group
    vectors = (0.7 * rng.normal(size=(objects, 3)) + values[:, None]).astype(np.float32)
    return vectors, Factor("f", "linear", values), group


def test_the_interval_of_few_values_is_that_of_probes_done_anew() -> None:
    """Of scikit-learn's probes without each of twenty blocks, with penalties of their own."""
    vectors, factor, group = few_values(21, 60)
    found = measure_probe(vectors, factor, make_groups(group), permuted=9)
    assert found is not None
    fold, block = make_folds(group, 5), make_blocks(group, most=20)
    without = []
    for one in range(20):
        kept = block != one
        left = np.unique(fold[kept], return_inverse=True)[1]
        without.append(slow_score(vectors[kept].astype(float), "linear", factor.values[kept], left)[0])
    error, room = jackknife(np.array(without), block).reach, 1 - found.score.value
    expected = [1 - room * np.exp(step * error / room) for step in (1, -1)]
    np.testing.assert_allclose([found.score.low, found.score.high], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("groups", "objects", "mixed", "anew"),
    [
        (21, 60, False, True),
        (50, 1000, False, True),
        (20, 60, False, False),
        (51, 60, False, False),
        (30, 1001, False, False),
        (30, 60, True, False),
    ],
)
def test_all_is_done_anew_where_groups_have_one_value_and_are_few(
    groups: int, objects: int, mixed: bool, anew: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, factor, group = few_values(groups, objects, mixed=mixed)
    fitted_without = []
    within = probes._Sample.without_each

    def noted(sample: object, block: np.ndarray) -> np.ndarray:
        fitted_without.append(len(np.unique(block)))
        return within(sample, block)

    monkeypatch.setattr(probes._Sample, "without_each", noted)
    assert measure_probe(vectors, factor, make_groups(group), permuted=4) is not None
    assert fitted_without == [20] * anew


def test_three_groups_are_enough_for_a_probe() -> None:
    vectors, factor, group = few_values(3, 12)
    assert measure_probe(vectors, factor, make_groups(group), permuted=4) is not None
    two = group < 2
    assert measure_probe(vectors[two], factor.take(two), make_groups(group[two]), permuted=4) is None
    # At a level of one group nobody is compared with anybody.
    level = np.where(group == 2, 1, 0)
    assert measure_probe(vectors, factor, make_groups(group, level=level), permuted=4) is None


def test_predictions_that_change_in_fewer_than_five_groups_have_no_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the vectors tell the rare name from the common one in as many of twelve groups."""
    rng, group = RNG(2), np.repeat(np.arange(12), 5)
    for groups in (4, 5):
        values = (np.arange(60) % 5 == 0) & (group < groups) | (np.arange(60) == 59)
        vectors = (rng.normal(size=(60, 2)) + 9 * values[:, None]).astype(np.float32)
        vectors[59] = 0
        factor = Factor("f", "categorical", values * 1.0, categories=("common", "rare"))
        probe = measure_probe(vectors, factor, make_groups(group), permuted=4)
        assert probe is not None
        reason = "vectors change predictions in 4 groups, 5 are needed" if groups == 4 else ""
        assert probe.score.no_interval == reason


@pytest.mark.slow
def test_the_probe_of_many_labels_in_a_joint_space_takes_less_than_its_parts() -> None:
    """As many labels and numbers as 128 photos of COCO have with ResNet50 and YOLOv3-tiny, of 600 objects."""
    rng = RNG(5)
    label = np.sort(rng.integers(0, 70, 600)) * 1.0
    vectors = joint(600, (2048, 2304, 4608), rng.permutation(label) / 70)
    factor = Factor("label", "categorical", rng.permutation(label), categories=tuple(map(str, range(70))))
    tracemalloc.start()
    measure_probe(vectors, factor, make_groups(np.arange(600) // 7), permuted=9)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < vectors.nbytes


@pytest.mark.parametrize(("dimension", "number"), [(1600, 8), (2100, 4)], ids=["float64", "float32"])
def test_a_regression_of_many_features_holds_six_halves_of_their_products(
    dimension: int, number: int
) -> None:
    """number: bytes of one, which are fewer where features are more than 2,048."""
    count = dimension + 100
    features, target = RNG(6).standard_normal((count, dimension), np.float32), RNG(7).normal(size=(count, 1))
    fold = np.arange(count) % 5
    tracemalloc.start()
    ridge = FoldedRidge(features, fold, np.zeros_like(fold))
    ridge.predict(target, ridge.choose_penalties(target, 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Blocks of features that are read take 16 MB, twice while they are converted.
    assert peak < 3 * number * dimension**2 + 40_000_000


def features_of(kind: str, count: int, dimension: int) -> np.ndarray:
    """Vectors that make hard systems: without a large direction, with hardly any but one, mostly zeros."""
    rng = RNG(9)
    noise = rng.standard_normal((count, dimension), np.float32)
    if kind == "one direction":
        return 5 * rng.standard_normal((count, 1), np.float32) + 3 + 1e-3 * noise
    return np.maximum(noise - 1.5, 0) if kind == "mostly zeros" else noise


@pytest.mark.parametrize("kind", ["noise", "one direction", "mostly zeros"])
@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("steps", [1, 50])
def test_systems_in_float32_predict_what_those_in_float64_do(
    kind: str, levels: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every penalty, and without blocks; levels are ten times as far from each other as features vary."""
    monkeypatch.setattr(ridge_deletions, "_STEPS", steps)
    count, dimension = 600, 200
    features = features_of(kind, count, dimension)
    fold, block = np.arange(count) % 5, np.arange(count) // 5 % 3
    level = RNG(10).integers(0, levels, count)
    targets = features[:, :1] + features[:, 7:8] + RNG(11).normal(size=(count, 2)) + 1e4
    features += 10 * features.std() * level[:, None].astype(np.float32)

    def predicted(single: int) -> np.ndarray:
        monkeypatch.setattr(ridge, "SINGLE", single)
        fitted = FoldedRidge(features, fold, level)
        whole = [fitted.predict(targets, np.full((5, 1), number))[0] for number in range(len(PENALTIES))]
        without = fitted.predictions_without(Columns(targets, 1), np.zeros((5, 1), np.int64), block)
        return np.concatenate([*whole, *(held.predicted for _, held in without)])

    single, double = predicted(dimension - 1), predicted(dimension)
    assert not np.array_equal(single, double)
    np.testing.assert_allclose(single, double, rtol=0, atol=2e-3 * targets.std())
    assert np.sqrt(((single - double) ** 2).mean()) < 5e-5 * targets.std()


def test_a_feature_that_varies_in_the_held_out_fold_alone_is_not_used() -> None:
    """What subtraction leaves of its products in the other folds is rounding."""
    rng, fold = RNG(8), np.arange(60) % 5
    features = rng.normal(size=(60, 4))
    features[:, 3] = np.where(fold == 2, rng.normal(size=60) * 1e3, 1 / 3)
    target = features[:, :1] + rng.normal(size=(60, 1))
    ridge = FoldedRidge(features.astype(np.float32), fold, np.zeros(60, np.int64))
    predicted, _ = ridge.predict(target, np.full((5, 1), 2))
    expected = fitted(features[:, :3], target, fold != 2, PENALTIES[[2]])[0]
    assert predicted[fold == 2] == pytest.approx(expected[fold == 2], abs=0.05)
    assert np.abs(predicted[fold == 2]).max() < 10


def test_features_that_vary_in_what_is_left_out_alone_do_as_in_float64(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One varies in a block, one in a fold, one in a single row, one nowhere."""
    count = 120
    rng, fold, block = RNG(14), np.arange(count) % 5, np.arange(count) // 5 % 4
    features = rng.standard_normal((count, 9), np.float32)
    noise = rng.standard_normal(count)
    for column, varies in enumerate((block == 1, fold == 2, np.arange(count) == 7, fold < 0)):
        features[:, column] = np.where(varies, noise, 0.3)
    targets, level = features[:, 4:6] + rng.normal(size=(count, 2)), np.arange(count) % 2

    def predicted(single: int) -> np.ndarray:
        monkeypatch.setattr(ridge, "SINGLE", single)
        without = FoldedRidge(features, fold, level).predictions_without(
            Columns(targets, 1), np.full((5, 1), 2), block
        )
        return np.concatenate([held.predicted for _, held in without])

    np.testing.assert_allclose(predicted(8), predicted(9), atol=2e-3)
