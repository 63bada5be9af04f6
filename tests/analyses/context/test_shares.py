"""Shares of variance that follow from how the vectors were made."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict

from objectspace.analyses.context import shares
from objectspace.analyses.context.shares import PARTS, measure_shares
from objectspace.analyses.groups import make_folds, make_groups
from objectspace.analyses.probes import FOLDS


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shares, "PERMUTED", 4)


@pytest.fixture
def _permutations_for_p(monkeypatch: pytest.MonkeyPatch, _few_permutations):
    monkeypatch.setattr(shares, "PERMUTED", 19)


@pytest.fixture
def measured(objects):
    groups = make_groups(objects.image_id)
    return lambda alone, both, around: measure_shares(
        *(part.astype(np.float32) for part in (alone, both, around)), groups
    )


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0])
def test_independent_object_and_surroundings_add_up(measured, noise, weight):
    alone, around, _ = noise
    result = measured(alone, alone + weight * around, around)

    object_, context = (var / (1 + weight**2) for var in (1, weight**2))
    expected = {
        "object": object_,
        "surroundings": context,
        "together": 1,
        "only_object": object_,
        "shared": 0,
        "only_surroundings": context,
    }
    assert {name: getattr(result, name).value for name in PARTS} == pytest.approx(expected, abs=0.08)
    assert result.variance == pytest.approx(1)


@pytest.mark.usefixtures("_permutations_for_p")
def test_what_object_and_surroundings_have_in_common_is_shared(measured, noise):
    common, alone, around = noise
    # Each of three parts has a third of the variance of the sum, and the common one is in both views.
    result = measured(np.hstack([common, alone]), common + alone + around, np.hstack([common, around]))

    assert result.shared.value == pytest.approx(1 / 3, abs=0.08)
    assert result.only_object.value == pytest.approx(1 / 3, abs=0.08)
    assert result.only_surroundings.value == pytest.approx(1 / 3, abs=0.08)
    assert result.only_surroundings.p == 0.1


def test_parts_add_up_to_the_whole(measured, noise):
    alone, around, rest = noise
    result = measured(alone, alone + around + rest, around)

    parts = result.only_object.value + result.shared.value + result.only_surroundings.value
    assert parts == pytest.approx(result.together.value)
    assert result.object.value + result.only_surroundings.value == pytest.approx(result.together.value)


def test_surroundings_that_are_nowhere_have_no_share(measured, noise):
    alone, around, _ = noise
    result = measured(alone, alone, around)

    assert result.only_surroundings.value == pytest.approx(0, abs=0.02)
    assert result.object.value == pytest.approx(1, abs=0.02)


@pytest.mark.usefixtures("_permutations_for_p")
def test_in_noise_everything_is_chance(measured, noise):
    alone, around, both = noise
    result = measured(alone, both, around)

    for name in PARTS:
        estimate = getattr(result, name)
        assert abs(estimate.value - estimate.chance) < 0.05, name
        assert abs(estimate.chance) < 0.05, name
        assert estimate.p > 0.05, name


def test_shares_are_those_of_plain_regressions(measured, noise, objects):
    # With many more objects than numbers in a vector ridge regression is ordinary regression.
    alone, around, _ = noise
    both = alone + around
    result = measured(alone, both, around)

    fold = make_folds(make_groups(objects.image_id).group, FOLDS)
    splits = [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in range(FOLDS)]
    total = sum(((both[test] - both[train].mean(0)) ** 2).sum() for train, test in splits)
    for name, features in {"object": alone, "surroundings": around}.items():
        predicted = cross_val_predict(LinearRegression(), features, both, cv=splits)
        expected = 1 - ((predicted - both) ** 2).sum() / total
        assert getattr(result, name).value == pytest.approx(expected, abs=0.01)


def test_the_interval_holds_the_value_and_narrows_with_photos(measured, noise):
    alone, around, _ = noise
    estimate = measured(alone, alone + around, around).only_surroundings

    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low < 0.2
    assert (estimate.n, estimate.groups) == (240, 80)
