"""Maps of a space against scikit-learn, and what is kept of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.decomposition import PCA

from objectspace.errors import InputError, QueryError
from objectspace.explorer.maps import MAPS, StoredMaps, own_points, pca_points
from objectspace.neighbors import Block, JointVectors, Part
from objectspace.store import open_store


@pytest.mark.parametrize(("count", "dimension"), [(300, 20), (40, 200), (3, 5)])
def test_components_are_those_of_scikit_learn(count, dimension):
    rng = np.random.default_rng(3)
    vectors = (rng.standard_normal((count, dimension)) * np.linspace(3, 1, dimension) + 7).astype(np.float32)
    points, expected = pca_points(vectors, 2), PCA(2, svd_solver="full").fit_transform(vectors.astype(float))
    signs = np.sign((points * expected).sum(axis=0))
    np.testing.assert_allclose(points * signs, expected, atol=2e-4)


def test_many_vectors_are_placed_on_the_axes_of_a_sample():
    rng = np.random.default_rng(4)
    scale = np.array([9.0, 4.0, 1.0, 1.0])
    vectors = (rng.standard_normal((20_000, 4)) * scale).astype(np.float32)
    correlations = np.corrcoef(pca_points(vectors, 2).T, vectors[:, :2].T)[:2, 2:]
    np.testing.assert_allclose(np.abs(correlations), np.eye(2), atol=0.03)


def test_equal_vectors_share_a_point():
    points = pca_points(np.full((6, 3), 2.5, np.float32), 2)
    assert points.tolist() == [[0.0, 0.0]] * 6


def test_no_vectors_have_no_points():
    assert pca_points(np.empty((0, 4), np.float32), 2).shape == (0, 2)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_has_a_point_for_each_vector(folder, method):
    store = open_store(folder)
    points = StoredMaps(store).points("demo-crop", method)
    assert points.shape == (len(store.members("demo-crop")), 2)
    assert np.isfinite(points).all()


def test_a_map_is_computed_once_for_a_commit(folder, monkeypatch):
    store = open_store(folder)
    first = StoredMaps(store).points("demo-crop")
    monkeypatch.setattr("objectspace.explorer.maps.pca_points", None)
    np.testing.assert_array_equal(StoredMaps(store).points("demo-crop"), first)


def test_a_damaged_map_is_computed_anew(folder):
    store = open_store(folder)
    first = StoredMaps(store).points("demo-crop")
    (file,) = (folder / MAPS).iterdir()
    file.write_bytes(file.read_bytes()[:40])
    np.testing.assert_array_equal(StoredMaps(store).points("demo-crop"), first)


def test_a_joint_space_has_a_map(folder):
    store = open_store(folder)
    assert StoredMaps(store).points("both").shape == (len(store), 2)


def test_an_unknown_map_is_named(folder):
    with pytest.raises(QueryError, match="umap"):
        StoredMaps(open_store(folder)).points("demo-crop", "umap")


def test_an_own_map_is_read_by_object_id_about_its_center(tmp_path):
    names = np.array(["c", "a", "b", "z"])
    table = pa.table(
        {"object_id": ["a", "b", "c", "unknown"], "x": [1, 2, 6, 100], "y": [0.0, 3.0, 0.0, 9.0]}
    )
    pq.write_table(table, tmp_path / "map.parquet")
    points = own_points(tmp_path / "map.parquet", names)
    np.testing.assert_allclose(points, [[3, -1], [-2, -1], [-1, 2], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"object_id": ["a"], "x": [1.0]}, "columns object_id, x, y"),
        ({"object_id": ["q"], "x": [1.0], "y": [1.0]}, "none of"),
    ],
)
def test_a_table_that_is_no_map_is_refused(tmp_path, columns, says):
    pq.write_table(pa.table(columns), tmp_path / "map.parquet")
    with pytest.raises(InputError, match=says):
        own_points(tmp_path / "map.parquet", np.array(["a"]))


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "map.parquet").write_text("object_id,x,y")
    with pytest.raises(InputError, match="parquet file with columns"):
        own_points(tmp_path / "map.parquet", np.array(["a"]))


def test_windows_of_two_strides_are_no_two_islands():
    random = np.random.default_rng(3)
    blocks = []
    for start in (0, 1):
        rows = np.arange(start, 60, 2)
        # Vectors of one stride share most of their direction, as those of a network do.
        vectors = (random.standard_normal(8) * 4 + random.standard_normal((len(rows), 8))).astype(np.float32)
        blocks.append(Block(vectors, rows))
    points = pca_points(JointVectors([Part("window", 1.0, 0.9, tuple(blocks))], 60), 2)
    apart = np.linalg.norm(points[0::2].mean(axis=0) - points[1::2].mean(axis=0))
    spread = points.std(axis=0).mean()
    assert apart < spread


def test_a_map_says_how_much_of_it_is_done(served):
    maps = served.state().maps
    maps._done["demo-crop", "tsne"] = 0.4
    assert maps.done("demo-crop", "tsne") == 0.4
    maps.points("demo-crop", "pca")
    assert maps.done("demo-crop", "pca") == 1.0
