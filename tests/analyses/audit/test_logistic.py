"""Logistic regression against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from objectspace.analyses.audit.logistic import fit_logistic


@pytest.mark.parametrize("separated", [False, True])
def test_probabilities_are_scikit_learns(separated: bool) -> None:
    random = np.random.default_rng(0)
    features = random.normal([3, -40], [1, 20], (400, 2))
    truth = features[:, 0] + features[:, 1] / 20 + (0 if separated else random.normal(0, 1, 400)) > 2.5
    standard = (features - features.mean(0)) / features.std(0)
    expected = LogisticRegression(tol=1e-9).fit(standard, truth).predict_proba(standard)[:, 1]
    np.testing.assert_allclose(fit_logistic(features, truth).probability(features), expected, atol=1e-5)
