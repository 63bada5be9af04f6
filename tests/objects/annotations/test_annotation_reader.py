from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objectspace.images import Image
from objectspace.objects.annotations import AnnotationSet, open_annotations
from objectspace.objects.annotations.annotation_reader import shared_images
from objectspace.objects.annotations.mask_images import open_mask_images


def coco(folder: Path) -> AnnotationSet:
    document = {"images": [{"id": 1, "file_name": "7.jpg"}], "annotations": [], "categories": []}
    (folder / "coco.json").write_text(json.dumps(document))
    return open_annotations(folder / "coco.json", format="coco")


def voc(folder: Path) -> AnnotationSet:
    (folder / "7.xml").write_text("<annotation><filename>7.jpg</filename></annotation>")
    return open_annotations(folder, format="voc")


def yolo(folder: Path) -> AnnotationSet:
    (folder / "7.txt").write_text("")
    return open_annotations(folder)


def masks(folder: Path) -> AnnotationSet:
    (folder / "7.png").write_text("")
    return open_mask_images(folder)


@pytest.mark.parametrize("opened", [coco, voc, yolo, masks])
def test_a_photo_that_takes_the_annotations_of_another_is_told(
    tmp_path: Path, opened: Callable[[Path], AnnotationSet]
) -> None:
    coverage = opened(tmp_path).coverage(["a/7.jpg", "b/7.jpg", "b/8.jpg"])
    assert coverage.shared == ("b/7.jpg",)


def test_what_lies_beside_a_photo_is_not_of_the_folder_that_was_given(tmp_path: Path) -> None:
    photos, given = tmp_path / "photos", tmp_path / "given"
    for folder in (photos, given):
        folder.mkdir()
    (photos / "8.txt").write_text("")
    coverage = yolo(given).coverage([photos / "7.jpg", photos / "8.jpg"])
    assert coverage.unnamed == (str(photos / "8.jpg"),)


def test_a_photo_that_takes_the_labels_of_another_in_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/7.txt").write_text("")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [cat]\n")
    photos = [tmp_path / "images" / name for name in ("7.jpg", "7.png", "8.jpg", "8.png")]
    assert open_annotations(tmp_path / "data.yaml").coverage(photos).shared == (str(photos[1]),)


def test_a_photo_that_is_named_twice_shares_with_nobody() -> None:
    photo = Path("7.jpg")
    assert shared_images({str(photo): 1, str(photo.absolute()): 1, "8.jpg": None, "9.jpg": None}) == ()


def test_labels_in_a_folder_that_may_not_be_read_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **options: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    reader = yolo(tmp_path)
    image = Image("a" * 32, "7.jpg", np.zeros((4, 4, 3), np.uint8), 4, 4)
    before = reader.contents("7.jpg")
    # Tests may run as root, who may read everything.
    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    (problem,) = reader.objects_of(image).problems
    assert "Permission denied" in problem.reason
    assert reader.contents("7.jpg") != before
