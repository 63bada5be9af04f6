"""The shipped encoder: a small residual network that knows the drawn world (docs/default-models.md).

The blocks are those of ResNet-18 (He et al., "Deep Residual Learning", arXiv:1512.03385, figure 5, left).
"""

from __future__ import annotations

import itertools
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from objectspace.models.catalogue import DEMO_ENCODER
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.encoders.resnet import residual_encoder
from objectspace.models.weights import fetch

#: Pixels a side of a crop.
INPUT_SIZE = 96

#: Numbers in a vector: the channels of the last block.
DIMENSION = 256

_WIDTHS = (32, 64, 128, DIMENSION)

PREPROCESSING = Preprocessing(
    size=INPUT_SIZE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bilinear"
)


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, the first of stride 2, around which the input is added by a 1 x 1 one."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, 2, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(inner)) + self.downsample(x), inplace=True)


class DemoResNet(nn.Module):
    """Crops (b, 3, 96, 96) to vectors (b, 256): a stem of stride 2, four blocks of stride 2, the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 5, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        widths = (24, *_WIDTHS)
        self.blocks = nn.Sequential(
            *(_ResidualBlock(channels, width) for channels, width in itertools.pairwise(widths))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors of crops."""
        return self.maps(x).mean((2, 3))

    def maps(self, x: Tensor) -> Tensor:
        """Return the last maps (b, 256, h, w) of images of any size."""
        maps: Tensor = self.blocks(functional.relu(self.bn1(self.conv1(x)), inplace=True))
        return maps


def load_demo(weights: Path | str | None, device: str, precision: str) -> NetworkEncoder:
    """Load the shipped encoder, or its network with the weights of a file: 256 numbers a crop."""
    path = Path(weights) if weights is not None else fetch(DEMO_ENCODER)
    return residual_encoder(
        DemoResNet(), path, PREPROCESSING, name="demo", device=device, precision=precision
    )
