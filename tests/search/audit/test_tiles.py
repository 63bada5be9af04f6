"""Pictures of audited objects and photos, of photos whose every pixel tells where it is."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

from objectspace.images import encode_thumbnail, read_image
from objectspace.objects.records import concatenate, make_objects
from objectspace.search.audit.tiles import LEAST, TILE_SIDE, object_tiles, photo_tiles
from objectspace.store import ImageRow


def where(width: int, height: int) -> np.ndarray:
    """Pixels of their column, their row and 7."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.full_like(rows, 7)], axis=2).astype(np.uint8)


class FakeStore(SimpleNamespace):
    """Photos on disk, one of which is gone, and their objects, given in no order."""

    def __init__(self, folder: Path, wh: list[tuple[int, int]], boxes: list[list[list[float]]]) -> None:
        self.rows, parts = [], []
        for number, (size, own) in enumerate(zip(wh, boxes, strict=True)):
            path = folder / f"{number}.png"
            PIL.Image.fromarray(where(*size)).save(path)
            image_id = read_image(path).image_id
            self.rows.append(ImageRow(image_id, str(path), *size))
            parts.append(
                make_objects(image_id=image_id, xyxy=np.float32(own), label=["a"] * len(own), source="hand@1")
            )
        self.all = concatenate(parts)
        self.ids = self.all.object_id.tolist()

    def objects(self, ids: Any) -> Any:
        return self.all.take(np.array([self.ids.index(name) for name in ids]))

    def images_by_id(self, ids: Any) -> dict[str, ImageRow]:
        return {row.image_id: row for row in self.rows if row.image_id in list(ids)}

    def thumbnails(self, ids: Any) -> list[bytes]:
        gray = (np.full((5, 5 + self.ids.index(name), 3), 128, np.uint8) for name in ids)
        return [encode_thumbnail(pixels) for pixels in gray]


BOXES = [
    [[10, 20, 40, 60], [0, 0, 8, 6], [150, 90, 200, 120], [60, 30.5, 160.25, 70]],
    [[5, 5, 25, 25]],
    [[30, 20, 120, 100], [1, 1, 3, 90]],
]


def test_objects_are_shown_in_half_as_much_around_them(tmp_path: Path) -> None:
    """Of small ones 48 pixels a side, no farther than the photo; the box is where the object is."""
    store = FakeStore(tmp_path, [(200, 120), (40, 30), (130, 110)], BOXES)
    asked = [store.ids[place] for place in (5, 2, 0, 6, 3, 1, 4)]
    found = object_tiles(store, asked)  # type: ignore[arg-type]
    assert set(found) == set(asked)
    sizes = {row.image_id: (row.width, row.height) for row in store.rows}
    for object_id, box, image in zip(store.ids, store.all.xyxy.tolist(), store.all.image_id, strict=True):
        tile = found[object_id]
        shown = []
        for low, high, side in zip(box[:2], box[2:], sizes[image], strict=True):
            around = max((high - low) / 2, (LEAST - (high - low)) / 2)
            shown.append((math.floor(max(low - around, 0)), math.ceil(min(high + around, side))))
        (left, right), (top, bottom) = shown
        assert tile.picture.shape == (bottom - top, right - left, 3)
        np.testing.assert_array_equal(tile.picture, where(*sizes[image])[top:bottom, left:right])
        np.testing.assert_allclose(tile.xyxy, np.array(box) - [left, top, left, top])


def test_large_surroundings_are_reduced_with_the_box(tmp_path: Path) -> None:
    store = FakeStore(tmp_path, [(600, 250), (250, 700)], [[[100, 50, 500, 200]], [[50, 100, 150, 600]]])
    for object_id, wh, box in zip(store.ids, ((600, 250), (250, 700)), store.all.xyxy, strict=True):
        tile = object_tiles(store, [object_id])[object_id]  # type: ignore[arg-type]
        low = np.maximum(np.floor(box[:2] - (box[2:] - box[:2]) / 2), 0)
        high = np.minimum(np.ceil(box[2:] + (box[2:] - box[:2]) / 2), wh)
        scale = TILE_SIDE / max(high - low)
        assert max(tile.picture.shape) == TILE_SIDE
        assert tile.picture.shape[:2] == tuple(np.rint((high - low)[::-1] * scale).astype(int))
        np.testing.assert_allclose(tile.xyxy, (box - np.tile(low, 2)) * scale)


def test_an_object_whose_photo_is_gone_is_shown_by_its_thumbnail(tmp_path: Path) -> None:
    store = FakeStore(tmp_path, [(200, 120), (40, 30), (130, 110)], BOXES)
    Path(store.rows[2].path).unlink()
    found = object_tiles(store, store.ids)  # type: ignore[arg-type]
    for place, object_id in enumerate(store.ids):
        gone = place >= 5
        assert (found[object_id].xyxy is None) is gone
        assert not gone or found[object_id].picture.shape == (5, 5 + place, 3)


@pytest.mark.parametrize("wh", [(40, 30), (256, 100), (512, 100), (3, 900), (2000, 2)])
def test_photos_are_shown_whole_and_a_gray_field_for_one_that_is_gone(
    tmp_path: Path, wh: tuple[int, int]
) -> None:
    store = FakeStore(tmp_path, [wh, (20, 20)], [[[0, 0, 1, 1]], [[0, 0, 1, 1]]])
    Path(store.rows[1].path).unlink()
    found = photo_tiles(store, [row.image_id for row in store.rows])  # type: ignore[arg-type]
    whole, gone = (found[row.image_id] for row in store.rows)
    scale = min(1, 256 / max(wh))
    expected = max(1, round(wh[1] * scale)), max(1, round(wh[0] * scale)), 3
    assert whole.picture.shape == expected
    assert whole.xyxy is None
    if scale == 1:
        np.testing.assert_array_equal(whole.picture, where(*wh))
    assert gone.xyxy is None
    assert gone.picture.shape == (9, 9, 3)
    assert set(gone.picture.ravel().tolist()) == {200}
