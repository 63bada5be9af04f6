"""YOLO label files, read by our own reader, and boxes by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from objectspace.errors import InputError
from objectspace.export import export_store
from objectspace.images import read_image
from objectspace.objects.annotations import open_annotations
from objectspace.store import open_store, open_writer
from objectspace.store.marks import new_mark, save_marks


@pytest.fixture
def path(store, tmp_path, small_blocks) -> Path:
    export_store(store, tmp_path / "set", "yolo")
    return tmp_path / "set"


def test_a_line_is_the_class_and_shares_of_the_photo(store, path):
    names = yaml.safe_load((path / "data.yaml").read_text())["names"]
    objects = store.objects()
    for photo in store.images():
        own = objects.take(objects.image_id == photo.image_id)
        (file,) = [one for one in path.rglob("*.txt") if one.stem == Path(photo.path).stem]
        lines = [line.split() for line in file.read_text().splitlines()]
        assert [names[int(line[0])] for line in lines] == own.label.tolist()
        for line, (x1, y1, x2, y2) in zip(lines, own.xyxy.astype(float), strict=True):
            center = (x1 + x2) / 2 / photo.width, (y1 + y2) / 2 / photo.height
            size = (x2 - x1) / photo.width, (y2 - y1) / photo.height
            np.testing.assert_allclose([float(one) for one in line[1:]], [*center, *size], rtol=1e-6)


def test_our_own_reader_gives_boxes_and_labels_back(store, path):
    for photo in store.images():
        (path / "images").mkdir(exist_ok=True)
        shutil.copy(photo.path, path / "images")
    reader = open_annotations(path / "data.yaml", format="yolo")
    for photo in store.images():
        read = reader.objects_of(read_image(path / "images" / Path(photo.path).name)).objects
        own = store.objects().take(store.objects().image_id == photo.image_id)
        np.testing.assert_allclose(read.xyxy, own.xyxy, atol=0.01)
        assert read.label.tolist() == own.label.tolist()


def test_marks_correct_what_is_written(store, tmp_path):
    objects = store.objects()
    wrong, other = objects.object_id[[1, 4]].tolist()
    save_marks(store.path, {wrong: new_mark("wrong"), other: new_mark("relabeled", "zebra")})
    export_store(store, tmp_path / "set", "yolo", corrected=True)
    lines = [line for file in (tmp_path / "set").rglob("*.txt") for line in file.read_text().splitlines()]
    names = yaml.safe_load((tmp_path / "set" / "data.yaml").read_text())["names"]
    assert len(lines) == len(objects) - 1
    assert [names[int(line.split()[0])] for line in lines].count("zebra") == 1


def test_two_photos_of_one_label_file_are_refused(store, tmp_path):
    first, second, *_ = store.images()
    with open_writer(store.path) as writer:
        writer.set_paths({first.image_id: "a/one.jpg", second.image_id: "a/one.png"})
    with pytest.raises(InputError, match="one label file"):
        export_store(open_store(store.path), tmp_path / "set", "yolo")


def test_a_path_that_no_file_can_have_is_refused(store, tmp_path):
    first, *_ = store.images()
    with open_writer(store.path) as writer:
        writer.set_paths({first.image_id: "/photos/a\0b.jpg"})
    with pytest.raises(
        InputError, match=r"no label file can be named by '/photos/a\\x00b.jpg', as it has a NUL"
    ):
        export_store(open_store(store.path), tmp_path / "set", "yolo")
    assert not (tmp_path / "set").exists()
