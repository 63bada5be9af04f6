"""OpenCV as the oracle: it reads the same cfg and weight files with code of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objectspace.models.darknet.network import DarknetNetwork

Outputs = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="session")
def opencv() -> Callable[[Path, Path, NDArray[np.float32], Sequence[str]], Outputs]:
    """(cfg, weights, batch, names) → the outputs of those layers, named by their Darknet numbers."""

    def run(cfg: Path, weights: Path, batch: NDArray[np.float32], names: Sequence[str]) -> Outputs:
        net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
        known = list(net.getLayerNames())
        net.setInput(batch)
        return dict(zip(names, net.forward([_opencv_name(known, name) for name in names]), strict=True))

    return run


def _opencv_name(known: Sequence[str], name: str) -> str:
    """OpenCV's name of a Darknet layer's output: its convolution, batch norm and activation are layers apart.

    The activation bears the next number.
    """
    last = max(
        place for place, other in enumerate(known) if other.endswith(f"_{name}") and not _activation(other)
    )
    follower = known[last + 1] if last + 1 < len(known) else ""
    return follower if _activation(follower) else known[last]


def _activation(name: str) -> bool:
    return name.split("_")[0] in ("leaky", "mish", "swish", "relu", "relu6", "logistic")


@pytest.fixture(scope="session")
def randomized() -> Callable[[DarknetNetwork, int], DarknetNetwork]:
    """Gives a network random numbers with which its outputs stay near one, however deep it is."""

    @torch.no_grad()
    def fill(network: DarknetNetwork, seed: int) -> DarknetNetwork:
        generator = torch.Generator().manual_seed(seed)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.1, generator=generator)
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.bias.normal_(0, 0.1, generator=generator)
                module.weight.uniform_(0.5, 1.0, generator=generator)
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
        return network

    return fill
