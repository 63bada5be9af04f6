"""Images resampled onto a network's input, against loops over its pixels."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.errors import InputError
from objectspace.images import Image, Pixels
from objectspace.models.inputs import GRAY, checked_inputs, resample_onto
from objectspace.objects.boxes import Frame


def bilinear(pixels: np.ndarray, frame_wh: tuple[int, int], wanted_wh: tuple[int, int]) -> np.ndarray:
    """Interpolate between pixel centers; ``pixels`` are those of a frame of this size, at any scale of 1/2^n.

    A pixel of the frame at a scale of 1/2 is the mean of two, so the last one of an odd side is half outside.
    """
    factor = round(frame_wh[0] / pixels.shape[1])
    out = np.empty((wanted_wh[1], wanted_wh[0], 3))
    for row in range(wanted_wh[1]):
        for column in range(wanted_wh[0]):
            y = (row + 0.5) * frame_wh[1] / wanted_wh[1] / factor - 0.5
            x = (column + 0.5) * frame_wh[0] / wanted_wh[0] / factor - 0.5
            y, x = (min(max(at, 0), side - 1) for at, side in zip((y, x), pixels.shape, strict=False))
            top, left = int(y), int(x)
            bottom, right = min(top + 1, pixels.shape[0] - 1), min(left + 1, pixels.shape[1] - 1)
            upper = pixels[top, left] * (left + 1 - x) + pixels[top, right] * (x - left)
            lower = pixels[bottom, left] * (left + 1 - x) + pixels[bottom, right] * (x - left)
            out[row, column] = upper * (top + 1 - y) + lower * (y - top)
    return out


def mean_of_blocks(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return pixels.reshape(height // 2, 2, width // 2, 2, 3).astype(float).mean((1, 3))


def draw(width: int, height: int) -> Pixels:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("image_wh", "wanted_wh", "halvings"),
    [
        ((20, 12), (20, 12), 0),
        ((20, 12), (32, 30), 0),
        ((20, 12), (13, 11), 0),
        ((20, 12), (11, 9), 0),
        ((20, 12), (10, 6), 1),
        ((20, 12), (9, 5), 1),
        ((40, 24), (10, 6), 2),
        ((40, 24), (21, 3), 0),
    ],
)
def test_pixels_are_halved_and_interpolated(
    image_wh: tuple[int, int], wanted_wh: tuple[int, int], halvings: int
) -> None:
    pixels = draw(*image_wh)
    frame = Frame(image_wh, wanted_wh, (wanted_wh[0] / image_wh[0], wanted_wh[1] / image_wh[1]), (0, 0))
    found = resample_onto(Image("i", "a", pixels, *image_wh), frame)
    halved = pixels.astype(float)
    for _ in range(halvings):
        halved = mean_of_blocks(halved)
    assert found.dtype == np.uint8
    # Each halving rounds once more.
    np.testing.assert_allclose(found, bilinear(halved, image_wh, wanted_wh), atol=1 + 0.5 * halvings)
    if wanted_wh == image_wh:
        np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("wanted_wh", [(20, 12), (13, 12), (20, 7), (30, 18), (11, 7)])
def test_an_image_at_half_its_scale_has_the_place_of_the_whole_one(wanted_wh: tuple[int, int]) -> None:
    pixels = draw(10, 6)
    frame = Frame((20, 12), wanted_wh, (wanted_wh[0] / 20, wanted_wh[1] / 12), (0, 0))
    found = resample_onto(Image("i", "a", pixels, 20, 12), frame)
    np.testing.assert_allclose(found, bilinear(pixels.astype(float), (20, 12), wanted_wh), atol=1)


@pytest.mark.parametrize(
    ("image_wh", "scale", "offset_xy"),
    [((20, 12), 1.6, (0, 6)), ((12, 20), 1.6, (6, 0)), ((20, 12), 1.2, (4, 9)), ((16, 16), 1.0, (5, 3))],
)
def test_what_the_image_does_not_cover_is_gray(
    image_wh: tuple[int, int], scale: float, offset_xy: tuple[int, int]
) -> None:
    pixels = draw(*image_wh)
    found = resample_onto(
        Image("i", "a", pixels, *image_wh), Frame(image_wh, (32, 32), (scale, scale), offset_xy)
    )
    (left, top), (width, height) = offset_xy, (round(side * scale) for side in image_wh)
    expected = np.full((32, 32, 3), float(GRAY))
    expected[top : top + height, left : left + width] = bilinear(
        pixels.astype(float), image_wh, (width, height)
    )
    np.testing.assert_allclose(found, expected, atol=1)
    assert GRAY == 128


def test_inputs_of_another_size_or_type_are_refused() -> None:
    whole = [np.full((4, 6, 3), n, np.uint8) for n in range(3)]
    stacked = checked_inputs(whole, (6, 4))
    np.testing.assert_array_equal(stacked, np.stack(whole))
    stacked[0] = 7
    assert not whole[0].any()
    for wrong in (
        np.zeros((1, 6, 4, 3), np.uint8),
        np.zeros((4, 6, 3), np.uint8),
        np.zeros((1, 4, 6, 3)),
        np.zeros((1, 4, 6, 4), np.uint8),
    ):
        with pytest.raises(InputError, match=r"expected \(b, 4, 6, 3\) uint8"):
            checked_inputs(wrong, (6, 4))
