"""Joint spaces of a store: what is declared, what is refused, and search, measure and sheet on them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectspace.embeddings.joint import JointPart, joint_parts, joint_recipe
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, QueryError, RecipeError, StoreError
from objectspace.jobs.build_index import index_space
from objectspace.jobs.join import join_spaces
from objectspace.objects.records import concatenate, make_objects
from objectspace.search import SpaceSearch
from objectspace.search.queries.joint import joint_queries
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer
from objectspace.store.manifest import MANIFEST

CROP = Recipe("crop", "resnet50", "aa", "pooled", {}, "float32", "0.1.0", crop={"margin": 0.0})
FINE = Recipe("window", "tiny", "bb", "21", {}, "float32", "0.1.0", 3, "own", 16)
COARSE = Recipe("window", "tiny", "bb", "14", {}, "float32", "0.1.0", 3, "own", 32)
PARTS = ("resnet50-crop", "tiny-window3")
COUNT = 24


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 24 objects in 8 images: crops of all, windows at one of two strides, in another order."""
    random = np.random.default_rng(3)
    images = [ImageRow(f"{number:032x}", f"{number}.jpg", 64, 48) for number in range(8)]
    boxes = np.array([[0, 0, 10 + side, 10] for side in range(3)], np.float32)
    objects = concatenate(
        [
            make_objects(image_id=row.image_id, xyxy=boxes, label=["dog", "cat", "dog"], source="mine@1")
            for row in images
        ]
    )
    ids = objects.object_id
    rows = {"resnet50-crop": np.arange(COUNT), "tiny-window3-stride16": np.arange(0, COUNT, 2)[::-1]}
    rows["tiny-window3-stride32"] = np.arange(1, COUNT, 2)
    recipes = dict(zip(rows, (CROP, FINE, COARSE), strict=True))
    vectors = {
        name: SpaceRows(
            recipes[name], ids[some], random.random((len(some), 6 + len(some))).astype(np.float32)
        )
        for name, some in rows.items()
    }
    batch = Batch(images=images, objects=objects, thumbnails=[b"jpeg"] * COUNT, job="job", vectors=vectors)
    path = tmp_path_factory.mktemp("joint") / "dogs.osp"
    with open_writer(path) as writer:
        writer.commit(batch)
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "dogs.osp"))


@pytest.fixture(scope="module")
def made_and_joined(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copytree(made, tmp_path_factory.mktemp("joined") / "dogs.osp"))
    join_spaces(path, PARTS, name="both")
    return path


@pytest.fixture
def joined(made_and_joined: Path, tmp_path: Path) -> Path:
    """The same store with the parts joined as ``both``."""
    return Path(shutil.copytree(made_and_joined, tmp_path / "joined.osp"))


def slow_cosine(
    parts: Sequence[JointPart], vectors: dict[str, dict[str, np.ndarray]], one: str, other: str
) -> float:
    """The mean cosine of two objects by weight, of the vectors of each space by their objects."""
    total = 0.0
    for part in parts:
        cosine = part.missing
        for held in (vectors[name] for name in part.spaces):
            if one in held and other in held:
                first, second = held[one], held[other]
                cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
        total += part.weight * cosine
    return total / sum(part.weight for part in parts)


def test_every_object_has_the_joint_space(joined: Path) -> None:
    store = open_store(joined)
    assert "both" in store.space_names
    assert store.members("both") == store.objects().object_id.tolist()
    info = next(space for space in store.info().spaces if space.name == "both")
    assert (info.count, info.dimension, info.recipe.route) == (COUNT, 30 + 18 + 18, "joint")


def test_the_recipe_names_the_recipes_of_its_parts(path: Path) -> None:
    recipe = join_spaces(path, PARTS, name="both", weights={"tiny-window3": 2})
    assert open_store(path).recipe("both") == recipe
    crop, window = recipe.parts or ()
    assert (crop["name"], crop["weight"], window["name"], window["weight"]) == ("crop", 1, "window", 2)
    assert Recipe.from_json(window["recipes"]["tiny-window3-stride16"]) == FINE


