from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectspace.analyses.grid_positions import grid_positions, numeric_factor
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError
from objectspace.objects.records import make_objects
from objectspace.store import Batch, ImageRow, SpaceRows, open_store, open_writer

# Boxes of 8 x 4 pixels in a photo of 200 x 100, and their centers in cells of a stride of 32, when the photo
# fills an input of 320 x 320 (1.6 and 3.2 times as large).
LEFT_TOP = np.array([[0, 0], [6, 3], [16, 8], [100, 50], [190, 95]], np.float32)
CENTERS = (LEFT_TOP + np.array([4, 2])) * [1.6, 3.2] / 32
INPUT = {"input_wh": [320, 320], "resize": "stretch"}


def stored(tmp_path, *, window=3, resize="stretch", centers=CENTERS, route="window", preprocessing=None):
    cell = np.floor(centers).astype(int)
    boxes = np.concatenate([LEFT_TOP, LEFT_TOP + np.array([8, 4])], axis=1).astype(np.float32)
    objects = make_objects(image_id="i" * 32, xyxy=boxes, label=["dog"] * 5, source="s@1")
    prepared = {**INPUT, "resize": resize} if preprocessing is None else preprocessing
    recipe = Recipe(route, "m", "w", "t", prepared, "float32", "0", window=window, stride=32)
    columns = {"cell_x": cell[:, 0], "cell_y": cell[:, 1]}
    rows = SpaceRows(recipe, objects.object_id, np.ones((5, 2), np.float32), columns)
    batch = Batch([ImageRow("i" * 32, "p.png", 200, 100)], objects, [b""] * 5, "job", {"s": rows})
    with open_writer(tmp_path / "s.osp") as writer:
        writer.commit(batch)
    store = open_store(tmp_path / "s.osp")
    return store, store.objects(store.members("s"))


def positions_of(store, objects):
    return grid_positions(store.space("s"), objects, store.cells("s"), store.image_wh())


def test_an_odd_window_is_centered_on_its_cell(tmp_path):
    store, objects = stored(tmp_path)
    where = positions_of(store, objects)
    np.testing.assert_allclose(where.position, np.floor(CENTERS) + 0.5)
    np.testing.assert_allclose(where.offset, CENTERS - np.floor(CENTERS) - 0.5, atol=1e-5)


def test_an_even_window_is_centered_on_the_nearest_corner_of_cells(tmp_path):
    store, objects = stored(tmp_path, window=2)
    where = positions_of(store, objects)
    np.testing.assert_allclose(where.position, np.floor(CENTERS + 0.5))
    assert np.abs(where.offset).max() <= 0.5


def test_the_letterbox_counts(tmp_path):
    """The photo fills the width and half of the height: 1.6 times as large, 80 pixels down."""
    centers = ((LEFT_TOP + np.array([4, 2])) * 1.6 + [0, 80]) / 32
    store, objects = stored(tmp_path, resize="letterbox", centers=centers)
    where = positions_of(store, objects)
    np.testing.assert_allclose(where.offset + where.position, centers, atol=1e-5)


def test_crops_have_no_phase(tmp_path):
    store, objects = stored(tmp_path, route="crop", window=None)
    assert positions_of(store, objects) is None
    with pytest.raises(
        InputError, match="factor phase_x is of windows of a detector's map, and this space is"
    ):
        numeric_factor(objects, None, "phase_x")


def test_a_recipe_that_does_not_say_how_photos_lie(tmp_path):
    store, objects = stored(tmp_path, preprocessing={"size": 320})
    with pytest.raises(
        InputError, match="the recipe of space s lacks the position of images on the detector's"
    ):
        positions_of(store, objects)


def test_factors_by_name(tmp_path):
    store, objects = stored(tmp_path)
    where = positions_of(store, objects)
    np.testing.assert_array_equal(numeric_factor(objects, where, "phase_y"), where.offset[:, 1])
    np.testing.assert_array_equal(numeric_factor(objects, where, "x1"), LEFT_TOP[:, 0])
    np.testing.assert_array_equal(numeric_factor(objects, where, "y"), LEFT_TOP[:, 1] + 2)
    with pytest.raises(InputError, match="factor label is not a number for every object"):
        numeric_factor(objects, where, "label")


def test_an_image_that_is_not_known(tmp_path):
    store, objects = stored(tmp_path)
    with pytest.raises(InputError, match=r"image_wh has no image i{32}, which an object of space s is in"):
        grid_positions(store.space("s"), objects, store.cells("s"), {})


def test_only_windows_of_a_known_size_and_stride_have_positions(tmp_path):
    store, objects = stored(tmp_path)
    space = store.space("s")
    for changed in ({"window": None}, {"stride": None}, {"route": "roi"}):
        other = replace(space, recipe=replace(space.recipe, **changed))
        assert grid_positions(other, objects, store.cells("s"), store.image_wh()) is None


def test_a_number_that_is_not_known_of_all_objects_is_no_factor(tmp_path):
    _, objects = stored(tmp_path)
    partly = objects.with_factors({"a": np.array([1.0, 2, np.nan, 4, 5]), "b": np.arange(5.0)})
    assert numeric_factor(partly, None, "b").tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="factor a is not a number for every object"):
        numeric_factor(partly, None, "a")
