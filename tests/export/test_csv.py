"""CSV, read by Python's own reader."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from objectspace.export import export_store


@pytest.fixture
def rows(store, tmp_path, small_blocks):
    export_store(store, tmp_path / "o.csv", "csv")
    with (tmp_path / "o.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_object_is_a_row_with_its_photo_and_box(store, rows):
    objects = store.objects([row["object_id"] for row in rows])
    assert sorted(objects.object_id) == sorted(store.objects().object_id)
    assert [row["label"] for row in rows] == objects.label.tolist()
    assert [row["path"] for row in rows] == [image.path for image in store.images_of(objects)]
    boxes = [[np.float32(row[side]) for side in ("x1", "y1", "x2", "y2")] for row in rows]
    np.testing.assert_array_equal(np.array(boxes), objects.xyxy)


def test_factors_are_columns_that_are_empty_where_unknown(store, rows):
    objects = store.objects([row["object_id"] for row in rows])
    assert [row["style"] for row in rows] == [style or "" for style in objects.factors["style"].tolist()]
    yaw = objects.factors["yaw"].tolist()
    assert [row["yaw"] and float(row["yaw"]) for row in rows] == ["" if y != y else y for y in yaw]


def test_masks_and_vectors_are_left_out_and_said(store, tmp_path, rows):
    assert not {"mask", "thumbnail", "vector/crop"} & set(rows[0])
    masked = sum(mask is not None for mask in store.objects().mask)
    made = export_store(store, tmp_path / "p.csv", "csv")
    assert made.notes == (f"{masked} masks are left out; coco and parquet have them",)
    assert made.spaces == ()
