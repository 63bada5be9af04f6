from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from objectspace.errors import AnnotationError
from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import Annotated
from objectspace.objects.annotations.image_factors import factors_from_pattern
from objectspace.objects.annotations.mask_images import open_mask_images
from objectspace.objects.masks import decode

Annotate = Callable[[np.ndarray], Annotated]


def photo(path: str = "photos/apple1.png") -> Image:
    return image_from_array(np.zeros((6, 8, 3), np.uint8), path=path)


def square() -> np.ndarray:
    pixels = np.zeros((6, 8), np.uint8)
    pixels[1:4, 2:7] = 255
    return pixels


@pytest.fixture
def annotate(tmp_path: Path) -> Annotate:
    """Reads one mask image of a photo of its size."""

    def read(mask: np.ndarray | PIL.Image.Image) -> Annotated:
        picture = PIL.Image.fromarray(mask) if isinstance(mask, np.ndarray) else mask
        picture.save(tmp_path / "apple1-map.png")
        image = image_from_array(np.zeros((*picture.size[::-1], 3), np.uint8), path="photos/apple1.png")
        return open_mask_images(tmp_path, pattern="{stem}-map.png").objects_of(image)

    return read


def test_the_bright_pixels_are_the_object(annotate: Annotate) -> None:
    annotated = annotate(square())
    assert annotated.problems == ()
    assert annotated.objects.xyxy.tolist() == [[2, 1, 7, 4]]
    assert annotated.objects.label.tolist() == ["object"]
    np.testing.assert_array_equal(decode(annotated.objects.mask[0]), square() > 0)


@pytest.mark.parametrize("brightest", [1, 60, 255])
def test_half_of_the_brightest_pixel_is_the_threshold(annotate: Annotate, brightest: int) -> None:
    pixels = (square() // 255) * np.uint8(brightest)
    pixels[5, 0] = brightest // 2
    np.testing.assert_array_equal(decode(annotate(pixels).objects.mask[0]), square() > 0)


def test_a_mask_in_color(annotate: Annotate) -> None:
    red = np.stack([square(), np.zeros_like(square()), np.zeros_like(square())], 2)
    assert annotate(red).objects.xyxy.tolist() == [[2, 1, 7, 4]]


def test_a_mask_of_sixteen_bits(annotate: Annotate) -> None:
    assert annotate(square().astype(np.uint16) * 257).objects.xyxy.tolist() == [[2, 1, 7, 4]]


@pytest.mark.parametrize("numbers", [(1, 2), (1, 2, 3), (50, 100, 150), (255, 100)])
@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_each_number_of_a_mask_is_an_object(annotate: Annotate, numbers: tuple[int, ...], mode: str) -> None:
    pixels = np.zeros((6, 16), np.uint16 if mode == "I;16" else np.uint8)
    for place, number in enumerate(numbers):
        pixels[1:5, 5 * place : 5 * place + 4] = number
    picture = PIL.Image.fromarray(pixels)
    if mode == "P":
        picture.putpalette([number * 37 % 256 for number in range(256) for _ in range(3)])
    annotated = annotate(picture)
    boxes = sorted(annotated.objects.xyxy.tolist())
    assert boxes == [[5 * place, 1, 5 * place + 4, 5] for place in range(len(numbers))]
    assert annotated.problems == ()


def test_each_color_of_a_mask_is_an_object(annotate: Annotate) -> None:
    pixels = np.zeros((6, 16, 3), np.uint8)
    pixels[1:5, :4], pixels[1:5, 8:12] = (255, 0, 0), (0, 0, 200)
    assert sorted(annotate(pixels).objects.xyxy.tolist()) == [[0, 1, 4, 5], [8, 1, 12, 5]]


def test_a_shape_with_a_smooth_edge_is_one_object(annotate: Annotate) -> None:
    y, x = np.mgrid[:24, :24]
    soft = np.clip(127 - 40 * (np.hypot(y - 12, x - 12) - 8), 0, 255).astype(np.uint8)
    assert len(annotate(soft).objects) == 1


def test_the_object_keeps_its_id(annotate: Annotate) -> None:
    assert annotate(square()).objects.object_id.tolist() == annotate(square()).objects.object_id.tolist()
    assert annotate(square()).objects.source[0].startswith("mask-image@")


def test_the_label_given_and_the_label_of_the_photos_name(tmp_path: Path) -> None:
    for name in ("apple1", "pear1", "7"):
        PIL.Image.fromarray(square()).save(tmp_path / f"{name}.png")
    paths = [f"photos/{name}.png" for name in ("apple1", "pear1", "7")]
    factors = factors_from_pattern(r"^(?P<label>[a-z]+)\d", paths)
    reader = open_mask_images(tmp_path, label="fruit", factors=factors)
    assert [reader.objects_of(photo(path)).objects.label[0] for path in paths] == ["apple", "pear", "fruit"]


@pytest.mark.parametrize(
    "settings",
    [
        {"label": "apple"},
        {"pattern": "{name}.png"},
        {"factors": factors_from_pattern(r"(?P<label>[a-z]+)\d", ["apple1.png"])},
    ],
)
def test_the_digest_tells_other_settings_apart(tmp_path: Path, settings: dict[str, Any]) -> None:
    PIL.Image.fromarray(square()).save(tmp_path / "apple1.png")
    before = open_mask_images(tmp_path).contents("apple1.png")
    assert open_mask_images(tmp_path).contents("apple1.png") == before
    assert open_mask_images(tmp_path, **settings).contents("apple1.png") != before


def test_the_digest_tells_another_label_column_apart(tmp_path: Path) -> None:
    readers = [
        open_mask_images(tmp_path, factors=factors_from_pattern(pattern, ["apple1.png"]))
        for pattern in (r"(?P<label>[a-z]+)\d", r"(?P<label>[a-z]+\d)")
    ]
    assert len({reader.contents("apple1.png") for reader in readers}) == 2


def test_the_digest_knows_no_other_column(tmp_path: Path) -> None:
    factors = factors_from_pattern(r"(?P<apple>\d)", ["apple1.png"])
    readers = open_mask_images(tmp_path, factors=factors), open_mask_images(tmp_path)
    assert len({reader.contents("apple1.png") for reader in readers}) == 1


def test_an_empty_mask_is_a_problem(annotate: Annotate) -> None:
    reason = "is an empty mask, expected bright pixels where the object is"
    annotated = annotate(np.zeros((6, 8), np.uint8))
    assert len(annotated.objects) == 0
    (problem,) = annotated.problems
    assert problem.path.endswith("apple1-map.png")
    assert problem.reason == reason


def test_a_mask_of_another_size_is_a_problem(tmp_path: Path) -> None:
    PIL.Image.new("L", (6, 8), 255).save(tmp_path / "apple1.png")
    (problem,) = open_mask_images(tmp_path).objects_of(photo()).problems
    assert problem.reason == "is 6 x 8 pixels, its photo 8 x 6"


def test_a_broken_mask_image_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "apple1.png").write_text("no picture")
    (problem,) = open_mask_images(tmp_path).objects_of(photo()).problems
    assert problem.reason.startswith("is no photo in a known format")


