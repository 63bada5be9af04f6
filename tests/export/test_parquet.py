"""Parquet, read by pyarrow alone."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pycocotools.mask
import pytest

from objectspace.export import export_store
from objectspace.objects.masks import decode


@pytest.fixture
def table(store, tmp_path, small_blocks):
    export_store(store, tmp_path / "o.parquet", "parquet")
    return pq.read_table(tmp_path / "o.parquet")


@pytest.fixture
def objects(store, table):
    """The store's objects in the order of the file."""
    return store.objects(table["object_id"].to_pylist())


def test_every_object_is_a_row(store, table, objects):
    assert sorted(table["object_id"].to_pylist()) == sorted(store.objects().object_id)
    assert table["label"].to_pylist() == objects.label.tolist()
    paths = {photo.image_id: photo.path for photo in store.images()}
    assert table["path"].to_pylist() == [paths[image_id] for image_id in objects.image_id]


def test_boxes_scores_and_provenance(table, objects):
    np.testing.assert_array_equal(
        np.stack([table[side] for side in ("x1", "y1", "x2", "y2")], 1), objects.xyxy
    )
    scores = [None if np.isnan(score) else score for score in objects.score.tolist()]
    assert table["score"].to_pylist() == scores
    np.testing.assert_array_equal(table["cell_x"], objects.provenance.cell_x)
    np.testing.assert_array_equal(table["objectness"], objects.provenance.objectness)


def test_factors_are_null_where_unknown(table, objects):
    assert table["style"].to_pylist() == objects.factors["style"].tolist()
    yaw = [None if np.isnan(value) else value for value in objects.factors["yaw"].tolist()]
    assert table["yaw"].to_pylist() == yaw


def test_masks_are_what_pycocotools_takes(table, objects):
    for packed, mask in zip(table["mask"].to_pylist(), objects.mask, strict=True):
        assert (packed is None) == (mask is None)
        if mask is not None:
            np.testing.assert_array_equal(pycocotools.mask.decode(packed), decode(mask))


def test_vectors_are_lists_that_any_pyarrow_reads_and_null_outside_a_space(store, table):
    space = store.space("crop")
    rows = dict(zip(space.object_id, space.vectors, strict=True))
    column = table["vector/crop"]
    assert str(column.type) == "list<element: float>"
    expected = [rows[name] for name in table["object_id"].to_pylist()]
    np.testing.assert_array_equal(column.to_pylist(), expected)
    there = [row is not None for row in table["vector/win.3"].to_pylist()]
    assert there == [name in store.members("win.3") for name in table["object_id"].to_pylist()]


def test_thumbnails_and_recipes(store, table):
    assert table["thumbnail"].to_pylist() == store.thumbnails(table["object_id"].to_pylist())
    told = json.loads(table.schema.metadata[b"objectspace"])
    assert told["spaces"]["crop"] == store.recipe("crop").to_json()
    assert told["sources"] == store.sources


def test_pandas_reads_it(store, tmp_path):
    pandas = pytest.importorskip("pandas")
    export_store(store, tmp_path / "o", "parquet", space="crop")
    frame = pandas.read_parquet(tmp_path / "o")
    assert np.stack(frame["vector/crop"]).shape == (12, 6)


def test_duckdb_reads_it(store, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    export_store(store, tmp_path / "o.parquet", "parquet")
    sql = f"""SELECT object_id, list_distance("vector/crop"::FLOAT[], [0, 0, 0, 0, 0, 0]::FLOAT[])
              FROM '{tmp_path}/o.parquet'"""
    space = store.space("crop")
    lengths = dict(zip(space.object_id, np.linalg.norm(space.vectors, axis=1), strict=True))
    assert dict(duckdb.sql(sql).fetchall()) == pytest.approx(lengths)