def test_a_missing_part_counts_as_its_mean_between_images(path: Path) -> None:
    window = joint_parts(join_spaces(path, PARTS, name="both"))[1]
    store, cosines = open_store(path), []
    for name in window.spaces:
        space = store.space(name)
        units = space.vectors / np.linalg.norm(space.vectors, axis=1, keepdims=True)
        image = store.objects(space.object_id).image_id
        cosines += (units @ units.T)[image[:, None] != image].tolist()
    assert window.missing == pytest.approx(np.mean(cosines), abs=1e-4)


def test_search_finds_the_neighbors_of_a_double_loop(path: Path) -> None:
    recipe = join_spaces(path, PARTS, name="both", weights={"resnet50-crop": 3})
    store = open_store(path)
    parts = joint_parts(store.recipe("both"))
    assert parts == joint_parts(recipe)
    vectors = {
        name: dict(zip(store.members(name), store.space(name).vectors.astype(np.float64), strict=True))
        for part in parts
        for name in part.spaces
    }
    ids = store.objects().object_id.tolist()
    search = SpaceSearch(store, "both", metric="cosine")
    for answer in search.nearest(search.stored(ids[:3]), k=5, same_image=True):
        query = str(answer.query.object_id[0])
        far = {other: 1 - slow_cosine(parts, vectors, query, other) for other in ids if other != query}
        nearest = sorted(far, key=lambda other: (round(far[other], 12), other))[:5]
        assert answer.neighbors.object_id.tolist() == nearest
        np.testing.assert_allclose(answer.distance, [far[other] for other in nearest], atol=1e-9)


