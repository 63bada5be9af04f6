from __future__ import annotations

import numpy as np
import pycocotools.mask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from objectspace.errors import InputError
from objectspace.objects.masks import (
    ShapeError,
    decode,
    decode_box,
    encode,
    mask_area,
    mask_box,
    mask_from_counts,
    object_runs,
    polygon_mask,
    united,
)
from objectspace.objects.records import Mask

pictures = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=40))


def runs_as_coco_writes_them(pixels: np.ndarray) -> bytes:
    """The mask's counts by a slow loop: runs down the columns, then six bits a character."""
    runs, inside, length = [], False, 0
    for value in pixels.T.reshape(-1):
        if value == inside:
            length += 1
        else:
            runs.append(length)
            inside, length = not inside, 1
    runs.append(length)
    text = bytearray()
    for place, run in enumerate(runs):
        number = run - runs[place - 2] if place > 2 else run
        while True:
            six = number & 31
            number >>= 5
            more = number != (-1 if six & 16 else 0)
            text.append(48 + six + (32 if more else 0))
            if not more:
                break
    return bytes(text)


@given(pictures)
def test_masks_are_packed_as_coco_packs_them(pixels: np.ndarray) -> None:
    mask = encode(pixels)
    assert (mask.height, mask.width) == pixels.shape
    assert mask.counts == runs_as_coco_writes_them(pixels)


@given(pictures)
def test_a_mask_comes_back(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(decode(encode(pixels)), pixels)


@given(pictures)
@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_masks_are_unpacked_as_coco_unpacks_them(pixels: np.ndarray) -> None:
    mask = encode(pixels)
    unpacked = pycocotools.mask.decode({"size": [mask.height, mask.width], "counts": mask.counts})
    np.testing.assert_array_equal(decode(mask), unpacked)


@given(pictures, st.data())
def test_a_part_of_a_mask_is_that_part_of_the_whole(pixels: np.ndarray, data: st.DataObject) -> None:
    height, width = pixels.shape
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    part = decode_box(encode(pixels), (left, top, right, bottom))
    np.testing.assert_array_equal(part, pixels[top:bottom, left:right])
    assert part.dtype == np.bool_


def test_a_part_of_a_large_mask_with_long_runs() -> None:
    pixels = np.zeros((3000, 2000), bool)
    pixels[1000:2999, 500:1500] = True
    pixels[:, 1700] = True
    mask = encode(pixels)
    np.testing.assert_array_equal(decode_box(mask, (400, 900, 1800, 3000)), pixels[900:3000, 400:1800])


@pytest.mark.parametrize("box", [(0, 0, 5, 3), (-1, 0, 2, 2), (2, 0, 2, 2), (0, 3, 2, 1)])
def test_a_box_outside_the_mask_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match="is not within its 4 x 3 pixels"):
        decode_box(encode(np.ones((3, 4), bool)), box)


def test_counts_of_another_size_are_refused() -> None:
    mask = encode(np.ones((3, 4), bool))
    with pytest.raises(InputError, match="its runs cover 12 pixels, expected 5 x 4"):
        decode_box(Mask(5, 4, mask.counts), (0, 0, 1, 1))


@given(st.lists(pictures, max_size=4))
def test_runs_of_many_masks_are_those_of_a_slow_loop(pixels: list[np.ndarray]) -> None:
    expected = []
    for place, picture in enumerate(pixels):
        before = False
        for position, value in enumerate([*picture.T.reshape(-1).tolist(), False]):
            if value and not before:
                expected.append([place, position, position])
            elif before and not value:
                expected[-1][2] = position
            before = value
    assert object_runs([encode(picture) for picture in pixels]).tolist() == expected


def test_runs_of_another_size_are_refused() -> None:
    whole = encode(np.ones((3, 4), np.bool_))
    with pytest.raises(InputError, match="its runs cover 12 pixels, expected 3 x 5"):
        object_runs([whole, Mask(3, 5, whole.counts)])


