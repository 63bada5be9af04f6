from __future__ import annotations

import numpy as np
import pytest

from objectspace.errors import InputError
from objectspace.images import image_from_array
from objectspace.objects.masks import encode
from objectspace.scenes.variation import (
    Cutout,
    count_pictures,
    cut_out,
    default_backgrounds,
    draw_background,
    object_pixels,
    picture_size,
    resized,
    turned,
    vary,
)

RED = np.array([200, 30, 10], np.uint8)


def block(width: int = 6, height: int = 4) -> Cutout:
    """A red rectangle."""
    return Cutout("brick", np.tile(RED, (height, width, 1)), np.ones((height, width), np.float32))


def ground(width: int = 40, height: int = 30) -> np.ndarray:
    return np.full((height, width, 3), 7, np.uint8)


def photo(width: int = 40, height: int = 30):
    rng = np.random.default_rng(0)
    return image_from_array(rng.integers(0, 255, (height, width, 3), dtype=np.uint8), path="p.png")


def varied(cutout, factor, steps, **grounds):
    return list(vary(cutout, grounds or {"black": ground()}, factor, steps=steps))


# Cutting out


def test_a_box_is_cut_out_whole():
    image = photo()
    cutout = cut_out(image, np.array([3, 4, 13, 9], np.float32), None, "dog")
    np.testing.assert_array_equal(cutout.pixels, image.pixels[4:9, 3:13])
    assert cutout.alpha.min() == 1


def test_a_mask_is_cut_out_tightly():
    image = photo()
    pixels = np.zeros((30, 40), bool)
    pixels[10:14, 20:23] = True
    pixels[11, 22] = False
    cutout = cut_out(image, np.array([5, 5, 35, 25], np.float32), encode(pixels), "dog")
    np.testing.assert_array_equal(cutout.pixels, image.pixels[10:14, 20:23])
    np.testing.assert_array_equal(cutout.alpha > 0.5, pixels[10:14, 20:23])


def test_a_mask_counts_inside_its_box_and_an_empty_one_not_at_all():
    pixels = np.zeros((30, 40), bool)
    pixels[10:20, 10:20] = True
    inside = object_pixels(photo(), np.array([15, 0, 40, 30], np.float32), encode(pixels))
    assert inside.sum() == 50
    elsewhere = object_pixels(photo(), np.array([0, 0, 4, 5], np.float32), encode(pixels))
    assert elsewhere.sum() == 20


def test_a_mask_of_another_photo():
    with pytest.raises(
        InputError, match=r"p\.png: the mask of 4 x 3 pixels does not fit the photo of 40 x 30"
    ):
        object_pixels(photo(), np.array([0, 0, 4, 5], np.float32), encode(np.ones((3, 4), bool)))


# Changing


def test_the_same_size_changes_nothing():
    cutout = cut_out(photo(), np.array([3, 4, 13, 9], np.float32), None, "dog")
    same = resized(cutout, 1.0)
    np.testing.assert_array_equal(same.pixels, cutout.pixels)
    np.testing.assert_array_equal(same.alpha, cutout.alpha)


@pytest.mark.parametrize(("scale", "wh"), [(2, (12, 8)), (0.5, (3, 2)), (0.01, (1, 1))])
def test_sizes(scale, wh):
    assert resized(block(), scale).alpha.shape == wh[::-1]


@pytest.mark.parametrize(("degrees", "wh"), [(90, (4, 6)), (180, (6, 4)), (270, (4, 6))])
def test_quarter_turns(degrees, wh):
    assert turned(block(), degrees).alpha.shape == wh[::-1]


def test_a_turn_is_counterclockwise():
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, 3] = RED
    upright = turned(Cutout("arrow", pixels, np.ones((2, 4), np.float32)), 90)
    assert (upright.pixels[0] == RED).all()
    assert (upright.pixels[1:] == 0).all()


def test_no_background_bleeds_into_the_object():
    """What lay beside the object in its photo, bright green here, has no alpha and leaves no trace."""
    pixels = np.full((9, 9, 3), (0, 255, 0), np.uint8)
    alpha = np.zeros((9, 9), np.float32)
    pixels[2:7, 2:7], alpha[2:7, 2:7] = RED, 1
    for changed in (resized(Cutout("x", pixels, alpha), 3.3), turned(Cutout("x", pixels, alpha), 30)):
        solid = changed.alpha > 0.5
        assert np.abs(changed.pixels[solid].astype(int) - RED).max() <= 2


