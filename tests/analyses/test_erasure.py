from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import minimize

from objectspace.analyses.erasure import Eraser, fit_eraser, measure_erasure
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


def test_the_formula_of_the_paper():
    """Theorem 4.3 of arXiv 2306.03819 as it stands there, with d x d matrices."""
    x, z = mixed()
    whiten = np.linalg.inv(np.real(sqrtm(covariance(x, x))))
    span = whiten @ covariance(x, z)
    projection = span @ np.linalg.pinv(span)
    expected = x - (x - x.mean(0)) @ (np.linalg.inv(whiten) @ projection @ whiten).T
    np.testing.assert_allclose(fit_eraser(x, z, shrinkage=0).erase(x), expected, atol=1e-9)


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


def test_other_pictures_are_erased_as_well_and_a_nonlinear_trace_stays():
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
