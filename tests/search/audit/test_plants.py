"""Planted pictures: the boxes and masks of a changed photo are where its objects have gone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from objectspace.images import Image, decode_image, image_from_array
from objectspace.objects.masks import decode, encode
from objectspace.objects.records import Objects, make_objects
from objectspace.scenes.world import draw_scene
from objectspace.search.audit import plants
from objectspace.search.audit.plants import COPIES, PlantedPicture, copies_of, drawn_strangers, strangers_of

RED, BLUE, WH = (230, 20, 20), (20, 20, 230), (200, 160)
BOXES = np.float32([[20, 30, 90, 80], [120, 90, 180, 150]])


def photo(masked: bool) -> tuple[Image, Objects]:
    """A red and a blue rectangle on gray; with masks, those of the rectangles."""
    pixels = np.full((WH[1], WH[0], 3), 128, np.uint8)
    masks = np.zeros((2, WH[1], WH[0]), bool)
    for number, ((left, top, right, bottom), color) in enumerate(
        zip(BOXES.astype(int), (RED, BLUE), strict=True)
    ):
        pixels[top:bottom, left:right] = color
        masks[number, top:bottom, left:right] = True
    image = image_from_array(pixels)
    objects = make_objects(
        image_id=image.image_id,
        xyxy=BOXES,
        label=["red", "blue"],
        source="hand@1",
        mask=[encode(mask) for mask in masks] if masked else None,
    )
    return image, objects


def shown(picture: PlantedPicture, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels look like the object, and which are in its box."""
    pixels = decode_image(picture.data, path="planted").pixels.astype(int)
    channel, other = (0, 2) if picture.row[number] == 70 else (2, 0)
    like = pixels[..., channel] - pixels[..., other] > 60
    left, top, right, bottom = np.rint(picture.xyxy[number]).astype(int)
    inside = np.zeros(like.shape, bool)
    inside[top:bottom, left:right] = True
    return like, inside


@pytest.mark.parametrize("masked", [False, True])
def test_the_boxes_of_copies_are_where_the_objects_have_gone(masked: bool) -> None:
    image, objects = photo(masked)
    for seed in range(3):
        made = list(copies_of(image, objects, np.array([70, 71]), np.random.default_rng(seed)))
        assert [one.kind for one in made] == ["jpeg", "resized", "flipped", "recolored", "rotated", "cropped"]
        assert {one.kind for one in made} == set(COPIES)
        for picture in made:
            assert picture.row.tolist() == [70, 71]
            for number in range(2):
                like, inside = shown(picture, number)
                # A turned box holds corners of the background; a trimmed one is all object.
                if picture.kind == "cropped":
                    assert (like & inside).sum() == inside.sum()
                    assert 0.6 <= inside.sum() / like.sum() <= 0.93
                else:
                    assert (like & inside).sum() >= 0.93 * like.sum()
                    assert (like & inside).sum() >= (
                        0.6 if picture.kind == "rotated" else 0.95
                    ) * inside.sum()
                if masked and picture.kind != "cropped":
                    mask = picture.mask[number]
                    assert mask is not None
                    overlap = (decode(mask) & like).sum() / (decode(mask) | like).sum()
                    assert overlap > 0.93, picture.kind


def test_copies_change_the_pixels() -> None:
    image, objects = photo(False)
    made = {
        one.kind: decode_image(one.data, path="x").pixels
        for one in copies_of(image, objects, np.arange(2), np.random.default_rng(1))
    }
    same = [kind for kind, pixels in made.items() if np.array_equal(pixels, image.pixels)]
    assert same == ["cropped"]
    height, width = made["resized"].shape[:2]
    assert (width, height) != WH
    assert 0.5 <= width / WH[0] <= 2


def test_noise_is_in_the_objects_places_only() -> None:
    image, objects = photo(False)
    noise = next(strangers_of(image, objects, np.arange(2), np.random.default_rng(0)))
    changed = (decode_image(noise.data, path="x").pixels != image.pixels).any(2)
    inside = np.zeros(changed.shape, bool)
    for left, top, right, bottom in BOXES.astype(int):
        inside[top:bottom, left:right] = True
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.95


def test_wrong_boxes_are_beside_their_object_and_keep_its_size() -> None:
    image, objects = photo(True)
    made = {
        one.kind: one for one in strangers_of(image, objects, np.array([70, 71]), np.random.default_rng(2))
    }
    assert list(made) == ["noise", "shifted box", "background"]
    for kind in ("shifted box", "background"):
        picture = made[kind]
        for row, box, mask in zip(picture.row, picture.xyxy, picture.mask, strict=True):
            own = BOXES[row - 70]
            assert np.allclose(box[2:] - box[:2], own[2:] - own[:2])
            assert (box >= 0).all()
            assert (box[2:] <= WH).all()
            sides = np.maximum(np.minimum(box[2:], BOXES[:, 2:]) - np.maximum(box[:2], BOXES[:, :2]), 0)
            covered = sides.prod(1) / (box[2:] - box[:2]).prod()
            assert covered.max() <= (0.1 if kind == "background" else 0.6)
            assert mask is not None
            left, top, right, bottom = box.astype(int)
            assert decode(mask)[top:bottom, left:right].all()
            assert decode(mask).sum() == (right - left) * (bottom - top)


