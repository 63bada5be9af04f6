"""NPZ, read by numpy without pickle."""

from __future__ import annotations

import json

import numpy as np
import pytest

from objectspace.export import export_store


@pytest.fixture
def arrays(store, tmp_path, small_blocks):
    export_store(store, tmp_path / "o.npz", "npz")
    with np.load(tmp_path / "o.npz", allow_pickle=False) as archive:
        return dict(archive)


def test_rows_are_the_stores_objects(store, arrays):
    objects = store.objects(arrays["object_id"])
    assert arrays["label"].tolist() == objects.label.tolist()
    np.testing.assert_array_equal(arrays["xyxy"], objects.xyxy)
    np.testing.assert_array_equal(arrays["score"], objects.score)
    np.testing.assert_array_equal(arrays["anchor"], objects.provenance.anchor)
    paths = {photo.image_id: photo.path for photo in store.images()}
    assert arrays["path"].tolist() == [paths[image_id] for image_id in arrays["image_id"].tolist()]


def test_factors_are_numbers_or_text(store, arrays):
    objects = store.objects(arrays["object_id"])
    assert arrays["yaw"].dtype == np.float64
    np.testing.assert_array_equal(arrays["yaw"], objects.factors["yaw"])
    assert arrays["style"].tolist() == [text or "" for text in objects.factors["style"]]


def test_vectors_row_for_row(store, arrays):
    for name in store.space_names:
        space = store.space(name)
        row = dict(zip(space.object_id, space.vectors, strict=True))
        none = np.full(space.dimension, np.nan, np.float32)
        expected = np.array([row.get(object_id, none) for object_id in arrays["object_id"]])
        assert arrays[f"vector/{name}"].dtype == np.float32
        np.testing.assert_array_equal(arrays[f"vector/{name}"], expected)


def test_a_named_space_has_a_vector_in_every_row(store, tmp_path):
    made = export_store(store, tmp_path / "o.npz", "npz", space="win.3")
    with np.load(tmp_path / "o.npz") as archive:
        assert archive["vector/win.3"].shape == (6, 3)
        assert np.isfinite(archive["vector/win.3"]).all()
    assert made.notes == ()


def test_recipes(store, arrays):
    assert json.loads(str(arrays["recipes"]))["spaces"]["win.3"] == store.recipe("win.3").to_json()
