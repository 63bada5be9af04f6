"""Passes of a network over inputs that may differ in size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from objectspace.errors import InputError
from objectspace.images import Pixels
from objectspace.models.batches import DETECTOR, batches

Row = TypeVar("Row")


def check_thresholds(confidence: float, iou: float) -> None:
    """Raise InputError for a threshold outside [0, 1]."""
    for name, value in (("confidence", confidence), ("iou", iou)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value}, expected a number from 0 to 1")


def in_passes(
    inputs: Sequence[Pixels] | Pixels, run: Callable[[Tensor], Sequence[Row]], device: torch.device
) -> list[Row]:
    """Return what ``run`` gives for each input (h, w, 3) uint8, in their order.

    ``run`` takes (b, 3, h, w) uint8, inputs of one size, and gives a row of each; see
    :func:`objectspace.models.batches.batches`. Raises InputError for other arrays.
    """
    by_size: dict[tuple[int, ...], list[int]] = {}
    for row, pixels in enumerate(inputs):
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise InputError(
                f"an input of shape {pixels.shape} and type {pixels.dtype}, expected (h, w, 3) uint8"
            )
        by_size.setdefault(pixels.shape, []).append(row)
    rows: dict[int, Row] = {}
    for members in by_size.values():
        passes = batches([inputs[row] for row in members], DETECTOR[device.type], device)
        made = (row for batch in passes for row in run(torch.from_numpy(batch).permute(0, 3, 1, 2)))
        rows.update(zip(members, made, strict=False))
    return [rows[row] for row in range(len(inputs))]


def normalized(pixels: Tensor, recipe: Mapping[str, Any], device: torch.device) -> Tensor:
    """Normalize pixels (b, 3, h, w) uint8 by the mean and standard deviation of a network's recipe."""
    mean, std = (
        torch.tensor(recipe["normalization"][name], device=device)[:, None, None] for name in ("mean", "std")
    )
    return (pixels.to(device, torch.float32) / 255 - mean) / std
