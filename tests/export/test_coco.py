"""COCO, read by pycocotools and by our own reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycocotools.coco
import pytest

from objectspace.export import export_store
from objectspace.images import read_image
from objectspace.objects.annotations import open_annotations
from objectspace.objects.masks import decode


@pytest.fixture
def path(store, tmp_path, small_blocks):
    export_store(store, tmp_path / "o.json", "coco")
    return tmp_path / "o.json"


def test_pycocotools_reads_every_photo_and_object(store, path, capsys):
    coco = pycocotools.coco.COCO(str(path))
    folder = Path(coco.dataset["info"]["folder"])
    assert [str(folder / image["file_name"]) for image in coco.loadImgs(coco.getImgIds())] == [
        photo.path for photo in store.images()
    ]
    entries = coco.loadAnns(coco.getAnnIds())
    objects = store.objects([entry["object_id"] for entry in entries])
    assert [entry["id"] for entry in entries] == list(range(1, 13))
    names = {category["id"]: category["name"] for category in coco.loadCats(coco.getCatIds())}
    assert [names[entry["category_id"]] for entry in entries] == objects.label.tolist()
    image_ids = {number: photo.image_id for number, photo in enumerate(store.images(), start=1)}
    assert [image_ids[entry["image_id"]] for entry in entries] == objects.image_id.tolist()
    scores = [None if np.isnan(score) else score for score in objects.score.tolist()]
    assert [entry.get("score") for entry in entries] == scores


def test_pycocotools_reads_the_masks(store, path, capsys):
    coco = pycocotools.coco.COCO(str(path))
    for entry in coco.loadAnns(coco.getAnnIds()):
        mask = store.objects([entry["object_id"]]).mask[0]
        assert (entry["segmentation"] != []) == (mask is not None)
        if mask is None:
            assert entry["area"] == pytest.approx(20.5 * 30)
        else:
            np.testing.assert_array_equal(coco.annToMask(entry), decode(mask))
            assert entry["area"] == decode(mask).sum()


def test_our_own_reader_gives_the_objects_back(store, path):
    reader = open_annotations(path, format="coco")
    for photo in store.images():
        image = read_image(Path(photo.path))
        read = reader.objects_of(image).objects
        own = store.objects().take(store.objects().image_id == photo.image_id)
        np.testing.assert_array_equal(read.xyxy, own.xyxy)
        assert read.label.tolist() == own.label.tolist()
        assert read.mask.tolist() == own.mask.tolist()
        for name in own.factors if len(own) else ():
            np.testing.assert_array_equal(read.factors[name], own.factors[name])


def test_an_export_knows_its_photos_after_their_folder_was_renamed(store, path, tmp_path):
    reader = open_annotations(path, format="coco")
    photos = [photo.path for photo in store.images()]
    folder = Path(photos[0]).parent
    moved = [str(Path("/elsewhere/pics", Path(photo).relative_to(folder))) for photo in photos]
    assert reader.coverage(moved).unnamed == ()
    assert reader.coverage(moved).missing == ()
