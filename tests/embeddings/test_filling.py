"""Holes filled from around them: constants, slopes, and averages worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.embeddings.filling import fill_smoothly


def test_known_pixels_stay():
    rng = np.random.default_rng(0)
    pixels, known = rng.integers(0, 256, (37, 22, 3), np.uint8), rng.random((37, 22)) > 0.4
    assert np.array_equal(fill_smoothly(pixels, known)[known], pixels[known])


def test_what_is_not_known_has_no_influence():
    rng = np.random.default_rng(1)
    pixels, known = rng.integers(0, 256, (37, 22, 3), np.uint8), rng.random((37, 22)) > 0.9
    other = np.where(known[..., None], pixels, 255 - pixels).astype(np.uint8)
    assert np.array_equal(fill_smoothly(pixels, known), fill_smoothly(other, known))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 2), (64, 64), (33, 50)])
def test_one_known_pixel_gives_its_color_to_all(shape: tuple[int, int]):
    pixels, known = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
    pixels[-1, 0], known[-1, 0] = (10, 200, 30), True
    assert (fill_smoothly(pixels, known) == (10, 200, 30)).all()


def test_the_middle_of_two_colors_is_between_them():
    pixels, known = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), bool)
    pixels[:, 31] = 200
    known[:, 0] = known[:, 31] = True
    row = fill_smoothly(pixels, known)[16, :, 0].astype(int)
    assert (np.diff(row) >= -2).all()
    assert abs(row[15:17].mean() - 100) < 5


def test_nothing_known_is_refused():
    with pytest.raises(ValueError, match="nothing to fill from"):
        fill_smoothly(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), bool))
