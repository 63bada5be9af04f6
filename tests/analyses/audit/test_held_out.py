"""The held-out classifier against scikit-learn's ridge regression, fold by fold."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from objectspace.analyses.audit import held_out
from objectspace.analyses.audit.held_out import HeldOutClassifier
from objectspace.analyses.probes import make_folds


@pytest.mark.parametrize(
    ("n", "d", "single"), [(30, 50, 2048), (90, 7, 7), (90, 7, 6)], ids=["wide", "float64", "float32"]
)
def test_scores_are_ridge_regressions(n: int, d: int, single: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "BLOCK", 11)
    monkeypatch.setattr(held_out, "SINGLE", single)
    random = np.random.default_rng(2)
    vectors = random.normal(1, 1, (n, d)).astype(np.float32)
    vectors[[3, 20]] = 0  # They have no direction.
    label = random.integers(0, 3, n)
    targets, group = np.eye(3)[label], random.integers(0, n // 3, n)
    rows = random.permutation(n)
    scores = np.empty((n, 3))
    scores[rows] = HeldOutClassifier(vectors, group, seed=4).fit(label, 3).of(rows)
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    directions = vectors / np.where(length == 0, 1, length)
    fold = make_folds(group, 5, seed=4)
    for held in range(5):
        x, y = directions[fold != held], targets[fold != held]
        penalty = 0.5 * ((x - x.mean(0)) ** 2).sum() / len(x)
        expected = Ridge(alpha=penalty).fit(x, y).predict(directions[fold == held])
        np.testing.assert_allclose(scores[fold == held], expected, atol=2e-4)


def test_an_objects_own_group_has_no_say() -> None:
    """The labels of a group are changed, and its scores are not."""
    random = np.random.default_rng(0)
    vectors, group = random.normal(size=(40, 6)).astype(np.float32), np.arange(40) // 4
    label = random.integers(0, 2, 40)
    classifier = HeldOutClassifier(vectors, group)
    changed = np.where(group == 3, 1 - label, label)
    before, after = (classifier.fit(one, 2).of(np.arange(40)) for one in (label, changed))
    assert np.array_equal(before[group == 3], after[group == 3])
    assert not np.array_equal(before, after)


def test_a_classifier_of_many_numbers_holds_ten_halves_of_their_products_in_float32() -> None:
    random = np.random.default_rng(1)
    vectors, group = random.normal(size=(2200, 2100)).astype(np.float32), np.arange(2200) // 4
    tracemalloc.start()
    HeldOutClassifier(vectors, group)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Directions that are read, and some of them by fold.
    assert peak < 20 * 2100**2 + 3 * vectors.nbytes
