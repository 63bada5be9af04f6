"""Crops: pixels worked by hand, and read by an encoder whose vector is the mean color."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from objectspace.embeddings import crops as crops_module
from objectspace.embeddings.crops import IMAGENET_MEAN, CropPolicy, crop_space_name, cut_crops
from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.objects.annotations.supervision import from_supervision
from objectspace.objects.masks import encode
from objectspace.objects.records import Objects, make_objects

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
BACKGROUNDS = ("black", "mean", "blur", "keep")


def photo(pixels: np.ndarray, width: int | None = None, height: int | None = None) -> Image:
    return Image("image", "photo.jpg", pixels, width or pixels.shape[1], height or pixels.shape[0])


def plain(width: int, height: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def found(*boxes: tuple[float, ...], masks: list[np.ndarray | None] | None = None) -> Objects:
    return make_objects(
        image_id="image",
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        label=["thing"] * len(boxes),
        source="test@0",
        mask=None if masks is None else [None if mask is None else encode(mask) for mask in masks],
    )


def one(image: Image, objects: Objects, size: int, **policy: object) -> np.ndarray:
    return cut_crops(image, objects, CropPolicy(**policy), size)[0]  # type: ignore[arg-type]


def mean_color(crops: np.ndarray) -> np.ndarray:
    """A transparent encoder."""
    return crops.astype(np.float64).mean(axis=(1, 2))


def disc(side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    return x**2 + y**2 <= (side / 2) ** 2


# Worked by hand: no resampling where the canvas has the size asked for.


def test_a_square_box_is_cut_out_pixel_by_pixel():
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert np.array_equal(one(photo(pixels), found((2, 1, 6, 5)), 4), pixels[1:5, 2:6])


def test_a_box_between_pixels_takes_every_pixel_it_touches():
    pixels = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert np.array_equal(one(photo(pixels), found((2.6, 1.2, 5.1, 4.5)), 4), pixels[1:5, 2:6])


def test_padding_keeps_the_aspect_and_the_middle():
    crop = one(photo(plain(10, 10, RED)), found((1, 3, 9, 7)), 8)
    assert (crop[2:6] == RED).all()
    assert not crop[:2].any()
    assert not crop[6:].any()


def test_an_odd_rest_goes_to_the_right_and_below():
    crop = one(photo(plain(10, 10, RED)), found((0, 0, 3, 4)), 4)
    assert (crop[:, :3] == RED).all()
    assert not crop[:, 3].any()


def test_stretching_fills_the_canvas():
    assert (one(photo(plain(10, 10, RED)), found((1, 3, 9, 7)), 8, fit="stretch") == RED).all()


def test_margin_is_a_fraction_of_the_longer_side():
    crop = one(photo(plain(20, 20, RED)), found((5, 5, 13, 9)), 12, margin=0.25)
    inside = np.zeros((12, 12), bool)
    inside[4:8, 2:10] = True
    assert np.array_equal((crop == RED).all(axis=2), inside)


def test_margin_with_stretch_is_the_same_on_every_side():
    # 8 x 4 with 2 around it is 12 x 8; at 24 x 24 a pixel is 2 wide and 3 high.
    crop = one(photo(plain(20, 20, RED)), found((5, 5, 13, 9)), 24, margin=0.25, fit="stretch")
    inside = np.zeros((24, 24), bool)
    inside[6:18, 4:20] = True
    assert np.array_equal(crop[..., 0] > 100, inside)


def test_the_crop_of_an_oriented_box_is_the_object_alone():
    """A square turned by 45 degrees, red on blue: its upright box is half blue, its crop has none of it."""
    y, x = np.mgrid[:80, :80] + 0.5
    inside = abs(x - 40) + abs(y - 40) < 800**0.5
    pixels = np.where(inside[..., None], np.uint8(RED), np.uint8(BLUE))
    half = 800**0.5
    corners = np.float32([[[40, 40 - half], [40 + half, 40], [40, 40 + half], [40 - half, 40]]])
    box = np.float32([[0, 0, 79, 79]])
    image = photo(pixels)
    objects = from_supervision(sv.Detections(box, data={"xyxyxyxy": corners}), image)
    crop = one(image, objects, 57)
    assert (crop[..., 2] > 0).mean() < 0.05  # the pixels that the polygon's border cuts
    assert abs((crop[..., 0] > 0).mean() - 0.5) < 0.05
    assert not crop[:14, :14].any()


def test_mask_pixels_stay_and_others_go():
    mask = np.zeros((6, 6), bool)
    mask[1:5, 1] = mask[4, 1:5] = True
    crop = one(photo(plain(6, 6, RED)), found((1, 1, 5, 5), masks=[mask]), 4)
    assert np.array_equal((crop == RED).all(axis=2), mask[1:5, 1:5])
    assert not crop[~mask[1:5, 1:5]].any()


def test_a_mask_smaller_than_its_box_fills_the_canvas():
    mask = np.zeros((12, 12), bool)
    mask[3:7, 4:8] = True
    assert (one(photo(plain(12, 12, RED)), found((0, 0, 12, 12), masks=[mask]), 4) == RED).all()


def test_a_mask_counts_inside_its_box_only():
    mask = np.ones((8, 8), bool)
    pixels = plain(8, 8, GREEN)
    pixels[2:6, 2:6] = RED
    assert (one(photo(pixels), found((2, 2, 6, 6), masks=[mask]), 4) == RED).all()


def test_a_mask_that_is_empty_in_its_box_is_ignored():
    objects = found((2, 2, 6, 6), masks=[np.zeros((8, 8), bool)])
    assert (one(photo(plain(8, 8, RED)), objects, 4) == RED).all()


def test_objects_with_and_without_masks_mix():
    pixels = plain(8, 8, RED)
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2] = mask[2, 2:6] = True
    crops = cut_crops(photo(pixels), found((2, 2, 6, 6), (0, 0, 4, 4), masks=[mask, None]), CropPolicy(), 4)
    assert (crops[0] == RED).all(axis=2).sum() == 7
    assert (crops[1] == RED).all()


# Backgrounds.


def test_mean_background_is_imagenets():
    mask = disc(8)
    crop = one(photo(plain(8, 8, RED)), found((0, 0, 8, 8), masks=[mask]), 8, background="mean")
    assert (crop[~mask] == IMAGENET_MEAN).all()
    assert (crop[mask] == RED).all()


def test_keep_shows_the_photo_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    objects = found((4, 3, 8, 9), masks=[np.pad(disc(6), 3)])
    assert np.array_equal(one(photo(pixels), objects, 6, background="keep"), pixels[3:9, 3:9])


def test_keep_is_black_beyond_the_border():
    crop = one(photo(plain(8, 8, RED)), found((0, 0, 4, 4)), 8, background="keep", margin=0.5)
    assert (crop[2:, 2:] == RED).all()
    assert not crop[:2].any()
    assert not crop[:, :2].any()


def test_blur_keeps_the_object_sharp_and_loses_the_pattern_around_it():
    pixels = plain(64, 64, (0, 0, 0))
    pixels[::2, ::2] = pixels[1::2, 1::2] = 255
    mask = np.zeros((64, 64), bool)
    mask[16:48, 16:48] = True
    crop = one(photo(pixels), found((16, 16, 48, 48), masks=[mask]), 64, background="blur", margin=0.5)
    assert np.array_equal(crop[16:48, 16:48], pixels[16:48, 16:48])
    outside = crop[~mask].astype(int)
    assert abs(outside.mean() - 127.5) < 3
    assert outside.std() < 8


def test_blur_keeps_the_large_colors():
    pixels = plain(64, 64, RED)
    pixels[:, 32:] = BLUE
    crop = one(photo(pixels), found((28, 28, 36, 36)), 64, background="blur", margin=3.5)
    assert crop[32, 4, 0] > 230
    assert crop[32, 4, 2] < 25
    assert crop[32, 60, 2] > 230


# Surroundings alone.


def test_only_fills_the_object_from_what_is_around_it():
    pixels = plain(60, 60, GREEN)
    pixels[20:40, 20:40] = RED
    mask = (pixels == RED).all(axis=2)
    for masks in ([mask], None):
        crop = one(photo(pixels), found((20, 20, 40, 40), masks=masks), 60, background="only", margin=1)
        assert (crop == GREEN).all()


@pytest.mark.parametrize("size", [16, 48, 200])
@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_only_does_not_depend_on_the_objects_pixels(size: int, fit: str, interpolation: str):
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (90, 80, 3), np.uint8)
    mask = np.zeros((90, 80), bool)
    mask[30:70, 20:50] = np.hstack([np.ones((40, 10), bool), disc(40)[:, :20]])
    other = pixels.copy()
    other[mask] = rng.integers(0, 256, (int(mask.sum()), 3), np.uint8)
    objects = found((20, 30, 50, 70), masks=[mask])
    policy = CropPolicy("only", 0.5, fit)  # type: ignore[arg-type]
    first, second = (
        cut_crops(photo(each), objects, policy, size, interpolation=interpolation)  # type: ignore[arg-type]
        for each in (pixels, other)
    )
    assert np.array_equal(first, second)


def test_only_keeps_the_surroundings_as_keep_has_them():
    pixels = np.random.default_rng(6).integers(0, 256, (64, 64, 3), np.uint8)
    objects = found((24, 24, 40, 40), masks=[np.pad(disc(16), 24)])
    only, keep = (one(photo(pixels), objects, 48, background=name, margin=1) for name in ("only", "keep"))
    hole = np.zeros((48, 48), bool)
    hole[15:33, 15:33] = True  # the box and its rim of a pixel
    assert np.array_equal(only[~hole], keep[~hole])
    assert not np.array_equal(only[24, 24], keep[24, 24])


def test_only_follows_a_slope_across_the_object():
    pixels = np.repeat(np.linspace(0, 255, 96).astype(np.uint8)[None, :, None], 96, axis=0).repeat(3, axis=2)
    crop = one(photo(pixels), found((32, 32, 64, 64)), 96, background="only", margin=1)
    assert np.abs(crop.astype(int) - pixels).max() < 32


def test_only_is_black_beyond_the_border():
    crop = one(photo(plain(8, 8, RED)), found((0, 0, 4, 4)), 8, background="only", margin=0.5)
    assert (crop[2:, 2:] == RED).all()
    assert not crop[:2].any()
    assert not crop[:, :2].any()


def test_an_object_that_fills_its_photo_leaves_the_mean_color():
    crop = one(photo(plain(8, 8, RED)), found((0, 0, 8, 8)), 12, background="only", margin=0.25)
    assert (crop[2:10, 2:10] == IMAGENET_MEAN).all()


def test_only_without_a_margin_is_refused():
    with pytest.raises(InputError, match=r"needs a margin above 0, such as 0\.25"):
        CropPolicy("only")


# Read by an encoder whose vector is the mean color.


@pytest.mark.parametrize("size", [7, 32, 100])
def test_share_of_the_mask_survives_resampling(size: int):
    side = 50
    objects = found((0, 0, side, side), masks=[disc(side)])
    share = mean_color(cut_crops(photo(plain(side, side, RED)), objects, CropPolicy(), size))[0, 0] / 255
    assert share == pytest.approx(disc(side).mean(), abs=0.02)


def test_the_surroundings_leave_no_trace():
    rng = np.random.default_rng(1)
    mask = np.pad(disc(30), 10)
    objects = found((10, 10, 40, 40), masks=[mask])
    scenes = []
    for _ in range(2):
        pixels = rng.integers(0, 256, (50, 50, 3), np.uint8)
        pixels[mask] = GREEN
        scenes.append(one(photo(pixels), objects, 32))
    assert np.array_equal(*scenes)


def test_resampling_is_pillows_antialiasing_within_a_gray_level():
    pixels = np.random.default_rng(2).integers(0, 256, (90, 90, 3), np.uint8)
    for interpolation, filter_ in (("bilinear", PIL.Image.BILINEAR), ("bicubic", PIL.Image.BICUBIC)):
        crops = cut_crops(
            photo(pixels),
            found((0, 0, 90, 90)),
            CropPolicy(),
            32,
            interpolation=interpolation,  # type: ignore[arg-type]
        )
        other = np.asarray(PIL.Image.fromarray(pixels).resize((32, 32), filter_), int)
        assert np.abs(crops[0] - other).max() <= 1


# Odd places and scales.


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("box", [(3, 3, 4, 4), (3.2, 3.2, 3.3, 3.3), (7.5, 7.5, 8, 8), (0, 0, 0.1, 0.1)])
def test_an_object_of_one_pixel_fills_the_crop(background: str, box: tuple[float, ...]):
    assert (one(photo(plain(8, 8, RED)), found(box), 16, background=background) == RED).all()


def test_a_photo_of_one_pixel():
    assert (one(photo(plain(1, 1, RED)), found((0, 0, 1, 1)), 5, background="blur") == RED).all()


def test_a_line_of_one_pixel_stays_a_line():
    crop = one(photo(plain(64, 8, RED)), found((0, 3, 64, 4)), 64)
    assert (crop == RED).all(axis=2).sum() == 64


def test_reduced_pixels_are_honoured():
    pixels = plain(10, 10, GREEN)
    pixels[2:6, 4:8] = RED
    crop = one(photo(pixels, width=40, height=40), found((16, 8, 32, 24)), 4)
    assert (crop == RED).all()


def test_a_mask_is_brought_to_reduced_pixels():
    mask = np.zeros((40, 44), bool)
    mask[8:24, 16:20] = mask[20:24, 16:32] = True
    crop = one(photo(plain(11, 10, RED), width=44, height=40), found((16, 8, 32, 24), masks=[mask]), 4)
    assert np.array_equal((crop == RED).all(axis=2), mask[8:24:4, 16:32:4])


def test_sides_that_are_reduced_unevenly():
    # A JPEG of 15 x 9 at half scale has 8 x 5 pixels.
    mask = np.ones((9, 15), bool)
    crop = one(photo(plain(8, 5, RED), width=15, height=9), found((0, 0, 15, 9), masks=[mask]), 8)
    assert (crop[1:6] == RED).all()


def test_pixels_that_were_turned_upright_as_a_view():
    pixels = np.random.default_rng(3).integers(0, 256, (8, 8, 3), np.uint8)
    turned = pixels[::-1, ::-1]
    for background in BACKGROUNDS:
        crop = one(photo(turned), found((0, 0, 8, 8)), 8, background=background)
        assert np.array_equal(crop, turned)


def test_no_objects_no_crops():
    assert cut_crops(photo(plain(8, 8, RED)), found(), CropPolicy(), 16).shape == (0, 16, 16, 3)


def test_threads_give_the_same_crops():
    rng = np.random.default_rng(4)
    image = photo(rng.integers(0, 256, (120, 160, 3), np.uint8))
    corners = rng.uniform(0, 60, (12, 2))
    boxes = np.hstack([corners, corners + rng.uniform(5, 60, (12, 2))])
    objects = found(*map(tuple, boxes), masks=[rng.random((120, 160)) > 0.5 for _ in boxes])
    alone = cut_crops(image, objects, CropPolicy(), 48)
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda _: cut_crops(image, objects, CropPolicy(), 48), range(16)))
    assert all(np.array_equal(alone, crops) for crops in together)


def test_a_mask_of_another_photo_is_refused():
    objects = found((2, 2, 6, 6), masks=[np.ones((9, 8), bool)])
    with pytest.raises(
        InputError, match=r"photo\.jpg: a mask of 8 x 9 pixels does not fit the photo of 8 x 8"
    ):
        cut_crops(photo(plain(8, 8, RED)), objects, CropPolicy(), 4)


@given(
    side_wh=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    reduced=st.integers(1, 4),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
    background=st.sampled_from((*BACKGROUNDS, "only")),
    margin=st.floats(0, 2),
    fit=st.sampled_from(["pad", "stretch"]),
    size=st.integers(1, 40),
    masked=st.booleans(),
)
def test_any_box_of_any_photo_gives_a_crop(
    side_wh: tuple[int, int],
    reduced: int,
    corners: tuple[float, float, float, float],
    background: str,
    margin: float,
    fit: str,
    size: int,
    masked: bool,
):
    width, height = side_wh
    pixels = plain(-(-width // reduced), -(-height // reduced), (200, 100, 50))
    x, y = sorted(corners[:2]), sorted(corners[2:])
    box = (x[0] * width * 0.99, y[0] * height * 0.99, x[1] * width + 0.01, y[1] * height + 0.01)
    mask = np.random.default_rng(0).random((height, width)) > 0.5 if masked else None
    crop = one(
        photo(pixels, width, height),
        found(box, masks=[mask]),
        size,
        background=background,
        margin=max(margin, 0.01),
        fit=fit,
    )
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    # A line in a wide margin may be less than a gray level in a crop of a few pixels.
    if size >= 8:
        assert crop.any()


# Canvases beyond all bounds.


@pytest.mark.parametrize("background", ["mean", "blur", "only"])
def test_a_canvas_of_any_size_takes_a_bounded_memory(background: str):
    # 1200 pixels and ten times as many on each side: 635 million pixels of three bytes.
    tracemalloc.start()
    crop = one(photo(plain(1200, 40, RED)), found((0, 0, 1200, 40)), 32, background=background, margin=10)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 400e6
    assert crop.any()


@pytest.mark.parametrize("background", [*BACKGROUNDS, "only"])
@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_a_bounded_canvas_gives_nearly_the_same_crop(
    monkeypatch: pytest.MonkeyPatch, background: str, fit: str
):
    y, x = np.mgrid[:330, :410]
    pixels = np.stack([x * 0.6, y * 0.7, (x + y) * 0.3], axis=2).astype(np.uint8)
    objects = found((101, 53, 307, 259), masks=[np.pad(disc(206), ((53, 71), (101, 103)))])
    policy = {"background": background, "fit": fit, "margin": 0.5}
    whole = one(photo(pixels), objects, 24, **policy)
    monkeypatch.setattr(crops_module, "LARGEST_CANVAS", 120 * 120)
    assert np.abs(whole.astype(int) - one(photo(pixels), objects, 24, **policy)).max() < 24
    assert np.abs(whole.astype(int) - one(photo(pixels), objects, 24, **policy)).mean() < 1.5


def test_nor_does_only_in_a_bounded_canvas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(crops_module, "LARGEST_CANVAS", 100 * 100)
    rng = np.random.default_rng(8)
    pixels = rng.integers(0, 256, (300, 280, 3), np.uint8)
    mask = np.zeros((300, 280), bool)
    mask[91:203, 75:190] = rng.random((112, 115)) < 0.02
    other = pixels.copy()
    other[mask] = 255 - other[mask]
    objects = found((75, 91, 190, 203), masks=[mask])
    first, second = (one(photo(each), objects, 32, background="only", margin=0.5) for each in (pixels, other))
    assert np.array_equal(first, second)


# The policy.


@given(
    background=st.sampled_from((*BACKGROUNDS, "only")),
    margin=st.floats(0.01, 10),
    fit=st.sampled_from(["pad", "stretch"]),
)
def test_policy_survives_json(background: str, margin: float, fit: str):
    policy = CropPolicy(background, margin, fit)  # type: ignore[arg-type]
    assert CropPolicy.from_json(json.loads(json.dumps(policy.to_json()))) == policy


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            {"background": "white"},
            "crop background 'white' is not known; choose black, mean, blur, keep or only",
        ),
        ({"fit": "fill"}, "crop fit 'fill' is not known; choose pad or stretch"),
        ({"margin": -0.1}, "crop margin -0.1 is not between 0 and 10"),
        ({"margin": float("nan")}, "crop margin nan is not between 0 and 10"),
        ({"angle": 1}, "crop policy: unknown keys angle; known are background, fit, margin"),
    ],
)
def test_an_impossible_policy_is_refused(setting: dict[str, object], words: str):
    with pytest.raises(InputError, match=words):
        CropPolicy.from_json(setting)


def test_names_of_spaces():
    assert crop_space_name("resnet50", CropPolicy()) == "resnet50-crop"
    assert crop_space_name("resnet50", CropPolicy("mean", 0.25, "stretch")) == (
        "resnet50-crop-mean-margin0.25-stretch"
    )
    assert crop_space_name("resnet50", CropPolicy("only", 0.5)) == "resnet50-crop-only-margin0.5"


@pytest.mark.parametrize(("margin", "fits"), [(0, True), (10, True), (10.1, False)])
def test_a_margin_is_from_0_to_10(margin: float, fits: bool):
    if fits:
        assert CropPolicy(margin=margin).margin == margin
    else:
        with pytest.raises(InputError, match=r"crop margin 10\.1 is not between 0 and 10"):
            CropPolicy(margin=margin)


# Against a loop over pixels: several objects of one photo, of odd and even sides, at its border and within.

BOXES = [(3, 2, 8, 9), (0, 0, 4, 3), (10, 1, 13, 6), (11, 7, 13, 10), (1, 6, 12, 10), (5, 5, 6, 6)]


def slow_canvas(pixels: np.ndarray, box: tuple[int, ...], shape: np.ndarray | None, policy: CropPolicy):
    """The canvas pixel by pixel, where no blur is asked for."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    margin = round(policy.margin * max(width, height))
    side = max(width, height)
    canvas_w, canvas_h = (side, side) if policy.fit == "pad" else (width, height)
    canvas_w, canvas_h = canvas_w + 2 * margin, canvas_h + 2 * margin
    canvas = np.zeros((canvas_h, canvas_w, 3), np.uint8)
    for y in range(canvas_h):
        for x in range(canvas_w):
            column = x - (canvas_w - width) // 2 + left
            row = y - (canvas_h - height) // 2 + top
            in_photo = 0 <= column < pixels.shape[1] and 0 <= row < pixels.shape[0]
            in_box = left <= column < right and top <= row < bottom
            mine = in_box and (shape is None or shape[row, column])
            if in_photo and (mine or policy.background == "keep"):
                canvas[y, x] = pixels[row, column]
            elif policy.background == "mean":
                canvas[y, x] = IMAGENET_MEAN
    return canvas


