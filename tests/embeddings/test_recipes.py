"""The recipe of each route: what of the network and of the options is in it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import objectspace as osp
from objectspace import __version__
from objectspace.embeddings.crops import CropPolicy
from objectspace.embeddings.pooling import Pooling
from objectspace.embeddings.recipes import crop_recipe, map_recipe, query_recipe, used_heads
from objectspace.errors import InputError
from objectspace.models.maps import Head

ENCODER = SimpleNamespace(
    name="resnet50", weights="ab" * 32, tap="avgpool", preprocessing={"size": 224}, precision="bfloat16"
)
HEADS = tuple(
    Head(layer, f"tap{layer}", stride, 8, (4, 4), np.empty((0, 2), np.float32), ())
    for layer, stride in ((82, 16), (94, 32), (106, 8))
)
SOURCE = SimpleNamespace(
    name="yolov3", recipe={"weights": "cd" * 32, "resize": "letterbox"}, precision="float32", heads=HEADS
)


def test_the_recipe_of_crops() -> None:
    recipe = crop_recipe(ENCODER, CropPolicy("mean", 0.5))
    assert recipe.to_json() == {
        "route": "crop",
        "model": "resnet50",
        "weights": "ab" * 32,
        "tap": "avgpool",
        "preprocessing": {"size": 224},
        "precision": "bfloat16",
        "version": __version__,
        "window": None,
        "scale": None,
        "stride": None,
        "crop": {"background": "mean", "margin": 0.5, "fit": "pad"},
        "erasure": None,
        # Whoever changes the pixels of a crop raises it here as well.
        "method": 2,
        "parts": None,
    }


@pytest.mark.parametrize(("kind", "window"), [("window", 3), ("roi", 3), ("mask", None)])
def test_the_recipe_of_a_map(kind: str, window: int | None) -> None:
    recipe = map_recipe(SOURCE, HEADS[0], Pooling(kind, 3), "own")  # type: ignore[arg-type]
    assert (recipe.route, recipe.model, recipe.weights, recipe.tap) == (kind, "yolov3", "cd" * 32, "tap82")
    assert (recipe.window, recipe.scale, recipe.stride) == (window, "own", 16)
    assert (recipe.preprocessing, recipe.precision, recipe.version) == (SOURCE.recipe, "float32", __version__)
    assert (recipe.crop, recipe.method) == (None, 2)


@pytest.mark.parametrize("kind", ["window", "roi"])
def test_a_vector_has_a_quarter_of_a_million_numbers_at_most(kind: str) -> None:
    """Eight channels: 8 x 181 x 181 are 262,088 numbers."""
    assert map_recipe(SOURCE, HEADS[1], Pooling(kind, 181), "own").window == 181  # type: ignore[arg-type]
    sentence = (
        f"^{kind}182 at stride 32 of yolov3 makes vectors of 264,992 numbers, expected 262,144 at most;"
    )
    with pytest.raises(InputError, match=sentence):
        map_recipe(SOURCE, HEADS[1], Pooling(kind, 182), "own")  # type: ignore[arg-type]


def test_the_recipe_of_queries() -> None:
    recipe = query_recipe(SOURCE)
    assert (recipe.route, recipe.model, recipe.weights, recipe.tap) == (
        "query",
        "yolov3",
        "cd" * 32,
        "queries",
    )
    assert (recipe.window, recipe.scale, recipe.stride, recipe.method) == (None, None, None, 2)


def test_the_deepest_map_has_the_longest_stride() -> None:
    assert used_heads(SOURCE, "deepest") == [HEADS[1]]
    assert used_heads(SOURCE, "own") == list(HEADS)


def test_windows_of_more_numbers_than_a_vector_may_have(world):
    job = osp.Job(
        detector=osp.DetectorSpec(world.cfg, world.weights, world.names), pools=("window3", "window999")
    )
    with pytest.raises(InputError, match=r"^window999 at stride \d+ of .* makes vectors of [\d,]+ numbers, "):
        _ = job.load().recipes
