"""Run on: any tap, exactly, on batches of zeroed windows, only where they can change a layer's output."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch

from objectspace.analyses.occlusion.baseline import Untouched
from objectspace.analyses.occlusion.states import HeadStates
from objectspace.analyses.occlusion.windows import Windows
from objectspace.models.darknet.patches import Patches, PatchRunner
from objectspace.models.detectors.predictions import HeadReader

#: Numbers of the widest layer in one batch (64 MiB), as long as that is neither fewer nor more windows than
#: these.
_WIDEST = 2**24
_FEWEST, _MOST = 4, 64


def run_on_states(
    untouched: Untouched, windows: Windows, together: int = _MOST
) -> Iterator[tuple[slice, tuple[HeadStates, ...]]]:
    """The heads downstream of the tap, for one batch of windows after another (which, and their states).

    A batch has at most ``together`` windows.
    """
    runner = PatchRunner(untouched.detector.network, untouched.tap, untouched.path, untouched.outputs)
    widest = max(math.prod(layer.shape) for layer in untouched.path)
    most = min(max(_WIDEST // widest, _FEWEST), _MOST, together)
    for start, stop in _batches(windows, most):
        batch = windows.take(slice(start, stop))
        heads = runner.run(_zeroed(untouched, batch))
        yield (
            slice(start, stop),
            tuple(
                _states(reader, heads[reader.head.layer], len(batch))
                for reader in untouched.readers
                if reader.head.layer in heads
            ),
        )


def _batches(windows: Windows, most: int) -> Iterator[tuple[int, int]]:
    """Runs of windows of one size, at most so many together."""
    ends = [*(np.flatnonzero(np.diff(windows.size)) + 1).tolist(), len(windows)]
    first = 0
    for end in ends:
        for start in range(first, end, most):
            yield start, min(start + most, end)
        first = end


def _zeroed(untouched: Untouched, batch: Windows) -> Patches:
    """Windows of one size, as patches of zeros of the tap."""
    side = int(batch.size[0]) * untouched.cell
    device = untouched.map.device
    values = torch.zeros(len(batch), untouched.map.shape[1], side, side, device=device)
    y, x = (
        torch.from_numpy(start.astype(np.int64) * untouched.cell).to(device) for start in (batch.y, batch.x)
    )
    return Patches(values.contiguous(memory_format=torch.channels_last), y, x)


def _states(reader: HeadReader, patches: Patches, count: int) -> HeadStates:
    """Every cell of a patch is a state of its own."""
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
