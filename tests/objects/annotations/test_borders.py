"""The last value that is taken and the first that is not, on each side of each border apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from objectspace.objects.annotations.annotation_reader import ShapeError, check_near, frame_problem, inside
from objectspace.objects.annotations.attributes import NO_ATTRIBUTES
from objectspace.objects.annotations.coco_shapes import coco_shape
from objectspace.objects.annotations.mask_images import _fills_a_block, _numbers, _object_pixels
from objectspace.objects.annotations.shapes import Shape, outline, turned_corners
from objectspace.objects.annotations.values import as_id, as_side
from objectspace.objects.annotations.voc import _mask_is_elsewhere, _place
from objectspace.objects.annotations.voc_xml import VocObject
from objectspace.objects.masks import decode, encode, mask_area

WH = (40, 20)


# -------------------------------------------------------------------------------------- places and frames


@pytest.mark.parametrize("point", [(-40, 0), (0, -20), (80, 0), (0, 40)])
def test_points_one_side_away_are_near(point: tuple[float, float]) -> None:
    check_near(np.array([[5.0, 5], point, [6, 6]]), WH)


@pytest.mark.parametrize("point", [(-40.1, 0), (0, -20.1), (80.1, 0), (0, 40.1)])
def test_points_farther_away_are_not(point: tuple[float, float]) -> None:
    with pytest.raises(ShapeError, match="is far outside the photo of 40 x 20 pixels"):
        check_near(np.array([[5.0, 5], point, [6, 6]]), WH)


@pytest.mark.parametrize(
    ("box", "part"),
    [
        ((-5, 3, 2, 9), [0, 3, 2, 9]),
        ((38, -1, 90, 9), [38, 0, 40, 9]),
        ((0, 0, 40, 20), [0, 0, 40, 20]),
        ((3, 15, 4, 33), [3, 15, 4, 20]),
    ],
)
def test_the_part_of_a_box_inside(box: tuple[float, ...], part: list[float]) -> None:
    assert inside(np.float32(box), WH).tolist() == part


@pytest.mark.parametrize("box", [(-5, 3, 0, 9), (40, 3, 44, 9), (3, -5, 9, 0), (3, 20, 9, 22)])
def test_a_box_that_only_touches_the_photo_is_outside(box: tuple[float, ...]) -> None:
    with pytest.raises(ShapeError, match="is wholly outside the photo"):
        inside(np.float32(box), WH)


@pytest.mark.parametrize("box", [(5, 3, 5, 9), (5, 3, 4, 9), (5, 3, 9, 3), (5, 3, 9, 2)])
def test_a_box_without_sides_has_no_area(box: tuple[float, ...]) -> None:
    with pytest.raises(ShapeError, match="the box has no area"):
        inside(np.float32(box), WH)


def test_a_frame_is_the_images_or_is_told() -> None:
    assert frame_problem((40, 20), WH) is None
    assert "the sides are swapped" in str(frame_problem((20, 40), WH))
    for stated in ((40, 21), (41, 20), (20, 20)):
        problem = frame_problem(stated, WH)
        assert problem == f"is of a photo of {stated[0]} x {stated[1]} pixels, and this one has 40 x 20"


@pytest.mark.parametrize(("value", "key"), [(2**53 - 1.0, 2**53 - 1), (float(2**53), None), ("1.5", "1.5")])
def test_ids_as_floats_are_exact(value: Any, key: int | str | None) -> None:
    assert as_id(value) == key
    assert as_id("-3") == -3


def test_a_side_is_one_pixel_at_least() -> None:
    assert as_side(1) == 1


# -------------------------------------------------------------------------------------------- turned boxes


@pytest.mark.parametrize("degrees", [30.0, -45.0, 90.0, 200.0])
def test_corners_are_turned_by_a_loop(degrees: float) -> None:
    """Sides of 8 and 4 about (20, 9); clockwise, as y points down."""
    angle, expected = math.radians(degrees), []
    for x, y in ((-4, -2), (4, -2), (4, 2), (-4, 2)):
        expected.append(
            [20 + x * math.cos(angle) - y * math.sin(angle), 9 + x * math.sin(angle) + y * math.cos(angle)]
        )
    np.testing.assert_allclose(turned_corners((20, 9), (8, 4), angle), expected)


def test_a_box_of_voc_is_turned_about_its_middle() -> None:
    """Pixels 17 to 24 across and 8 to 11 down: edges at 16, 24 and 7, 11."""
    listed = VocObject("dog", ("17", "8", "24", "11"), {"rotation": "30"})
    box, mask, faults = _place(listed, None, WH)
    expected, same = outline(turned_corners((20, 9), (8, 4), math.pi / 6), WH)
    np.testing.assert_allclose(box, expected)
    assert (mask, faults) == (same, [])
    for whole in ("0", "360", "-720"):
        box, mask, _ = _place(listed._replace(attributes={"rotation": whole}), None, WH)
        assert (box.tolist(), mask) == ([16, 7, 24, 11], None)


def test_a_box_of_coco_is_turned_about_its_middle() -> None:
    content = {"bbox": [16, 7, 8, 4], "category_id": 1, "attributes": {"rotation": 30}}
    shape, faults = coco_shape(content, {1: "dog"}, NO_ATTRIBUTES, WH)
    expected, mask = outline(turned_corners((20, 9), (8, 4), math.pi / 6), WH)
    np.testing.assert_allclose(shape.box, expected)
    assert (shape.mask, faults) == (mask, [])
    for whole in (0, 360, -720):
        shape, _ = coco_shape({**content, "attributes": {"rotation": whole}}, {1: "dog"}, NO_ATTRIBUTES, WH)
        assert (shape.box.tolist(), shape.mask) == ([16, 7, 24, 11], None)


# --------------------------------------------------------------------------------------------------- COCO


def coco(**content: Any) -> Shape:
    return coco_shape({"category_id": 1, "bbox": [1, 2, 3, 4], **content}, {1: "dog"}, NO_ATTRIBUTES, WH)[0]


@pytest.mark.parametrize(("score", "known"), [(0, True), (1, True), (-0.1, False), (1.1, False)])
def test_a_score_of_coco_is_from_0_to_1(score: float, known: bool) -> None:
    assert (coco(score=score).score == score) == known


@pytest.mark.parametrize("bbox", [[1, 2, 0, 4], [1, 2, 3, 0], [1, 2, -1, 4], [1, 2, 3, -1]])
def test_a_bbox_has_sides_above_0(bbox: list[float]) -> None:
    with pytest.raises(ShapeError, match="bbox has no area"):
        coco(bbox=bbox)


@pytest.mark.parametrize("bbox", [[1, 2, 3], [1, 2, 3, 4, 5], "1234", [1, 2, 3, None]])
def test_a_bbox_has_four_numbers(bbox: Any) -> None:
    with pytest.raises(ShapeError, match="expected 4 finite numbers"):
        coco(bbox=bbox)


@pytest.mark.parametrize("bbox", [None, [], [0, 0, 0, 0]])
def test_an_empty_bbox_is_that_of_the_mask(bbox: Any) -> None:
    shape = coco(bbox=bbox, segmentation=[[4, 6, 9, 6, 9, 12, 4, 12]])
    assert shape.box.tolist() == [4, 6, 9, 12]
    # Another box is its own, whatever the mask.
    assert coco(segmentation=[[4, 6, 9, 6, 9, 12, 4, 12]]).box.tolist() == [1, 2, 4, 6]


@pytest.mark.parametrize(
    ("polygon", "fits"),
    [
        ([4, 6, 9, 6, 9, 12], True),
        ([4, 6, 9, 6], False),
        ([4, 6, 9, 6, 9, 12, 4], False),
        ([[4, 6], [9, 6], [9, 12]], True),
        ([[4, 6], [9, 6]], False),
    ],
)
def test_a_polygon_has_three_points_or_more(polygon: list[Any], fits: bool) -> None:
    for segmentation in (polygon, [polygon]):
        mask = coco(segmentation=segmentation).mask
        assert (mask is not None and mask_area(mask) > 10) == fits


def test_several_parts_of_a_mask_count_together_and_a_wrong_one_alone_is_left_out() -> None:
    parts = [[4, 6, 9, 6, 9, 12, 4, 12], [1, 2], [], [20, 2, 22, 2, 22, 5, 20, 5]]
    content = {"bbox": [1, 2, 3, 4], "category_id": 1, "segmentation": parts}
    shape, faults = coco_shape(content, {1: "dog"}, NO_ATTRIBUTES, WH)
    expected = np.zeros((20, 40), bool)
    expected[6:12, 4:9] = expected[2:5, 20:22] = True
    assert shape.mask is not None
    np.testing.assert_array_equal(decode(shape.mask), expected)
    assert faults == [
        "a polygon has 2 numbers, expected x and y of three or more points; this part of the mask is left out"
    ]


@pytest.mark.parametrize(
    ("count", "message"),
    [((1 << 40) - 1, "do not cover 40 x 20 pixels"), (1 << 40, "mask's counts are a list")],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_run_is_below_two_to_the_forty(count: int, message: str, sign: int) -> None:
    content = {"segmentation": {"size": [20, 40], "counts": [0, sign * count]}}
    shape, (fault,) = coco_shape(
        {"bbox": [1, 2, 3, 4], "category_id": 1, **content}, {1: "dog"}, NO_ATTRIBUTES, WH
    )
    assert (shape.mask, message in fault) == (None, True)


def test_run_lengths_are_of_the_photos_height_and_width() -> None:
    counts = [100, 50, 650]
    assert mask_area(coco(segmentation={"size": [20, 40], "counts": counts}).mask) == 50
    assert coco(segmentation={"size": [40, 20], "counts": counts}).mask is None
    assert coco(segmentation={"size": [20, 40], "counts": [100, 50, 649]}).mask is None
    assert coco(segmentation={"size": [20, 40], "counts": [100, -50, 750]}).mask is None
    # Runs of no length, first and within, are as if they were not there.
    same = coco(segmentation={"size": [20, 40], "counts": [0, 0, 100, 20, 0, 30, 650, 0]})
    assert same.mask == coco(segmentation={"size": [20, 40], "counts": counts}).mask
    starts = coco(segmentation={"size": [20, 40], "counts": [0, 50, 750]})
    assert starts.mask is not None
    assert decode(starts.mask).T.reshape(-1)[:51].tolist() == [True] * 50 + [False]


def test_eight_categories_are_named_and_more_are_dots() -> None:
    for count, rest in ((8, ""), (9, " …")):
        categories = dict.fromkeys(range(count), "x")
        with pytest.raises(ShapeError) as raised:
            coco_shape({"bbox": [1, 2, 3, 4], "category_id": 99}, categories, NO_ATTRIBUTES, WH)
        assert str(raised.value).endswith(f"(0, 1, 2, 3, 4, 5, 6, 7{rest})")


# ---------------------------------------------------------------------------------------------------- VOC


@pytest.mark.parametrize(
    ("mask", "elsewhere"),
    [
        ((8, 4, 12, 9), False),
        ((9, 4, 10, 9), False),
        ((5, 4, 6, 9), False),
        ((2, 4, 5, 9), True),
        ((10, 4, 12, 9), True),
        ((6, 0, 9, 3), True),
        ((6, 9, 9, 12), True),
        ((6, 0, 9, 4), False),
        ((6, 8, 9, 12), False),
    ],
)
def test_a_mask_that_shares_no_pixel_with_its_box_is_elsewhere(
    mask: tuple[int, int, int, int], elsewhere: bool
) -> None:
    left, top, right, bottom = mask
    pixels = np.zeros((20, 40), bool)
    pixels[top:bottom, left:right] = True
    assert _mask_is_elsewhere(Shape(np.float32([5, 3, 10, 9]), "dog", encode(pixels))) == elsewhere


@pytest.mark.parametrize(
    ("corners", "near"),
    [
        ((-39, 5, 9, 12), True),
        ((-40, 5, 9, 12), False),
        ((5, -19, 9, 12), True),
        ((5, -20, 9, 12), False),
        ((5, 7, 80, 12), True),
        ((5, 7, 81, 12), False),
        ((5, 7, 9, 40), True),
        ((5, 7, 9, 41), False),
    ],
)
def test_a_box_of_voc_is_a_side_away_from_the_photo_at_most(corners: tuple[int, ...], near: bool) -> None:
    """Pixels are counted from 1: the edge before pixel -39 is at -40."""
    listed = VocObject("dog", tuple(map(str, corners)), {})
    if near:
        left, top, right, bottom = corners
        expected = [max(left - 1, 0), max(top - 1, 0), min(right, 40), min(bottom, 20)]
        assert _place(listed, None, WH)[0].tolist() == expected
    else:
        with pytest.raises(ShapeError, match="is far outside the photo of 40 x 20 pixels"):
            _place(listed, None, WH)


@pytest.mark.parametrize("count", [4, 5, 6])
def test_an_outline_of_voc_has_three_points_or_more(count: int) -> None:
    numbers = ("4", "6", "9", "6", "9", "12")[:count]
    listed = VocObject("dog", ("5", "7", "9", "12"), {}, polygon=numbers)
    box, mask, faults = _place(listed, None, WH)
    assert box.tolist() == [4, 6, 9, 12]
    assert (mask is not None) == (count == 6)
    assert faults == (
        [] if count == 6 else ["its outline has 2 points, expected three or more; it is left out"]
    )


def test_a_point_that_is_no_number_is_counted_from_1() -> None:
    listed = VocObject("dog", None, {}, polygon=("4", "6", "9", "six", "9", "12"))
    with pytest.raises(ShapeError, match="its outline point 2 is 'six', expected a number"):
        _place(listed, None, WH)


# -------------------------------------------------------------------------------------------- mask images


def painted(*blocks: tuple[int, int, int, int, int]) -> np.ndarray:
    """Colors (20, 40) with blocks of (left, top, right, bottom, color)."""
    colors = np.zeros((20, 40), np.int32)
    for left, top, right, bottom, color in blocks:
        colors[top:bottom, left:right] = color
    return colors


@pytest.mark.parametrize(
    ("width", "height", "fills"), [(3, 3, True), (2, 3, False), (3, 2, False), (4, 9, True)]
)
def test_a_block_is_of_three_pixels_a_side(width: int, height: int, fills: bool) -> None:
    for left, top in ((0, 0), (40 - width, 20 - height), (7, 5)):
        assert _fills_a_block(painted((left, top, left + width, top + height, 1)) > 0) == fills
    assert not _fills_a_block(np.ones((2, 9), bool))
    assert not _fills_a_block(np.ones((9, 2), bool))
    assert _fills_a_block(np.ones((3, 3), bool))


def test_numbers_of_a_mask_image_are_objects() -> None:
    # 1, 2, 3 … are, however small.
    assert _numbers(painted((1, 1, 2, 2, 2), (5, 1, 6, 2, 1), (8, 1, 9, 2, 3))) == [1, 2, 3]
    # Others are where two of them fill a block.
    two = ((1, 1, 4, 4, 50), (10, 1, 13, 4, 90))
    assert _numbers(painted(*two)) == [50, 90]
    assert _numbers(painted(*two, (20, 1, 21, 2, 70))) == [50, 70, 90]
    assert _numbers(painted(two[0], (10, 1, 12, 4, 90))) == []
    assert _numbers(painted(two[0])) == []


@pytest.mark.parametrize(("count", "objects"), [(64, 64), (65, 0)])
def test_more_numbers_than_64_are_levels_of_gray(count: int, objects: int) -> None:
    colors = np.zeros((20, 200), np.int32)
    for number in range(count):
        colors[:3, 3 * number : 3 * number + 3] = 10 + 2 * number
    assert len(_numbers(colors)) == objects


def test_colors_are_told_apart_by_every_channel() -> None:
    rgb = np.zeros((9, 30, 3), np.uint8)
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
    for place, color in enumerate(colors):
        rgb[1:7, 6 * place : 6 * place + 5] = color
    found = list(_object_pixels(rgb))
    assert len(found) == 4
    assert {tuple(rgb[pixels][0].tolist()) for pixels in found} == set(colors)
    assert all(pixels.sum() == 30 for pixels in found)


def test_a_pixel_is_the_objects_above_half_of_the_brightest() -> None:
    rgb = np.zeros((3, 7, 3), np.uint8)
    rgb[0, :, 1] = [200, 101, 100, 99, 40, 7, 0]
    (pixels,) = _object_pixels(rgb)
    assert pixels[0].tolist() == [True, True, False, False, False, False, False]
    assert not pixels[1:].any()