def test_a_photo_that_is_all_object_has_no_background() -> None:
    image, _ = photo(False)
    whole = make_objects(
        image_id=image.image_id, xyxy=np.float32([[0, 0, *WH]]), label=["all"], source="hand@1"
    )
    made = [one.kind for one in strangers_of(image, whole, np.zeros(1, int), np.random.default_rng(0))]
    assert made == ["noise"]


def test_drawn_strangers_are_of_no_object() -> None:
    made = list(drawn_strangers(5, seed=3))
    assert sum(len(one.row) for one in made) >= 5
    assert all((one.row == -1).all() and all(one.mask) for one in made)


def test_no_more_strangers_are_drawn_than_are_asked_for() -> None:
    first = len(draw_scene(3, 0).xyxy)
    for count, pictures in ((1, 1), (first, 1), (first + 1, 2)):
        made = list(drawn_strangers(count, seed=3))
        assert len(made) == pictures
        for number, one in enumerate(made):
            np.testing.assert_array_equal(one.xyxy, draw_scene(3, number).xyxy)


@pytest.mark.parametrize("wh", [(1, 1), (1, 9), (9, 1)])
def test_a_thin_photo_is_a_pixel_wide_at_least(wh: tuple[int, int]) -> None:
    pixels = np.full((wh[1], wh[0], 3), 77, np.uint8)
    height, width = plants._resized(pixels, Bounds(largest=False)).pixels.shape[:2]
    assert (width, height) == tuple(max(1, round(side / 2)) for side in wh)


# ----------------------------------------------------------------------------------- the least and the most


class Bounds(np.random.Generator):
    """Random numbers that are all the least or all the largest of what may be drawn."""

    def __init__(self, *, largest: bool) -> None:
        super().__init__(np.random.PCG64(0))
        self.largest = largest

    def integers(self, low: int, high: int) -> int:  # type: ignore[override]
        return high - 1 if self.largest else low

    def uniform(self, low: float, high: float, size: int | None = None) -> Any:  # type: ignore[override]
        value = high if self.largest else low
        return value if size is None else np.full(size, value)

    def random(self, size: int) -> np.ndarray:  # type: ignore[override]
        return np.full(size, 0.75)

    def choice(self, values: list[int]) -> int:  # type: ignore[override]
        return values[-1] if self.largest else values[0]


