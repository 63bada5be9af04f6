"""Copies of photos in stores of which most photos are copies."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

import objectspace as osp
from objectspace.analyses.audit.duplicates import group_copies, make_pairs
from objectspace.search.audit import photos as photos_module
from objectspace.search.audit.photos import PhotoCopies, compare_photos, find_photo_copies
from objectspace.search.audit.small_pictures import coarse, make_pictures
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


def test_each_photo_is_told_once_when_it_is_compared_and_once_when_it_is_changed(tmp_path: Path) -> None:
    """Also those that cannot be read: one is gone, one is no picture."""
    images = save_copies(tmp_path, 3, 2)
    (tmp_path / "text.jpg").write_text("no picture")
    images += [
        ImageRow("gone", str(tmp_path / "gone.jpg"), 5, 5),
        ImageRow("x", str(tmp_path / "text.jpg"), 5, 5),
    ]
    compared, changed = list[int](), list[int]()
    photos = compare_photos(images, compared.append)
    assert compared == [1] * 8
    assert photos.rows.tolist() == list(range(6))
    assert "gone.jpg" in photos.why
    readable = [images[row] for row in photos.rows]
    found = find_photo_copies(readable, photos, count=4, seed=0, progress=changed.append)
    assert changed == [1] * 4
    assert len(found.planted) == 4 * 6


def test_where_all_are_copies_of_one_photo_none_is_left_out(tmp_path: Path) -> None:
    """Nothing tells its copies from strangers, so that nothing more is taken for one."""
    found = copies_of(save_copies(tmp_path, 1, 12))
    assert found.beyond == 0


def test_the_most_alike_are_those_of_a_loop_mirrored_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 23 pictures in blocks of five, of which some are mirrored copies of others."""
    monkeypatch.setattr(photos_module, "_BLOCK", 5)
    random = np.random.default_rng(41)
    pixels = [random.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(20)]
    pixels += [pixels[3][:, ::-1], pixels[17][:, ::-1], pixels[3]]
    pictures = make_pictures(np.ascontiguousarray(one) for one in pixels)
    planes, mirrored = (coarse(one).astype(float) for one in (pictures.reduced, pictures.reduced[..., ::-1]))
    alike = np.array([[max(a @ b, m @ b) for b in planes] for a, m in zip(planes, mirrored, strict=True)])
    for own, count in ((None, 4), (np.arange(23), 4), (np.arange(23), 40)):
        kept = alike.copy()
        if own is not None:
            np.fill_diagonal(kept, -np.inf)
        found = photos_module._most_alike(pictures, pictures, own, count)
        k = min(count, 23 - (own is not None))
        assert found.index.shape == found.distance.shape == (23, k)
        assert (found.distance == 1).all()
        taken = np.take_along_axis(kept, found.index, axis=1)
        np.testing.assert_allclose(taken, -np.sort(-kept, axis=1)[:, :k], atol=1e-6)
        assert all(len(set(row)) == k for row in found.index.tolist())


def test_the_largest_photo_is_kept_of_equals_the_first_by_path() -> None:
    sides = [("d.jpg", 4, 5), ("b.jpg", 10, 2), ("c.jpg", 30, 1), ("a.jpg", 5, 4), ("e.jpg", 3, 3)]
    images = [ImageRow(path, path, width, height) for path, width, height in sides]
    expected = sorted(images, key=lambda image: (-image.width * image.height, image.path))
    found = photos_module._largest_first(images)
    assert [images[row].path for row in np.argsort(found)] == [image.path for image in expected]
    assert sorted(found.tolist()) == [0, 1, 2, 3, 4]


def test_copies_have_one_number_and_every_other_photo_its_own() -> None:
    """Two groups of unequal sizes, photos in none, and photos that were not compared, out of order."""
    images = [ImageRow(f"id{number}", f"{number}.jpg", 1, 1) for number in range(8)]
    pairs = make_pairs(np.array([6, 6, 2]), np.array([1, 4, 5]), np.zeros(3))
    groups = group_copies(pairs, np.array([3, 4, 1, 2, 5, 6, 0, 7]))
    copies = PhotoCopies(images, None, None, 0.5, groups, 0)  # type: ignore[arg-type]
    together = [{"id6", "id1", "id4"}, {"id2", "id5"}, {"id0"}, {"id3"}, {"id7"}, {"new"}, {"other"}]
    asked = np.array(["other", "id4", "id0", "id5", "id6", "new", "id1", "id7", "id2", "id3", "id4", "other"])
    numbers = copies.numbers(asked)
    for one, number in zip(asked, numbers, strict=True):
        same = next(group for group in together if one in group)
        assert (numbers == number).tolist() == [name in same for name in asked]


@pytest.mark.parametrize(
    ("photos", "copies", "beyond"),
    [
        *[(40, 0, 0), (40, 1, 1), (40, 2, 3), (40, 3, 3), (40, 4, 7), (40, 7, 7), (40, 8, 15), (40, 16, 31)],
        *[(40, 32, None), (33, 31, 31), (32, 31, None), (3, 1, 1), (2, 1, None), (9, 7, 7), (8, 7, None)],
    ],
)
def test_strangers_are_looked_for_beyond_one_three_seven_copies(
    monkeypatch: pytest.MonkeyPatch, photos: int, copies: int, beyond: int | None
) -> None:
    """Each photo has so many copies, of which ten were compared with it; the next ones are strangers."""
    random = np.random.default_rng(61)
    apart = np.repeat([[0.1] * copies + [0.9] * (photos - 1 - copies)], photos, axis=0)
    kept = random.permuted(apart[:, :10], axis=1)
    sample = np.arange(0, photos, 2)
    asked = []

    def differences(of: object, rows: np.ndarray, far: int) -> np.ndarray:
        assert of is given
        assert rows is sample
        asked.append(far)
        return apart[rows, far]

    given = SimpleNamespace(
        compared=SimpleNamespace(numbers=np.stack([kept * 0, kept * 0, kept], axis=2)),
        difference=kept.min(axis=1),
    )
    monkeypatch.setattr(photos_module, "_differences_beyond", differences)
    monkeypatch.setattr(photos_module, "real_share", lambda planted, real: float((real > -0.5).mean()))
    found, strangers = photos_module._find_strangers(given, np.zeros(1), sample)  # type: ignore[arg-type]
    assert found == (beyond or 0)
    if beyond is None:
        assert strangers is given.difference
    else:
        assert set(strangers.tolist()) == {0.9}
        assert len(strangers) == (photos if beyond < min(10, photos - 1) else len(sample))
    assert all(far >= 10 for far in asked)
