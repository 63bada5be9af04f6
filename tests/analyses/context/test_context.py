"""Three spaces as views of the same objects: what is refused, and what the whole result says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from objectspace.analyses import context
from objectspace.analyses.context import measure_context, pairs, shares, view_objects
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shares, "PERMUTED", 9)
    monkeypatch.setattr(pairs, "PERMUTATIONS", 19)


@pytest.fixture
def spaces(objects, noise, space):
    alone, around, _ = noise
    return (
        space("a", objects, alone),
        space("b", objects, alone + around, background="keep"),
        space("c", objects, around, background="only"),
    )


def test_the_whole_result(spaces, objects):
    result = measure_context(view_objects(*spaces, objects))

    assert (result.n, result.photos, result.left_out, result.masked) == (240, 80, 0, 0)
    assert result.spaces == {"alone": "a", "both": "b", "around": "c"}
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["shares"]["together"]["value"] == pytest.approx(1, abs=0.05)
    assert len(document["pairs"]["each"]) == 240 * 5
    assert document["pairs"]["each"][0]["object_id"] == objects.object_id[0]


def test_rows_may_stand_in_another_order(spaces, objects):
    alone, both, around = spaces
    back = np.arange(240)[::-1]
    turned = Space(both.name, both.recipe, both.object_id[back], both.vectors[back])
    views = view_objects(alone, turned, around, objects)
    assert views.both.object_id.tolist() == objects.object_id.tolist()
    assert np.array_equal(views.both.vectors, both.vectors)


def test_the_same_seed_gives_the_same_figures(spaces, objects):
    first, second = (measure_context(view_objects(*spaces, objects), seed=3).to_json() for _ in range(2))
    assert first == second


def test_whole_photos_are_left_out_where_there_are_too_many(spaces, objects, monkeypatch):
    monkeypatch.setattr(context, "MOST_OBJECTS", 100)
    result = measure_context(view_objects(*spaces, objects))
    assert (result.n, result.photos, result.left_out) == (99, 33, 141)


def test_a_space_of_other_crops_is_refused(spaces, objects):
    alone, both, around = spaces
    with pytest.raises(
        InputError, match="both= needs a space of crops on background keep, c holds crops on only"
    ):
        view_objects(alone, around, both, objects)


def test_windows_are_refused(spaces, objects):
    _, both, around = spaces
    recipe = Recipe("window", "d", "0" * 64, "tap", {}, "float32", "0", window=3)
    windows = Space("w", recipe, both.object_id, both.vectors)
    with pytest.raises(
        InputError, match="black or mean, w holds vectors of route window; index crops on background black"
    ):
        view_objects(windows, both, around, objects)


def test_other_margins_are_refused(spaces, objects, space):
    alone, both, _ = spaces
    wide = space("wide", objects, both.vectors, background="only", margin=1.0)
    with pytest.raises(
        InputError, match="a and wide may differ in their background only, they differ in margin"
    ):
        view_objects(alone, both, wide, objects)


def test_other_objects_are_refused(spaces, objects):
    alone, both, around = spaces
    fewer = Space(both.name, both.recipe, both.object_id[:-2], both.vectors[:-2])
    with pytest.raises(InputError, match="a and b must hold the same objects, 2 are in one of them only"):
        view_objects(alone, fewer, around, objects)


def test_too_few_objects(spaces, objects):
    views = view_objects(*spaces, objects).take(np.arange(6))
    with pytest.raises(InputError, match="ten objects of three photos at least, there are 6 of 2"):
        measure_context(views)


def test_vectors_that_are_all_equal(spaces, objects, space):
    alone, both, _ = spaces
    equal = space("c", objects, np.ones((240, 8)), background="only")
    with pytest.raises(InputError, match="the vectors of space c are all equal"):
        measure_context(view_objects(alone, both, equal, objects))


@pytest.mark.parametrize("changed", ["weights", "blur", "margin"])
def test_spaces_may_differ_in_nothing_but_their_background(spaces, objects, changed):
    """Neither in the weights, nor in something more of the crop, nor in something less."""
    alone, both, around = spaces
    crop = dict(around.recipe.crop)
    recipe = {
        "weights": replace(around.recipe, weights="1" * 64),
        "blur": replace(around.recipe, crop={**crop, "blur": 3}),
        "margin": replace(around.recipe, crop={name: crop[name] for name in crop if name != "margin"}),
    }[changed]
    other = Space("c", recipe, around.object_id, around.vectors)
    with pytest.raises(InputError, match=f"they differ in {changed}; index"):
        view_objects(alone, both, other, objects)


def test_objects_are_in_the_order_of_the_objects_alone(spaces, objects):
    with pytest.raises(InputError, match="its vectors and the objects are not in the same order"):
        view_objects(*spaces, objects.take(np.arange(240)[::-1]))
