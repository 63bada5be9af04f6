"""Cells of transparent networks, whose map is the mean color of blocks of the crop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objectspace.models.encoders.averaged_maps import averaged_cells
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing

CROP = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


class Blocks(nn.Module):
    """Blocks of 4 x 2 pixels, two rows of four cells; the vector is their mean, but for a share."""

    def __init__(self, layout: str, off: float) -> None:
        super().__init__()
        self.layout, self.off = layout, off
        self.pool = nn.AvgPool2d((4, 2) if layout != "tokens" else (2, 2))
        self.num_prefix_tokens = 1

    def forward_features(self, x: Tensor) -> Tensor:
        maps = self.pool(x)
        if self.layout == "channels first":
            return maps
        if self.layout == "channels last":
            return maps.permute(0, 2, 3, 1)
        tokens = maps.flatten(2).transpose(1, 2)
        return torch.cat([torch.full_like(tokens[:, :1], 9.0), tokens], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x).mean((2, 3)) * (1 + self.off)


def encoder(layout: str, off: float = 0.0, precision: str = "float32") -> NetworkEncoder:
    return NetworkEncoder(
        Blocks(layout, off),
        Preprocessing(8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear"),
        name="blocks",
        weights="f" * 64,
        tap="",
        precision=precision,
        batch_size=2,
    )


@pytest.mark.parametrize("layout", ["channels first", "channels last", "tokens"])
def test_cells_are_the_blocks_of_the_crop(layout: str) -> None:
    cells = averaged_cells(encoder(layout), CROP)
    assert cells is not None
    rows, columns = (4, 4) if layout == "tokens" else (2, 4)
    blocks = CROP.reshape(rows, 8 // rows, columns, 8 // columns, 3).mean((1, 3)) / 255
    np.testing.assert_allclose(cells, blocks, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "off", "averaged"),
    [
        ("float32", 0.7e-4, True),
        ("float32", 1.5e-4, False),
        ("bfloat16", 1.5e-2, True),
        ("bfloat16", 3e-2, False),
    ],
)
def test_what_rounding_explains_is_a_mean(precision: str, off: float, averaged: bool) -> None:
    assert (averaged_cells(encoder("channels first", off, precision), CROP) is not None) == averaged
