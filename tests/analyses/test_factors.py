"""Factors in spaces whose truth is known: found where they are and not in noise; scikit-learn agrees."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from objectspace.analyses.agreement import hubness, measure_agreement
from objectspace.analyses.factor_values import Factor, random_agreement
from objectspace.analyses.factors import (
    FactorMeasure,
    FactorSpec,
    align,
    likely_groups,
    measure_factor,
    measure_neighbors,
)
from objectspace.analyses.groups import make_folds, make_groups
from objectspace.analyses.nearest_neighbors import NearestNeighbors, find_neighbors
from objectspace.analyses.probes import measure_probe
from objectspace.analyses.ridge import FoldedRidge
from objectspace.analyses.statistics import Estimate, permutations
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError
from objectspace.neighbors import Block, JointVectors, Part
from objectspace.objects.records import Objects, Provenance

RECIPE = Recipe("crop", "fake", "0" * 64, "tap", {}, "float32", "0")
ANGLES = np.tile(np.arange(0, 360, 30.0), 8)


def make_space(
    vectors: np.ndarray, images: np.ndarray, labels: np.ndarray | None = None, **factors: np.ndarray
):
    count = len(vectors)
    ids = np.array([f"{row:032x}" for row in range(count)])
    nothing = np.array([None] * count, object)
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1))
    names = np.array(["thing"] * count, object) if labels is None else labels.astype(object)
    objects = Objects(
        ids,
        images.astype(str),
        boxes,
        names,
        np.ones(count, np.float32),
        nothing,
        nothing,
        Provenance.unknown(count),
        factors,
    )
    return Space("fake", RECIPE, ids, vectors.astype(np.float32)), objects


def noise(seed: int, count: int, dimension: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimension))


def circle(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)


# ------------------------------------------------------------------------------------- known by construction


def test_vectors_that_are_the_number() -> None:
    x = np.random.default_rng(0).uniform(0, 100, 120)
    space, objects = make_space(np.stack([x, np.zeros(120)], 1), np.arange(120), place=x)
    measured = measure_factor(space, objects, FactorSpec("place"), k=3)
    assert measured.neighbors.overall.value < 2
    assert measured.neighbors.overall.chance == pytest.approx(np.abs(x[:, None] - x).sum() / (120 * 119))
    assert measured.neighbors.overall.p == 0.002
    assert measured.probe is not None
    assert measured.probe.score.value > 0.999
    assert abs(measured.probe.score.chance) < 0.1
    assert measured.conclusion == "near objects are alike in place; the probe reads it"


def test_vectors_that_are_the_angle() -> None:
    space, objects = make_space(circle(ANGLES), np.arange(96), azimuth=ANGLES, thing=np.arange(96) // 12.0)
    measured = measure_factor(space, objects, FactorSpec("azimuth", circular=360, group="thing"), k=5)
    assert measured.neighbors.overall.value < 1e-6
    assert measured.neighbors.overall.chance == pytest.approx(90)
    assert measured.probe is not None
    assert measured.probe.score.value < 2
    assert measured.geometry is not None
    curve = measured.geometry.distance[measured.geometry.pairs > 0]
    assert (np.diff(curve) > 0).all()
    opposite = measured.geometry.opposite
    assert (opposite.value, opposite.low, opposite.high) == (1, 1, 1)
    assert opposite.chance == pytest.approx(1 / 11)
    assert opposite.p < 0.01


def test_an_angle_that_looks_the_same_after_half_a_turn() -> None:
    space, objects = make_space(circle(2 * ANGLES), np.arange(96), azimuth=ANGLES)
    half = measure_neighbors(space, objects, FactorSpec("azimuth", circular=180)).overall
    full = measure_neighbors(space, objects, FactorSpec("azimuth", circular=360)).overall
    assert (half.value, half.chance) == (pytest.approx(0, abs=1e-6), pytest.approx(45, abs=0.5))
    assert full.value > 60


def test_vectors_that_are_the_label() -> None:
    labels = np.array(["a", "b", "c"])[np.arange(90) % 3]
    space, objects = make_space(np.eye(3)[np.arange(90) % 3], np.arange(90) // 2, labels)
    measured = measure_factor(space, objects, FactorSpec("label"))
    assert measured.neighbors.overall.value == 1
    assert {name: one.value for name, one in measured.neighbors.labels.items()} == {"a": 1, "b": 1, "c": 1}
    assert measured.probe is not None
    assert measured.probe.score.value == 1


@pytest.fixture(scope="module")
def measured_noise() -> FactorMeasure:
    space, objects = make_space(noise(6, 30), np.arange(30), np.array(["a", "b"] * 15))
    return measure_factor(space, objects, FactorSpec("label"))


@pytest.mark.parametrize(
    ("kind", "near", "read", "told"),
    [
        ("categorical", 0.7, 0.7, "near objects are alike in label; the probe reads it"),
        (
            "categorical",
            0.3,
            0.5,
            "near objects differ in label more than by chance; the probe does not read it",
        ),
        ("categorical", 0.5, None, "near objects are no more alike in label than by chance"),
        ("circular", 0.3, 0.3, "near objects are alike in label; the probe reads it"),
        ("linear", 0.3, 0.3, "near objects are alike in label; the probe does not read it"),
        (
            "linear",
            0.5,
            0.7,
            "; the probe reads it, so the vectors hold it, but it does not decide what is near",
        ),
    ],
)
def test_the_conclusion_says_what_is_better_than_chance(measured_noise, kind, near, read, told) -> None:
    """Figures are 0.2 from chance and tested, or at chance."""
    measured = measured_noise

    def estimate(value: float) -> Estimate:
        return Estimate(value, 0.5, value - 0.1, value + 0.1, 30, 30, p=0.9 if value == 0.5 else 0.01)

    neighbors = replace(measured.neighbors, overall=estimate(near))
    probe = None if read is None else replace(measured.probe, score=estimate(read))
    assert replace(measured, kind=kind, neighbors=neighbors, probe=probe).conclusion.endswith(told)


@pytest.mark.parametrize("kind", ["label", "linear", "circular"])
def test_noise_holds_nothing(kind: str) -> None:
    rng = np.random.default_rng(5)
    labels, value = rng.choice(["a", "b"], 150), rng.uniform(0, 360, 150)
    space, objects = make_space(noise(6, 150), np.arange(150) // 3, labels, value=value)
    spec = (
        FactorSpec("label") if kind == "label" else FactorSpec("value", 360.0 if kind == "circular" else None)
    )
    measured = measure_factor(space, objects, spec)
    assert measured.probe is not None
    for one in (measured.neighbors.overall, measured.probe.score):
        # One noise in a hundred looks like less; the level itself is tested over 200 seeds below.
        assert one.p > 0.01
    assert measured.probe.score.low < measured.probe.score.chance + 0.02 * measured.probe.score.high


# --------------------------------------------------------------------------------------- level of the test


def clustered(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors and values that hang together in photos of unequal size, and know nothing of one another."""
    rng = np.random.default_rng(seed)
    photo = np.repeat(np.arange(14), rng.integers(1, 7, 14))
    vectors = rng.normal(size=(14, 3))[photo] + 0.5 * rng.normal(size=(len(photo), 3))
    return vectors, rng.normal(size=14)[photo] + 0.5 * rng.normal(size=len(photo)), photo


