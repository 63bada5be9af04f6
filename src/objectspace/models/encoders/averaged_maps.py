"""The cells that an encoder averages to a vector, where it does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.models.encoders import Encoder
from objectspace.models.encoders.encoder_maps import residual_trunk
from objectspace.models.encoders.network_encoder import NetworkEncoder
from objectspace.models.precision import reproducible

#: How far the mean of the cells may be from the vector, as a share of its length: what rounding explains.
_ROUNDING = {"float32": 1e-4, "bfloat16": 2e-2}


def averaged_cells(encoder: Encoder, crop: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Return the cells (rows, columns, dimension) of a crop's last map, whose mean is its vector.

    crop: (s, s, 3)

    None where that is not so: of a class token, of attention pooling, and of layers after the mean that
    change it. It is not looked up but tried, on this crop.
    """
    if not isinstance(encoder, NetworkEncoder) or (last_map := _last_map(encoder.network)) is None:
        return None
    with torch.inference_mode(), reproducible(encoder.device):
        output = last_map(encoder.normalized(crop[None]))
        # Not by embed, which fills a whole batch.
        alone = torch.from_numpy(np.ascontiguousarray(crop[None])).to(encoder.device)
        vector = encoder.embed_on_device(alone)[0].cpu().numpy().astype(np.float64)
    for cells in _grids(output[0].float().cpu().numpy().astype(np.float64), encoder.network):
        if cells.shape[2] == len(vector):
            rest = np.linalg.norm(cells.mean((0, 1)) - vector)
            if rest <= _ROUNDING[encoder.precision] * np.linalg.norm(vector):
                return cells
    return None


def _last_map(network: Any) -> Callable[[Tensor], Tensor] | None:
    """Return what computes the output before the pooling: of residual networks and timm's."""
    if (residual := residual_trunk(network)) is not None:
        return residual[0]
    return getattr(network, "forward_features", None)


def _grids(output: NDArray[np.float64], network: Any) -> list[NDArray[np.float64]]:
    """Return an output as a grid of cells, in each way in which it may be laid out."""
    if output.ndim == 3:
        return [output.transpose(1, 2, 0), output]
    tokens = output[getattr(network, "num_prefix_tokens", 0) :] if output.ndim == 2 else output
    side = math.isqrt(len(tokens))
    if tokens.ndim != 2 or side * side != len(tokens):
        return []
    return [tokens.reshape(side, side, -1)]
