"""The parquet file of Embedding Atlas, read by pyarrow, and by the command itself."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest

from objectspace.export import atlas, export_store
from objectspace.export.atlas import plane
from objectspace.neighbors import ExactIndex


@pytest.fixture
def path(store, tmp_path, small_blocks):
    export_store(store, tmp_path / "o.parquet", "atlas")
    return tmp_path / "o.parquet"


def test_neighbors_are_rows_of_the_file_nearest_first(path):
    table = pq.read_table(path)
    vectors = np.array(table["vector"].to_pylist(), np.float64)
    distances = np.sqrt(((vectors[:, None] - vectors[None]) ** 2).sum(-1))
    for row, near in enumerate(table["neighbors"].to_pylist()):
        others = np.delete(np.arange(12), row)
        expected = others[np.argsort(distances[row, others])]
        assert near["ids"] == expected.tolist()
        np.testing.assert_allclose(near["distances"], distances[row, expected], rtol=1e-6)


def test_an_object_that_is_not_found_among_its_equals_has_as_many_neighbors_as_the_others(monkeypatch):
    """Six equal vectors of which three are found: three of the objects are among these."""
    monkeypatch.setattr(atlas, "NEIGHBORS", 2)
    vectors = np.ones((6, 2), np.float32)
    index = ExactIndex(vectors, [f"{row}" for row in range(6)])
    # A range has what is asked of a block: where it starts, and its length.
    found = atlas._neighbors(index, vectors, range(6)).to_pylist()
    assert [len(near["ids"]) for near in found] == [len(near["distances"]) for near in found] == [2] * 6
    assert all(row not in near["ids"] for row, near in enumerate(found))


def test_neighbors_are_as_many_as_docs_export_states():
    assert atlas.NEIGHBORS == 15


@pytest.mark.parametrize(("count", "method"), [(9, "pca"), (10, "tsne")])
def test_ten_objects_are_enough_for_a_map(count, method):
    assert plane(np.random.default_rng(1).standard_normal((count, 5)).astype(np.float32))[1] == method


def test_pictures_labels_and_coordinates(store, path):
    table = pq.read_table(path)
    ids = table["object_id"].to_pylist()
    assert table.column_names[:2] == ["image", "label"]
    assert [picture["bytes"] for picture in table["image"].to_pylist()] == store.thumbnails(ids)
    assert table["label"].to_pylist() == store.objects(ids).label.tolist()
    assert np.ptp(table["projection_x"]) > 0
    assert np.ptp(table["projection_y"]) > 0
    assert json.loads(table.schema.metadata[b"objectspace"])["projection"] == "tsne"


def test_the_plane_of_many_is_the_first_two_components(monkeypatch):
    monkeypatch.setattr("objectspace.export.atlas.MOST_IN_TSNE", 20)
    vectors = np.random.default_rng(0).standard_normal((30, 5)).astype(np.float32)
    coordinates, method = plane(vectors)
    centered = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    left, scale, _ = np.linalg.svd(centered, full_matrices=False)
    assert method == "pca"
    np.testing.assert_allclose(np.abs(coordinates), np.abs(left[:, :2] * scale[:2]), rtol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_vectors_that_are_all_equal_lie_on_one_point(count):
    coordinates, _ = plane(np.ones((count, 4), np.float32))
    np.testing.assert_array_equal(coordinates, np.zeros((count, 2)))


def test_the_command_takes_it(path, tmp_path):
    """With the options of the documentation, written as a standalone page instead of served."""
    main = pytest.importorskip("embedding_atlas.cli").main
    from click.testing import CliRunner

    columns = ["--x", "projection_x", "--y", "projection_y", "--neighbors", "neighbors", "--image", "image"]
    out = tmp_path / "page.zip"
    done = CliRunner().invoke(main, [str(path), *columns, "--export-application", str(out)])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(out) as archive:
        props = json.loads(archive.read("data/metadata.json"))["props"]["data"]
        (tmp_path / "d.parquet").write_bytes(archive.read("data/dataset.parquet"))
    assert props["projection"] == {"x": "projection_x", "y": "projection_y"}
    assert (props["image"], props["neighbors"]) == ("image", "neighbors")
    written, read = pq.read_table(path), pq.read_table(tmp_path / "d.parquet")
    for name in ("image", "neighbors", "label"):
        assert read[name].to_pylist() == written[name].to_pylist()
