"""Squared errors from sums are those of predictions of each row."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.features import Centered
from objectspace.analyses.ridge import Columns, Permuted
from objectspace.analyses.ridge_sums import RowSums


@pytest.mark.parametrize("dimension", [3, 40], ids=["products of features", "features"])
@pytest.mark.parametrize("levels", [1, 3])
def test_errors_are_those_of_a_loop_over_rows(dimension: int, levels: int) -> None:
    rng = np.random.default_rng(dimension + levels)
    features = (rng.normal(size=(70, dimension)) + 5).astype(np.float32)
    level, rows = rng.integers(0, levels, 70), rng.permutation(70)[:31]
    values = rng.normal(size=(70, 2)) + 1e4
    order = np.stack([rng.permutation(70) for _ in range(3)], axis=1)
    asked = [Columns(rng.normal(size=(70, 4)), 2), Permuted(values, order)]
    targets = np.hstack([asked[0].matrix, *(values[order[:, run]] for run in range(3))])
    origin = targets[:5].mean(0)
    weights, center = rng.normal(size=(dimension, 30)), rng.normal(size=(levels, dimension))
    mean = rng.normal(size=(levels, 10))
    x = Centered.of(features, level=level)
    sums = RowSums.of(x, rows, asked, origin)
    assert (sums.gram is None) == (dimension == 40)
    expected = np.zeros((3, 10))
    for row in rows:
        around = features[row].astype(float) - x.mean[level[row]] - center[level[row]]
        for penalty in range(3):
            own = weights[:, 10 * penalty : 10 * penalty + 10]
            expected[penalty] += (around @ own + mean[level[row]] + origin - targets[row]) ** 2
    np.testing.assert_allclose(sums.errors(weights, center, mean), expected, rtol=1e-9)