def test_a_photo_without_a_mask_image_is_a_problem(tmp_path: Path) -> None:
    (problem,) = open_mask_images(tmp_path, pattern="{stem}-map.png").objects_of(photo()).problems
    assert problem == (
        str(tmp_path / "apple1-map.png"),
        "there is no such mask image for photos/apple1.png",
    )


def test_a_missing_mask_folder(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="is not a folder, expected the folder of the mask images"):
        open_mask_images(tmp_path / "masks")


def test_a_pattern_without_the_photos_name(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"mask pattern 'map.png' has no \{stem\}"):
        open_mask_images(tmp_path, pattern="map.png")


@pytest.mark.parametrize(
    ("pattern", "own"), [("{stem}-map.png", "1-map.png"), ("[{name}].png", "[1.jpg].png")]
)
def test_mask_images_without_a_photo_are_counted(tmp_path: Path, pattern: str, own: str) -> None:
    for name in (own, "sub/" + own.replace("1", "gone"), "1.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    coverage = open_mask_images(tmp_path, pattern=pattern).coverage(["p/1.jpg", "p/2.jpg"])
    assert coverage == ((str(tmp_path / "sub" / own.replace("1", "gone")),), (), 0, 0, (), (), ())


def test_the_pattern_that_most_masks_have_is_proposed(tmp_path: Path) -> None:
    for name in ("cat_mask.png", "dog_mask.png", "owl-seg.png", "other.png"):
        (tmp_path / name).touch()
    masks = open_mask_images(tmp_path, pattern="{stem}-map.png")
    (note,) = masks.coverage(["cat.jpg", "owl.jpg", "dog.jpg", "yak.jpg"]).notes
    expected = "by the mask pattern '{stem}-map.png' the mask of cat.jpg is cat-map.png"
    assert note == f"{expected}; '{{stem}}_mask.png' would fit"
    (note,) = masks.coverage(["yak.jpg"]).notes
    assert note == "by the mask pattern '{stem}-map.png' the mask of yak.jpg is yak-map.png"
