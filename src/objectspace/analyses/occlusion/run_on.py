"""Run-on: occlusion at any tap, exact: batches of windows run where they can change a layer's output."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from objectspace.analyses.occlusion.baseline import Baseline
from objectspace.analyses.occlusion.states import HeadStates
from objectspace.analyses.occlusion.zeroed_windows import Windows
from objectspace.models.darknet.patches import Patches, PatchRunner
from objectspace.models.detectors.predictions import HeadReader

#: Values of the largest layer in one batch (64 MiB), and the least and most windows in a batch.
_WIDEST = 2**24
_FEWEST, _MOST = 4, 64


def run_on_states(
    baseline: Baseline, windows: Windows, together: int = _MOST
) -> Iterator[tuple[slice, tuple[HeadStates, ...]]]:
    """Yield batches of windows, as slices, with the states of the heads downstream of the tap.

    A batch has at most ``together`` windows.
    """
    runner = PatchRunner(baseline.detector.network, baseline.tap, baseline.path, baseline.outputs)
    widest = max(math.prod(layer.shape) for layer in baseline.path)
    most = min(max(_WIDEST // widest, _FEWEST), _MOST, together)
    for start, stop in _batches(windows, most):
        batch = windows.take(slice(start, stop))
        heads = runner.run(_zeroed(baseline, batch))
        yield (
            slice(start, stop),
            tuple(
                _states(reader, heads[reader.head.layer], len(batch))
                for reader in baseline.readers
                if reader.head.layer in heads
            ),
        )


def _batches(windows: Windows, most: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of batches of windows of one size."""
    ends = [*(np.flatnonzero(np.diff(windows.size)) + 1).tolist(), len(windows)]
    first = 0
    for end in ends:
        for start in range(first, end, most):
            yield start, min(start + most, end)
        first = end


def _zeroed(baseline: Baseline, batch: Windows) -> Patches:
    """Return windows of one size as patches of zeros of the tap."""
    side = int(batch.size[0]) * baseline.cell
    device = baseline.map.device
    values = torch.zeros(len(batch), baseline.map.shape[1], side, side, device=device)
    y, x = (
        torch.from_numpy(start.astype(np.int64) * baseline.cell).to(device) for start in (batch.y, batch.x)
    )
    return Patches(values.contiguous(memory_format=torch.channels_last), y, x)


def _states(reader: HeadReader, patches: Patches, count: int) -> HeadStates:
    """Return the states of a head, one for every cell of every patch."""
    columns, rows = reader.head.grid_wh
    y = patches.y.cpu().numpy()[:, None, None] + np.arange(patches.height)[None, :, None]
    x = patches.x.cpu().numpy()[:, None, None] + np.arange(patches.width)[None, None, :]
    cell = y * columns + x
    state = np.full((count, rows * columns), -1, np.int32)
    np.put_along_axis(
        state, cell.reshape(count, -1), np.arange(cell.size, dtype=np.int32).reshape(count, -1), 1
    )
    numbers = patches.values.permute(0, 2, 3, 1).reshape(cell.size, -1).float().cpu()
    return HeadStates(reader, state.reshape(count, rows, columns), cell.reshape(-1), numbers)
