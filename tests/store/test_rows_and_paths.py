"""Rows by their place, paths and failures that change, and joint spaces that are declared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectspace.embeddings.joint import JointPart, joint_recipe
from objectspace.errors import InputError, QueryError, RecipeError
from objectspace.images import Failure
from objectspace.store import open_store, open_writer


@pytest.fixture
def path(tmp_path: Path, make_batch) -> Path:
    """Three commits, the middle one without a failure: six images, twelve objects."""
    path = tmp_path / "s.osp"
    with open_writer(path) as writer:
        for number in (2, 0, 1):
            writer.commit(make_batch(number, **({"failures": ()} if number == 0 else {})))
    return path


def test_objects_and_thumbnails_by_their_rows(path: Path) -> None:
    store = open_store(path)
    objects = store.objects()
    for rows in ([3, 0, 11, 3], [5], []):
        taken = store.objects_at(np.array(rows, np.int64))
        assert taken.object_id.tolist() == objects.object_id[rows].tolist()
        expected = store.thumbnails(objects.object_id[rows]) if rows else []
        assert store.thumbnails_at(np.array(rows, np.int64)) == expected


def test_rows_of_images_and_of_a_space(path: Path) -> None:
    store = open_store(path)
    objects, images = store.objects(), store.images()
    assert [images[row].image_id for row in store.image_rows()] == objects.image_id.tolist()
    for space in ("resnet50-crop", "yolo-window"):
        assert objects.object_id[store.object_rows(space)].tolist() == store.members(space)


def test_some_images_by_id(path: Path) -> None:
    store = open_store(path)
    images = store.images()
    wanted = [images[4].image_id, "no such image", images[1].image_id]
    assert store.images_by_id(wanted) == {image.image_id: image for image in (images[1], images[4])}


def test_paths_of_images_change_alone(path: Path) -> None:
    images = open_store(path).images()
    with open_writer(path) as writer:
        assert writer.paths() == {image.image_id: image.path for image in images}
        writer.set_paths({})
        writer.set_paths({images[3].image_id: "moved/é.jpg", images[0].image_id: "elsewhere.jpg"})
    after = {image.image_id: image for image in open_store(path).images()}
    for place, image in enumerate(images):
        moved = {3: "moved/é.jpg", 0: "elsewhere.jpg"}.get(place, image.path)
        assert after[image.image_id] == image._replace(path=moved)


def test_failures_of_files_that_were_used_since_are_removed(path: Path) -> None:
    one, two = sorted(open_store(path).failures())
    other = Failure(two.path, "it is no picture")
    with open_writer(path) as writer:
        assert writer.failures() == {one, two}
        writer.clear_failures(["photos/other.jpg"], [])
        assert writer.failures() == {one, two}
        # It failed again, for the same reason.
        writer.clear_failures([two.path], [two])
        assert writer.failures() == {one, two}
        # For another one: what stood there is of the past, and the new one comes with its commit.
        writer.clear_failures([two.path], [other])
        assert writer.failures() == {one}
    assert open_store(path).failures() == [one]


def test_a_joint_space_is_declared_once(path: Path) -> None:
    store = open_store(path)
    recipes = {name: store.recipe(name) for name in store.space_names}
    parts = [JointPart("cut", ("resnet50-crop",)), JointPart("map", ("yolo-window",), 2.0)]
    recipe = joint_recipe(parts, recipes)
    heavier = joint_recipe([parts[0], replace(parts[1], weight=3.0)], recipes)
    with open_writer(path) as writer:
        writer.declare_joint("both", recipe)
        writer.declare_joint("both", recipe)
        with pytest.raises(RecipeError, match=r"joint space both of .* has other parts, weights or recipes"):
            writer.declare_joint("both", heavier)
        assert open_store(path).recipe("both") == recipe
        writer.declare_joint("both", heavier, replaces=True)
        with pytest.raises(RecipeError, match=r"resnet50-crop of .* is a space of its own"):
            writer.declare_joint("resnet50-crop", recipe, replaces=True)
        with pytest.raises(InputError, match="space name"):
            writer.declare_joint("a/b", recipe)
    store = open_store(path)
    assert store.recipe("both") == heavier
    assert store.space_names == ["both", "resnet50-crop", "yolo-window"]
    assert len(store.space("both")) == len(store.objects()) == 12
    with pytest.raises(QueryError, match="is a joint space; name one of its parts"):
        store._space_table("both")


@pytest.mark.parametrize(
    ("names", "text"), [((), "none"), (("a", "b", "c"), "a, b, c"), (("d", "c", "b", "a"), "a, b, c, 1 more")]
)
def test_a_store_names_three_of_its_spaces(tmp_path: Path, make_batch, names, text) -> None:
    batch = make_batch(0)
    rows = dict.fromkeys(names, batch.vectors["resnet50-crop"])
    with open_writer(tmp_path / "s.osp") as writer:
        writer.commit(replace(batch, vectors=rows))
    store = open_store(tmp_path / "s.osp")
    assert repr(store) == f"Store({str(store.path)!r}, spaces: {text})"
    assert repr(batch) == "Batch(2 images, 4 objects, spaces: resnet50-crop, yolo-window)"
    assert (
        repr(store.info())
        == f"StoreInfo(2 images, 4 objects, {len(names)} space{'s' * (len(names) != 1)}, 1 failure)"
    )
