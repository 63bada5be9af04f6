"""Who sits on a chair in real photos, as looked up by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectspace.images import read_image
from objectspace.objects.annotations import open_annotations
from objectspace.objects.labels import COCO_NAMES
from objectspace.objects.records import Objects
from objectspace.report.claims.chairs import find_people

pytestmark = pytest.mark.real


def objects_of(real: Path, name: str) -> Objects:
    reader = open_annotations(real / "photos/coco128/labels", names=COCO_NAMES)
    return reader.objects_of(read_image(real / f"photos/coco128/images/{name}.jpg")).objects


def test_a_woman_in_an_armchair_beside_two_who_stand(real: Path):
    people = find_people(objects_of(real, "000000000536"))

    left = objects_of(real, "000000000536").xyxy[people.rows, 0]
    assert people.source == "boxes"
    assert people.on[np.argsort(left)].tolist() == [False, False, True]
    assert people.beside[np.argsort(left)].tolist() == [True, True, False]


def test_nobody_on_a_chair_where_there_is_none(real: Path):
    people = find_people(objects_of(real, "000000000036"))
    assert not people.on.any()
    assert not people.beside.any()
