from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectspace.objects.boxes import (
    Frame,
    area,
    centers,
    clip,
    first_cells,
    iou,
    letterbox_frame,
    recipe_frame,
    shorter_side_frame,
    shortest_edge_frame,
    stretch_frame,
    whole_pixels,
)

sides = st.tuples(st.integers(1, 5000), st.integers(1, 5000))
fractions = st.floats(0, 1, width=32)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


# Frames


def test_stretching_scales_the_sides_apart() -> None:
    frame = stretch_frame((640, 480), (320, 320))
    np.testing.assert_allclose(frame.to_input(boxes((64, 48, 640, 480))), [[32, 32, 320, 320]])


def test_a_wide_photo_lies_between_bars_above_and_below() -> None:
    frame = letterbox_frame((640, 480), (416, 416))
    np.testing.assert_allclose(frame.to_input(boxes((0, 0, 640, 480))), [[0, 52, 416, 364]])


def test_a_tall_photo_lies_between_bars_left_and_right() -> None:
    frame = letterbox_frame((480, 640), (416, 416))
    np.testing.assert_allclose(frame.to_input(boxes((0, 0, 480, 640))), [[52, 0, 364, 416]])


@pytest.mark.parametrize(
    ("image_wh", "inside"),
    [((608, 176), (0, 88, 608, 264)), ((100, 352), (254, 0, 354, 352))],
    ids=["wide", "tall"],
)
def test_the_bars_of_an_input_that_is_no_square_are_of_its_own_sides(
    image_wh: tuple[int, int], inside: tuple[int, ...]
) -> None:
    frame = letterbox_frame(image_wh, (608, 352))
    np.testing.assert_allclose(frame.to_input(boxes((0, 0, *image_wh))), [inside])


def test_a_thread_of_a_photo_still_fills_one_pixel() -> None:
    frame = letterbox_frame((5000, 1), (320, 320))
    np.testing.assert_allclose(frame.to_input(boxes((0, 0, 5000, 1))), [[0, 159, 320, 160]])


@pytest.mark.parametrize("make_frame", [stretch_frame, letterbox_frame])
@given(
    image_wh=sides,
    input_wh=st.sampled_from([(320, 320), (416, 416), (608, 352)]),
    corners=st.tuples(*[fractions] * 4),
)
def test_boxes_come_back_from_the_network(make_frame, image_wh, input_wh, corners) -> None:  # type: ignore[no-untyped-def]
    frame: Frame = make_frame(image_wh, input_wh)
    box = boxes(corners) * np.array(image_wh * 2, np.float32)
    longer = max(image_wh)
    np.testing.assert_allclose(frame.to_image(frame.to_input(box)), box, atol=1e-5 * longer)


@given(image_wh=sides)
def test_the_letterboxed_photo_lies_inside_the_input_and_touches_two_borders(
    image_wh: tuple[int, int],
) -> None:
    frame = letterbox_frame(image_wh, (416, 416))
    left, top, right, bottom = frame.to_input(boxes((0, 0, *image_wh)))[0]
    assert -1e-3 <= left < right <= 416.001
    assert -1e-3 <= top < bottom <= 416.001
    assert max(right - left, bottom - top) == pytest.approx(416)


# Geometry


def test_clipping_cuts_at_the_border_and_keeps_what_is_inside() -> None:
    cut = clip(boxes((-5, 2, 12, 30), (1, 2, 3, 4), (20, 20, 30, 30)), (10, 20))
    np.testing.assert_array_equal(cut, [[0, 2, 10, 20], [1, 2, 3, 4], [10, 20, 10, 20]])


def test_clipping_leaves_its_argument() -> None:
    given_boxes = boxes((-5, 2, 12, 30))
    clip(given_boxes, (10, 20))
    np.testing.assert_array_equal(given_boxes, [[-5, 2, 12, 30]])


def test_areas_and_centers() -> None:
    some = boxes((0, 0, 4, 2), (1, 1, 1, 5), (5, 5, 2, 2))
    np.testing.assert_array_equal(area(some), [8, 0, 0])
    np.testing.assert_array_equal(centers(some), [[2, 1], [1, 3], [3.5, 3.5]])


def test_no_boxes() -> None:
    none = boxes()
    assert area(none).shape == (0,)
    assert centers(none).shape == (0, 2)
    assert iou(none, boxes((0, 0, 1, 1))).shape == (0, 1)
    assert clip(none, (3, 3)).shape == (0, 4)


def test_overlap_worked_by_hand() -> None:
    overlap = iou(boxes((0, 0, 2, 2)), boxes((1, 1, 3, 3), (0, 0, 2, 2), (2, 0, 4, 2), (0, 0, 0, 0)))
    np.testing.assert_allclose(overlap, [[1 / 7, 1, 0, 0]], rtol=1e-6)


