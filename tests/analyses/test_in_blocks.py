"""What is read, multiplied or solved for in blocks is the same in blocks of a few as at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from objectspace.analyses import (
    features,
    nearest_neighbors,
    projection,
    ridge,
    ridge_by_features,
    ridge_by_rows,
    shared_vectors,
    statistics,
)
from objectspace.analyses.audit import held_out, registration
from objectspace.analyses.audit.held_out import HeldOutClassifier
from objectspace.analyses.audit.registration import SIDE, registered_correlation
from objectspace.analyses.groups import make_groups
from objectspace.analyses.jackknife import make_blocks
from objectspace.analyses.nearest_neighbors import find_in_other_classes, find_neighbors
from objectspace.analyses.projection import GridPositions
from objectspace.analyses.ridge import Columns, FoldedRidge
from objectspace.analyses.statistics import estimate_mean
from objectspace.neighbors import JointVectors
from tests.analyses.test_probes import joint

RNG = np.random.default_rng(30)
COUNT = 37
VECTORS = RNG.normal(size=(COUNT, 6)).astype(np.float32)
GROUP = RNG.integers(0, 9, COUNT)
LEVEL = RNG.integers(0, 2, COUNT)
FOLD = RNG.permutation(np.arange(COUNT) % 5)
WIDE = RNG.normal(size=(COUNT, 50)).astype(np.float32)
JOINT = joint(COUNT, (11, 20, 24), VECTORS[:, 0])
TARGETS = RNG.normal(size=(COUNT, 4)) + VECTORS[:, :4]
PICTURES = np.cumsum(RNG.normal(size=(2, 7, 3, SIDE, SIDE)), axis=3).astype(np.float32)


def neighbors() -> list[np.ndarray]:
    ids = np.arange(COUNT).astype(str)
    groups = make_groups(GROUP, level=LEVEL)
    block, asked = make_blocks(groups.group, most=4), np.arange(0, COUNT, 2)
    near = find_neighbors(VECTORS, ids, groups, k=3, metric="cosine", block=block, asked=asked)
    other = find_in_other_classes(VECTORS, ids, groups, LEVEL, k=2, metric="euclidean")
    parts = [near, *(near.without(one) for one in range(4)), other]
    return [np.stack([one.query, one.neighbor, one.weight]) for one in parts]


def regression(x: np.ndarray | JointVectors) -> list[np.ndarray]:
    """Predictions at penalties that were chosen, and without each of several blocks of rows."""
    fitted = FoldedRidge(x, FOLD, LEVEL)
    chosen = fitted.choose_penalties(TARGETS, 2)
    found = [*fitted.predict(TARGETS, chosen), chosen]
    without = np.full((6, COUNT, 4), np.nan)
    for one, held in fitted.predictions_without(Columns(TARGETS, 1), chosen[:, :1], np.arange(COUNT) % 5):
        without[-1 if one is None else one, held.rows] = held.predicted
    return [*found, without]


def shares() -> list[np.ndarray]:
    where = GridPositions(VECTORS[:, :2] * 0.1, VECTORS[:, 2:4] * 2.0)
    found = projection.measure_shares(WIDE[:, :7], TARGETS, where, FOLD)
    return [np.array([found.phase, found.place, found.both]), found.components]


def interval() -> list[np.ndarray]:
    one = estimate_mean(TARGETS[:, 0], TARGETS[:, 1], GROUP, seed=4)
    drawn = np.concatenate(list(statistics.draws(11, 4)))
    assert drawn.shape == (2000, 11)
    return [drawn, np.array([one.low, one.high, *(one.excess or ())])]


@pytest.mark.parametrize(
    ("measure", "blocks"),
    [
        (neighbors, [(nearest_neighbors, "_QUERIES", 4 * 6 * 5)]),
        (
            lambda: regression(VECTORS),
            [(features, "_AT_ONCE", 3), (ridge, "_NUMBERS", 2), (ridge, "_SHARE", 99)],
        ),
        (lambda: regression(WIDE), [(features, "_NUMBERS", 8 * 3 * COUNT), (ridge_by_rows, "_TRIANGLE", 4)]),
        (lambda: regression(WIDE), [(features, "_RESULTS", 9)]),
        (lambda: regression(JOINT), [(features, "_NUMBERS", 8 * 3 * COUNT), (ridge_by_rows, "_TRIANGLE", 5)]),
        (shares, [(projection, "_COLUMNS", 3)]),
        (interval, [(statistics, "_AT_ONCE", 11 * 7)]),
        (lambda: [np.array(list(shared_vectors.vector_keys(VECTORS)))], [(shared_vectors, "_NUMBERS", 30)]),
        (lambda: [registered_correlation(*PICTURES)], [(registration, "_PAIRS", 2)]),
        (
            lambda: [HeldOutClassifier(VECTORS, GROUP).fit(LEVEL, 2).of(np.arange(COUNT))],
            [(held_out, "NUMBERS", 6 * 4)],
        ),
    ],
    ids=[
        "neighbors",
        "ridge by features",
        "ridge by rows, a few columns",
        "ridge by rows, a few queries",
        "ridge by rows of a joint space",
        "shares",
        "bootstrap",
        "keys",
        "registration",
        "classifier",
    ],
)
def test_in_blocks_of_a_few_it_is_the_same(
    measure: Callable[[], list[np.ndarray]],
    blocks: list[tuple[Any, str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = measure()
    for module, name, size in blocks:
        monkeypatch.setattr(module, name, size)
    for one, other in zip(measure(), whole, strict=True):
        if one.dtype.kind == "U":
            assert one.tolist() == other.tolist()
        else:
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("together", [1, 4, 7, 12], ids=str)
def test_parts_that_are_solved_for_together_are_those_of_one_after_another(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32, two targets at two levels: a part takes four columns."""
    monkeypatch.setattr(ridge, "SINGLE", 5)
    whole = regression(VECTORS)
    monkeypatch.setattr(ridge_by_features, "_TOGETHER", together)
    monkeypatch.setattr(ridge_by_features, "_FIRST", 2)
    for one, other in zip(regression(VECTORS), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
