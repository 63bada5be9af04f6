"""Small pictures: of a store's thumbnails without holding them, and those most alike."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from objectspace.search.audit import small_pictures
from objectspace.search.audit.photos import _most_alike
from objectspace.search.audit.small_pictures import (
    PicturesInMemory,
    coarse,
    make_pictures,
    stored_pictures,
    thumbnail_pictures,
)
from tests.search.audit.test_copies import Thumbnails, jpeg, smooth


def random_pictures(count: int, seed: int) -> PicturesInMemory:
    """Colors of few values, so that some are equally alike; the last two are flat, the first two equal."""
    drawn = np.random.default_rng(seed).integers(0, 2, (count, 12, 12, 3)) * 90
    drawn[1], drawn[-2:] = drawn[0], 50
    return make_pictures(drawn.astype(np.uint8))


def test_stored_pictures_are_those_of_the_thumbnails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows out of order and twice, in blocks of three thumbnails."""
    monkeypatch.setattr(small_pictures, "_BLOCK", 3)
    jpegs = [jpeg(smooth(seed)) for seed in range(8)]
    row = np.array([5, 0, 7, 2, 3])
    stored = stored_pictures(Thumbnails(jpegs), row)  # type: ignore[arg-type]
    held = thumbnail_pictures([jpegs[number] for number in row])
    assert (stored.reduced == held.reduced).all()
    asked = np.array([4, 1, 1, 0])
    assert (stored.levels(asked) == held.levels(asked)).all()
    some = stored.take(np.array([2, 0]))
    assert (some.reduced == held.reduced[[2, 0]]).all()
    assert (some.levels(np.array([1])) == held.levels(np.array([0]))).all()


def test_reduced_pictures_are_means_of_the_pixels_and_products_are_correlations() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 24, 48, 3), np.uint8)
    made = make_pictures(pixels)
    means = pixels.reshape(2, 12, 2, 12, 4, 3).mean((2, 4)).transpose(0, 3, 1, 2)
    assert np.abs(made.reduced - means).max() <= 1  # rows are rounded before columns
    centered = made.reduced.astype(np.float64)
    centered -= centered.mean((2, 3), keepdims=True)
    one, other = centered.reshape(2, -1)
    expected = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    products = coarse(made.reduced) @ coarse(made.reduced).T
    assert products == pytest.approx(np.array([[1, expected], [expected, 1]]), abs=1e-5)
    assert coarse(np.full((1, 3, 12, 12), 9, np.uint8)).tolist() == [[0.0] * 432]


@pytest.mark.parametrize("of_itself", [True, False])
def test_the_most_alike_are_those_of_all_products_mirrored_or_not(of_itself: bool) -> None:
    """Beside float64 products of all with all: equally alike ones may come in any order."""
    others = random_pictures(70, 1)
    pictures = others if of_itself else random_pictures(20, 2)
    own = np.arange(70) if of_itself else None
    found = _most_alike(pictures, others, own, 6).index
    ours, theirs = (coarse(one.reduced).astype(np.float64) for one in (pictures, others))
    mirrored = coarse(others.reduced[..., ::-1]).astype(np.float64)
    alike = np.maximum(ours @ theirs.T, ours @ mirrored.T)
    if of_itself:
        np.fill_diagonal(alike, -np.inf)
    expected = -np.sort(-alike, axis=1)[:, :6]
    assert np.take_along_axis(alike, found, 1) == pytest.approx(expected, abs=1e-5)
    assert all(len(set(row)) == 6 for row in found.tolist())


def test_of_fewer_pictures_than_asked_for_all_are_the_most_alike() -> None:
    three = make_pictures([np.asarray(PIL.Image.fromarray(smooth(seed))) for seed in range(3)])
    found = _most_alike(three, three, np.arange(3))
    assert np.sort(found.index, axis=1).tolist() == [[1, 2], [0, 2], [0, 1]]
    alone = three.take(np.array([0]))
    assert _most_alike(alone, alone, np.array([0])).index.shape == (1, 0)
    assert _most_alike(make_pictures([]), three).index.shape == (0, 3)
