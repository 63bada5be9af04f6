"""Copies of photos in stores of which most photos are copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import objectspace as osp
from objectspace.search.audit.photos import PhotoCopies, compare_photos, find_photo_copies
from objectspace.store import ImageRow


def save_copies(folder: Path, scenes: int, times: int) -> list[ImageRow]:
    """Write ``0-0.jpg`` and so on: scenes of the drawn world, each saved so many times at other qualities."""
    rows = []
    for number in range(scenes):
        pixels = PIL.Image.fromarray(osp.draw_scene(seed=5, index=number).pixels)
        for time in range(times):
            path = folder / f"{number}-{time}.jpg"
            pixels.save(path, quality=95 - 3 * time)
            rows.append(ImageRow(osp.read_image(path).image_id, str(path), *pixels.size))
    return rows


def copies_of(images: list[ImageRow], *, planted: int = 12) -> PhotoCopies:
    photos = compare_photos(images, lambda photos: None)
    return find_photo_copies(images, photos, count=planted, seed=0, progress=lambda photos: None)


def scene(image: ImageRow) -> str:
    return Path(image.path).stem.split("-")[0]


@pytest.mark.parametrize(("scenes", "times", "beyond"), [(16, 1, 0), (16, 2, 1), (8, 4, 3), (4, 13, 15)])
def test_copies_are_told_from_strangers_beyond_them(
    tmp_path: Path, scenes: int, times: int, beyond: int
) -> None:
    """Each scene saved once, twice, four times, and more often than photos are compared."""
    images = save_copies(tmp_path, scenes, times)
    found = copies_of(images)
    assert found.beyond == beyond
    assert found.planted.suspicion[found.planted.kind == "jpeg"].min() > found.threshold
    groups = found.groups
    if times == 1:
        assert not len(groups)
        return
    assert len(groups) == len(images)
    assert groups.count == scenes
    keepers = groups.row[groups.kept][groups.group]
    assert [scene(images[row]) for row in groups.row] == [scene(images[row]) for row in keepers]
    numbers = found.numbers(np.array([image.image_id for image in images]))
    assert len(set(numbers.tolist())) == scenes


def test_where_all_are_copies_of_one_photo_none_is_left_out(tmp_path: Path) -> None:
    """Nothing tells its copies from strangers, so that nothing more is taken for one."""
    found = copies_of(save_copies(tmp_path, 1, 12))
    assert found.beyond == 0
