"""Which files an image's annotations are read from, and what another digest of them is made by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from objectspace.objects.annotations import open_annotations
from objectspace.objects.annotations.coco import CocoAnnotations, open_coco
from objectspace.objects.annotations.mask_images import open_mask_images


def write_coco(path: Path, **changes: Any) -> CocoAnnotations:
    """Two images, the first with two annotations out of order, the second with one."""
    document = {
        "images": [
            {"id": 5, "file_name": "7.jpg", "width": 20, "height": 10},
            {"id": 6, "file_name": "8.jpg", "width": 20, "height": 10},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 4, "name": "sofa"}],
        "annotations": [
            {"id": 2, "image_id": 5, "category_id": 1, "bbox": [2, 3, 4, 5], "score": 0.5},
            {"id": 9, "image_id": 6, "category_id": 4, "bbox": [1, 1, 2, 2]},
            {"id": 1, "image_id": 5, "category_id": 4, "bbox": [0, 0, 9, 9], "attributes": {"angle": 3}},
        ],
        **changes,
    }
    path.write_text(json.dumps(document))
    return open_coco(path)


BOX = {"image_id": 5, "category_id": 1, "bbox": [2, 3, 4, 5]}
OTHER = {"id": 9, "image_id": 6, "category_id": 4, "bbox": [1, 1, 2, 2]}


@pytest.mark.parametrize(
    "one",
    [
        {**BOX, "bbox": [2, 3, 4, 6]},
        {**BOX, "category_id": 4},
        {**BOX, "score": 0.25},
        {**BOX, "attributes": {"angle": 4}},
        {**BOX, "segmentation": [[1, 1, 5, 1, 5, 5]]},
    ],
    ids=["box", "category", "score", "attributes", "segmentation"],
)
def test_whatever_an_annotation_states_changes_the_digest_of_its_image_alone(
    tmp_path: Path, one: dict[str, Any]
) -> None:
    before = write_coco(tmp_path / "a.json", annotations=[{"id": 2, **BOX}, OTHER])
    after = write_coco(tmp_path / "b.json", annotations=[{"id": 2, **one}, OTHER])
    again = write_coco(tmp_path / "c.json", annotations=[{"id": 77, **BOX}, {**OTHER, "id": 3}])
    assert after.contents("7.jpg") != before.contents("7.jpg") == again.contents("7.jpg")
    assert after.contents("8.jpg") == before.contents("8.jpg") == again.contents("8.jpg")


def test_the_image_and_the_name_of_a_category_are_part_of_the_digest(tmp_path: Path) -> None:
    before = write_coco(tmp_path / "a.json")
    renamed = write_coco(
        tmp_path / "b.json", categories=[{"id": 1, "name": "dog"}, {"id": 4, "name": "sofa"}]
    )
    assert renamed.contents("7.jpg") != before.contents("7.jpg")
    assert renamed.contents("8.jpg") == before.contents("8.jpg")
    sides = [
        {"id": 5, "file_name": "7.jpg", "width": 21, "height": 10},
        {"id": 6, "file_name": "8.jpg", "width": 20, "height": 11},
    ]
    wider = write_coco(tmp_path / "c.json", images=sides)
    for name in ("7.jpg", "8.jpg"):
        assert wider.contents(name) != before.contents(name)
    assert len({before.contents(name) for name in ("7.jpg", "8.jpg", "9.jpg", "10.jpg")}) == 3


def test_the_files_of_an_image_of_coco_are_the_one(tmp_path: Path) -> None:
    coco = write_coco(tmp_path / "a.json")
    assert list(coco.files("photos/8.jpg")) == [tmp_path / "a.json"]
    assert list(coco.files("photos/9.jpg")) == []


def test_the_files_of_an_image_of_masks_are_its_mask_and_where_it_was_expected(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for path in (tmp_path / "deep" / "apple-map.png", tmp_path / "pear-map.png"):
        PIL.Image.fromarray(np.eye(4, dtype=np.uint8)).save(path)
    masks = open_mask_images(tmp_path, pattern="{stem}-map.png")
    expected = tmp_path / "apple-map.png"
    assert set(masks.files("photos/deep/apple.jpg")) == {tmp_path / "deep" / "apple-map.png", expected}
    assert set(masks.files("photos/pear.jpg")) == {tmp_path / "pear-map.png"}
    assert list(masks.files("photos/plum.jpg")) == [tmp_path / "plum-map.png"]


def test_the_files_of_an_image_of_yolo_are_its_labels(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "7.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    labels = open_annotations(tmp_path)
    assert list(labels.files("photos/7.jpg")) == [tmp_path / "7.txt"]
    assert list(labels.files("photos/8.jpg")) == []
