from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from objectspace.analyses import erasure
from objectspace.analyses.erasure import Eraser, fit_eraser, measure_erasure
from objectspace.analyses.groups import make_folds, make_groups
from objectspace.analyses.probes import measure_probe
from objectspace.errors import InputError


def mixed(count: int = 300, dimension: int = 6, factors: int = 2, seed: int = 0):
    """Vectors of unequal, correlated directions that hold the factors, and the factors."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, factors))
    noise = rng.normal(size=(count, dimension)) @ rng.normal(size=(dimension, dimension))
    return noise + z @ rng.normal(size=(factors, dimension)) + 3, z


def covariance(x, z):
    return (x - x.mean(0)).T @ (z - z.mean(0)) / len(x)


def matrix(eraser: Eraser) -> np.ndarray:
    return np.eye(len(eraser.mean)) - eraser.remove @ eraser.read.T


@pytest.mark.parametrize("shrinkage", [0, 1e-3, 1])
@pytest.mark.parametrize(("count", "dimension"), [(300, 6), (40, 100)])
def test_no_covariance_is_left(shrinkage, count, dimension):
    x, z = mixed(count, dimension)
    erased = fit_eraser(x, z, shrinkage=shrinkage).erase(x)
    assert np.abs(covariance(erased, z)).max() < 1e-10 * np.abs(covariance(x, z)).max()


@pytest.mark.parametrize("shrinkage", [0, 1e-3])
def test_erasing_twice_is_erasing_once(shrinkage):
    x, z = mixed()
    eraser = fit_eraser(x, z, shrinkage=shrinkage)
    np.testing.assert_allclose(matrix(eraser) @ matrix(eraser), matrix(eraser), atol=1e-12)
    np.testing.assert_allclose(eraser.erase(eraser.erase(x)), eraser.erase(x), atol=1e-10)
    assert np.linalg.matrix_rank(matrix(eraser)) == 4


def test_the_mean_stays():
    x, z = mixed()
    np.testing.assert_allclose(fit_eraser(x, z).erase(x).mean(0), x.mean(0))


@pytest.mark.parametrize("shrinkage", [0, 1e-3, 0.5])
def test_the_formula_of_the_paper(shrinkage):
    """Theorem 4.3 of arXiv 2306.03819 with d x d matrices, and more of every direction."""
    x, z = mixed()
    shrunk = covariance(x, x) + shrinkage * np.linalg.eigvalsh(covariance(x, x)).mean() * np.eye(6)
    whiten = np.linalg.inv(np.real(sqrtm(shrunk)))
    span = whiten @ covariance(x, z)
    projection = span @ np.linalg.pinv(span)
    expected = x - (x - x.mean(0)) @ (np.linalg.inv(whiten) @ projection @ whiten).T
    np.testing.assert_allclose(fit_eraser(x, z, shrinkage=shrinkage).erase(x), expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_map_without_covariance_changes_less(seed):
    """Against a numerical optimum over all affine maps in three dimensions."""
    x, z = mixed(60, 3, 1, seed)
    centered = x - x.mean(0)
    loss = lambda flat: float(((centered @ flat.reshape(3, 3).T - centered) ** 2).mean())  # noqa: E731
    held = {"type": "eq", "fun": lambda flat: flat.reshape(3, 3) @ covariance(x, z)[:, 0]}
    best = minimize(
        loss, np.zeros(9), constraints=[held], method="SLSQP", options={"ftol": 1e-14, "maxiter": 500}
    )
    ours = matrix(fit_eraser(x, z, shrinkage=0))
    assert loss(ours.reshape(-1)) == pytest.approx(best.fun, rel=1e-5)
    np.testing.assert_allclose(ours, best.x.reshape(3, 3), atol=1e-3)


def test_least_squares_finds_nothing_afterwards():
    x, z = mixed()
    erased = fit_eraser(x, z).erase(x)
    design = np.column_stack([erased, np.ones(len(erased))])
    predicted = design @ np.linalg.lstsq(design, z, rcond=1e-9)[0]
    np.testing.assert_allclose(predicted, np.tile(z.mean(0), (len(z), 1)), atol=1e-9)


def test_two_equal_factors_are_one_dimension():
    x, z = mixed()
    assert fit_eraser(x, np.column_stack([z[:, 0], -2 * z[:, 0]])).rank == 1


def test_other_pictures_are_erased_as_well_and_a_nonlinear_trace_stays(monkeypatch):
    # No p is looked at.
    monkeypatch.setattr(erasure, "measure_probe", partial(measure_probe, permuted=9))
    rng = np.random.default_rng(0)
    z = rng.uniform(-1, 1, 600)
    vectors = np.column_stack([z + 0.1 * rng.normal(size=600), z**2, rng.normal(size=(600, 4))]).astype(
        np.float32
    )
    found = measure_erasure(vectors, {"z": z, "square": z**2}, np.arange(600).astype(str))
    before, after = found["z"].linear
    assert before.value > 0.9
    assert after.low < 0.05
    before, after = found["z"].nonlinear
    assert before.value > 0.8
    assert after.value < before.value


def test_each_factor_is_probed_on_the_photos_that_the_eraser_was_not_fitted_to(monkeypatch):
    """Photos of unequal numbers of objects, three factors, more objects than landmarks; step by step."""
    rng = np.random.default_rng(9)
    image = np.repeat([f"photo{n}" for n in range(180)], rng.integers(1, 5, 180))
    image = image[rng.permutation(len(image))]
    x, z = mixed(len(image), 7, 3, seed=4)
    x, names, probed = x.astype(np.float32), ["c", "a", "b"], []

    def noted(features, factor, groups, *, seed):
        probed.append((features, factor, groups.group.tolist(), seed))
        return SimpleNamespace(score=len(probed))

    monkeypatch.setattr(erasure, "measure_probe", noted)
    found = measure_erasure(x, dict(zip(names, z.T, strict=True)), image, seed=5)
    other = make_folds(make_groups(image).group, 2, seed=5) == 1
    half = x[other]
    erased = fit_eraser(x[~other], z[~other]).erase(half).astype(np.float32)
    assert len(half) > erasure.LANDMARKS
    marks = np.random.default_rng(5).permutation(len(half))[: erasure.LANDMARKS]
    features = [half, erased]
    for some in (half, erased):
        squares = cdist(some.astype(float), some[marks].astype(float), "sqeuclidean")
        features.append(np.exp(-squares / np.median(squares)))
    assert {name: (one.linear, one.nonlinear) for name, one in found.items()} == {
        "c": ((1, 2), (3, 4)),
        "a": ((5, 6), (7, 8)),
        "b": ((9, 10), (11, 12)),
    }
    for place, (some, factor, group, seed) in enumerate(probed):
        np.testing.assert_allclose(some, features[place % 4], atol=1e-5)
        assert (factor.name, factor.kind, seed) == (names[place // 4], "linear", 5)
        assert factor.values.tolist() == z[other, place // 4].tolist()
        assert group == make_groups(image[other]).group.tolist()


def test_what_cannot_be_erased():
    x, z = mixed()
    with pytest.raises(InputError, match="a factor that is the same everywhere cannot be erased"):
        fit_eraser(x, np.column_stack([z, np.ones(300)]))
    with pytest.raises(InputError, match="the vectors are all equal"):
        fit_eraser(np.ones((300, 6)), z)
    with pytest.raises(InputError, match="vectors of 4 numbers, but the eraser was fitted to 6"):
        fit_eraser(x, z).erase(x[:, :4])
    with pytest.raises(InputError, match="8 objects are too few to fit and probe an eraser"):
        measure_erasure(x[:8].astype(np.float32), {"z": z[:8, 0]}, np.arange(8).astype(str))
