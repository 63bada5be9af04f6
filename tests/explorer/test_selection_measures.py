"""The purity of a selection: intervals by leaving blocks of images out, computed here the slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t as student

import objectspace as osp
from objectspace.analyses.groups import make_groups
from objectspace.analyses.jackknife import make_blocks
from objectspace.embeddings.spaces import Recipe
from objectspace.explorer.selection_measures import K, measure_space, measure_subset
from objectspace.files import content_id
from objectspace.objects.records import concatenate, make_objects
from objectspace.store import Batch, ImageRow, SpaceRows

SOURCE = "made@0"
RECIPE = Recipe("crop", "random", "0" * 64, "none", {}, "float32", "0", crop={"margin": 0.0})


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> osp.Store:
    """Thirty images of two to nine objects of three labels, unequal in number, in a noisy space."""
    rng = np.random.default_rng(3)
    images = [ImageRow(content_id(b"%d" % number), f"{number}.jpg", 640, 480) for number in range(30)]
    parts = []
    for image in images:
        count = int(rng.integers(2, 10))
        corner = rng.uniform(0, 300, (count, 2))
        labels = rng.choice(["ant", "bee", "cow"], count, p=[0.6, 0.3, 0.1]).tolist()
        boxes = np.hstack([corner, corner + 50]).astype(np.float32)
        parts.append(make_objects(image_id=image.image_id, xyxy=boxes, label=labels, source=SOURCE))
    objects = concatenate(parts)
    known = (objects.label[:, None] == ["ant", "bee", "cow"]).astype(np.float64)
    vectors = (known + rng.normal(size=known.shape)).astype(np.float32)
    folder = tmp_path_factory.mktemp("measured") / "made.osp"
    with osp.open_writer(folder) as writer:
        rows = SpaceRows(RECIPE, objects.object_id, vectors)
        thumbnails = [b""] * len(objects)
        writer.commit(
            Batch(images, objects, thumbnails, "made", vectors={"made": rows}, sources={SOURCE: {}})
        )
    return osp.open_store(folder)


def purity_and_chance(vectors, labels, images, rows) -> tuple[float, float]:
    """Return both of some rows, by comparing every two objects."""
    values, chances = [], []
    for row in rows:
        others = np.flatnonzero(images != images[row])
        near = others[np.argsort(np.linalg.norm(vectors[others] - vectors[row], axis=1))[:K]]
        values.append(np.mean(labels[near] == labels[row]))
        chances.append(np.mean(labels[others] == labels[row]))
    return float(np.mean(values)), float(np.mean(chances))


def slow_interval(vectors, labels, images, rows) -> tuple[float, float]:
    """Return the interval of the purity of some rows: the store is searched anew without each block."""
    block = make_blocks(make_groups(images).group)
    without = []
    for one in range(block.max() + 1):
        left = np.flatnonzero(block != one)
        chosen = np.flatnonzero(np.isin(left, rows))
        without.append(purity_and_chance(vectors[left], labels[left], images[left], chosen)[0])
    size = np.bincount(block[rows])
    count, mean = len(without), np.mean(without)
    error = math.sqrt(sum((one - mean) ** 2 for one in without) * (count - 1) / count)
    degrees = sum(size) ** 2 / sum(size**2) - 1
    value = purity_and_chance(vectors, labels, images, rows)[0]
    reach = student.ppf(0.975, degrees) * error / (value * (1 - value))
    odds = math.log(value / (1 - value))
    return 1 / (1 + math.exp(reach - odds)), 1 / (1 + math.exp(-reach - odds))


def test_the_interval_of_a_selection_is_that_of_stores_without_some_images(store) -> None:
    columns = store.object_columns(["label", "image_id"], "made")
    vectors = store.space("made").vectors.astype(np.float64)
    chosen = np.random.default_rng(0).random(len(vectors)) < 0.6
    chosen[columns["image_id"] == columns["image_id"][0]] = False
    found = measure_space(store, "made", "euclidean").of(chosen)
    assert found["all"]["population"] == "groups"
    subsets = {"all": chosen} | {name: chosen & (columns["label"] == name) for name in found["labels"]}
    for name, member in subsets.items():
        one = found["all"] if name == "all" else found["labels"][name]
        rows = np.flatnonzero(member)
        value, chance = purity_and_chance(vectors, columns["label"], columns["image_id"], rows)
        assert (one["value"], one["chance"], one["n"]) == pytest.approx((value, chance, len(rows)))
        expected = slow_interval(vectors, columns["label"], columns["image_id"], rows)
        assert (one["low"], one["high"]) == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_everything_is_what_measure_says(store, metric: str) -> None:
    found = measure_space(store, "made", metric).of(np.ones(len(store), np.bool_))
    space = store.space("made")
    spec = osp.FactorSpec("label")
    measured = osp.measure_factor(space, store.objects(space.object_id), spec, metric=metric).to_json()
    assert found["all"] == pytest.approx(measured["neighbors"])
    assert found["labels"].keys() == measured["labels"].keys()
    for name, one in measured["labels"].items():
        assert found["labels"][name] == pytest.approx(one), name


def test_labels_come_by_frequency_and_the_rest_is_left_out(store) -> None:
    chosen = np.ones(len(store), np.bool_)
    found = measure_space(store, "made", "cosine").of(chosen, most_labels=2)
    assert list(found["labels"]) == ["ant", "bee"]


def test_few_images_have_no_interval_and_the_reason(store) -> None:
    images = store.object_columns(["image_id"], "made")["image_id"]
    few = np.isin(images, np.unique(images)[:3])
    found = measure_space(store, "made", "cosine").of(few)["all"]
    assert (found["low"], found["no_interval"]) == (None, "3 groups, 5 are needed")


def test_the_objects_of_one_label_are_measured_among_themselves(store) -> None:
    """A page of one label says 1 by chance, where ``measure`` refuses."""
    rows = np.flatnonzero(store.object_columns(["label"], "made")["label"] == "bee")
    found = measure_subset(store, "made", rows, count=3).agreement.of(np.ones(len(rows), np.bool_))["all"]
    assert (found["value"], found["chance"], found["low"], found["high"]) == (1.0, 1.0, 1.0, 1.0)
