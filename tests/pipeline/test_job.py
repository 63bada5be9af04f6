from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objectspace.errors import InputError
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations import AnnotationSet, objects_reader, open_annotations
from objectspace.objects.annotations.photo_factors import factors_from_pattern
from objectspace.objects.records import make_objects
from objectspace.pipeline.job import Job


def coco(folder: Path) -> AnnotationSet:
    document = {
        "images": [{"id": 1, "file_name": "7.jpg"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "attributes": {"yaw": 1}}
        ],
    }
    (folder / "coco.json").write_text(json.dumps(document))
    return open_annotations(folder / "coco.json", format="coco")


def voc(folder: Path) -> AnnotationSet:
    (folder / "7.xml").write_text(
        "<annotation><filename>7.jpg</filename><object><name>cat</name><attributes><attribute><name>yaw</name>"
        "<value>1</value></attribute></attributes></object></annotation>"
    )
    return open_annotations(folder, format="voc")


def in_memory(folder: Path) -> AnnotationSet:
    box = np.array([[1, 1, 2, 2]], np.float32)
    objects = make_objects(
        image_id="a" * 32, xyxy=box, label=["cat"], source="s", factors={"yaw": np.array([1.0])}
    )
    return objects_reader({folder / "7.jpg": objects})


@pytest.mark.parametrize("opened", [coco, voc, in_memory])
def test_a_factor_of_the_annotations_and_of_the_photos(
    tmp_path: Path, opened: Callable[[Path], AnnotationSet]
) -> None:
    encoder = load_encoder("demo")
    factors = factors_from_pattern(r"(?P<yaw>\d)", ["7.jpg"])
    sentence = (
        "factor yaw comes from the annotations and from the photos' table or pattern; rename one of them"
    )
    with pytest.raises(InputError, match=sentence):
        Job(encoder=encoder, annotations=opened(tmp_path), factors=factors).load()
    others = factors_from_pattern(r"(?P<pitch>\d)", ["7.jpg"])
    assert Job(encoder=encoder, annotations=opened(tmp_path), factors=others).load().factors is others