@given(pictures)
def test_box_and_area_by_counting(pixels: np.ndarray) -> None:
    mask = encode(pixels)
    rows, columns = np.nonzero(pixels)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else [0] * 4
    assert mask_box(mask).tolist() == expected
    assert mask_area(mask) == len(rows)


def test_a_polygon_on_pixel_edges_fills_its_pixels() -> None:
    mask = polygon_mask(np.array([[2.0, 1], [6, 1], [6, 4], [2, 4]]), (10, 8))
    expected = np.zeros((8, 10), bool)
    expected[1:4, 2:6] = True
    np.testing.assert_array_equal(decode(mask), expected)


@settings(max_examples=50)
@pytest.mark.filterwarnings("ignore:__array__ implementation")
@given(arrays(np.float64, st.tuples(st.integers(3, 9), st.just(2)), elements=st.floats(0, 40)))
def test_polygons_are_filled_as_coco_fills_them(polygon: np.ndarray) -> None:
    (packed,) = pycocotools.mask.frPyObjects([polygon.ravel().tolist()], 30, 40)
    np.testing.assert_array_equal(
        decode(polygon_mask(polygon, (40, 30))), pycocotools.mask.decode(packed) > 0
    )


def test_a_polygon_over_the_border_is_cut_off() -> None:
    mask = polygon_mask(np.array([[-20.0, -20], [5, -20], [5, 50], [-20, 50]]), (10, 8))
    expected = np.zeros((8, 10), bool)
    expected[:, :5] = True
    np.testing.assert_array_equal(decode(mask), expected)


def test_a_polygon_wholly_outside_leaves_an_empty_mask() -> None:
    assert mask_area(polygon_mask(np.array([[20.0, 20], [30, 20], [30, 30]]), (10, 8))) == 0


@pytest.mark.parametrize("counts", [b"", b"P", b"\x00\xff", b"0" * 9 + b"P" * 9, b"PPPPPPPPP0"])
def test_counts_that_are_no_runs_are_refused_and_not_read(counts):
    mask = Mask(10, 10, counts)
    for use in (decode, mask_area, mask_box, lambda one: united([one, one]), lambda one: object_runs([one])):
        with pytest.raises(InputError, match=r"mask"):
            use(mask)


def test_an_outline_without_end_is_refused():
    points = np.random.default_rng(0).uniform(0, 2000, (100_000, 2))
    with pytest.raises(
        ShapeError, match=r"of 100000 points runs through .* pixels, expected 10000000 at most"
    ):
        polygon_mask(points, (2000, 2000))
    fine = np.cumsum(np.random.default_rng(0).uniform(-1, 1, (50_000, 2)), 0) + 300
    assert polygon_mask(fine, (600, 600)).width == 600


@pytest.mark.parametrize("wh", [(0, 0), (0, 5), (5, 0)])
def test_a_mask_without_pixels_is_refused(wh):
    with pytest.raises(InputError, match="the runs of the mask do not cover"):
        mask_from_counts(b"0", wh)


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_run_takes_seven_characters_at_most(place: int) -> None:
    """Each character has five bits of the number, so the same number can be written in more, with zeros."""
    pixels = np.zeros((10, 10), bool)
    pixels[3, 0] = pixels[6:8, 0] = True
    counts = encode(pixels).counts
    for length in (2, 7, 8):
        longer = bytes([counts[place] + 32, *b"P" * (length - 2), *b"0"])
        mask = Mask(10, 10, counts[:place] + longer + counts[place + 1 :])
        if length <= 7:
            np.testing.assert_array_equal(decode(mask), pixels)
        else:
            with pytest.raises(InputError, match="no run lengths as COCO packs them"):
                decode(mask)


@pytest.mark.parametrize("counts", [b"PPP", b"1PPP", b"1o", b"1p", b"/1"])
def test_counts_outside_the_characters_or_without_an_end_are_refused(counts: bytes) -> None:
    with pytest.raises(InputError, match="no run lengths as COCO packs them"):
        decode(Mask(1, 1, counts))
