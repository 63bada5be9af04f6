"""Batches of one size."""

from __future__ import annotations

import numpy as np

from objectspace.models.batches import batches, filled_up


def test_passes_are_filled_up_with_zeros() -> None:
    rows = np.ones((2, 3), np.uint8)
    assert filled_up(rows, 4).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert filled_up(rows, 4).dtype == np.uint8
    assert filled_up(rows, 2) is rows


def test_every_batch_has_the_same_size() -> None:
    inputs = [np.full((1, 2), number) for number in range(1, 6)]
    expected = [[[[1, 1]], [[2, 2]]], [[[3, 3]], [[4, 4]]], [[[5, 5]], [[0, 0]]]]
    for given in (inputs, np.stack(inputs)):
        assert [batch.tolist() for batch in batches(given, 2)] == expected
    assert list(batches(np.empty((0, 4)), 2)) == []