# Pictures


def test_there_is_a_place_in_each_square_of_the_grid_and_nothing_is_cut_off():
    scenes = varied(block(), "position", 5, black=ground(40, 28))
    corners = np.concatenate([scene.xyxy[:, :2] for scene in scenes])
    squares = np.floor(corners / [7, 5]).astype(int)
    assert sorted(map(tuple, squares.tolist())) == [(x, y) for x in range(5) for y in range(5)]
    again = np.concatenate(
        [scene.xyxy[:, :2] for scene in varied(block(), "position", 5, black=ground(40, 28))]
    )
    np.testing.assert_array_equal(corners, again)
    for scene in scenes:
        left, top, right, bottom = scene.xyxy[0].astype(int)
        expected = ground(40, 28)
        expected[top:bottom, left:right] = RED
        np.testing.assert_array_equal(scene.pixels, expected)
        assert scene.masks[0].sum() == 24
        assert scene.kinds == ("brick",)


def test_angles_go_around_and_never_touch_the_border():
    scenes = varied(block(30, 20), "angle", 8)
    assert [scene.factors["angle"][0] for scene in scenes] == [0, 45, 90, 135, 180, 225, 270, 315]
    assert len({scene.factors["scale"][0] for scene in scenes}) == 1
    for scene in scenes:
        assert scene.xyxy.min() >= 0
        assert (scene.xyxy[0, 2:] <= [40, 30]).all()


def test_sizes_grow_to_the_border_by_equal_factors():
    scenes = varied(block(), "size", 4)
    scales = np.array([scene.factors["scale"][0] for scene in scenes])
    np.testing.assert_allclose(scales[1:] / scales[:-1], 6 ** (1 / 3))
    assert (scenes[-1].xyxy[0, 2:] - scenes[-1].xyxy[0, :2]).tolist() == [40, 27]


def test_each_background_has_the_same_places():
    scenes = varied(block(), "background", 2, black=ground(), white=ground() + 200)
    assert [scene.factors["background"][0] for scene in scenes] == ["black"] * 4 + ["white"] * 4
    np.testing.assert_array_equal(
        *(np.concatenate([s.xyxy for s in part]) for part in (scenes[:4], scenes[4:]))
    )


@pytest.mark.parametrize(
    ("cutout", "factor", "steps", "told"),
    [
        (block(), "position", 1, "1 steps vary nothing, expected 2 or more"),
        (
            block(38, 4),
            "position",
            5,
            "an object of 38 x 4 pixels has no room for 5 x 5 places in a picture of",
        ),
        (block(50, 4), "size", 5, "an object of 50 x 4 pixels does not fit a picture of 40 x 30"),
        (block(), "color", 5, "factor 'color' is not known, expected position, angle, size, background"),
    ],
)
def test_what_cannot_be_varied(cutout, factor, steps, told):
    with pytest.raises(InputError, match=told):
        varied(cutout, factor, steps)


def test_one_background_for_one_factor():
    with pytest.raises(InputError, match="position varies on one background, 2 were given"):
        varied(block(), "position", 3, black=ground(), gray=ground())


# Backgrounds


@pytest.mark.parametrize(("name", "level"), [("black", 0), ("gray", 128)])
def test_plain_backgrounds(name, level):
    assert (draw_background(photo(), np.zeros((30, 40), bool), name) == level).all()


def test_the_blurred_photo_has_no_trace_of_the_object():
    image = photo()
    hole = np.zeros((30, 40), bool)
    hole[5:15, 10:30] = True
    other = image.pixels.copy()
    other[hole] = 255
    first = draw_background(image, hole, "blur")
    second = draw_background(image_from_array(other, path="q.png"), hole, "blur")
    np.testing.assert_array_equal(first, second)
    assert np.abs(np.diff(first.astype(int), axis=1)).max() < 40


def test_large_photos_make_pictures_of_640_pixels():
    assert picture_size(4000, 3000) == (640, 480)


@pytest.mark.parametrize("factor", ["position", "angle", "size", "background"])
def test_the_number_of_pictures_is_known_before(factor):
    grounds = {name: ground() for name in default_backgrounds(factor)}
    pictures = list(vary(block(), grounds, factor, steps=3))
    assert count_pictures(factor, steps=3, backgrounds=len(grounds)) == len(pictures)
