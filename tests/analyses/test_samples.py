"""Samples of whole groups: drawn right, said in the answer, covered by its interval; vectors left on disk."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from objectspace.analyses import groups as groups_module
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.factors import (
    FactorSpec,
    align,
    measure_by_metric,
    measure_factor,
    measure_neighbors,
)
from objectspace.analyses.groups import draw_groups, make_groups
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.probes import measure_probe
from objectspace.analyses.projection import principal_components, project
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.neighbors import Block, JointVectors, Part
from objectspace.objects.records import Objects, Provenance

RECIPE = Recipe("crop", "fake", "", "", {}, "float32", "0")


class OnDisk:
    """Vectors that are read on demand, and how many numbers were read at once at most."""

    def __init__(self, vectors) -> None:
        self.vectors, self.shape, self.most = vectors, vectors.shape, 0

    def __getitem__(self, rows):
        read = self.vectors[rows].copy()
        self.most = max(self.most, read.size)
        return read


def make_space(vectors, group, label):
    count = len(vectors)
    boxes = np.tile(np.array([[0, 0, 9, 9]], np.float32), (count, 1))
    boxes[:, 2] += np.arange(count) % 17
    order = np.random.default_rng(3).permutation(count)
    ids = np.array([f"{number:032x}" for number in order])
    objects = Objects(
        object_id=ids,
        image_id=np.array([f"{one:032x}" for one in group]),
        xyxy=boxes,
        label=np.array(label, object),
        score=np.full(count, np.nan, np.float32),
        source=np.full(count, "s@1", object),
        mask=np.full(count, None, object),
        provenance=Provenance.unknown(count),
        factors={"style": np.array([f"style {one % 3}" for one in group], object)},
    )
    return Space("space", RECIPE, ids, vectors), objects


def world(seed: int, images: int, size: int = 4, signal: float = 0.5):
    """Vectors of images of 1 to 7 objects, out of order, with three labels that are in them."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(images), rng.integers(1, 8, images)))
    label = rng.integers(0, 3, len(group))
    vectors = rng.normal(size=(len(group), size)) + signal * np.eye(3, size)[label]
    vectors += 0.5 * rng.normal(size=(images, size))[group]
    return vectors.astype(np.float32), group, label


def test_whole_groups_are_drawn_and_no_group_more_often_than_another() -> None:
    group = np.random.default_rng(0).permutation(np.repeat(np.arange(300), np.arange(300) % 5 + 1))
    times = np.zeros(300)
    for seed in range(200):
        rows = draw_groups(group, 450, seed=seed)
        assert (np.diff(rows) > 0).all()
        drawn = np.unique(group[rows])
        assert np.isin(group, drawn).sum() == len(rows)
        assert 440 <= len(rows) <= 450
        times[drawn] += 1
    by_size = [times[np.arange(300) % 5 == size].mean() for size in range(5)]
    assert np.ptp(by_size) < 0.06 * np.mean(by_size)
    assert np.abs(times / 200 - 0.5).max() < 0.17  # five binomial deviations