def test_empty_boxes_overlap_nothing_not_even_themselves() -> None:
    assert iou(boxes((1, 1, 1, 1)), boxes((1, 1, 1, 1))).tolist() == [[0]]


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=1, max_size=4))
def test_overlap_counts_shared_pixels(rows: list[tuple[int, int, int, int]]) -> None:
    def pixels(box: tuple[int, int, int, int]) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}

    def slow(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> float:
        union = pixels(first) | pixels(second)
        return len(pixels(first) & pixels(second)) / len(union) if union else 0.0

    expected = [[slow(first, second) for second in rows] for first in rows]
    np.testing.assert_allclose(iou(boxes(*rows), boxes(*rows)), expected, rtol=1e-6)


# Whole pixels


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1.2, 2.0, 3.1, 4.0), (1, 2, 4, 4)),
        ((0.0, 0.0, 10.0, 8.0), (0, 0, 10, 8)),
        ((4.3, 4.3, 4.4, 4.4), (4, 4, 5, 5)),
        ((10.0, 8.0, 10.0, 8.0), (9, 7, 10, 8)),
        ((-3.0, -3.0, 0.0, 0.0), (0, 0, 1, 1)),
    ],
)
def test_the_pixels_a_box_touches(box: tuple[float, ...], expected: tuple[int, ...]) -> None:
    assert whole_pixels(np.array(box, np.float32), (10, 8)) == expected


@given(st.tuples(*[st.floats(-100, 100, width=32)] * 4), sides)
def test_there_is_always_a_pixel_inside_the_image(box: tuple[float, ...], image_wh: tuple[int, int]) -> None:
    left, top, right, bottom = whole_pixels(np.array(box, np.float32), image_wh)
    assert 0 <= left < right <= image_wh[0]
    assert 0 <= top < bottom <= image_wh[1]


# Frames whose input has the image's aspect, and windows of cells


@pytest.mark.parametrize(
    ("image_wh", "input_wh"),
    [
        ((640, 480), (1066, 800)),  # by the shorter side: 1066.7 is rounded down
        ((480, 640), (800, 1066)),
        ((1000, 300), (1333, 399)),  # by the longer side: 399.9 is rounded down
        ((300, 1000), (399, 1333)),
        ((900, 900), (800, 800)),
        ((4000, 1), (1333, 1)),  # no side below one pixel
    ],
)
def test_the_shorter_side_is_as_torchvision_has_it(
    image_wh: tuple[int, int], input_wh: tuple[int, int]
) -> None:
    frame = shorter_side_frame(image_wh, 800, 1333)
    assert frame.input_wh == input_wh
    assert frame.scale_xy == (input_wh[0] / image_wh[0], input_wh[1] / image_wh[1])
    assert recipe_frame({"resize": "shorter side", "sides": [800, 1333]}, image_wh) == frame


@pytest.mark.parametrize(
    ("image_wh", "input_wh"),
    [
        ((640, 480), (1066, 800)),
        ((480, 640), (800, 1066)),
        ((1000, 300), (1333, 400)),  # 399.9 is rounded to the nearest, and the longer side follows it
        ((300, 1000), (400, 1333)),
        ((900, 900), (800, 800)),
        ((1200, 800), (1200, 800)),  # fits already
        ((800, 1200), (800, 1200)),
        ((4000, 1), (1333, 1)),
    ],
)
def test_the_shortest_edge_is_as_transformers_has_it(
    image_wh: tuple[int, int], input_wh: tuple[int, int]
) -> None:
    frame = shortest_edge_frame(image_wh, 800, 1333)
    assert frame.input_wh == input_wh
    assert recipe_frame({"resize": "shortest edge", "sides": [800, 1333]}, image_wh) == frame


def test_frames_of_recipes() -> None:
    for resize, make in (("stretch", stretch_frame), ("letterbox", letterbox_frame)):
        recipe = {"resize": resize, "input_wh": [416, 320]}
        assert recipe_frame(recipe, (640, 480)) == make((640, 480), (416, 320))
    with pytest.raises(KeyError):
        recipe_frame({"resize": "stretch"}, (640, 480))
    with pytest.raises(KeyError):
        recipe_frame({"resize": "shrink", "input_wh": [4, 4]}, (640, 480))


@pytest.mark.parametrize("size", range(1, 7))
def test_windows_are_around_their_cell_or_nearest_the_center(size: int) -> None:
    cells = np.array([[0, 3], [2, 2], [5, 1]], np.int32)
    centers_xy = np.float32([[0.25, 3.75], [2.5, 2.0], [5.99, 1.49]])
    expected = []
    for row in range(3):
        for axis in range(2):
            starts = range(-9, 12)
            if size % 2:
                middle = {start: start + (size - 1) / 2 - cells[row, axis] for start in starts}
            else:
                middle = {start: start + size / 2 - centers_xy[row, axis] for start in starts}
            least = min(map(abs, middle.values()))
            # Midway between two blocks the later one counts.
            expected.append(max(start for start in starts if abs(middle[start]) == least))
    assert first_cells(cells, centers_xy, size).reshape(-1).tolist() == expected
    assert first_cells(cells[:, 0], centers_xy[:, 0], size).tolist() == expected[::2]
