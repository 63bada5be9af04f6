"""Fixtures of the detectors' tests."""

from __future__ import annotations

import pytest
import torch

from objectspace.images import Image, image_from_array
from objectspace.models.detectors.torchvision_models import TorchvisionDetector
from tests.models.detectors.tiny_detectors import BUILDERS, NAMES, picture, spread


@pytest.fixture(scope="session")
def torchvision_detectors() -> dict[str, TorchvisionDetector]:
    """One detector of each family, in float32."""
    torch.set_num_threads(1)
    made = {}
    for name, build in BUILDERS.items():
        with torch.random.fork_rng():
            torch.manual_seed(7)
            network = build().eval()
        spread(network, picture(128, 96))
        made[name] = TorchvisionDetector(name, network, weights="0" * 64, names=NAMES, precision="float32")
    return made


@pytest.fixture
def photo() -> Image:
    """128 x 96 pixels: the small networks' own size, so that nothing is resampled."""
    return image_from_array(picture(128, 96))
