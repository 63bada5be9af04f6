"""The steps between an audit's lists and what they are made of, one object at a time; ways of planting."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

from objectspace.analyses.audit.duplicates import group_copies, make_pairs
from objectspace.objects.masks import decode, encode
from objectspace.objects.records import concatenate, make_objects
from objectspace.search import audit
from objectspace.search.approximate import ApproximateIndex
from objectspace.search.audit import plants
from objectspace.store import ImageRow

NONE = -1


# ------------------------------------------------------------------------------------------------------ leaks


def splits(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The split of 30 objects, of some not known, and their ids out of order."""
    rng = np.random.default_rng(seed)
    split = np.array(["train", "test", "val", None, ""], object)[
        rng.choice(5, 30, p=[0.4, 0.2, 0.2, 0.1, 0.1])
    ]
    return split, np.array([f"id{number:02d}" for number in rng.permutation(30)])


def listed(split: np.ndarray, ids: np.ndarray, ends: list[tuple[int, int, float]]) -> list[tuple[Any, ...]]:
    """Each object with the least different one of another split, the least different objects first."""
    found = []
    for row in range(30):
        others = [(far, ids[other], other) for one, other, far in ends if one == row]
        others = [one for one in others if split[row] and split[one[2]] and split[row] != split[one[2]]]
        if others:
            far, name, other = min(others)
            found.append((far, ids[row], split[row], name, split[other]))
    return sorted(found)


