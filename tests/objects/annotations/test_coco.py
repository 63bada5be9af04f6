from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pycocotools.mask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from objectspace.errors import AnnotationError
from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import Annotated, open_annotations
from objectspace.objects.annotations.coco import CocoAnnotations, open_coco
from objectspace.objects.masks import decode, encode, mask_box
from objectspace.objects.records import Objects

WIDTH, HEIGHT = 20, 10
Write = Callable[..., Path]


def photo(path: str = "photos/7.jpg", width: int = WIDTH, height: int = HEIGHT) -> Image:
    return image_from_array(np.zeros((height, width, 3), np.uint8), path=path)


def document(*annotations: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A COCO file of one image with these annotations, numbered from 1; ``keys`` replace whole lists."""
    return {
        "images": [{"id": 5, "file_name": "7.jpg", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 4, "name": "sofa"}],
        "annotations": [
            {"id": number, "image_id": 5, "category_id": 1, **annotation}
            for number, annotation in enumerate(annotations, start=1)
        ],
        **keys,
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(*annotations: dict[str, Any], **keys: Any) -> Path:
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(document(*annotations, **keys)))
        return path

    return written


@pytest.fixture
def annotate(write: Write) -> Callable[..., Annotated]:
    return lambda *annotations, **keys: open_coco(write(*annotations, **keys)).objects_of(photo())


BOX = {"bbox": [2, 3, 4, 5]}
SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]


# Boxes and masks


def test_a_box(annotate) -> None:
    annotated = annotate({**BOX, "category_id": 4, "area": 20, "iscrowd": 0})
    np.testing.assert_array_equal(annotated.objects.xyxy, [[2, 3, 6, 8]])
    assert annotated.objects.label.tolist() == ["couch"]
    assert annotated.objects.mask.tolist() == [None]
    assert np.isnan(annotated.objects.score).all()
    assert annotated.objects.source[0].startswith("annotations-coco@")
    assert annotated.problems == ()


def test_a_polygon_gives_a_mask_and_the_box_is_as_written(annotate) -> None:
    objects = annotate({"bbox": [2, 3, 4.5, 5.25], "segmentation": SQUARE}).objects
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:8, 2:6] = True
    np.testing.assert_array_equal(decode(objects.mask[0]), expected)
    np.testing.assert_array_equal(objects.xyxy, [[2, 3, 6.5, 8.25]])


def test_without_a_box_it_is_the_masks(annotate) -> None:
    objects = annotate({"segmentation": SQUARE}).objects
    np.testing.assert_array_equal(objects.xyxy, [[2, 3, 6, 8]])


def test_several_polygons_are_one_mask(annotate) -> None:
    second = [10, 0, 13, 0, 13, 2, 10, 2]
    objects = annotate({"segmentation": [*SQUARE, second]}).objects
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:8, 2:6] = expected[0:2, 10:13] = True
    np.testing.assert_array_equal(decode(objects.mask[0]), expected)


def blob() -> np.ndarray:
    pixels = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.3
    pixels[0, 0] = True  # the first run, outside, is of no length
    return pixels


def test_run_lengths_as_a_list_or_packed_are_the_same_object(annotate) -> None:
    pixels = blob()
    column_major = pixels.T.reshape(-1)
    edges = np.flatnonzero(np.diff(column_major, prepend=False)).tolist()
    lengths = np.diff([0, *edges, len(column_major)]).tolist()
    plain = {"size": [HEIGHT, WIDTH], "counts": lengths}
    packed = {"size": [HEIGHT, WIDTH], "counts": encode(pixels).counts.decode()}
    objects = annotate({"segmentation": plain}, {"segmentation": packed}).objects
    assert len(objects) == 1
    np.testing.assert_array_equal(decode(objects.mask[0]), pixels)


def test_runs_of_no_length_do_not_count(annotate) -> None:
    whole = WIDTH * HEIGHT
    counts = [5, 0, 7, 3, 0, 4, whole - 19, 0]
    objects = annotate({"segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}}).objects
    expected = np.zeros(whole, bool)
    expected[12:19] = True
    np.testing.assert_array_equal(decode(objects.mask[0]).T.reshape(-1), expected)
    np.testing.assert_array_equal(mask_box(objects.mask[0]), objects.xyxy[0])


@pytest.mark.parametrize(
    "segmentation",
    [None, [], [[2, 2, 2.1, 2, 2.1, 2.1]], {"size": [HEIGHT, WIDTH], "counts": [WIDTH * HEIGHT]}],
)
def test_what_covers_no_pixel_is_no_mask(annotate, segmentation: object) -> None:
    annotated = annotate({**BOX, "segmentation": segmentation})
    assert annotated.objects.mask.tolist() == [None]
    assert annotated.problems == ()


def test_what_reaches_over_the_border_is_cut_off(annotate) -> None:
    objects = annotate({"bbox": [-3, 6, 10, 9], "segmentation": [[-3, 6, 7, 6, 7, 15, -3, 15]]}).objects
    np.testing.assert_array_equal(objects.xyxy, [[0, 6, 7, 10]])
    np.testing.assert_array_equal(mask_box(objects.mask[0]), [0, 6, 7, 10])


coordinate = st.floats(-HEIGHT, 2 * HEIGHT, width=32)
polygons = st.lists(st.lists(coordinate, min_size=6, max_size=14), min_size=1, max_size=3)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(polygons.map(lambda many: [one[: len(one) // 2 * 2] for one in many]))
def test_polygons_are_filled_as_pycocotools_does(write: Write, segmentation: list[list[float]]) -> None:
    path = write({**BOX, "segmentation": segmentation})
    oracle = COCO.__new__(COCO)
    oracle.imgs = {5: {"height": HEIGHT, "width": WIDTH}}
    expected = oracle.annToMask({"image_id": 5, "segmentation": segmentation}).astype(bool)
    (mask,) = open_coco(path).objects_of(photo()).objects.mask
    np.testing.assert_array_equal(decode(mask) if mask else np.zeros_like(expected), expected)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=WIDTH * HEIGHT // 8, max_size=WIDTH * HEIGHT // 8))
def test_packed_masks_come_back(write: Write, bits: bytes) -> None:
    pixels = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(HEIGHT, WIDTH).astype(bool)
    packed = pycocotools.mask.encode(np.asfortranarray(pixels, np.uint8))
    segmentation = {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}
    (mask,) = open_coco(write({**BOX, "segmentation": segmentation})).objects_of(photo()).objects.mask
    assert mask is None if not pixels.any() else mask.counts == packed["counts"]


# Which photo


def test_a_photo_that_the_file_does_not_name_has_no_objects(write: Write) -> None:
    annotated = open_coco(write(BOX)).objects_of(photo("photos/8.jpg"))
    assert len(annotated.objects) == 0
    assert annotated.problems == ()


def test_the_longest_part_of_a_path_names_the_photo(write: Write) -> None:
    names = ["7.jpg", "val\\7.jpg", "train/7.jpg"]
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    annotations = [{"id": n, "image_id": n, "category_id": 1, "bbox": [n, 0, 2, 2]} for n in range(3)]
    reader = open_coco(write(images=images, annotations=annotations))
    lefts = [reader.objects_of(photo(f"/d/{f}/7.jpg")).objects.xyxy[0, 0] for f in ("test", "val", "train")]
    assert lefts == [0, 1, 2]


def test_a_photo_of_another_size_is_a_problem(write: Write) -> None:
    annotated = open_coco(write(BOX)).objects_of(photo(width=HEIGHT, height=WIDTH))
    assert len(annotated.objects) == 0
    assert [p.reason for p in annotated.problems] == [
        "image 7.jpg is of a photo of 20 x 10 pixels, and this one has 10 x 20: the sides are swapped, as by "
        "a tool that ignores the photo's EXIF orientation; turn the photos' pixels (exiftran -ai, mogrify "
        "-auto-orient) and annotate or export again"
    ]


def test_what_the_photos_and_the_file_do_not_share_is_counted(write: Write) -> None:
    images = [{"id": 5, "file_name": "7.jpg"}, {"id": 6, "file_name": "gone.jpg"}]
    stray = {**BOX, "image_id": 99}
    reader = open_coco(write(BOX, {**BOX, "iscrowd": 1}, stray, images=images))
    assert isinstance(reader, CocoAnnotations)
    assert len(reader.objects_of(photo()).objects) == 1
    coverage = reader.coverage(["photos/7.jpg", "photos/8.jpg"])
    assert coverage == (("gone.jpg",), ("photos/8.jpg",), 1, 1, (), (), ())


def test_ids_do_not_change_when_another_photo_is_annotated(write: Write) -> None:
    before = open_coco(write(BOX)).objects_of(photo()).objects.object_id.tolist()
    images = [{"id": 6, "file_name": "8.jpg"}, {"id": 5, "file_name": "7.jpg"}]
    after = open_coco(write(BOX, {**BOX, "image_id": 6}, images=images))
    assert after.objects_of(photo()).objects.object_id.tolist() == before


# Attributes


def factors(objects: Objects) -> dict[str, tuple[str, list[Any]]]:
    return {name: (column.dtype.kind, column.tolist()) for name, column in objects.factors.items()}


def boxes(*attributes: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [{"bbox": [n, 3, 4, 5], "attributes": given} for n, given in enumerate(attributes)]


def test_attributes_become_factors(annotate) -> None:
    found = annotate(*boxes({"style": "toy", "yaw": 90, "occluded": False}, {"style": "real", "yaw": 22.5}))
    assert factors(found.objects) == {
        "style": ("O", ["toy", "real"]),
        "yaw": ("f", [90, 22.5]),
        "occluded": ("O", ["false", None]),
    }


def test_unknown_attributes(annotate) -> None:
    objects = annotate(*boxes({"yaw": 90, "style": None}, None, {"yaw": None, "style": "toy"})).objects
    np.testing.assert_array_equal(objects.factors["yaw"], [90, np.nan, np.nan])
    assert objects.factors["style"].tolist() == [None, None, "toy"]


def test_numbers_beside_text_are_text(annotate) -> None:
    assert factors(annotate(*boxes({"size": 3}, {"size": "big"})).objects) == {"size": ("O", ["3", "big"])}


def test_columns_are_of_one_type_in_every_photo(write: Write) -> None:
    images = [{"id": 5, "file_name": "7.jpg"}, {"id": 6, "file_name": "8.jpg"}]
    numbered, named = boxes({"size": 3}, {"size": "big"})
    reader = open_coco(write(numbered, {**named, "image_id": 6}, images=images))
    assert factors(reader.objects_of(photo()).objects) == {"size": ("O", ["3"])}


def test_attributes_stay_with_their_object_when_a_broken_one_goes(annotate) -> None:
    first, broken, last = boxes({"yaw": 1}, {"yaw": 2}, {"yaw": 3})
    objects = annotate(first, {**broken, "bbox": [1, 1, 0, 0]}, dict(first), last).objects
    assert objects.xyxy[:, 0].tolist() == [0, 2]
    assert objects.factors["yaw"].tolist() == [1, 3]


# What cannot be used


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({**BOX, "category_id": 2}, "category_id 2 is not among the file's categories (1, 4)"),
        ({**BOX, "category_id": "cat"}, "category_id 'cat' is not among the file's categories (1, 4)"),
        ({**BOX, "category_id": None}, "category_id None is not among the file's categories (1, 4)"),
        ({}, "has neither a bbox nor a mask that covers a pixel"),
        ({"bbox": [1, 2, 3]}, "bbox is a list of 3, expected 4 finite numbers"),
        ({"bbox": [1, 2, 3, "wide"]}, "bbox is a list of 4, expected 4 finite numbers"),
        ({"bbox": [1, 2, 3, math.nan]}, "bbox is a list of 4, expected 4 finite numbers"),
        ({"bbox": [1, 2, 3, 10**400]}, "bbox is a list of 4, expected 4 finite numbers"),
        ({"bbox": {"x": 1}}, "bbox is an object, expected 4 finite numbers"),
        ({"bbox": [1, 2, 3, 0]}, "bbox has no area (width 3, height 0)"),
        ({"bbox": [1, 2, 1e-30, 3]}, "the box has no area"),
        ({"bbox": [20, 2, 3, 3]}, "is wholly outside the photo"),
        ({"bbox": [90, 2, 3, 3]}, "is far outside the photo of 20 x 10 pixels"),
    ],
)
def test_a_wrong_annotation_is_a_problem_and_the_others_stay(annotate, annotation, reason: str) -> None:
    annotated = annotate(BOX, annotation, {"bbox": [0, 0, 1, 1]})
    assert annotated.objects.xyxy[:, 0].tolist() == [2, 0]
    (problem,) = annotated.problems
    assert problem.path.endswith("annotations.json")
    assert problem.reason.startswith(f"annotation 2: {reason}")


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({**BOX, "segmentation": [[1, 2, 3, 4]]}, "a polygon has 4 numbers, expected x and y of three or "),
        ({**BOX, "segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "a polygon has 7 numbers, expected x and y of"),
        (
            {**BOX, "segmentation": [[1, 2, 3, 4, 5, "x"]]},
            "polygon is a list of 6, expected a list of finite",
        ),
        ({**BOX, "segmentation": [[1, 2, 3, 4, 1e9, 6]]}, "is far outside the photo of 20 x 10 pixels"),
        ({**BOX, "segmentation": "abc"}, "segmentation is 'abc', expected polygons or run lengths"),
        (
            {**BOX, "segmentation": {"size": [20, 10], "counts": [200]}},
            "the mask's size is [20, 10], expected [10, 20], the photo's height and width",
        ),
        (
            {**BOX, "segmentation": {"size": [10, 20], "counts": [100, 99]}},
            "the runs of the mask do not cover 20 x 10 pixels",
        ),
        (
            {**BOX, "segmentation": {"size": [10, 20], "counts": [300, -100]}},
            "the runs of the mask do not cover 20 x 10 pixels",
        ),
        (
            {**BOX, "segmentation": {"size": [10, 20], "counts": []}},
            "the runs of the mask do not cover 20 x 10 pixels",
        ),
        (
            {**BOX, "segmentation": {"size": [10, 20], "counts": [1.5]}},
            "the mask's counts are a list of 1, expected text or a list of run lengths",
        ),
        (
            {**BOX, "segmentation": {"size": [10, 20]}},
            "the mask's counts are missing, expected text or a list of run lengths",
        ),
        (
            {**BOX, "segmentation": {"size": [10, 20], "counts": "PPo"}},
            "the counts of the mask are no run lengths as COCO packs them",
        ),
        (
            {**BOX, "segmentation": {"size": [10, 20], "counts": "é"}},
            "the counts of the mask are no run lengths as COCO packs them",
        ),
    ],
)
def test_a_mask_that_is_none_costs_itself_and_the_box_stays(annotate, annotation, reason: str) -> None:
    annotated = annotate(annotation)
    assert annotated.objects.xyxy.tolist() == [[2, 3, 6, 8]]
    assert annotated.objects.mask.tolist() == [None]
    (problem,) = annotated.problems
    assert problem.reason.startswith(f"annotation 1: {reason}")
    assert problem.reason.endswith("; this part of the mask is left out")


@pytest.mark.parametrize("bad", [[5, 5, 6, 6], [1, 2, 3], [5, 5, 6, "x", 7, 7]])
def test_the_good_polygons_of_an_object_stay_when_one_is_bad(annotate, bad: list[Any]) -> None:
    annotated = annotate({**BOX, "segmentation": [*SQUARE, bad]})
    assert annotated.objects.mask.tolist() == annotate({**BOX, "segmentation": SQUARE}).objects.mask.tolist()
    assert len(annotated.problems) == 1


@pytest.mark.parametrize("empty", [[[]], [[], []]])
def test_an_empty_polygon_is_no_mask_and_no_fault(annotate, empty: list[Any]) -> None:
    annotated = annotate({**BOX, "segmentation": empty})
    assert annotated.objects.xyxy.tolist() == [[2, 3, 6, 8]]
    assert annotated.problems == ()


@pytest.mark.parametrize(
    "segmentation",
    [
        SQUARE[0],
        [[2, 3], [6, 3], [6, 8], [2, 8]],
        [[[2, 3], [6, 3], [6, 8], [2, 8]]],
        [["2", "3", "6", "3", "6", "8", "2", "8"]],
    ],
)
def test_a_polygon_in_other_brackets_is_the_same_mask(annotate, segmentation: list[Any]) -> None:
    annotated = annotate({**BOX, "segmentation": segmentation})
    assert annotated.objects.mask.tolist() == annotate({**BOX, "segmentation": SQUARE}).objects.mask.tolist()
    assert annotated.problems == ()


@pytest.mark.parametrize(("bbox", "problems"), [([0, 0, 0, 0], 0), ([], 0), ([1, 2, 0, 4], 1), ("?", 1)])
def test_a_good_mask_gives_the_box_where_it_is_none(annotate, bbox: Any, problems: int) -> None:
    annotated = annotate({"bbox": bbox, "segmentation": SQUARE})
    assert annotated.objects.xyxy.tolist() == [[2, 3, 6, 8]]
    assert len(annotated.problems) == problems


# What tools write oddly


@pytest.mark.parametrize("flag", ["0", "false", 0, 0.0, False, None, ""])
def test_what_is_no_crowd_is_an_object(write: Write, flag: Any) -> None:
    reader = open_coco(write({**BOX, "iscrowd": flag}))
    assert len(reader.objects_of(photo()).objects) == 1
    assert reader.coverage(["7.jpg"]).crowds == 0


@pytest.mark.parametrize("flag", ["1", "true", 1, True])
def test_a_crowd_is_left_out_and_counted(write: Write, flag: Any) -> None:
    reader = open_coco(write({**BOX, "iscrowd": flag}))
    assert len(reader.objects_of(photo()).objects) == 0
    assert reader.coverage(["7.jpg"]).crowds == 1


@pytest.mark.parametrize(
    ("annotation", "keys"),
    [
        ({"category_id": "1"}, {}),
        ({"category_id": 1.0}, {}),
        ({"image_id": "5"}, {}),
        ({"bbox": ["2", "3", "4", "5"]}, {}),
        ({"area": math.nan}, {}),
        ({}, {"categories": [{"id": "1", "name": "cat"}]}),
        ({}, {"categories": [{"id": 1, "name": "cat"}, {"id": 2}, {"id": 4, "name": "\ud800"}, 7]}),
        ({}, {"images": [{"id": 5.0, "file_name": "7.jpg"}]}),
        ({}, {"images": [{"id": 5, "file_name": "7.jpg", "width": 0, "height": 0}]}),
        ({}, {"images": [{"id": 5, "file_name": "7.jpg", "width": "20", "height": 10.0}]}),
        ({}, {"images": [{"id": 5, "file_name": "7.jpg"}, 3, {"id": 6}, {"id": 1.5, "file_name": "a"}]}),
        ({}, {"images": [{"id": 5, "coco_url": "http://host/val/7.jpg"}]}),
    ],
)
def test_one_odd_value_costs_no_object(
    write: Write, annotation: dict[str, Any], keys: dict[str, Any]
) -> None:
    annotated = open_coco(write({**BOX, **annotation}, **keys)).objects_of(photo("val/7.jpg"))
    assert annotated.objects.xyxy.tolist() == [[2, 3, 6, 8]]
    assert annotated.objects.label.tolist() == ["cat"]
    assert annotated.problems == ()


def test_a_number_may_name_a_category(write: Write) -> None:
    reader = open_coco(write(BOX, categories=[{"id": 1, "name": 7}]))
    assert reader.objects_of(photo()).objects.label.tolist() == ["7"]


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        ({"images": [{"id": 5, "file_name": "7.jpg"}, 3]}, "1 entry of images left out: images[1] is 3"),
        (
            {"images": [{"id": 5, "file_name": "7.jpg"}, {"id": 6}]},
            "1 image left out: image 6: file_name is missing, expected the photo's name",
        ),
        (
            {"images": [{"id": 5, "file_name": "7.jpg"}, *({"id": 6, "file_name": f"{n}"} for n in (1, 2))]},
            "1 image left out: id 6 is that of 1 and of 2",
        ),
        (
            {"categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "a"}, {"id": 2, "name": "b"}]},
            "1 category left out: category 2 is named a and b",
        ),
    ],
)
def test_an_entry_that_cannot_be_used_is_told(write: Write, keys: dict[str, Any], note: str) -> None:
    reader = open_coco(write(BOX, **keys))
    assert len(reader.objects_of(photo()).objects) == 1
    assert [told[: len(note)] for told in reader.coverage(["7.jpg"]).notes] == [note]


def test_two_entries_of_one_photo_are_one(write: Write) -> None:
    images = [{"id": 5, "file_name": "7.jpg"}, {"id": 6, "file_name": "7.jpg"}]
    reader = open_coco(write(BOX, {"bbox": [0, 0, 1, 1], "image_id": 6}, images=images))
    assert reader.objects_of(photo()).objects.xyxy[:, 0].tolist() == [2, 0]


def test_two_categories_of_the_set_stay_two(write: Write) -> None:
    categories = [{"id": 1, "name": "sofa"}, {"id": 4, "name": "couch"}]
    reader = open_coco(write(BOX, {**BOX, "category_id": 4}, categories=categories))
    assert reader.objects_of(photo()).objects.label.tolist() == ["sofa", "couch"]


def test_a_score_is_kept(annotate) -> None:
    objects = annotate({**BOX, "score": 0.25}, {"bbox": [0, 0, 1, 1], "score": 7}).objects
    np.testing.assert_array_equal(objects.score, np.array([0.25, np.nan], np.float32))


def test_a_turned_box_is_the_turned_one_with_its_mask(write: Write) -> None:
    images = [{"id": 5, "file_name": "dog.jpg", "width": 768, "height": 576}]
    annotation = {"bbox": [128, 222, 184, 317], "attributes": {"rotation": 90.0}}
    image = photo("dog.jpg", 768, 576)
    objects = open_coco(write(annotation, images=images)).objects_of(image).objects
    np.testing.assert_allclose(objects.xyxy, [[61.5, 288.5, 378.5, 472.5]], atol=1e-4)
    assert objects.factors["rotation"].tolist() == [90]
    mask = decode(objects.mask[0])
    assert mask[300:460, 80:360].all()
    assert abs(mask.sum() - 184 * 317) < 2 * (184 + 317)


def test_a_box_is_turned_clockwise(annotate) -> None:
    mask = decode(annotate({"bbox": [4, 4, 12, 2], "attributes": {"rotation": 30}}).objects.mask[0])
    rows, columns = np.nonzero(mask)
    assert np.corrcoef(rows, columns)[0, 1] > 0  # y points down


# Attributes that are no columns


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("attribute:iscrowd", "attribute_iscrowd"),
        ("veh.type", "veh_type"),
        ("Hard to see?", "Hard to see"),
        ("score", "attribute_score"),
        ("label", "attribute_label"),
    ],
)
def test_an_attribute_that_can_be_no_column_is_renamed_and_told(write: Write, name: str, column: str) -> None:
    reader = open_coco(write(*boxes({name: 3})))
    assert factors(reader.objects_of(photo()).objects) == {column: ("f", [3])}
    assert reader.coverage(["7.jpg"]).notes == (f"attribute '{name}' is read as {column}",)


def test_attributes_of_one_name_after_all_stay_apart(annotate) -> None:
    assert set(annotate(*boxes({"a.b": 1, "a_b": 2})).objects.factors) == {"a_b", "a_b_"}


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({"": 3}, "attributes named '' are left out"),
        ({"pose": [1]}, "values of attribute pose that are neither a number nor text are left out"),
        ([1], "attributes that are no object are left out"),
    ],
)
def test_an_attribute_that_cannot_be_kept_is_told(write: Write, given: Any, note: str) -> None:
    reader = open_coco(write(*boxes(given, {"yaw": 1})))
    objects = reader.objects_of(photo()).objects
    assert list(objects.factors) == ["yaw"]
    assert len(objects) == 2
    assert reader.coverage(["7.jpg"]).notes == (note,)


def test_no_attributes_at_all_may_be_a_list(write: Write) -> None:
    assert open_coco(write(*boxes([]))).coverage(["7.jpg"]).notes == ()


def test_an_annotation_without_an_id_is_named_by_its_place(annotate) -> None:
    (problem,) = annotate({"id": None}).problems
    assert problem.reason.startswith("annotations[0]: has neither")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"images": 3}, "images is 3, expected a list"),
        (
            {"images": [{"id": 1.5, "file_name": "a"}]},
            "has no image that can be used: images[0]: id is 1.5, expected an integer",
        ),
        ({"images": [{"id": 5}]}, "has no image that can be used: image 5: file_name is missing, expected"),
        ({"categories": [{"id": 1}]}, "has no category that can be used: category 1: name is missing"),
        (
            {"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]},
            "has no category that can be used: category 1 is named a and b",
        ),
        ({"annotations": {}}, "annotations is an object, expected a list"),
    ],
)
def test_a_file_that_contradicts_its_form(write: Write, keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(AnnotationError) as caught:
        open_coco(write(**keys))
    assert caught.value.path.endswith("annotations.json")
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no JSON: Expecting value in line 1, column 1"),
        ("{", "is no JSON: Expecting property name enclosed in double quotes in line 1, column 2"),
        ("[" * 100_000, "is no JSON that can be read: maximum recursion depth"),
        ("9" * 5000, "is no JSON that can be read: Exceeds the limit"),
        ('[{"image_id": 1}]', "holds a list of 1, expected a COCO file: an object with images"),
        ('{"shapes": []}', "has no images, expected a COCO file: an object with images"),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(AnnotationError) as caught:
        open_annotations(tmp_path / "a.json", format="coco")
    assert caught.value.reason.startswith(reason)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.json: there is no such file"):
        open_annotations(tmp_path / "a.json", format="coco")


def test_a_folder_where_the_file_is_expected(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"is a folder and COCO's annotations are a JSON file"):
        open_annotations(tmp_path, format="coco")


def test_a_file_where_yolos_folder_is_expected(write: Write) -> None:
    with pytest.raises(
        AnnotationError, match=r"is a file and YOLO's labels are a folder or a data\.yaml; a COCO"
    ):
        open_annotations(write(BOX))


# Anything at all


plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
number = st.floats(-30, 50) | st.integers(-5, 30)
counts = st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12) | st.lists(
    st.integers(-2, 220), max_size=5
)
annotations = st.fixed_dictionaries(
    {},
    optional={
        "category_id": st.sampled_from([1, 4, 9]) | anything,
        "bbox": st.lists(number, min_size=4, max_size=4) | anything,
        "segmentation": st.lists(st.lists(number, max_size=9), max_size=2)
        | st.fixed_dictionaries({"size": st.just([HEIGHT, WIDTH]) | anything, "counts": counts | anything})
        | anything,
        "iscrowd": st.sampled_from([0, 1]) | anything,
        "attributes": st.dictionaries(st.text(max_size=5), plain, max_size=2) | anything,
        "image_id": st.sampled_from([5, 6]) | anything,
        "id": st.integers() | anything,
    },
)


def check(annotated: Annotated) -> None:
    objects = annotated.objects
    assert (objects.xyxy >= 0).all()
    assert (objects.xyxy <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    assert set(objects.label) <= {"cat", "couch"}
    for mask in objects.mask:
        if mask is not None:
            pixels = decode(mask)
            assert pixels.any()
            assert encode(pixels).counts == mask.counts
    assert all(problem.reason.startswith("annotation") for problem in annotated.problems)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(annotations, max_size=3))
def test_any_annotations_give_objects_and_problems_or_one_error(write: Write, given: list[dict]) -> None:
    try:
        reader = open_coco(write(*given))
    except AnnotationError as error:
        told = error.reason
    else:
        told = "annotations were read"
        check(reader.objects_of(photo()))
    assert told.startswith("annotation")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["images", "categories", "annotations", "info"]), anything) | anything)
def test_any_json_is_a_file_or_one_error(tmp_path: Path, given: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(given))
    with contextlib.suppress(AnnotationError):
        check(open_coco(path).objects_of(photo()))


def test_three_pairs_or_more_are_the_points_of_one_polygon(annotate: Callable[..., Annotated]) -> None:
    """Fewer are polygons of a point each, of which every one is left out and told."""
    whole = annotate({**BOX, "segmentation": [[2, 3], [6, 3], [6, 8]]})
    assert whole.objects.mask[0] is not None
    assert not whole.problems
    two = annotate({**BOX, "segmentation": [[2, 3], [6, 8]]})
    assert two.objects.mask == [None]
    assert sum(problem.reason.count("a polygon has 2 numbers") for problem in two.problems) == 2
