"""Recipes of joint spaces: what they hold, what they refuse, and that parts come back as they were."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from objectspace.embeddings.joint import JointPart, joint_parts, joint_recipe, only_part, part_recipes
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError

CROP = Recipe("crop", "resnet50", "aa", "pooled", {"size": 224}, "float32", "0.1.0", crop={"margin": 0.0})
FINE = Recipe("window", "yolo", "bb", "80", {"size": 320}, "float32", "0.1.0", 3, "own", 16)
RECIPES = {
    "crop": CROP,
    "fine": FINE,
    "coarse": replace(FINE, tap="90", stride=32),
    "wide": replace(CROP, tap="x"),
}
PARTS = (
    JointPart("map", ("fine", "coarse"), 2.0, -0.5),
    JointPart("cut", ("crop",)),
    JointPart("wide", ("wide",)),
)


def test_parts_and_their_recipes_come_back_from_json() -> None:
    recipe = Recipe.from_json(json.loads(json.dumps(joint_recipe(PARTS, RECIPES).to_json())))
    assert recipe.route == "joint"
    assert recipe.model == "yolo + resnet50"
    assert tuple(joint_parts(recipe)) == PARTS
    assert part_recipes(recipe) == RECIPES
    assert [part["name"] for part in recipe.parts or ()] == ["map", "cut", "wide"]
    assert [list(part["recipes"]) for part in recipe.parts or ()] == [["fine", "coarse"], ["crop"], ["wide"]]


def test_other_recipes_have_no_parts() -> None:
    assert joint_parts(CROP) == []
    assert part_recipes(CROP) == {}


def test_one_part_alone_is_told_apart_by_its_name() -> None:
    recipe = joint_recipe(PARTS, RECIPES)
    for part in PARTS:
        alone = only_part(recipe, part.name)
        assert alone is not None
        assert joint_parts(alone) == [part]
        assert alone.to_json() == {**recipe.to_json(), "parts": alone.to_json()["parts"]}
    assert only_part(recipe, "crop") is None
    assert only_part(CROP, "cut") is None


def test_a_part_counts_once_and_nothing_where_it_is_missing() -> None:
    assert PARTS[1].to_json() == {"name": "cut", "spaces": ["crop"], "weight": 1.0, "missing": 0.0}


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_a_number_above_0(weight: float) -> None:
    with pytest.raises(InputError, match=r"part a has the weight .*; give a number above 0"):
        JointPart("a", ("crop",), weight)


@pytest.mark.parametrize(("missing", "fits"), [(-1.0, True), (1.0, True), (-1.01, False), (1.01, False)])
def test_a_missing_part_counts_as_a_cosine(missing: float, fits: bool) -> None:
    if fits:
        assert JointPart("a", ("crop",), missing=missing).missing == missing
    else:
        with pytest.raises(InputError, match=r"part a: a missing one counts .*, expected -1 to 1"):
            JointPart("a", ("crop",), missing=missing)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "needs two parts or more, and none was given"),
        (PARTS[:1], "needs two parts or more, and map was given"),
        ((PARTS[0], replace(PARTS[1], name="map")), "part map is named twice in a joint space"),
        ((PARTS[0], JointPart("b", ("crop", "fine"))), "space fine is named twice in a joint space"),
    ],
)
def test_what_cannot_be_joined(parts: tuple[JointPart, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        joint_recipe(parts, RECIPES)
