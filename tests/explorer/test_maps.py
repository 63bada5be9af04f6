"""Maps of a space against scikit-learn, and what is kept of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from objectspace.errors import QueryError
from objectspace.explorer.maps import MAPS, StoredMaps, pca_points
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
