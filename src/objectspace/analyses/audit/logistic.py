"""A logistic regression of a few features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

# Newton's steps; a fit of two features needs about seven.
_STEPS, _ENOUGH = 50, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class LogisticModel:
    """The log odds of a case, linear in its standardized features (f)."""

    center: Float64
    scale: Float64
    intercept: float
    weights: Float64

    def probability(self, features: Float64) -> Float64:
        """Return the probability (n,) of each case with these features (n, f)."""
        odds = self.intercept + (features - self.center) / self.scale @ self.weights
        probability: Float64 = 1 / (1 + np.exp(-odds))
        return probability


def fit_logistic(features: Float64, truth: NDArray[np.bool_]) -> LogisticModel:
    """Fit a logistic regression of what is true (n,) on features (n, f), by Newton's method.

    Features are standardized, and half the squared weights are the penalty, as in scikit-learn's default: the
    fit exists where the features separate the cases.
    """
    center, scale = features.mean(0), np.maximum(features.std(0), 1e-12)
    x = np.column_stack([np.ones(len(features)), (features - center) / scale])
    penalty = np.diag([0.0] + [1.0] * features.shape[1])
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        predicted = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (truth - predicted) - penalty @ weights
        step = np.linalg.solve(x.T @ (x * (predicted * (1 - predicted))[:, None]) + penalty, slope)
        weights = weights + step
        if np.abs(step).max() < _ENOUGH:
            break
    return LogisticModel(center, scale, float(weights[0]), weights[1:])
