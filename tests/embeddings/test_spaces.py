"""Spaces and their recipes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError

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
