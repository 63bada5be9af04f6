"""Batches: filled up on a CPU, as large as the inputs on a GPU."""

from __future__ import annotations

import numpy as np
import torch

from objectspace.models.batches import batches
from objectspace.models.detectors.passes import in_passes

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_every_batch_of_a_cpu_has_the_same_size() -> None:
    inputs = [np.full((1, 2), number) for number in range(1, 6)]
    expected = [[[[1, 1]], [[2, 2]]], [[[3, 3]], [[4, 4]]], [[[5, 5]], [[0, 0]]]]
    for given in (inputs, np.stack(inputs)):
        assert [batch.tolist() for batch in batches(given, 2, CPU)] == expected
    assert list(batches(np.empty((0, 4)), 2, CPU)) == []


def test_filling_up_keeps_the_type() -> None:
    (batch,) = batches(np.ones((2, 3), np.uint8), 4, CPU)
    assert (batch.tolist(), batch.dtype) == ([[1, 1, 1]] * 2 + [[0, 0, 0]] * 2, np.uint8)


def test_the_last_batch_of_a_gpu_holds_only_what_is_left() -> None:
    rows = np.arange(5)
    assert [batch.tolist() for batch in batches(rows, 2, GPU)] == [[0, 1], [2, 3], [4]]


def test_no_pass_of_a_gpu_holds_inputs_that_nobody_gave() -> None:
    # Three photos of one size, one of another: two passes, of three and of one.
    inputs = [np.full((8, side, 3), side, np.uint8) for side in (8, 12, 8, 8)]
    passes: list[tuple[int, ...]] = []

    def run(pixels: torch.Tensor) -> list[int]:
        passes.append(tuple(pixels.shape))
        return [int(one.float().mean()) for one in pixels]

    assert in_passes(inputs, run, GPU) == [8, 12, 8, 8]
    assert sorted(passes) == [(1, 3, 8, 12), (3, 3, 8, 8)]
