"""Closed form: occlusion where only 1 x 1 layers are between the tap and the heads.

A 1 x 1 convolution reads one cell, so a zeroed cell gives the head's bias for any image, and every
other cell gives its value of before. No forward pass is needed. For the same reason a score can only change
where the object's own cell is covered.
"""

from __future__ import annotations

import numpy as np
import torch

from objectspace.analyses.occlusion.baseline import Baseline
from objectspace.analyses.occlusion.states import HeadStates
from objectspace.analyses.occlusion.zeroed_windows import Windows
from objectspace.models.darknet.downstream import is_pointwise


def has_closed_form(baseline: Baseline) -> bool:
    """Return whether every layer downstream of the tap works on single cells."""
    return baseline.cell == 1 and is_pointwise(baseline.tap, baseline.path)


def closed_form_states(baseline: Baseline, windows: Windows) -> tuple[HeadStates, ...]:
    """Return the heads that the tap feeds under every window; all zeroed cells of a head have one output."""
    nothing = torch.zeros_like(baseline.map[:, :, :1, :1])
    heads = baseline.detector.network.run_layers({baseline.tap: nothing}, baseline.path)
    covered = windows.cover(baseline.grid_wh)
    cell = np.arange(covered[0].size)
    state = np.where(covered, cell.reshape(covered.shape[1:]).astype(np.int32), np.int32(-1))
    return tuple(
        HeadStates(
            reader, state, cell, heads[reader.head.layer].float().cpu().reshape(1, -1).expand(len(cell), -1)
        )
        for reader in baseline.readers
        if reader.head.layer in heads
    )