@pytest.mark.slow
def test_permutation_keeps_its_level_where_photos_hang_together() -> None:
    rejected, covered = Counter[str](), Counter[str]()
    for seed in range(200):
        vectors, values, photo = clustered(seed)
        groups = make_groups(photo)
        near = find_neighbors(
            vectors.astype(np.float32), np.arange(len(photo)).astype(str), groups, k=3, metric="euclidean"
        )
        labels = np.array(["thing"] * len(photo), object)
        for kind, told in (("linear", values), ("categorical", (values > 0).astype(float))):
            factor = Factor("f", kind, told)
            found = measure_agreement(near, factor, groups, labels, permuted=39, seed=seed).overall
            rejected[kind] += found.p <= 0.05
            covered[kind] += found.low <= found.chance <= found.high
    for kind in ("linear", "categorical"):
        # 5 % of 200 is 10; outside these bounds comes once in 300 times.
        assert 2 <= rejected[kind] <= 20
        # The interval takes the neighbors as they are, and so covers chance a little less often than 95 %.
        assert 165 <= covered[kind] <= 199


def classes(seed: int, count: int, names: int, signal: float) -> tuple[np.ndarray, Factor]:
    """Vectors (count, 4) around the center of one of so many classes, at this distance or at none."""
    rng = np.random.default_rng([seed, 8])
    own = rng.integers(0, names, count)
    vectors = signal * rng.normal(size=(names, 4))[own] + rng.normal(size=(count, 4))
    factor = Factor("f", "categorical", own * 1.0, categories=tuple(map(str, range(names))))
    return vectors.astype(np.float32), factor