@pytest.mark.parametrize("background", ["black", "mean", "keep"])
@pytest.mark.parametrize("margin", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("masked", [False, True])
def test_square_crops_are_those_of_a_loop(background: str, margin: float, masked: bool):
    pixels = np.random.default_rng(7).integers(1, 256, (10, 13, 3), np.uint8)
    policy = CropPolicy(background, margin)  # type: ignore[arg-type]
    shapes = [None] * len(BOXES)
    if masked:
        shapes = [np.zeros((10, 13), bool) for _ in BOXES]
        for shape, (left, top, right, bottom) in zip(shapes, BOXES, strict=True):
            # Touches all four sides of its box, so that the canvas is the box's.
            shape[top:bottom, left] = shape[top, left:right] = True
            shape[top:bottom, right - 1] = shape[bottom - 1, left:right] = True
    objects = found(*BOXES, masks=shapes)
    for row, (box, shape) in enumerate(zip(BOXES, shapes, strict=True)):
        expected = slow_canvas(pixels, box, shape, policy)
        crop = cut_crops(photo(pixels), objects, policy, len(expected))[row]
        assert np.array_equal(crop, expected)


@pytest.mark.parametrize("background", ["black", "mean", "keep"])
def test_stretched_canvases_are_those_of_a_loop(background: str):
    pixels = np.random.default_rng(7).integers(1, 256, (10, 13, 3), np.uint8)
    policy = CropPolicy(background, 0.3, "stretch")  # type: ignore[arg-type]
    for box in BOXES:
        canvas = crops_module._canvas(pixels, box, None, policy)
        assert np.array_equal(canvas, slow_canvas(pixels, box, None, policy))


@pytest.mark.parametrize("limit", [1, 16, 40, 10_000])
def test_a_reduced_object_is_that_of_a_loop_over_blocks(monkeypatch: pytest.MonkeyPatch, limit: int):
    monkeypatch.setattr(crops_module, "LARGEST_CANVAS", limit)
    rng = np.random.default_rng(9)
    pixels = rng.integers(0, 256, (29, 33, 3), np.uint8)
    for area in ((3, 2, 8, 9), (0, 0, 33, 29), (17, 5, 33, 6), (8, 8, 16, 12)):
        left, top, right, bottom = area
        opaque = rng.random((bottom - top, right - left)) < 0.1
        policy = CropPolicy("keep", 0.25)
        side = max(right - left, bottom - top)
        side += 2 * round(0.25 * side)
        factor = min(2**power for power in range(9) if side**2 <= limit * 4**power)
        reduced, blocks, shape = crops_module._bounded(pixels, area, opaque, policy)
        assert blocks == (left // factor, top // factor, -(-right // factor), -(-bottom // factor))
        whole = np.zeros((29, 33), bool)
        whole[top:bottom, left:right] = opaque
        for y in range(blocks[1], blocks[3]):
            for x in range(blocks[0], blocks[2]):
                block = np.s_[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
                assert shape[y - blocks[1], x - blocks[0]] == whole[block].any()
                assert np.abs(reduced[y, x] - pixels[block].mean((0, 1))).max() <= 0.51


@pytest.mark.parametrize("rim", [0, 1, 3])
def test_a_mask_grows_by_its_rim_on_every_side(rim: int):
    mask = np.zeros((9, 12, 1), np.uint8)
    mask[2, 3], mask[7, 11] = 255, 1
    grown = crops_module._grown(mask, rim)
    for y in range(9):
        for x in range(12):
            around = mask[max(y - rim, 0) : y + rim + 1, max(x - rim, 0) : x + rim + 1]
            assert grown[y, x] == around.max()


def test_the_hole_is_wider_by_a_share_of_the_crops_side():
    """Red around the object belongs to it by hand-drawn masks; a 48th of the side of it is filled."""
    pixels = plain(192, 192, GREEN)
    pixels[64:128, 64:128] = RED
    for rim, gone in ((4, True), (5, False)):
        mask = np.zeros((192, 192), bool)
        mask[64 + rim : 128 - rim, 64 + rim : 128 - rim] = True
        objects = found((64 + rim, 64 + rim, 128 - rim, 128 - rim), masks=[mask])
        side = 64 - 2 * rim
        crop = one(photo(pixels), objects, 192, background="only", margin=(192 - side) / 2 / side)
        assert (crop == GREEN).all() == gone


def test_blurred_surroundings_have_eight_pixels_a_side():
    pixels = np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)
    small = PIL.Image.fromarray(pixels).resize((8, 8), PIL.Image.BILINEAR)
    expected = np.asarray(small.resize((96, 64), PIL.Image.BICUBIC), int)
    assert np.abs(crops_module._blurred(pixels) - expected).max() <= 2
    # What is smaller is not enlarged before.
    assert np.array_equal(crops_module._blurred(pixels[:5, :4]), pixels[:5, :4])


def test_the_mean_color_is_that_of_imagenet():
    from timm.data import IMAGENET_DEFAULT_MEAN

    assert tuple(round(255 * share) for share in IMAGENET_DEFAULT_MEAN) == IMAGENET_MEAN
    assert (crops_module.BLUR_SIDE, crops_module.LARGEST_CANVAS) == (8, 100_000_000)