@pytest.mark.parametrize("largest", [False, True])
def test_photos_are_changed_within_the_stated_bounds(largest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As copies_of says: quality, sides, brightness times colors, degrees and what is cut off."""
    qualities: list[tuple[str, int]] = []
    encode_bytes = plants._bytes

    def note(pixels: np.ndarray, form: str, quality: int = 95) -> bytes:
        qualities.append((form, quality))
        return encode_bytes(pixels, form, quality)

    monkeypatch.setattr(plants, "_bytes", note)
    image, objects = photo(False)
    random = Bounds(largest=largest)
    made = {one.kind: one for one in copies_of(image, objects, np.arange(2), random)}
    assert qualities[0] == ("JPEG", 95 if largest else 30)
    width, height = WH
    size = {kind: decode_image(one.data, path="x").pixels.shape[:2] for kind, one in made.items()}
    assert size["resized"] == ((2 * height, 2 * width) if largest else (height // 2, width // 2))
    np.testing.assert_allclose(made["resized"].xyxy, BOXES * (2 if largest else 0.5))
    gray = decode_image(made["recolored"].data, path="x").pixels[0, 0]
    assert gray.tolist() == [round(128 * (1.3 * 1.15 if largest else 0.7 * 0.85))] * 3
    # A box of 70 x 50, turned by 10 degrees to the left or by 3 to the right.
    angle = np.radians(10 if largest else 3)
    left, top, right, bottom = made["rotated"].xyxy[0]
    assert right - left == pytest.approx(70 * np.cos(angle) + 50 * np.sin(angle), rel=1e-4)
    assert bottom - top == pytest.approx(70 * np.sin(angle) + 50 * np.cos(angle), rel=1e-4)
    center = np.array([width, height]) / 2
    middle = np.array([55, 55]) - center
    turned = middle @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if not largest:
        turned = middle @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    assert [(left + right) / 2, (top + bottom) / 2] == pytest.approx((turned + center).tolist(), rel=1e-4)
    lost = 0.2 if largest else 0.05
    sides = BOXES[:, 2:] - BOXES[:, :2]
    expected = np.hstack([BOXES[:, :2] + 0.75 * lost * sides, BOXES[:, 2:] - 0.25 * lost * sides])
    np.testing.assert_allclose(made["cropped"].xyxy, expected, rtol=1e-5)
    qualities.clear()
    whole = dict(plants.changed_photos(image.pixels, Bounds(largest=largest)))
    assert qualities == [("JPEG", 95 if largest else 30)]
    low, high = 0.75 * lost, 1 - 0.25 * lost
    top, bottom = np.floor(low * height + 1e-3), np.ceil(high * height - 1e-3)
    left, right = np.floor(low * width + 1e-3), np.ceil(high * width - 1e-3)
    np.testing.assert_array_equal(
        whole["cropped"], image.pixels[int(top) : int(bottom), int(left) : int(right)]
    )


@pytest.mark.parametrize("largest", [False, True])
def test_a_box_is_moved_by_the_stated_shares_of_its_size(largest: bool) -> None:
    """All numbers the least: to the right by 0.6; all the largest: there by 1, where the angle is full."""
    box = np.float32([40, 40, 60, 80])
    offset = plants._shift(box, box[None], (200, 200), Bounds(largest=largest))
    assert offset is not None
    assert offset.tolist() == ([20, 0] if largest else [12, 0])
    # To the very end of the picture, or to its beginning.
    moved = plants._to_background(box, box[None], (200, 190), Bounds(largest=largest))
    assert moved is not None
    assert (box + np.tile(moved, 2)).tolist() == ([180, 150, 200, 190] if largest else [0, 0, 20, 40])


@pytest.mark.parametrize("level", [0, 1, 254, 255])
def test_the_darkest_and_the_brightest_colors_stay_colors(level: int) -> None:
    pixels = np.full((2, 2, 3), level, np.uint8)
    for largest, gain in ((False, 0.7 * 0.85), (True, 1.3 * 1.15)):
        changed = plants._recolored(pixels, Bounds(largest=largest)).pixels
        assert np.unique(changed).tolist() == [min(round(level * gain), 255)]


@pytest.mark.parametrize(
    ("offset", "inside"),
    [
        *[((0, 0), True), ((-2, -3), True), ((93, 91), True)],
        *[((-3, 0), False), ((0, -4), False), ((94, 0), False), ((0, 92), False), ((-3, 92), False)],
    ],
)
def test_a_box_is_inside_up_to_each_border(offset: tuple[int, int], inside: bool) -> None:
    assert plants._inside(np.float32([2, 3, 7, 9]), np.array(offset, float), (100, 100)) is inside


def test_a_small_box_is_moved_by_two_fifths_of_its_size_at_least() -> None:
    """A box of three pixels: by two or three, as one is a third of it."""
    box = np.float32([50, 50, 53, 53])
    seen = [plants._shift(box, box[None], (99, 99), np.random.default_rng(seed)) for seed in range(60)]
    assert {float(np.abs(offset).max()) for offset in seen if offset is not None} == {2, 3}


def test_what_has_no_pixel_left_is_left_out() -> None:
    """Of boxes of more than a pixel and less, with masks and without; one mask is left with nothing."""
    masks = np.zeros((5, 20, 20), bool)
    masks[0, 2:6, 2:6], masks[1, 9, 9], masks[4, 10:14, 10:14] = True, True, True
    boxes = np.float32([[2, 2, 6, 6], [8, 8, 12, 12], [0, 0, 2, 2], [5, 5, 6.9, 7], [10, 10, 11, 11]])
    objects = make_objects(
        image_id="i" * 32,
        xyxy=boxes,
        label=["a"] * 5,
        source="s",
        mask=[encode(masks[0]), encode(masks[1]), None, None, encode(masks[4])],
    )
    halved = plants._Changed(
        np.zeros((10, 10, 3), np.uint8), lambda box: box / 2, lambda mask: mask[::2, ::2]
    )
    made = plants._planted("resized", halved, objects, np.array([5, 6, 7, 8, 9]))
    assert made is not None
    # A box of exactly one pixel stays, without a mask.
    assert made.row.tolist() == [5, 7]
    assert made.xyxy.tolist() == [[1, 1, 3, 3], [0, 0, 1, 1]]
    assert [mask is None for mask in made.mask] == [False, True]


def test_each_side_of_a_box_loses_a_share_of_its_own() -> None:
    box = np.float32([0, 0, 100, 100])
    left, top, right, bottom = np.array(
        [plants._trimmed(box, np.random.default_rng(seed)) for seed in range(50)]
    ).T
    across, down = left / (left + 100 - right), top / (top + 100 - bottom)
    assert np.abs(across - down).max() > 0.5
    assert across.std() > 0.2
    assert down.std() > 0.2