@pytest.mark.parametrize("names", [37, 80])
def test_a_probe_of_many_values_can_be_significant(names: int) -> None:
    vectors, factor = classes(0, 400, names, 3.0)
    probe = measure_probe(vectors, factor, make_groups(np.arange(400)))
    assert probe.score.p == 0.01
    assert probe.score.excess[0] > 0


@pytest.mark.slow
def test_a_probe_of_many_values_keeps_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectspace.analyses.probes.BLOCKS", 2)  # of the interval, which p does not need
    p = []
    for seed in range(60):
        vectors, factor = classes(seed, 90, 40, 0.0)
        p.append(
            measure_probe(vectors, factor, make_groups(np.arange(90) // 2), permuted=39, seed=seed).score.p
        )
    for level in (0.05, 0.25, 0.5):
        # Outside these bounds comes once in 300 times, if that: equal accuracies make p larger.
        _, high = scipy.stats.binom.interval(1 - 1 / 300, 60, level)
        assert np.count_nonzero(np.array(p) <= level + 1e-9) <= high
    assert np.mean(p) < 0.75


def test_excess_of_a_probe_is_its_score_less_that_of_permutations() -> None:
    """R2 against a chance level that is estimated: both sums are resampled together."""
    vectors, values, photo = clustered(5)
    probe = measure_probe(vectors.astype(np.float32), Factor("f", "linear", values), make_groups(photo))
    low, high = probe.score.excess
    assert low < probe.score.value - probe.score.chance < high
    over, under = probe.parts.sum(0)
    assert probe.score.value == pytest.approx(1 - over / under)


def test_agreement_less_its_chance_is_zero_on_average_under_permutation() -> None:
    vectors, values, photo = clustered(3)
    groups, factor = make_groups(photo), Factor("f", "linear", values)
    ids = np.arange(len(photo)).astype(str)
    near = find_neighbors(vectors.astype(np.float32), ids, groups, k=3, metric="euclidean")
    gains = []
    for rows in permutations(groups, 1000):
        drawn = factor.values[rows]
        agreement = near.mean(np.abs(drawn[near.neighbor] - drawn[near.query])).mean()
        gains.append(agreement - random_agreement(factor, drawn, groups).mean())
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(1000)


# ------------------------------------------------------------------------------------------------- oracles


def test_agreement_equals_a_double_loop_with_groups_and_control() -> None:
    rng = np.random.default_rng(7)
    photo = rng.integers(0, 30, 70)
    group, level, value = photo // 2.0, rng.integers(0, 3, 70).astype(float), rng.uniform(0, 10, 70)
    vectors = noise(8, 70).astype(np.float32)
    space, objects = make_space(vectors, photo, group=group, level=level, value=value)
    found = measure_neighbors(space, objects, FactorSpec("value", group="group", control="level"), k=4)
    expected = []
    for row in range(70):
        others = [o for o in range(70) if group[o] != group[row] and level[o] == level[row]]
        others.sort(key=lambda o: float(np.linalg.norm(vectors[o].astype(float) - vectors[row])))
        expected.append(np.mean([abs(value[o] - value[row]) for o in others[:4]]))
    np.testing.assert_allclose(found.values, expected)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("kind", ["linear", "categorical"])
def test_objects_that_share_a_vector_count_by_the_mean_over_all_orders(metric: str, kind: str) -> None:
    """Few different vectors, so that most k-th neighbors are tied; every order of the tied ones is tried."""
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(9, 5)).astype(np.float32)[rng.integers(0, 9, 22)]
    photo, value = rng.integers(0, 8, 22), rng.integers(0, 3, 22) * 1.0
    space, objects = make_space(vectors, photo, value=value)
    spec = FactorSpec("value", categorical=kind == "categorical")
    found = measure_neighbors(space, objects, spec, k=3, metric=metric)
    factor = Factor("value", kind, value)
    for row in range(22):
        others = [other for other in range(22) if photo[other] != photo[row]]
        far = {other: far_apart(vectors[row], vectors[other], metric) for other in others}
        kth = sorted(far.values())[2]
        nearer = [other for other in others if far[other] < kth - 1e-9]
        tied = [other for other in others if abs(far[other] - kth) <= 1e-9]
        draws = [
            np.mean([factor.compare(value[row], value[other]) for other in (*nearer, *chosen)])
            for chosen in combinations(tied, 3 - len(nearer))
        ]
        assert found.values[row] == pytest.approx(np.mean(draws))


def far_apart(one: np.ndarray, other: np.ndarray, metric: str) -> float:
    one, other = one.astype(float), other.astype(float)
    if metric == "euclidean":
        return float(np.linalg.norm(one - other))
    return 1 - float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("joint", [False, True])
def test_ids_do_not_matter_where_vectors_are_shared(joint: bool) -> None:
    rng = np.random.default_rng(5)
    vectors: np.ndarray | JointVectors = np.repeat(rng.normal(size=(6, 4)), 7, axis=0).astype(np.float32)
    if joint:
        other = np.repeat(rng.normal(size=(6, 3)), 7, axis=0).astype(np.float32)
        blocks = [Block(one, np.arange(42)) for one in (vectors, other)]
        parts = [
            Part(name, weight, 0.0, (block,))
            for name, weight, block in zip("ab", (1.0, 2.0), blocks, strict=True)
        ]
        vectors = JointVectors(parts, 42)
    groups, ids = make_groups(np.arange(42)), np.array([f"{number:02d}" for number in range(42)])
    one, other = (
        find_neighbors(vectors, names, groups, k=10, metric="euclidean") for names in (ids, ids[::-1])
    )
    np.testing.assert_allclose(np.bincount(one.query, one.weight), np.full(42, 10.0))
    np.testing.assert_allclose(one.mean(one.neighbor), other.mean(other.neighbor))
    np.testing.assert_allclose(one.overlap(other), np.full(42, 10.0))
    # Six are of the object's own vector; the seven of the next share what room is left.
    assert sorted(one.weight[one.query == 0]) == pytest.approx([4 / 7] * 7 + [1.0] * 6)


@pytest.mark.parametrize("dimension", [5, 200])
@pytest.mark.parametrize("targets", [2, 40])
def test_ridge_equals_scikit_learns(dimension: int, targets: int) -> None:
    """Both the solution by features and the one by objects; by weights and by the hat matrix."""
    x, y = noise(1, 60, dimension).astype(np.float32), noise(2, 60, targets)
    fold = make_folds(np.arange(60), 5)
    ridge = FoldedRidge(x, fold, np.zeros(60, np.int64))
    train, test = fold != 2, fold == 2
    scaler = StandardScaler().fit(x.astype(float)[train])
    for number, penalty in enumerate(ridge.penalties):
        model = Ridge(alpha=penalty).fit(scaler.transform(x.astype(float)[train]), y[train])
        expected = model.predict(scaler.transform(x.astype(float)[test]))
        predicted, baseline = ridge.predict(y, np.full((5, 1), number))
        np.testing.assert_allclose(predicted[test], expected, atol=1e-6)
        np.testing.assert_allclose(baseline[test], np.tile(y[train].mean(0), (test.sum(), 1)))


def test_folds_keep_clusters_whole_and_even() -> None:
    group = np.repeat(np.arange(20), np.arange(1, 21))
    fold = make_folds(group, 5)
    assert all(len(set(fold[group == one])) == 1 for one in range(20))
    assert np.ptp(np.bincount(fold)) <= 4


def test_probe_does_not_learn_photos_by_heart() -> None:
    """Each photo has its own vector and its own random value: only held-out photos tell that it is noise."""
    rng = np.random.default_rng(3)
    photo = np.repeat(np.arange(40), 5)
    vectors = rng.normal(size=(40, 30))[photo] + 0.01 * rng.normal(size=(200, 30))
    probe = measure_probe(
        vectors.astype(np.float32), Factor("f", "linear", rng.normal(size=40)[photo]), make_groups(photo)
    )
    assert probe is not None
    assert probe.score.value < 0.2


def test_permutations_in_blocks_are_those_at_once_in_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    kind = Factor("f", "categorical", rng.integers(0, 40, 1000) * 1.0, categories=tuple(map(str, range(40))))
    vectors, groups = noise(5, 1000, 3).astype(np.float32), make_groups(np.arange(1000) % 50)
    probes, peaks = [], []
    for at_once in (1 << 22, 1 << 14):
        monkeypatch.setattr("objectspace.analyses.features._RESULTS", at_once)
        monkeypatch.setattr("objectspace.analyses.ridge._NUMBERS", at_once)
        tracemalloc.start()
        probes.append(measure_probe(vectors, kind, groups))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A score without an interval has NaN for it, which equals nothing.
    np.testing.assert_equal(asdict(probes[0].score), asdict(probes[1].score))
    assert peaks[1] < peaks[0] / 3


def test_hubness_is_scipys_skewness() -> None:
    neighbor = np.array([1, 2, 2, 3, 1, 3, 1, 2, 1, 2])
    near = NearestNeighbors(5, np.arange(10) // 2, neighbor, np.ones(10))
    assert hubness(near) == pytest.approx(scipy.stats.skew([0, 4, 4, 2, 0]))


def test_the_skewness_of_a_factor_is_that_of_the_values_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectspace.analyses.factors.measure_probe", lambda *_, **__: None)
    values = np.exp(np.random.default_rng(3).normal(size=40))
    values[7] = np.nan
    one_far = (np.arange(40) == 3).astype(float)
    space, objects = make_space(noise(4, 40), np.arange(40), size_of_it=values, one_far=one_far)
    asked = (FactorSpec("size_of_it"), FactorSpec("one_far"), FactorSpec("size_of_it", circular=360))
    skewed, far, circular = (measure_factor(space, objects, spec).skewness for spec in asked)
    assert skewed == pytest.approx(scipy.stats.skew(np.delete(values, 7)))
    assert far == pytest.approx(38 / 39**0.5)
    assert circular is None


# -------------------------------------------------------------------------------- control, left out, errors


def test_a_control_takes_away_what_comes_through_it() -> None:
    """The vector is the color, and angles go with colors: at one color nothing is left of the angle."""
    rng = np.random.default_rng(2)
    color = np.arange(120) % 4
    angle = 90.0 * color + rng.uniform(-40, 40, 120)
    vectors = np.eye(4)[color] + 0.01 * rng.normal(size=(120, 4))
    space, objects = make_space(vectors, np.arange(120), angle=angle, color=color.astype(float))
    alone = measure_factor(space, objects, FactorSpec("angle", circular=360))
    fixed = measure_factor(space, objects, FactorSpec("angle", circular=360, control="color"))
    assert alone.neighbors.overall.p == 0.002
    assert fixed.neighbors.overall.p > 0.05
    assert alone.probe is not None
    assert fixed.probe is not None
    assert alone.probe.score.high < 0.5 * alone.probe.score.chance
    assert fixed.probe.score.low <= fixed.probe.score.chance <= fixed.probe.score.high


def test_chance_of_a_probe_is_chance_among_objects_of_one_label() -> None:
    """400 photos of 1 to 6 objects of 8 labels, vectors that are the angle: hardly two share their labels."""
    rng = np.random.default_rng(0)
    photo = np.repeat(np.arange(400), rng.integers(1, 7, 400))
    label, angle = rng.integers(0, 8, len(photo)), rng.uniform(0, 360, len(photo))
    probe = measure_probe(
        circle(angle).astype(np.float32),
        Factor("angle", "circular", angle, 360.0),
        make_groups(photo, level=label),
    )
    assert probe is not None
    assert probe.score.value < 1
    assert probe.score.chance == pytest.approx(90, abs=2)


def test_unknown_values_are_left_out_and_counted() -> None:
    x = np.arange(20.0)
    x[3] = np.nan
    style = np.array(["a", "b"] * 10, object)
    style[5] = None
    space, objects = make_space(noise(0, 20), np.arange(20), value=x, style=style)
    assert measure_factor(space, objects, FactorSpec("value", control="style")).left_out == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (FactorSpec("value", group="one"), "no objects of two different one can be compared"),
        (FactorSpec("one"), "factor one has one value only, so nothing"),
        (
            FactorSpec("value", control="value"),
            "no objects of two different photos can be compared at one value",
        ),
        (FactorSpec("pair", categorical=True, group="pair"), "no two objects that could be neighbors share"),
    ],
)
def test_nothing_to_measure_is_said(spec: FactorSpec, message: str) -> None:
    columns = {"value": np.arange(20.0), "one": np.ones(20), "pair": np.arange(20.0) // 2}
    space, objects = make_space(noise(0, 20), np.arange(20), **columns)
    with pytest.raises(InputError, match=message):
        measure_factor(space, objects, spec)


def test_rows_must_match() -> None:
    space, objects = make_space(noise(0, 5), np.arange(5))
    with pytest.raises(InputError, match="same order"):
        measure_factor(space, objects.take([1, 0, 2, 3, 4]), FactorSpec("x"))


def test_the_same_seed_gives_the_same_document() -> None:
    space, objects = make_space(noise(0, 40), np.arange(40) // 2, angle=np.arange(40) * 9.0)
    spec = FactorSpec("angle", circular=360)
    first, second = (measure_factor(space, objects, spec).to_json() for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)
    assert {"value", "chance", "low", "high", "p"} <= set(first["neighbors"])


def test_equal_numbers_are_one_group() -> None:
    """0 and -0 are equal, and written differently."""
    shelf = np.array([0.0, -0.0, 1.0, 2.0] * 5)
    space, objects = make_space(noise(0, 20), np.arange(20), value=np.arange(20.0), shelf=shelf)
    assert measure_factor(space, objects, FactorSpec("value", group="shelf")).groups == 3


def test_columns_that_several_photos_share_are_likely_groups() -> None:
    """Of 12 photos of one or two objects: three of each apple, an object's own color, a number."""
    images = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    _, objects = make_space(
        noise(0, 13),
        images,
        apple=np.array([f"a{photo // 3}" for photo in images], object),
        color=np.arange(13) % 2.0,
        number=images * 1.0,
        tray=images // 6 * 1.0,
        partly=np.array(["a", "a", *[None] * 11], object),
        everywhere=np.zeros(13),
        lone=(images == 7) * 1.0,
        by_object=np.arange(13) % 3.0,
    )
    assert likely_groups(objects, FactorSpec("x", control="y")) == ["apple", "tray"]
    assert likely_groups(objects, FactorSpec("apple", control="tray")) == []


def test_the_sample_is_of_objects_that_are_known_and_have_another_to_be_compared_with() -> None:
    """Of 60 objects out of order some lack the factor, the group, the control; of level 9 is one group."""
    rng = np.random.default_rng(11)
    images = rng.integers(0, 40, 60)
    # Some images have objects on two shelves, which are one group then.
    shelf = 1.0 * (images // 4 + (np.arange(60) % 15 == 0))
    value, light = rng.uniform(0, 9, 60), np.array(["dim", "bright"], object)[rng.integers(0, 2, 60)]
    value[[3, 17]], shelf[[4, 17, 30]], light[5], light[6] = np.nan, np.nan, None, ""
    light[shelf == 2] = "dark"
    labels = np.array(["cup", "fork"])[rng.integers(0, 2, 60)]
    space, objects = make_space(noise(1, 60), images, labels, value=value, shelf=shelf, light=light)

    def connected(rows: list[int]) -> dict[int, int]:
        """The first row that each is connected with by an image or a shelf."""
        first = {row: row for row in rows}
        for _ in rows:
            for one in rows:
                for other in rows:
                    if images[one] == images[other] or shelf[one] == shelf[other]:
                        first[one] = min(first[one], first[other])
        return first

    known = [row for row in range(60) if row not in (3, 17, 4, 30, 5, 6)]
    group = connected(known)
    rows = [row for row in known if any(group[o] != group[row] and light[o] == light[row] for o in known)]
    assert 3 < len(set(group.values())) < len(np.unique(shelf[known]))
    assert 30 < len(rows) < len(known)
    sample = align(space, objects, FactorSpec("value", group="shelf", control="light"))
    assert sample.rows.tolist() == rows
    assert sample.factor.values.tolist() == value[rows].tolist()
    assert sample.ids.tolist() == objects.object_id[rows].tolist()
    assert (sample.thing.tolist(), sample.same) == (shelf[rows].tolist(), "shelf")
    assert sample.labels.tolist() == labels[rows].tolist()
    assert sample.images.tolist() == images[rows].astype(str).tolist()
    assert sample.left_out == 60 - len(rows)
    np.testing.assert_array_equal(sample.searched, space.vectors[rows])
    same = sample.groups.group[:, None] == sample.groups.group
    np.testing.assert_array_equal(same, [[group[a] == group[b] for b in rows] for a in rows])
    assert sample.groups.count == len({group[row] for row in rows})
    level = sample.groups.level
    np.testing.assert_array_equal(level[:, None] == level, light[rows][:, None] == light[rows])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("categorical", "purity at 3"),
        ("linear", "mean difference to the 3 nearest"),
        ("circular", "mean angle to the 3 nearest"),
    ],
)
def test_a_table_has_a_row_for_each_estimate(kind: str, name: str) -> None:
    pytest.importorskip("pandas")
    labels, value = np.array(["b", "a", "c"])[np.arange(30) % 3], np.arange(30.0) * 7 % 30
    space, objects = make_space(noise(3, 30), np.arange(30), labels, value=value)
    spec = FactorSpec(
        "value", circular=30.0 if kind == "circular" else None, categorical=kind == "categorical"
    )
    if kind == "categorical":
        spec = FactorSpec("label")
    measured = measure_factor(space, objects, spec, k=3)
    assert measured.agreement == name
    near, probe = measured.neighbors, measured.probe
    assert probe is not None
    estimates = [near.overall, *(near.labels[one] for one in "abc"), probe.score]
    table = measured.to_pandas()
    assert table["measure"].tolist() == [name] * 4 + [f"probe: {probe.metric}"]
    assert table["label"].tolist() == ["", "a", "b", "c", ""]
    for column in ("value", "chance", "low", "high", "n", "groups"):
        expected = [getattr(one, column) for one in estimates]
        np.testing.assert_array_equal(table[column].to_numpy(), np.array(expected))
    assert name in repr(measured)
    assert f"{spec.factor} in fake: {name}" in measured._repr_html_()
    without = replace(measured, probe=None)
    assert without.to_pandas()["measure"].tolist() == [name] * 4