def rows_of(made: audit.AuditList) -> list[tuple[Any, ...]]:
    columns = (made.columns[name] for name in ("split", "leaks_to", "other_split"))
    split, leaks_to, other_split = (column.tolist() for column in columns)
    return list(zip(made.score.tolist(), made.object_id.tolist(), split, leaks_to, other_split, strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_leaks_of_the_nearest_are_to_another_known_split(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    (split, ids), nearest = splits(seed), rng.integers(0, 29, 30)
    nearest += nearest >= np.arange(30)
    nearest[rng.integers(0, 30, 4)] = NONE
    apart = rng.integers(0, 5, 30) / 8
    copies = SimpleNamespace(nearest=nearest, difference=apart, strangers=np.arange(3))
    compared = audit._ComparedCopies(copies, None, None, -np.inf)  # type: ignore[arg-type]
    made = audit._Auditor._leaks(SimpleNamespace(_split=split, _ids=ids), compared)  # type: ignore[arg-type]
    ends = [(row, int(nearest[row]), float(apart[row])) for row in range(30) if nearest[row] != NONE]
    assert rows_of(made) == listed(split, ids, ends) != []
    assert (made.name, made.score_name, made.listed) == ("leaks", "difference", None)


@pytest.mark.parametrize("seed", range(3))
def test_leaks_of_pairs_are_of_both_their_ends(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    split, ids = splits(seed)
    first, second = rng.integers(0, 30, (2, 60))
    pairs = make_pairs(
        first[first != second], second[first != second], rng.integers(0, 5, 60)[first != second] / 8
    )
    compared = audit._ComparedCopies(SimpleNamespace(strangers=np.arange(3)), pairs, None, -0.5)  # type: ignore[arg-type]
    made = audit._Auditor._leaks(SimpleNamespace(_split=split, _ids=ids), compared)  # type: ignore[arg-type]
    ends = list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True))
    ends += [(other, one, far) for one, other, far in ends]
    assert rows_of(made) == listed(split, ids, ends) != []


# ---------------------------------------------------------------------------------------------------- columns


def test_the_most_suspicious_come_first_equals_by_id_and_what_is_not_known_last() -> None:
    suspicion = np.array([0.5, np.nan, 2.0, 0.5, -np.inf, 2.0, np.nan])
    ids = np.array(list("gbfacde"))
    assert ids[audit._ranking(suspicion, ids)].tolist() == ["d", "f", "a", "g", "c", "b", "e"]


def test_nobody_has_no_name() -> None:
    ids = np.array(["a", "b", "c"])
    assert audit._named(ids, np.array([2, NONE, 0, NONE])).tolist() == ["c", None, "a", None]


def test_photos_of_groups_are_kept_or_copies_of_the_one_that_is() -> None:
    ids = np.array([f"p{number}" for number in range(7)])
    groups = group_copies(
        make_pairs(np.array([0, 4, 6]), np.array([4, 2, 5]), np.zeros(3)), np.arange(7)[::-1].copy()
    )
    found = audit._photo_columns(groups, ids)
    assert found["kept"].tolist() == [False, None, False, None, True, False, True]
    assert found["copy_of"].tolist() == ["p4", None, "p4", None, None, "p6", None]
    assert audit._keepers(groups).tolist() == [6, 6, 4, 4, 4]


def test_of_copies_the_largest_photo_is_kept_then_the_first_by_path_then_the_largest_object() -> None:
    sizes = [(10, 10), (5, 30), (10, 10), (2, 3)]
    images = [ImageRow(f"i{n}", f"{'dbca'[n]}.jpg", *size) for n, size in enumerate(sizes)]
    boxes = [[[0, 0, 2, 2], [0, 0, 3, 3]], [[0, 0, 1, 1]], [[0, 0, 4, 4], [1, 1, 5, 5]], [[0, 0, 2, 2]]]
    parts = [
        make_objects(image_id=image.image_id, xyxy=np.float32(box), label=["x"] * len(box), source="s")
        for image, box in zip(images, boxes, strict=True)
    ]
    objects = concatenate(parts)
    of = [image for image, box in zip(images, boxes, strict=True) for _ in box]
    keys = [
        (-image.width * image.height, image.path, -float((box[2] - box[0]) * (box[3] - box[1])), name)
        for image, box, name in zip(of, objects.xyxy.tolist(), objects.object_id.tolist(), strict=True)
    ]
    rank = audit._by_photo(objects, of)
    assert np.argsort(rank).tolist() == sorted(range(6), key=keys.__getitem__)


@pytest.mark.parametrize(
    ("beyond", "told"), [(0, ""), (1, "each one's nearest one"), (3, "each one's 3 nearest,")]
)
def test_the_threshold_says_whose_nearest_are_left_out(beyond: int, told: str) -> None:
    assert told in audit._told_by(beyond)
    assert ("without" in audit._told_by(beyond)) is (beyond > 0)


def test_rows_of_the_own_group_are_counted_and_none_of_a_query_without_one() -> None:
    stage = SimpleNamespace(_rows=SimpleNamespace(group=np.array([0, 0, 1, 2, 2, 2])))
    rows, own = np.array([0, 2, 3, 5]), np.array([-1, 0, 1, 2, -1])
    count = ApproximateIndex._count_rows
    assert count(stage, rows, own).tolist() == [0, 1, 1, 2, 0]  # type: ignore[arg-type]
    assert count(stage, rows[:0], np.array([-1, -1])).tolist() == [0, 0]  # type: ignore[arg-type]
    stage._rows.group = None
    assert count(stage, rows, own).tolist() == [0] * 5  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------- planting


def waves(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([127 + 100 * np.sin(x / 9), 127 + 100 * np.cos(y / 7), 255 * x / width], axis=2).astype(
        np.uint8
    )


@pytest.mark.parametrize(
    ("most", "largest"), [(12_000_000, 2.0), (80 * 60 * 2, 2**0.5), (80 * 60 // 2, 0.5**0.5), (100, 0.5)]
)
def test_a_photo_is_resized_from_a_half_to_twice_and_to_no_more_pixels_than_the_most(
    most: int, largest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plants, "LARGEST_PIXELS", most)
    pixels, seen = waves(60, 80), []
    for seed in range(40):
        changed = plants._resized(pixels, np.random.default_rng(seed))
        height, width = changed.pixels.shape[:2]
        seen.append(width / 80)
        assert height == pytest.approx(60 * width / 80, abs=1)
        box = np.float32([8, 6, 40, 30])
        np.testing.assert_allclose(
            changed.box(box), box * np.float32([width / 80, height / 60] * 2), rtol=1e-5
        )
        assert changed.mask(np.ones((60, 80), bool)).shape == (height, width)
        # The same place is as bright.
        one, other = pixels[30, 40, 2], changed.pixels[height // 2, width // 2, 2]
        assert int(one) == pytest.approx(int(other), abs=8)
    assert max(seen) <= largest + 0.01
    assert max(seen) > 0.9 * largest
    assert 0.49 <= min(seen) < 0.6


def test_colors_are_changed_each_for_itself() -> None:
    pixels = np.full((2, 2, 3), 100, np.uint8)
    gains = (
        np.array([plants._recolored(pixels, np.random.default_rng(seed)).pixels[0, 0] for seed in range(300)])
        / 100
    )
    together = gains.mean(1)
    assert (together.min(), together.max()) == (pytest.approx(0.66, abs=0.06), pytest.approx(1.37, abs=0.1))
    single = gains / together[:, None]
    assert 0.82 < single.min() < 0.92
    assert 1.08 < single.max() < 1.2
    # A pixel is no brighter than it can be.
    bright = [plants._recolored(pixels + 150, np.random.default_rng(seed)).pixels for seed in range(20)]
    assert max(one.max() for one in bright) == 255
    assert min(one.min() for one in bright) > 100


def test_a_mirrored_photo_has_its_boxes_on_the_other_side() -> None:
    pixels = waves(60, 80)
    changed = plants._mirrored(pixels, np.random.default_rng(0))
    np.testing.assert_array_equal(changed.pixels, pixels[:, ::-1])
    assert changed.box(np.float32([5, 10, 25, 30])).tolist() == [55, 10, 75, 30]
    mask = np.zeros((60, 80), bool)
    mask[10:30, 5:25] = True
    assert np.flatnonzero(changed.mask(mask).any(0)).tolist() == list(range(55, 75))


@pytest.mark.parametrize("seed", range(6))
def test_a_turned_box_holds_what_was_in_it(seed: int) -> None:
    mask = np.zeros((60, 80), bool)
    mask[25:40, 20:50] = True
    changed = plants._turned(waves(60, 80), np.random.default_rng(seed))
    left, top, right, bottom = changed.box(np.float32([20, 25, 50, 40]))
    turned = changed.mask(mask)
    rows, columns = np.flatnonzero(turned.any(1)), np.flatnonzero(turned.any(0))
    around = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert (left, top, right, bottom) == pytest.approx(around, abs=1.6)
    # By 3 to 10 degrees: the box of 30 x 15 grows by its sides' sines and cosines.
    angle = np.radians(np.linspace(3, 10, 200))
    widths, heights = 30 * np.cos(angle) + 15 * np.sin(angle), 30 * np.sin(angle) + 15 * np.cos(angle)
    assert widths.min() - 0.01 <= right - left <= widths.max() + 0.01
    assert heights.min() - 0.01 <= bottom - top <= heights.max() + 0.01


def test_a_box_loses_a_twentieth_to_a_fifth_of_each_side_on_both_ends() -> None:
    box, lost = np.float32([10, 20, 110, 70]), []
    for seed in range(300):
        left, top, right, bottom = plants._trimmed(box, np.random.default_rng(seed))
        lost.append([(left - 10) / 100, (110 - right) / 100, (top - 20) / 50, (70 - bottom) / 50])
    sides = np.array(lost)
    assert sides.min() >= 0
    for both in (sides[:, :2].sum(1), sides[:, 2:].sum(1)):
        assert 0.05 <= both.min() < 0.055
        assert 0.195 < both.max() <= 0.2 + 1e-6
    assert sides.mean(0) == pytest.approx([0.0625] * 4, abs=0.006)


def test_a_shifted_box_is_beside_its_object_and_in_the_picture() -> None:
    box, wh, seen = np.float32([40, 30, 60, 40]), (100, 80), []
    for seed in range(200):
        offset = plants._shift(box, box[None], wh, np.random.default_rng(seed))
        assert offset is not None
        assert (offset == np.rint(offset)).all()
        seen.append(offset / [20, 10])
    far = np.linalg.norm(seen, axis=1)
    assert 0.5 < far.min() < 0.7
    assert 0.95 < far.max() < 1.1
    assert np.abs(seen).max(1).min() >= 0.4
    assert np.abs(np.mean(seen, axis=0)).max() < 0.2
    # There is no room beside an object that fills the picture, and beside one at the border there is.
    assert plants._shift(np.float32([0, 0, 100, 80]), box[None], wh, np.random.default_rng(0)) is None
    corner = plants._shift(np.float32([0, 0, 20, 10]), box[None], wh, np.random.default_rng(0))
    assert corner is not None
    assert (corner >= 0).all()


def test_a_box_of_the_background_is_anywhere_that_objects_hardly_cover() -> None:
    box, others, wh = np.float32([40, 30, 60, 40]), np.float32([[40, 30, 60, 40], [0, 0, 30, 80]]), (100, 80)
    places = []
    for seed in range(200):
        offset = plants._to_background(box, others, wh, np.random.default_rng(seed))
        assert offset is not None
        moved = box + np.tile(offset, 2)
        assert (moved[:2] >= 0).all()
        assert (moved[2:] <= wh).all()
        assert plants._covered(moved.astype(np.float32), others) <= 0.1
        places.append(moved[:2])
    assert np.min(places, axis=0) == pytest.approx([28, 0], abs=2)
    assert np.max(places, axis=0) == pytest.approx([80, 70], abs=2)
    assert plants._to_background(box, np.float32([[0, 0, 100, 80]]), wh, np.random.default_rng(0)) is None


def test_the_share_of_a_box_that_others_cover_is_the_largest_one() -> None:
    rng = np.random.default_rng(4)
    for _ in range(60):
        corner = rng.integers(0, 9, (4, 2))
        boxes = np.hstack([corner, corner + rng.integers(1, 9, (4, 2))]).astype(np.float32)
        cells = np.zeros((4, 20, 20), bool)
        for number, (left, top, right, bottom) in enumerate(boxes.astype(int)):
            cells[number, top:bottom, left:right] = True
        shares = [(cells[0] & other).sum() / cells[0].sum() for other in cells[1:]]
        assert plants._covered(boxes[0], boxes[1:]) == pytest.approx(max(shares))
    assert plants._covered(boxes[0], boxes[:0]) == 0


def test_a_mask_moves_with_its_box() -> None:
    mask = np.zeros((12, 20), bool)
    mask[3:6, 4:9] = True
    moved = plants._shifted_mask(encode(mask), np.array([6.0, -2.0]))
    assert moved is not None
    expected = np.zeros((12, 20), bool)
    expected[1:4, 10:15] = True
    np.testing.assert_array_equal(decode(moved), expected)
    assert plants._shifted_mask(None, np.array([6.0, -2.0])) is None


def test_photos_are_changed_in_each_way() -> None:
    pixels = waves(60, 80)
    made = dict(plants.changed_photos(pixels, np.random.default_rng(3)))
    assert tuple(made) == plants.COPIES
    assert made["jpeg"].shape == pixels.shape
    assert 0 < np.abs(made["jpeg"].astype(int) - pixels).mean() < 12
    np.testing.assert_array_equal(made["flipped"], pixels[:, ::-1])
    height, width = made["cropped"].shape[:2]
    assert 0.78 * 80 <= width <= 0.97 * 80
    assert 0.78 * 60 <= height <= 0.97 * 60
    places = [(y, x) for y in range(61 - height) for x in range(81 - width)]
    assert any((pixels[y : y + height, x : x + width] == made["cropped"]).all() for y, x in places)


def test_what_is_turned_out_of_the_picture_is_left_out() -> None:
    """Of three objects one is in a corner that the turn takes out, one keeps less than a pixel."""
    masks = np.zeros((3, 60, 80), bool)
    masks[0, 20:40, 30:60], masks[1, :1, :1], masks[2, 5:15, 30:40] = True, True, True
    xyxy = np.float32([[30, 20, 60, 40], [0, 0, 1, 1], [30, 5, 40, 15]])
    objects = make_objects(
        image_id="i" * 32, xyxy=xyxy, label=["a", "b", "c"], source="s", mask=[encode(one) for one in masks]
    )
    made = plants._planted(
        "rotated", plants._turned(waves(60, 80), np.random.default_rng(1)), objects, np.array([5, 7, 9])
    )
    assert made is not None
    assert made.row.tolist() == [5, 9]
    assert len(made.mask) == len(made.xyxy) == 2
    assert np.asarray(PIL.Image.open(io.BytesIO(made.data))).shape == (60, 80, 3)
    for box, mask in zip(made.xyxy, made.mask, strict=True):
        assert mask is not None
        there = decode(mask)
        rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
        assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    nothing = objects.take(np.array([1]))
    turned = plants._turned(waves(60, 80), np.random.default_rng(1))
    assert plants._planted("rotated", turned, nothing, np.array([7])) is None
