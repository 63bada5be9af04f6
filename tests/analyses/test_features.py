"""Rows of features as they are read, and their means at each level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from objectspace.analyses import features
from objectspace.analyses.features import Centered

RNG = np.random.default_rng


class OnDisk:
    """Vectors that are read on demand, and the most rows that were read at once."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors, self.shape, self.most = vectors, vectors.shape, 0

    def __getitem__(self, rows: Any) -> np.ndarray:
        found = self.vectors[rows].astype(np.float32)
        self.most = max(self.most, len(found))
        return found


@pytest.mark.parametrize("changed", [None, 0, 29], ids=["halves", "the first is none", "the last is none"])
@pytest.mark.parametrize("number", [1 / 3, 1e6])
def test_rows_on_disk_are_kept_in_half_the_memory_where_this_loses_nothing(
    changed: int | None, number: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_AT_ONCE", 7)
    halves = RNG(0).normal(size=(50, 4)).astype(np.float16).astype(np.float32)
    rows = RNG(1).permutation(50)[:30]
    if changed is not None:
        halves[rows[changed], 2] = number
    source = OnDisk(halves)
    x = Centered.of(source, rows)
    assert isinstance(x.features, np.ndarray)
    assert x.features.dtype == (np.float16 if changed is None else np.float32)
    assert source.most == 7
    np.testing.assert_array_equal(x.features, halves[rows])
    np.testing.assert_allclose(x[np.array([3, 1])], (halves[rows] - halves[rows].mean(0))[[3, 1]], atol=1e-3)


@pytest.mark.parametrize(("numbers", "kept"), [(21, True), (20, False)])
def test_all_rows_on_disk_are_kept_where_they_are_fewer_than_their_numbers(numbers: int, kept: bool) -> None:
    source = OnDisk(RNG(3).normal(size=(20, numbers)).astype(np.float32))
    assert isinstance(Centered.of(source).features, np.ndarray) == kept


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_rows_are_around_the_mean_of_their_level(precision: type[np.floating]) -> None:
    vectors, level = RNG(2).normal(size=(20, 3)).astype(np.float32), np.repeat([0, 1, 2], [5, 12, 3])
    x = Centered.of(vectors, None, level, precision)
    rows = np.array([1, 6, 7, 9])  # None of level 2.
    means = np.stack([vectors[level == one].mean(0) for one in range(3)])
    assert x[rows].dtype == precision
    np.testing.assert_allclose(x[rows], vectors[rows] - means[level[rows]], atol=1e-6)
    sums = np.stack([x[rows][level[rows] == one].sum(0) for one in range(3)])
    expected = [vectors[[1]].mean(0), vectors[[6, 7, 9]].mean(0), vectors[rows].mean(0)] - means
    np.testing.assert_allclose(x.centers(sums, np.array([1, 3, 0])), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("width", "results", "size"), [(10, 0, 7), (30, 0, 3), (10, 20, 2), (101, 0, 1), (0, 0, 7), (1, 99, 1)]
)
def test_blocks_are_as_large_as_numbers_and_results_allow_and_a_row_at_least(
    monkeypatch: pytest.MonkeyPatch, width: int, results: int, size: int
) -> None:
    for name, most in (("_AT_ONCE", 7), ("_NUMBERS", 100), ("_RESULTS", 50)):
        monkeypatch.setattr(features, name, most)
    rows = RNG(3).permutation(23)
    blocks = features.in_blocks(rows, width, results)
    assert [len(one) for one in blocks[:-1]] == [size] * (len(blocks) - 1)
    assert 1 <= len(blocks[-1]) <= size
    np.testing.assert_array_equal(np.concatenate(blocks), rows)
    assert features.in_blocks(rows[:0], width, results) == []