def test_on_disk_as_in_memory(joined: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> list[dict[str, object]]:
        search = SpaceSearch(open_store(joined), "both")
        ids = search.space.object_id.tolist()
        return [answer.to_json() for answer in search.nearest(search.stored(ids), k=7, same_image=True)]

    in_memory = found()
    monkeypatch.setattr("objectspace.search.space_search.IN_MEMORY", 0)
    monkeypatch.setattr("objectspace.neighbors.joint._READ", 4 * 66 * 5)
    assert found() == in_memory


def test_an_answer_says_what_came_from_which_part(joined: Path) -> None:
    search = SpaceSearch(open_store(joined), "both", metric="cosine")
    (answer,) = search.nearest(search.stored(search.space.object_id[:1].tolist()), k=6, same_image=True)
    for neighbor in answer.to_json()["neighbors"]:
        parts = neighbor["parts"]
        assert list(parts) == ["crop", "window"]
        assert sum(part["similarity"] for part in parts.values()) == pytest.approx(1 - neighbor["distance"])
        assert parts["crop"]["similarity"] == parts["crop"]["cosine"] / 2


def test_vectors_from_outside_come_part_by_part(joined: Path) -> None:
    store = open_store(joined)
    search = SpaceSearch(store, "both")
    fine = store.space("tiny-window3-stride16")
    crops = store.space("resnet50-crop")
    place = {name: row for row, name in enumerate(crops.object_id.tolist())}
    given = {"resnet50-crop": crops.vectors[[place[n] for n in fine.object_id.tolist()]]}
    given["tiny-window3-stride16"] = fine.vectors
    vectors = joint_queries(store, "both", given)
    stored = search.stored(fine.object_id.tolist())
    outside = search._index.nearest(vectors, k=3)
    inside = search._index.nearest(stored.vectors, k=3)
    np.testing.assert_array_equal(outside.index, inside.index)
    np.testing.assert_array_equal(outside.distance, inside.distance)


def test_vectors_of_unlike_objects_are_refused(joined: Path) -> None:
    store = open_store(joined)
    with pytest.raises(QueryError, match="vectors of unlike objects: 2 of resnet50-crop, 1 of tiny"):
        joint_queries(
            store, "both", {"resnet50-crop": np.ones((2, 30)), "tiny-window3-stride32": np.ones((1, 18))}
        )
    with pytest.raises(QueryError, match="space other is no part of both"):
        joint_queries(store, "both", {"other": np.ones((2, 30))})
    with pytest.raises(QueryError, match=r"have shape \(2, 3\), expected \(2, 30\)"):
        joint_queries(store, "both", {"resnet50-crop": np.ones((2, 3))})


def test_the_mean_of_one_object_is_the_object(joined: Path) -> None:
    search = SpaceSearch(open_store(joined), "both")
    one = search.stored(search.space.object_id[:1].tolist())
    (alone,), (mean,) = (
        search.nearest(one, k=4, same_image=True),
        search.nearest(search.mean(one), k=4, same_image=True),
    )
    assert mean.neighbors.object_id.tolist() == alone.neighbors.object_id.tolist()
    np.testing.assert_allclose(mean.distance, alone.distance, atol=1e-6)


def test_unlike_moves_a_query_away(joined: Path) -> None:
    search = SpaceSearch(open_store(joined), "both")
    ids = search.space.object_id.tolist()
    (answer,) = search.nearest(search.unlike(search.stored(ids[:1]), ids[2:3]), k=COUNT, same_image=True)
    assert len(answer.images) == COUNT - 2
    assert ids[2] not in answer.neighbors.object_id


def test_joining_the_same_again_changes_nothing(path: Path) -> None:
    join_spaces(path, PARTS, name="both")
    before = (path / MANIFEST).read_bytes()
    join_spaces(path, PARTS, name="both")
    assert (path / MANIFEST).read_bytes() == before
    with pytest.raises(RecipeError, match=r"joint space both of .* has other parts, weights or recipes"):
        join_spaces(path, PARTS, name="both", weights={"tiny-window3": 2})


def test_vectors_are_not_added_to_a_joint_space(joined: Path) -> None:
    objects = open_store(joined).objects()
    rows = SpaceRows(CROP, objects.object_id, np.ones((COUNT, 3), np.float32))
    empty = objects.take([])
    batch = Batch(images=[], objects=empty, thumbnails=[], job="again", vectors={"both": rows})
    with open_writer(joined) as writer, pytest.raises(RecipeError, match=r"both of .* is a joint space"):
        writer.commit(batch)


def other_objects(path: Path) -> None:
    """Add an image, with an object that has vectors in a space of its own."""
    image = ImageRow("f" * 32, "f.jpg", 64, 48)
    objects = make_objects(
        image_id=image.image_id, xyxy=np.array([[0, 0, 9, 9]], np.float32), label=["dog"], source="mine@1"
    )
    rows = SpaceRows(CROP, objects.object_id, np.ones((1, 4), np.float32))
    with open_writer(path) as writer:
        writer.commit(
            Batch(images=[image], objects=objects, thumbnails=[b"jpeg"], job="new", vectors={"lonely": rows})
        )


@pytest.mark.parametrize(
    ("parts", "weights", "error", "sentence"),
    [
        (("resnet50-crop", "far"), {}, QueryError, "no space far in .*; its spaces: "),
        (("resnet50-crop",), {}, InputError, "needs two parts or more, and crop was given"),
        (("resnet50-crop",) * 2, {}, InputError, "resnet50-crop is named twice"),
        (("resnet50-crop", "lonely"), {}, InputError, "have no object in common"),
        (PARTS, {"resnet50-crop": 0}, InputError, "part crop has the weight 0; give a number above 0"),
        (PARTS, {"resnet50-crop": -1}, InputError, "part crop has the weight -1; give a number above 0"),
        (PARTS, {"window": 1}, InputError, "weights names window, which is no part"),
        (("resnet50-crop", "both"), {}, InputError, "both is a joint space itself; name its parts"),
    ],
)
def test_what_cannot_be_joined_is_one_sentence(joined, parts, weights, error, sentence) -> None:
    other_objects(joined)
    with pytest.raises(error, match=sentence) as raised:
        join_spaces(joined, parts, name="new", weights=weights)
    assert "\n" not in str(raised.value)
    assert "new" not in open_store(joined).space_names


def test_the_name_of_a_space_is_taken(path: Path) -> None:
    with pytest.raises(RecipeError, match=r"resnet50-crop of .* is a space of its own"):
        join_spaces(path, PARTS, name="resnet50-crop")
    with pytest.raises(StoreError, match="no store at"):
        join_spaces(path.parent / "none.osp", PARTS, name="both")


def without_a_part(path: Path, change) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    change(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest))


