"""Filling holes in pictures smoothly from what surrounds them, so that no trace of their contents is left."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad


def fill_smoothly(pixels: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return pixels (h, w, 3) with the unknown ones (h, w) interpolated from the known ones.

    The pull-push algorithm (Gortler et al., *The Lumigraph*, 1996): averages of the known pixels at half the
    size, again and again, then holes take the value of the finest scale that knows one. Known pixels stay as
    they are; what is not known has no influence. Raises ValueError where nothing is known.
    """
    if not known.any():
        raise ValueError("nothing to fill from: no pixel is known")
    color = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
    weight = torch.from_numpy(np.ascontiguousarray(known))[None, None].float()
    filled = _pull_push(color * weight, weight)[0].permute(1, 2, 0).round().clamp(0, 255)
    return np.where(known[..., None], pixels, filled.numpy().astype(np.uint8))


def _pull_push(weighted: Tensor, weight: Tensor) -> Tensor:
    """Return the colors (1, 3, h, w), from colors times weights and weights (1, 1, h, w) in [0, 1]."""
    height, width = weight.shape[2:]
    mean = weighted / weight.clamp(min=1e-12)
    if height == width == 1 or bool((weight == 1).all()):
        return mean
    even = (0, width % 2, 0, height % 2)
    total = 4 * avg_pool2d(pad(weight, even), 2)
    # A weight above 1 says no more than that the pixel is known.
    saturated = total.clamp(max=1)
    pooled = 4 * avg_pool2d(pad(weighted, even), 2) * (saturated / total.clamp(min=1e-12))
    coarse = _pull_push(pooled, saturated)
    pushed = interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return weighted + (1 - weight) * pushed[:, :, :height, :width]
