"""The purity of a space against a double loop, and the default space that follows from it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe
from objectspace.errors import QueryError, StoreError
from objectspace.files import content_id
from objectspace.jobs.default_space import set_default_space, settle_default
from objectspace.jobs.join import join_spaces
from objectspace.objects.records import concatenate, make_objects
from objectspace.search import default_space, purity
from objectspace.search.purity import object_purities
from objectspace.store import Batch, ImageRow, LabelPurity, SpaceRows, open_store, open_writer

CROP = Recipe("crop", "color", "aa", "mean", {"size": 8}, "float32", "0.1.0", crop={"margin": 0.0})
WINDOW = Recipe("window", "net", "bb", "1", {"size": 8}, "float32", "0.1.0", 3, "own", 32)
PER_IMAGE = (1, 4, 2, 3, 5, 1, 4, 2, 3, 5)


@pytest.fixture
def make_store(tmp_path):
    """30 objects of three labels in ten photos; a space's vectors hold the label so strongly."""

    def make(**strengths):
        rng = np.random.default_rng(1)
        objects = []
        images = [ImageRow(content_id(b"%d" % n), f"{n}.jpg", 100, 100) for n in range(len(PER_IMAGE))]
        for image, count in zip(images, PER_IMAGE, strict=True):
            boxes = np.float32([[10 * n, 5, 10 * n + 9, 60] for n in range(count)])
            labels = rng.choice(["cat", "dog", "owl"], count).tolist()
            objects.append(make_objects(image_id=image.image_id, xyxy=boxes, label=labels, source="hand@1"))
        whole = concatenate(objects)
        code = np.unique(whole.label.astype(str), return_inverse=True)[1]
        spaces = {}
        for name, strength in strengths.items():
            vectors = rng.standard_normal((len(whole), 8)) + strength * np.eye(3, 8)[code]
            recipe = WINDOW if "window" in name else CROP
            spaces[name.replace("_", "-")] = SpaceRows(recipe, whole.object_id, vectors.astype(np.float32))
        with open_writer(tmp_path / "s.osp") as writer:
            writer.commit(Batch(images, whole, [b"jpeg"] * len(whole), "job", spaces))
        return tmp_path / "s.osp"

    return make


def settle(path):
    with open_writer(path) as writer:
        settle_default(writer)
    return open_store(path)


def by_hand(store, name):
    """The mean purity at 5 and chance of all objects of a space, pair by pair in float64."""
    space, (purities, chances) = store.space(name), ([], [])
    objects, vectors = store.objects(space.object_id), space.vectors.astype(np.float64)
    for row, vector in enumerate(vectors):
        others = [n for n in range(len(vectors)) if objects.image_id[n] != objects.image_id[row]]

        def cosine(other, vector=vector):
            return vector @ vectors[other] / np.linalg.norm(vector) / np.linalg.norm(vectors[other])

        same = [objects.label[n] == objects.label[row] for n in sorted(others, key=cosine, reverse=True)]
        purities.append(np.mean(same[:5]))
        chances.append(np.mean(same))
    return np.mean(purities), np.mean(chances)


def test_purity_is_that_of_a_double_loop(make_store):
    store = settle(make_store(a_crop=1.0, a_window=3.0))
    for space in store.info().spaces:
        assert (space.purity.value, space.purity.chance) == pytest.approx(by_hand(store, space.name))
        assert (space.purity.n, space.purity.objects) == (30, 30)
        assert space.purity.low < space.purity.value < space.purity.high


def test_of_many_objects_some_are_asked_for_among_all(make_store, monkeypatch):
    store = open_store(make_store(a_crop=1.0))
    whole = object_purities(store, "a-crop")
    monkeypatch.setattr(purity, "QUERIES", 12)
    some = object_purities(store, "a-crop")
    np.testing.assert_array_equal(some.object_id, sorted(whole.object_id)[:12])
    np.testing.assert_array_equal(some.values, whole.values[:12])
    assert (len(some.values), some.objects) == (12, 30)


def test_the_purest_is_the_default(make_store):
    store = settle(make_store(a_crop=0.0, a_window=4.0))
    assert (store.default_space, default_space(store)) == ("a-window", "a-window")


@pytest.mark.parametrize(
    ("crop", "window", "default"),
    [
        (1.0, 1.0, "both"),
        (0.0, 6.0, "a-window"),  # the window alone is purer by far than with the crop's noise
    ],
)
def test_the_joint_space_goes_before_one_route_unless_it_is_surely_less_pure(
    make_store, crop, window, default
):
    path = make_store(a_crop=crop, a_window=window)
    join_spaces(path, ["a-crop", "a-window"], name="both")
    assert open_store(path).default_space == default


