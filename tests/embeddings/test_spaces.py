"""Spaces and their recipes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe, Space, SpaceRows, model_key
from objectspace.errors import Float16Error, InputError

CROP = Recipe(
    route="crop",
    model="resnet50",
    weights="ab" * 32,
    tap="avgpool",
    preprocessing={"size": 224, "mean": [0.5, 0.5, 0.5]},
    precision="float32",
    version="0.1.0",
    crop={"background": "black", "margin": 0.0, "fit": "pad"},
)


def test_a_recipe_survives_json():
    assert Recipe.from_json(json.loads(json.dumps(CROP.to_json()))) == CROP


def test_keys_of_a_newer_release_are_refused_by_name():
    with pytest.raises(InputError, match="unknown keys angle, zoom; it was written by a newer objectspace"):
        Recipe.from_json({**CROP.to_json(), "zoom": 2, "angle": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "cd" * 32},
        {"tap": "layer4"},
        {"precision": "bfloat16"},
        {"preprocessing": {"size": 256, "mean": [0.5, 0.5, 0.5]}},
        {"crop": {"background": "mean", "margin": 0.0, "fit": "pad"}},
        {"method": 2},
    ],
)
def test_whatever_changes_the_vectors_changes_the_digest(change: dict[str, object]):
    other = replace(CROP, **change)  # type: ignore[arg-type]
    assert other.digest != CROP.digest
    assert list(CROP.differences(other)) == list(change)


def test_another_release_of_the_same_method_makes_the_same_recipe():
    later = replace(CROP, version="0.2.0")
    assert (later, later.digest, later.differences(CROP)) == (CROP, CROP.digest, {})
    assert later.to_json()["version"] == "0.2.0"


def test_recipes_of_releases_without_methods_are_those_of_the_first():
    older = {key: value for key, value in CROP.to_json().items() if key != "method"}
    assert Recipe.from_json(older) == CROP


def test_the_digest_ignores_the_order_of_keys():
    crop = {"fit": "pad", "margin": 0.0, "background": "black"}
    assert replace(CROP, crop=crop).digest == CROP.digest


def test_differences_hold_both_values():
    assert CROP.differences(replace(CROP, tap="layer4")) == {"tap": ("avgpool", "layer4")}
    assert CROP.differences(CROP) == {}


def test_a_space_knows_its_size():
    space = Space("resnet50-crop", CROP, np.array(["a", "b"]), np.zeros((2, 5), np.float32))
    assert (len(space), space.dimension) == (2, 5)


@pytest.mark.parametrize("vectors", [np.zeros((3, 5), np.float32), np.zeros(2, np.float32)])
def test_vectors_must_match_their_objects(vectors: np.ndarray):
    with pytest.raises(InputError, match=r"space resnet50-crop: vectors of shape .* for 2 objects"):
        Space("resnet50-crop", CROP, np.array(["a", "b"]), vectors)


def test_rows_of_a_space_have_its_objects():
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    asked = []
    space = Space("a-crop", CROP, np.array(["a", "b", "c", "d"]), vectors, asked.append)
    some = space.take(np.array([3, 0]))
    assert (some.name, some.recipe, some.object_id.tolist()) == ("a-crop", CROP, ["d", "a"])
    assert some.vectors.tolist() == [[9, 10, 11], [0, 1, 2]]
    _ = some.objects
    assert [ids.tolist() for ids in asked] == [["d", "a"]]
    with pytest.raises(InputError, match="space a-crop was not read from a store, which would know its"):
        _ = replace(space, read_objects=None).objects


def test_a_recipe_before_rounding_is_that_of_float32():
    half = replace(CROP, vectors="float16")
    assert half.differences(CROP) == {"vectors": ("float16", "float32")}
    assert half.computed.differences(CROP) == {}


def new_rows(vectors, *, recipe=CROP, **cells):
    return SpaceRows(recipe, ["a", "b", "c"], np.asarray(vectors, np.float32), cells)


@pytest.mark.parametrize(
    ("vectors", "sentence"),
    [
        (np.zeros((2, 4)), r"vectors of shape \(2, 4\) for 3 objects; expected \(3, numbers\)"),
        (np.zeros(3), r"vectors of shape \(3,\) for 3 objects"),
        (np.zeros((3, 0)), r"vectors of shape \(3, 0\) for 3 objects"),
        ([[1, 2], [3, np.inf], [np.nan, 1]], "the vector of object b has a NaN or an infinity in it"),
        ([[1, 2], [3, 4], [np.nan, 1]], "the vector of object c has a NaN or an infinity in it"),
    ],
)
def test_new_vectors_that_are_none(vectors, sentence):
    with pytest.raises(InputError, match=sentence):
        new_rows(vectors)


def test_new_vectors_of_float16_hold_what_it_holds():
    half = replace(CROP, vectors="float16")
    most = [[1, -65504], [65504, 0], [0, 0]]
    assert new_rows(most, recipe=half).vectors.tolist() == most
    beyond = [[1, 2], [3, -65505], [70000, 0]]
    assert new_rows(beyond).vectors.tolist() == beyond
    with pytest.raises(Float16Error, match="the vector of object b has 65505 in it, and float16 holds"):
        new_rows(beyond, recipe=half)


def test_cells_have_a_number_for_each_object():
    rows = new_rows(np.ones((3, 1)), cell_x=np.array([1, 2, 3]), anchor=np.array([0, -1, 0]))
    assert rows.cells["cell_x"].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match="cells: unknown column cell_z; expected head, cell_x, cell_y,"):
        new_rows(np.ones((3, 1)), cell_z=np.zeros(3))
    with pytest.raises(InputError, match="cells: column cell_y has 2 rows, expected 3"):
        new_rows(np.ones((3, 1)), cell_x=np.zeros(3), cell_y=np.zeros(2))


def test_a_model_is_named_by_the_start_of_its_weights() -> None:
    assert model_key("yolov3", "0123456789abcdef") == "yolov3@0123456789ab"


@pytest.mark.parametrize("name", ["window", "stride", "method"])
def test_numbers_of_a_recipe_are_above_zero(name: str) -> None:
    for number in (1, 2**16 - 1):
        assert getattr(Recipe.from_json({**CROP.to_json(), name: number}), name) == number
    for number in (0, -1, 2**16, True):
        with pytest.raises(InputError, match=f"recipe: {name} is {number}, expected a number above zero"):
            Recipe.from_json({**CROP.to_json(), name: number})