def test_a_hundred_groups_are_drawn_however_large_they_are() -> None:
    rows = draw_groups(np.repeat(np.arange(200), 10), 50)
    assert len(np.unique(rows // 10)) == 100
    assert len(draw_groups(np.repeat(np.arange(200), 10), None)) == 2000


@pytest.mark.parametrize("kind", ["categorical", "linear"])
def test_a_drawn_probe_is_that_of_the_drawn_objects_alone(kind: str) -> None:
    vectors, group, label = world(1, 300)
    values = label.astype(float) if kind == "categorical" else vectors[:, 0] + vectors[:, 1].astype(float)
    factor = Factor("f", kind, values, categories=("a", "b", "c") if kind == "categorical" else ())
    groups = make_groups(group)
    found = measure_probe(vectors, factor, groups, most=500, permuted=19)
    rows = draw_groups(groups.group, 500)
    alone = measure_probe(vectors[rows], factor.take(rows), groups.take(rows), permuted=19)
    assert found is not None
    assert alone is not None
    assert found.rows.tolist() == rows.tolist()
    assert found.score == alone.score
    assert (found.score.n, found.to_json()["drawn_of"]) == (len(rows), len(group))
    assert measure_probe(OnDisk(vectors), factor, groups, most=500, permuted=19).score == found.score


def test_all_objects_are_fitted_where_none_are_to_be_left_out() -> None:
    vectors, group, label = world(2, 60)
    factor, groups = (
        Factor("f", "categorical", label.astype(float), categories=("a", "b", "c")),
        make_groups(group),
    )
    whole = measure_probe(vectors, factor, groups, permuted=19)
    assert measure_probe(vectors, factor, groups, most=None, permuted=19).score == whole.score
    assert len(whole.rows) == len(group)


@pytest.mark.slow
def test_the_interval_of_a_drawn_probe_covers_the_draw() -> None:
    vectors, group, label = world(3, 3000)
    factor, groups = (
        Factor("f", "categorical", label.astype(float), categories=("a", "b", "c")),
        make_groups(group),
    )
    whole = measure_probe(vectors, factor, groups, most=None, permuted=9).score.value
    drawn = [measure_probe(vectors, factor, groups, most=400, permuted=9, seed=seed) for seed in range(40)]
    scores = [one.score for one in drawn if one]
    covered = sum(one.low <= whole <= one.high for one in scores)
    # 95 % of 40 is 38; 34 and fewer have a probability of 1.4 % where the level is kept.
    assert covered >= 35
    assert np.std([one.value for one in scores]) > 0.005  # the draw matters


@pytest.mark.parametrize("level", [None, "style"])
def test_neighbors_of_some_are_those_that_they_have_among_all(level: str | None) -> None:
    vectors, group, label = world(4, 90)
    space, objects = make_space(vectors, group, [f"label {one}" for one in label])
    sample = align(space, objects, FactorSpec("label", control=level))
    asked = sample.drawn(70)
    assert asked is not None
    whole, some = sample.neighbors(3), sample.neighbors(3, asked=asked)
    for block in (None, 0, 7):
        one, other = (near if block is None else near.without(block) for near in (whole, some))
        kept = np.isin(one.query, asked)
        expected = sorted(zip(one.query[kept], one.neighbor[kept], one.weight[kept], strict=True))
        assert sorted(zip(other.query, other.neighbor, other.weight, strict=True)) == expected
    agreement = sample.agreement(some, permuted=19)
    full = sample.agreement(whole, permuted=19)
    np.testing.assert_array_equal(agreement.values, full.values[asked])
    assert agreement.overall.n == len(asked)
    assert agreement.overall.value == pytest.approx(full.values[asked].mean())
    assert sum(one.n for one in agreement.labels.values()) == len(asked)


@pytest.mark.parametrize("level", [None, "style"])
@pytest.mark.parametrize("offset", [0, 50], ids=["one product", "centered apart"])
@pytest.mark.parametrize("on_disk", [False, True])
def test_neighbors_by_both_metrics_are_those_by_each(level: str | None, offset: float, on_disk: bool) -> None:
    vectors, group, label = world(8, 60)
    vectors += np.float32(offset)
    space, objects = make_space(vectors, group, [f"label {one}" for one in label])
    if on_disk:
        space = Space("space", RECIPE, space.object_id, OnDisk(vectors))
    sample = align(space, objects, FactorSpec("label", control=level))
    asked = {"cosine": None, "euclidean": np.sort(sample.drawn(100))}
    for metric, found in sample.neighbors_by(3, asked).items():
        alone = sample.neighbors(3, metric, asked=asked[metric])
        for one, other in ((found, alone), (found.without(4), alone.without(4))):
            for name in ("query", "neighbor", "weight"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_factor_by_each_metric_is_what_each_measures() -> None:
    vectors, group, label = world(9, 110)
    space, objects = make_space(vectors, group, [f"label {one}" for one in label])
    settings = {"k": 4, "most": 200}
    spec = FactorSpec("label")
    measured, by_metric = measure_by_metric(space, objects, spec, metric="cosine", queries=None, **settings)
    alone = measure_factor(space, objects, spec, metric="cosine", **settings)
    other = measure_neighbors(space, objects, spec, metric="euclidean", queries=200, **settings)
    assert measured.to_json() == alone.to_json()
    assert by_metric == {"cosine": alone.neighbors.overall, "euclidean": other.overall}
    assert other.overall.n < alone.n


@pytest.mark.slow
def test_the_interval_of_drawn_queries_covers_the_draw() -> None:
    vectors, group, label = world(5, 500, signal=1.0)
    space, objects = make_space(vectors, group, [f"label {one}" for one in label])
    sample = align(space, objects, FactorSpec("label"))
    whole = sample.agreement(sample.neighbors(5), permuted=9).values.mean()
    estimates = [
        sample.agreement(sample.neighbors(5, asked=sample.drawn(200, seed)), permuted=9).overall
        for seed in range(40)
    ]
    assert sum(one.low <= whole <= one.high for one in estimates) >= 35


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_vectors_on_disk_are_measured_as_in_memory(metric: str) -> None:
    vectors, group, label = world(6, 50)
    space, objects = make_space(vectors, group, [f"label {one}" for one in label])
    rows = np.random.default_rng(0).permutation(len(group))[:150]
    stored = Space("space", RECIPE, space.object_id, OnDisk(vectors)).take(rows)
    spec = FactorSpec("label", control="style")
    one, other = (
        measure_factor(held, objects.take(rows), spec, metric=metric).to_json()
        for held in (space.take(rows), stored)
    )
    assert one == other


def test_principal_components_of_vectors_on_disk_are_those_of_a_decomposition() -> None:
    vectors = world(7, 800, size=6)[0] * np.float32([5, 4, 3, 2, 1, 0.5]) + 100
    found = principal_components(OnDisk(vectors), 4)
    exact = vectors.astype(np.float64)
    exact -= exact.mean(0)
    _, values, axes = np.linalg.svd(exact, full_matrices=False)
    np.testing.assert_allclose(found.explained, (values**2 / (values**2).sum())[:4])
    np.testing.assert_allclose(np.abs(found.axes), np.abs(axes[:4]), atol=1e-8)
    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(exact @ axes[:4].T), atol=1e-6)


def test_a_projection_reads_factors_from_drawn_photos() -> None:
    vectors, group, label = world(8, 200, size=5)
    space, objects = make_space(vectors, group, [f"label {one}" for one in label])
    x = vectors[:, 0].astype(float)
    drawn, whole = (project(space, objects, {"x": x}, most=most) for most in (450, None))
    assert np.isin(group, group[drawn.rows]).sum() == len(drawn.rows) <= 450
    assert drawn.to_json()["n_read"] == drawn.readings["x"].first[2].n == len(drawn.rows)
    np.testing.assert_array_equal(drawn.coordinates, whole.coordinates)
    assert whole.readings["x"].first[2].n == len(group)
    first = drawn.coordinates[drawn.rows, :2].astype(np.float32)
    expected = measure_probe(first, Factor("x", "linear", x[drawn.rows]), make_groups(group[drawn.rows]))
    assert drawn.readings["x"].first[2] == expected.score


@pytest.mark.slow
def test_no_measure_copies_all_vectors() -> None:
    vectors, group, label = world(9, 12_000, size=256)
    space, objects = make_space(vectors, group, [f"label {one}" for one in label])
    sample = align(space, objects, FactorSpec("label"))
    assert sample.searched is vectors
    assert len(vectors) > 2 * groups_module.MOST_OBJECTS
    bounds = {
        "project": (lambda: project(space, objects, {}), 1.0),
        # Of 6,000 drawn objects: 0.43 times all vectors, and with all 99 permutations at once 0.54.
        "probe": (
            lambda: measure_probe(vectors, sample.factor, sample.groups, permuted=99, most=6000),
            0.5,
        ),
    }
    for name, (work, times) in bounds.items():
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < times * vectors.nbytes, name


def test_a_joint_space_on_disk_is_measured_as_in_memory() -> None:
    vectors, group, label = world(10, 60, size=12)
    rows = np.arange(len(vectors))
    lacking = rows[rows % 4 > 0]
    sources = [(vectors[:, :5].copy(), rows), (vectors[lacking, 5:].copy(), lacking)]

    def joint(stored: bool) -> JointVectors:
        parts = []
        for number, (source, own) in enumerate(sources):
            block = Block(OnDisk(source) if stored else source, own)
            read = block if stored else Block(source, own, np.linalg.norm(source.astype(float), axis=1))
            parts.append(Part(f"part {number}", 1.0, 0.1, (read,)))
        return JointVectors(parts, len(rows))

    space, objects = make_space(vectors, group, [f"label {one}" for one in label])
    some = np.flatnonzero(rows % 5 > 0)
    found = [
        measure_factor(
            Space("joint", RECIPE, space.object_id, joint(stored)).take(some),
            objects.take(some),
            FactorSpec("label"),
        ).to_json()
        for stored in (False, True)
    ]
    assert found[0]["neighbors"] == found[1]["neighbors"]
    assert found[0]["probe"]["value"] == pytest.approx(found[1]["probe"]["value"])


def test_vectors_on_disk_are_read_for_a_block_of_queries_at_once() -> None:
    vectors, group, _ = world(11, 80)
    near = [
        find_neighbors(held, np.arange(len(vectors)).astype(str), make_groups(group), k=3, metric="euclidean")
        for held in (vectors, OnDisk(vectors))
    ]
    np.testing.assert_array_equal(near[0].neighbor, near[1].neighbor)