def test_a_part_that_was_removed_is_named(joined: Path) -> None:
    def remove(manifest):
        del manifest["spaces"]["tiny-window3-stride32"]
        del manifest["tables"]["spaces/tiny-window3-stride32"]
        del manifest["files"]["spaces/tiny-window3-stride32"]

    without_a_part(joined, remove)
    with pytest.raises(QueryError, match="joint space both needs space tiny-window3-stride32, which"):
        SpaceSearch(open_store(joined), "both")


def test_a_part_that_was_made_anew_is_named(joined: Path) -> None:
    without_a_part(
        joined, lambda manifest: manifest["spaces"]["resnet50-crop"]["recipe"].update(weights="cc")
    )
    with pytest.raises(RecipeError, match=r"resnet50-crop, a part of .* another recipe \(weights\)"):
        SpaceSearch(open_store(joined), "both")


def test_info_goes_on_where_a_joint_space_cannot_be_read(joined: Path, command) -> None:
    join_spaces(joined, ("resnet50-crop", "tiny-window3-stride16"), name="fine")
    without_a_part(
        joined, lambda manifest: manifest["spaces"]["tiny-window3-stride32"]["recipe"].update(weights="cc")
    )
    store = open_store(joined)
    names = ["both", "fine", "resnet50-crop", "tiny-window3-stride16", "tiny-window3-stride32"]
    assert store.space_names == names
    both, *others = store.info().spaces
    anew = (
        "space tiny-window3-stride32, a part of joint space both, was made anew by another recipe (weights)"
    )
    assert both.problem == f"{anew}; join its parts under another name"
    assert [(one.name, one.problem) for one in others] == [(name, None) for name in names[1:]]
    printed = command("info", joined)
    assert (printed.code, printed.err) == (0, "")
    assert f"  both: {both.problem}\n" in printed.out
    assert re.search(rf"fine +{COUNT} +{30 + 18} ", printed.out)


def test_a_joint_space_has_the_precisions_of_its_parts() -> None:
    recipes = {"crop": replace(CROP, precision="bfloat16"), "window": FINE}
    parts = [JointPart(name, (name,)) for name in recipes]
    assert joint_recipe(parts, recipes).precision == "bfloat16 + float32"
    recipes["window"] = replace(FINE, precision="bfloat16")
    assert joint_recipe(parts, recipes).precision == "bfloat16"


def test_a_joint_space_of_few_objects_needs_no_index(joined: Path) -> None:
    with pytest.raises(InputError, match="space both has 24 vectors and an index needs 256"):
        index_space(joined, "both")
    with pytest.raises(QueryError, match="space both has no approximate index; build it with: objectspace"):
        SpaceSearch(open_store(joined), "both", approximate=True)


def test_a_declaration_that_is_cut_short_leaves_the_store_as_it_was(path: Path, monkeypatch) -> None:
    before = (path / MANIFEST).read_bytes()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        join_spaces(path, PARTS, name="both")
    monkeypatch.undo()
    assert (path / MANIFEST).read_bytes() == before
    join_spaces(path, PARTS, name="both")
    assert len(open_store(path).space("both")) == COUNT
