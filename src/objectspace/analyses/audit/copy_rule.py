"""The rule that makes one difference of how two objects differ as copies, learned from planted ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from objectspace.analyses.audit.calibration import ASSUMED_SHARE
from objectspace.analyses.groups import codes, make_folds
from objectspace.analyses.probes import FOLDS

Float64 = NDArray[np.float64]

#: The numbers of a pair, in the order of a rule's weights: cosine distance, one less the correlation of the
#: thumbnails as they are, one less that of the thumbnails laid over each other.
NUMBERS = ("distance", "unlike", "unlike_registered")

#: The share of planted copies that an unplanted pair must differ more than to teach what is none, as a store
#: may be full of real ones: with half of them, one of which a quarter were copies taught to list fewer.
COPY_LIKE = 0.9

# Numbers are compared by their logarithm, from here on.
_LEAST = 1e-4


@dataclass(frozen=True, slots=True)
class CopyRule:
    """How much each number counts: the odds against a copy are a product of powers of them.

    weights: the power of each of :data:`NUMBERS`; offset: the logarithm of the odds where all are 1

    >>> CopyRule((1, 0, 1), 0).differences(np.array([[0.5, 0.9, 0.5]])).tolist()
    [0.2]
    """

    weights: tuple[float, float, float]
    offset: float

    def differences(self, numbers: Float64) -> Float64:
        """Return one less the probability of a copy (...) by its numbers (..., 3); 1 for infinite ones."""
        known = np.asarray(np.isfinite(numbers).all(-1))
        logs = np.log(np.maximum(np.where(np.isfinite(numbers), numbers, 1), _LEAST))
        return np.where(known, expit(logs @ np.array(self.weights) + self.offset), 1.0)


#: The rule where nothing was planted: the product of distance and thumbnails.
PRODUCT = CopyRule((1.0, 0.0, 1.0), 0.0)


def fit_copy_rule(copies: Float64, unplanted: Float64) -> CopyRule:
    """Return the logistic regression that tells planted copies (m, 3) from unplanted pairs (n, 3).

    They count as if one object in ten were a copy. Unplanted pairs that differ less than nearly all of the
    copies (:data:`COPY_LIKE`) may be real ones and are left out. No number speaks against a copy by being
    small: a weight that would be negative is left out.
    """
    known = copies[np.isfinite(copies).all(1)]
    others = unplanted[np.isfinite(unplanted).all(1)]
    if len(known):
        others = others[PRODUCT.differences(others) > np.quantile(PRODUCT.differences(known), COPY_LIKE)]
    if not len(known) or not len(others):
        return PRODUCT
    logs = np.log(np.maximum(np.concatenate([known, others]), _LEAST))
    copied = np.arange(len(logs)) < len(known)
    weight = np.where(copied, ASSUMED_SHARE / len(known), (1 - ASSUMED_SHARE) / len(others)) * len(logs)
    used = list(range(len(NUMBERS)))
    while used:
        model = LogisticRegression(solver="newton-cholesky", tol=1e-8)
        model.fit(logs[:, used], ~copied, sample_weight=weight)
        if (model.coef_[0] >= 0).all():
            break
        used.pop(int(model.coef_[0].argmin()))
    if not used:
        return PRODUCT
    weights = dict(zip(used, model.coef_[0].tolist(), strict=True))
    return CopyRule(
        (weights.get(0, 0.0), weights.get(1, 0.0), weights.get(2, 0.0)), float(model.intercept_[0])
    )


def judge_held_out(copies: Float64, group: NDArray[np.str_], unplanted: Float64, *, seed: int = 0) -> Float64:
    """Return the difference (m,) of planted copies, each by the rule that was fitted to other groups (m,)."""
    fold = make_folds(codes(group), FOLDS, seed=seed)
    differences = np.ones(len(copies))
    for held in np.unique(fold):
        rule = fit_copy_rule(copies[fold != held], unplanted)
        differences[fold == held] = rule.differences(copies[fold == held])
    return differences
