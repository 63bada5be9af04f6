"""The real labels, masks and file names, counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from objectspace.images import Image, find_images, read_image
from objectspace.objects.annotations import Annotated, open_annotations
from objectspace.objects.annotations.image_factors import factors_from_pattern
from objectspace.objects.annotations.mask_images import open_mask_images
from objectspace.objects.labels import COCO_NAMES, read_names
from objectspace.objects.masks import decode_box, mask_area, mask_box
from objectspace.objects.records import concatenate

pytestmark = pytest.mark.real

APPLE = r"apple(?P<apple>\d+)-(?P<elevation>\d+)-(?P<azimuth>\d+)"


def images_in(folder: Path) -> list[Image]:
    return [read_image(path) for path in find_images([folder])]


@pytest.fixture(scope="module")
def coco(real: Path) -> list[tuple[Image, Annotated]]:
    names = read_names(real / "weights/coco.names")
    reader = open_annotations(real / "photos/coco128/labels", names=names)
    return [(image, reader.objects_of(image)) for image in images_in(real / "photos/coco128")]


def test_the_real_names_are_cocos(real: Path) -> None:
    assert read_names(real / "weights/coco.names") == COCO_NAMES


def test_every_polygon_of_coco128_is_an_object_with_a_mask(
    coco: list[tuple[Image, Annotated]], real: Path
) -> None:
    labels = (real / "photos/coco128/labels").glob("*.txt")
    lines = sum(len(path.read_text().splitlines()) for path in labels)
    objects = concatenate([annotated.objects for _, annotated in coco])
    assert [problem for _, annotated in coco for problem in annotated.problems] == []
    assert (len(coco), len(objects), lines) == (128, 929, 929)
    assert sum(mask is not None for mask in objects.mask) == 929
    assert sum(len(annotated.objects) == 0 for _, annotated in coco) == 2
    assert Counter(objects.label)["person"] == 254


def test_coco128_by_its_data_yaml_is_the_same_objects(
    coco: list[tuple[Image, Annotated]], real: Path, tmp_path: Path
) -> None:
    names = "".join(f"\n  {number}: {name}" for number, name in enumerate(COCO_NAMES))
    text = f"path: {(real / 'photos/coco128').resolve()}\ntrain: images\nval: images\nnames:{names}\n"
    (tmp_path / "coco128.yaml").write_text(text)
    reader = open_annotations(tmp_path / "coco128.yaml")
    for image, annotated in coco:
        ids = reader.objects_of(image).objects.object_id
        assert ids.tolist() == annotated.objects.object_id.tolist()
    coverage = reader.coverage([image.path for image, _ in coco])
    assert (len(coverage.missing), len(coverage.unnamed)) == (0, 2)


def test_boxes_lie_in_their_photo_and_masks_in_their_box(coco: list[tuple[Image, Annotated]]) -> None:
    for image, annotated in coco:
        boxes = annotated.objects.xyxy
        assert (boxes >= 0).all()
        assert (boxes <= [image.width, image.height] * 2).all()
        for box, mask in zip(boxes, annotated.objects.mask, strict=True):
            assert (mask.width, mask.height) == (image.width, image.height)
            beyond = (mask_box(mask) - box) * [-1, -1, 1, 1]
            assert beyond.max() <= 0.5
            assert beyond.min() > -5  # the thinnest tips of a polygon cover no pixel


def test_every_apple_is_one_object_with_typed_factors(real: Path) -> None:
    images = images_in(real / "apples/photos")
    factors = factors_from_pattern(APPLE, [image.path for image in images])
    reader = open_mask_images(real / "apples/masks", pattern="{stem}-map.png", label="apple", factors=factors)
    annotated = [reader.objects_of(image) for image in images]
    objects = concatenate(
        [
            one.objects.with_factors(factors.for_objects(image.path, 1))
            for one, image in zip(annotated, images, strict=True)
        ]
    )
    assert [problem for one in annotated for problem in one.problems] == []
    assert (len(objects), set(objects.label), factors.unmatched) == (410, {"apple"}, ())
    assert {name: column.dtype for name, column in objects.factors.items()} == dict.fromkeys(
        ("apple", "elevation", "azimuth"), np.float64
    )
    assert np.unique(objects.factors["elevation"]).tolist() == [0, 22, 35, 45, 66, 68, 90]
    assert Counter(objects.factors["apple"]) == dict.fromkeys(range(1, 11), 41)
    for box, mask in zip(objects.xyxy, objects.mask, strict=True):
        part = decode_box(mask, tuple(map(int, box)))
        assert part.sum() == mask_area(mask)
        assert 0.6 < part.mean() <= 1  # an apple nearly fills its box
