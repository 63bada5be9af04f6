"""An activation gives an input the same numbers wherever it lies in the batch."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from objectspace.models.encoders.elementwise import forget_place

BY_PLACE = (nn.SiLU, nn.Sigmoid, nn.Mish, nn.ELU, nn.SELU, nn.CELU, nn.Softplus)


def same_rows(channels: int, rows: int = 9) -> torch.Tensor:
    """Return (rows, channels, 1, 1) whose rows are all the same."""
    row = torch.from_numpy(np.random.default_rng(channels).standard_normal(channels).astype(np.float32))
    return row.expand(rows, channels).reshape(rows, channels, 1, 1).clone()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("activation", BY_PLACE, ids=lambda activation: activation.__name__)
def test_equal_inputs_have_equal_values(activation: type[nn.Module], threads: int):
    network = nn.Sequential(activation(), nn.Identity())
    forget_place(network)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for channels in (1, 3, 6, 7, 10, 12, 64, 100, 4099, 20_001):
            values = network(same_rows(channels))
            assert torch.equal(values, values[:1].expand_as(values))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("shape", [(8, 6, 1, 1), (8, 6, 5, 7), (1, 6, 5, 7), (3, 5, 64), (4, 7)])
def test_the_values_are_the_activations(shape: tuple[int, ...], inplace: bool):
    inputs = torch.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    if len(shape) == 4:
        inputs = inputs.to(memory_format=torch.channels_last)
    expected = (inputs.double() / (1 + torch.exp(-inputs.double()))).float()
    network = nn.Sequential(nn.SiLU(inplace=inplace))
    forget_place(network)
    values = network(inputs.clone(memory_format=torch.preserve_format))
    torch.testing.assert_close(values, expected)
    assert values.stride() == inputs.stride()


def test_a_function_that_takes_inputs_together_stays():
    network = nn.Sequential(nn.Softmax(0), nn.ReLU(), nn.BatchNorm1d(3))
    inputs = torch.arange(12.0).reshape(4, 3)
    alone = copy.deepcopy(network).eval()
    forget_place(network.eval())
    assert torch.equal(network(inputs), alone(inputs))
