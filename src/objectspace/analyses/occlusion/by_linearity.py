"""Linearity: occlusion where one k x k convolution, then 1 x 1 layers only, are between tap and heads.

Before its activation a convolution's output is a sum over the cells it reads, so zeroing some of them
subtracts their contributions. An output cell reads k x k cells, and a window covers a rectangle of those: few
different rectangles, for any number of windows. Each is summed from a summed-area table (Crow 1984,
"Summed-area tables for texture mapping"); activation and 1 x 1 head are computed once for each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from objectspace.analyses.occlusion.baseline import Baseline
from objectspace.analyses.occlusion.states import HeadStates
from objectspace.analyses.occlusion.zeroed_windows import Windows
from objectspace.models.darknet.downstream import is_pointwise
from objectspace.models.darknet.layers import Convolution
from objectspace.models.darknet.network import activated

#: Output cells that are computed together, to bound memory: 1024 channels of as many take 64 MiB.
_TOGETHER = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class _Rectangles:
    """The rectangle of its k x k cells that each output cell loses: (s,) each, ends exclusive.

    state: (n, rows, columns) int32, the rectangle of each output cell under each window, -1 for none
    """

    state: NDArray[np.int32]
    cell: NDArray[np.int64]
    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]


def is_linear_first(baseline: Baseline) -> bool:
    """Return whether only one convolution reads the tap, with only 1 x 1 layers after it."""
    first, *tail = baseline.path
    return (
        baseline.cell == 1
        and isinstance(first.settings, Convolution)
        and first.settings.dilation == 1
        and all(baseline.tap not in layer.inputs for layer in tail)
        and is_pointwise(first.number, tail)
    )


def linear_states(baseline: Baseline, windows: Windows) -> tuple[HeadStates, ...]:
    """Return the heads downstream of the convolution under every window."""
    first, *tail = baseline.path
    assert isinstance(first.settings, Convolution)
    found = _rectangles(windows, first.settings, first.shape[1:])
    sums = _running_sums(baseline, first.settings)
    _, bias = baseline.detector.network.kernel(first)
    parts = []
    for start in range(0, len(found.cell), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        left_over = bias + sums[-1, -1, found.cell[some]] - _covered(sums, found, some)
        cells = activated(left_over, first.settings.activation).T[None, :, None]
        parts.append(baseline.detector.network.run_layers({first.number: cells}, tail))
    return tuple(
        HeadStates(
            reader,
            found.state,
            found.cell,
            torch.cat([part[reader.head.layer][0, :, 0].T for part in parts]).float().cpu(),
        )
        for reader in baseline.readers
        if reader.head.layer in parts[0]
    )


def _rectangles(windows: Windows, settings: Convolution, shape: tuple[int, int]) -> _Rectangles:
    """Return the different rectangles that the windows cover of the cells that output cells read."""
    rows, columns = shape
    ends = settings.size + 1
    top, bottom = _lost(windows.y, windows.size, settings, rows)
    left, right = _lost(windows.x, windows.size, settings, columns)
    affected = (bottom > top)[:, :, None] & (right > left)[:, None, :]
    kind = (top * ends + bottom)[:, :, None] * ends**2 + (left * ends + right)[:, None, :]
    key = np.arange(rows * columns).reshape(rows, columns) * ends**4 + kind
    # A table of all keys rather than a sort: there are few, and most occur.
    occurs = np.zeros(rows * columns * ends**4, bool)
    occurs[key[affected]] = True
    number = np.cumsum(occurs, dtype=np.int32) - 1
    state = np.where(affected, number[key], np.int32(-1))
    found = np.flatnonzero(occurs)
    cell, kinds = np.divmod(found, ends**4)
    vertical, horizontal = np.divmod(kinds, ends**2)
    return _Rectangles(state, cell, *np.divmod(vertical, ends), *np.divmod(horizontal, ends))


def _lost(
    start: NDArray[np.int32], size: NDArray[np.int32], settings: Convolution, side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the part of the k cells along one side that a window covers, as ends (n, side)."""
    first_read = np.arange(side) * settings.stride - settings.padding
    low = np.clip(start[:, None] - first_read, 0, settings.size)
    high = np.clip((start + size)[:, None] - first_read, 0, settings.size)
    return low, high


def _running_sums(baseline: Baseline, settings: Convolution) -> Tensor:
    """Return the contributions of the kernel's first i rows and j columns: (k + 1, k + 1, cells, filters)."""
    layer = baseline.path[0]
    weight, _ = baseline.detector.network.kernel(layer)
    k, (_, rows, columns) = settings.size, layer.shape
    padded = functional.pad(baseline.map, 4 * (settings.padding,))
    sums = padded.new_zeros(k + 1, k + 1, rows * columns, settings.filters)
    for i in range(k):
        for j in range(k):
            read = padded[
                0,
                :,
                i : i + (rows - 1) * settings.stride + 1 : settings.stride,
                j : j + (columns - 1) * settings.stride + 1 : settings.stride,
            ]
            grouped = read.reshape(settings.groups, -1, rows * columns).transpose(1, 2)
            kernel = weight[:, :, i, j].reshape(settings.groups, -1, weight.shape[1]).transpose(1, 2)
            made = torch.bmm(grouped, kernel).transpose(0, 1).reshape(rows * columns, -1)
            sums[i + 1, j + 1] = made + sums[i, j + 1] + sums[i + 1, j] - sums[i, j]
    return sums


def _covered(sums: Tensor, found: _Rectangles, some: slice) -> Tensor:
    """Return the contributions of the rectangles: (s, filters)."""
    cell, top, bottom = found.cell[some], found.top[some], found.bottom[some]
    left, right = found.left[some], found.right[some]
    whole = sums[bottom, right, cell] - sums[top, right, cell]
    return whole - sums[bottom, left, cell] + sums[top, left, cell]