def test_a_default_stays_and_is_changed_on_request(make_store):
    path = make_store(a_crop=0.0, a_window=4.0)
    settle(path)
    set_default_space(path, "a-crop")
    assert default_space(settle(path)) == "a-crop"
    with pytest.raises(QueryError, match="no space nope"):
        set_default_space(path, "nope")
    with pytest.raises(StoreError, match="no store at"):
        set_default_space(path.with_name("none.osp"), "a-crop")


@pytest.mark.parametrize(("known", "again"), [(27, True), (28, False), (33, False), (34, True)])
def test_a_space_is_measured_again_where_a_tenth_of_its_objects_has_changed(make_store, known, again):
    """It holds 30 objects, and held 27 to 34 when it was measured."""
    path = make_store(a_crop=1.0)
    settle(path)
    with open_writer(path) as writer:
        writer.set_purities({"a-crop": LabelPurity(0.5, 0.25, 0.375, 0.625, 12, known)})
    assert settle(path).purities["a-crop"].objects == (30 if again else known)


@pytest.mark.parametrize(("held", "default"), [(26, "a-crop"), (27, "a-window")])
def test_a_space_that_lacks_more_than_a_tenth_of_the_objects_is_no_default(make_store, held, default):
    """However pure it is: of 30 objects."""
    path = make_store(a_crop=0.0)
    objects = open_store(path).objects().take(np.arange(held))
    code = np.unique(objects.label.astype(str), return_inverse=True)[1]
    rows = SpaceRows(WINDOW, objects.object_id, np.eye(3, 8, dtype=np.float32)[code])
    with open_writer(path) as writer:
        writer.commit(Batch([], objects.take([]), [], "other", {"a-window": rows}))
    assert settle(path).default_space == default


def test_a_space_that_comes_later_is_measured_and_changes_no_default(make_store):
    path = make_store(a_crop=1.0)
    objects = settle(path).objects()
    rows = SpaceRows(WINDOW, objects.object_id, np.eye(30, dtype=np.float32))
    with open_writer(path) as writer:
        writer.commit(Batch([], objects.take([]), [], "other", {"a-window": rows}))
    store = settle(path)
    assert (store.default_space, sorted(store.purities)) == ("a-crop", ["a-crop", "a-window"])


def test_a_single_label_has_no_purity(make_store):
    path = make_store(a_crop=1.0)
    store = open_store(path)
    one = store.objects().label[0]
    held = store.objects().object_id[store.objects().label == one]
    rows = SpaceRows(CROP, held, np.eye(len(held), 8, dtype=np.float32))
    with open_writer(path) as writer:
        writer.commit(Batch([], store.objects().take([]), [], "other", {"one-crop": rows}))
    assert object_purities(open_store(path), "one-crop") is None


def purities(ids, values, group=None):
    group = np.arange(len(ids)) if group is None else np.asarray(group)
    return purity.ObjectPurities(np.array(ids), group, np.array(values), np.zeros(len(ids)), len(ids))


def test_a_space_is_purer_where_it_surely_is_on_the_objects_of_both():
    """In any order; those of one space alone do not count, and as pure as the other is not purer."""
    ids = [f"o{number}" for number in range(9)]
    half = purities(ids, [0.5] * 9)
    more = purities([*ids[::-1], "p", "q"], [0.7, 0.6, 0.7, 0.8, 0.7, 0.6, 0.7, 0.8, 0.7, 0.0, 0.0])
    assert more.exceeds(half)
    assert not half.exceeds(more)
    assert not half.exceeds(half)
    # One image of two speaks against it: nothing is sure.
    split = purities(ids, [0.9] * 5 + [0.2] * 4, [0] * 5 + [1] * 4)
    assert not split.exceeds(half)
    assert repr(more) == "ObjectPurities(11 of 11 objects)"


@pytest.mark.parametrize(
    ("labels", "images", "known"),
    [("", "", False), ("aaa", "xyz", False), ("abc", "xxx", False), ("ab", "xy", True), ("abb", "xyy", True)],
)
def test_purity_is_of_two_labels_in_two_images_or_more(labels, images, known, monkeypatch):
    columns = {"label": np.array(list(labels), object), "image_id": np.array(list(images), object)}
    store = SimpleNamespace(object_columns=lambda names, space: {name: columns[name] for name in names})
    ids = np.array([f"o{row}" for row in range(len(labels))])
    asked = []

    def nearest(rows, *, k, groups):
        asked.append(k)
        return [np.flatnonzero(groups != groups[row]) for row in rows]

    def search(given, space, *, metric):
        assert (given, space, metric) == (store, "s", "cosine")
        return SimpleNamespace(space=SimpleNamespace(object_id=ids), nearest_rows=nearest)

    monkeypatch.setattr(purity, "SpaceSearch", search)
    found = object_purities(store, "s")
    assert (found is not None) is known
    if known:
        assert asked == [5]
        others = [
            [labels[o] == labels[r] for o in range(len(labels)) if images[o] != images[r]]
            for r in range(len(labels))
        ]
        assert found.values.tolist() == found.chance.tolist() == [np.mean(same) for same in others]
