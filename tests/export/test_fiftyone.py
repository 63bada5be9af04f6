"""The folder for FiftyOne: read as plain JSON, and imported by FiftyOne itself."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from objectspace.export import export_store
from objectspace.export.fiftyone import field_names
from objectspace.objects.masks import decode


@pytest.fixture
def folder(store, tmp_path, small_blocks):
    export_store(store, tmp_path / "o", "fiftyone")
    return tmp_path / "o"


@pytest.fixture
def samples(folder):
    return json.loads((folder / "samples.json").read_text(encoding="utf-8"))["samples"]


@pytest.fixture
def detections(samples):
    return [detection for sample in samples for detection in sample["objects"]["detections"]]


def array(text):
    """An array as FiftyOne packs it: base64 of zlib of .npy."""
    return np.load(io.BytesIO(zlib.decompress(base64.b64decode(text))), allow_pickle=False)


def test_a_sample_for_every_photo(store, samples):
    assert [sample["filepath"] for sample in samples] == [photo.path for photo in store.images()]
    assert [len(sample["objects"]["detections"]) for sample in samples] == [4, 0, 5, 3]


def test_boxes_are_shares_of_the_photo(store, detections):
    objects = store.objects([detection["object_id"] for detection in detections])
    x, y, width, height = np.array([detection["bounding_box"] for detection in detections]).T
    corners = np.stack([x * 96, y * 64, (x + width) * 96, (y + height) * 64], 1)
    np.testing.assert_allclose(corners, objects.xyxy, rtol=1e-6)
    assert [detection["label"] for detection in detections] == objects.label.tolist()


def test_what_is_unknown_is_left_out(store, detections):
    objects = store.objects([detection["object_id"] for detection in detections])
    for row, detection in enumerate(detections):
        assert ("confidence" in detection) == bool(np.isfinite(objects.score[row]))
        assert ("yaw" in detection) == bool(np.isfinite(objects.factors["yaw"][row]))
        assert detection.get("style") == objects.factors["style"][row]
        assert ("vector_win_3" in detection) == (objects.object_id[row] in store.members("win.3"))


def test_masks_are_the_part_in_the_box(store, detections):
    for detection in detections:
        objects = store.objects([detection["object_id"]])
        mask = objects.mask[0]
        assert ("mask" in detection) == (mask is not None)
        if mask is not None:
            x1, y1, x2, y2 = objects.xyxy[0]
            rows = slice(int(np.floor(y1)), int(np.ceil(y2)))
            columns = slice(int(np.floor(x1)), int(np.ceil(x2)))
            np.testing.assert_array_equal(array(detection["mask"]), decode(mask)[rows, columns])


def test_vectors_are_the_stores(store, detections):
    space = store.space("crop")
    row = dict(zip(space.object_id, space.vectors, strict=True))
    for detection in detections:
        vector = array(detection["vector_crop"]["$binary"]["base64"])
        np.testing.assert_array_equal(vector, row[detection["object_id"]])


def test_field_names_that_fiftyone_takes():
    names = field_names(["yaw", "_id", "mask", "a b", "a-b", "_"], {"mask", "id"})
    assert list(names.values()) == ["yaw", "id_2", "mask_2", "a_b", "a_b_2", "factor"]


def test_photos_that_are_gone_are_told(store, tmp_path):
    photo = Path(store.images()[1].path)
    photo.rename(tmp_path / "elsewhere.png")
    try:
        made = export_store(store, tmp_path / "o", "fiftyone")
    finally:
        (tmp_path / "elsewhere.png").rename(photo)
    assert made.notes == ("1 of 4 photos is not at the stored path any more",)


def test_fiftyone_imports_it(store, folder):
    """Skipped where FiftyOne or its MongoDB is missing; $FIFTYONE_DATABASE_URI names one that runs."""
    fiftyone = pytest.importorskip("fiftyone")
    try:
        fiftyone.list_datasets()
    except (OSError, fiftyone.core.config.FiftyOneConfigError) as error:
        pytest.skip(f"FiftyOne has no database here: {error}")
    dataset = fiftyone.Dataset.from_dir(
        str(folder), dataset_type=fiftyone.types.FiftyOneDataset, name="objectspace-test", overwrite=True
    )
    try:
        found = [detection for sample in dataset for detection in sample.objects.detections]
        objects = store.objects([detection.object_id for detection in found])
        assert [detection.label for detection in found] == objects.label.tolist()
        scores = [None if np.isnan(score) else score for score in objects.score.tolist()]
        assert [detection.confidence for detection in found] == scores
        assert [detection.mask is None for detection in found] == [mask is None for mask in objects.mask]
        assert [detection.style for detection in found if detection.has_field("style")] == [
            style for style in objects.factors["style"] if style is not None
        ]
        assert {detection.vector_crop.shape for detection in found} == {(6,)}
    finally:
        dataset.delete()
