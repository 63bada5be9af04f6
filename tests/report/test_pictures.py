"""The figures: where they say that a vector was cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from objectspace.report.evidence import Choice, StoredImage, choose, stored_images
from objectspace.report.pictures import Material, _varied_objects, window_cuts
from objectspace.store import Store

STRIDE = 32  # of the tiny network's deepest head


def test_the_largest_object_of_each_label_is_varied(photo_of: Callable[..., StoredImage]) -> None:
    """By its share of the photo: wide, tall and square ones. A photo gives one."""
    photos = [
        photo_of(100, 100, ("cat", 0, 0, 90, 10), ("cat", 50, 60, 90, 90)),
        photo_of(400, 400, ("cat", 0, 0, 100, 60)),
        photo_of(100, 200, ("dog", 10, 0, 94, 30), ("cat", 0, 100, 20, 200)),
    ]
    assert _varied_objects(photos) == [(photos[2], 0), (photos[0], 1)]


@pytest.mark.parametrize("size", [2, 3])
def test_windows_are_whole_cells_the_nearest_to_the_object(indexed: Callable[..., Store], size: int) -> None:
    """An even window lies around the object's center, an odd one around that of the object's cell."""
    store = indexed(pools=(f"window{size}",))
    choice = choose(store, Choice())
    photos = stored_images(store, choice.window, 24)

    for photo, cut in zip(photos.read, window_cuts(Material(store, choice, photos, [], None)), strict=False):
        # The photo is stretched to the input of 64 x 64.
        scale = np.array([*photo.size] * 2) / 64
        boxes, windows = photo.objects.xyxy / scale, cut.window_xyxy / scale
        for box, window, cell in zip(boxes, windows, cut.cell_xyxy / scale, strict=True):
            middle = (box[:2] + box[2:]) / 2
            aim = middle if size % 2 == 0 else (middle // STRIDE + 0.5) * STRIDE
            np.testing.assert_allclose(window[2:] - window[:2], size * STRIDE, atol=1e-3)
            np.testing.assert_allclose(window / STRIDE, np.rint(window / STRIDE), atol=1e-4)
            # No block of whole cells has a center nearer than half a cell.
            assert np.abs((window[:2] + window[2:]) / 2 - aim).max() <= STRIDE / 2 + 1e-3
            np.testing.assert_allclose(cell[:2], middle // STRIDE * STRIDE, atol=1e-3)
