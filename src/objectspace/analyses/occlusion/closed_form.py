"""The closed form: where only work on single cells lies between the tap and the heads.

A 1 x 1 convolution reads one cell, so a zeroed cell gives the head's bias, whatever the picture, and every
other cell gives what it gave before. No forward pass is needed. For the same reason the answer can only ever
be that an object's own cell was covered.
"""

from __future__ import annotations

import numpy as np
import torch

from objectspace.analyses.occlusion.baseline import Untouched
from objectspace.analyses.occlusion.states import HeadStates
from objectspace.analyses.occlusion.windows import Windows
from objectspace.models.darknet.downstream import is_pointwise


def has_closed_form(untouched: Untouched) -> bool:
    """Whether nothing but single cells is looked at downstream of the tap."""
    return untouched.cell == 1 and is_pointwise(untouched.tap, untouched.path)


def closed_form_states(untouched: Untouched, windows: Windows) -> tuple[HeadStates, ...]:
    """The heads that the tap feeds under every window; all of a head's zeroed cells say the same."""
    nothing = torch.zeros_like(untouched.map[:, :, :1, :1])
    heads = untouched.detector.network.run_layers({untouched.tap: nothing}, untouched.path)
    covered = windows.cover(untouched.grid_wh)
    cell = np.arange(covered[0].size)
    state = np.where(covered, cell.reshape(covered.shape[1:]).astype(np.int32), np.int32(-1))
    return tuple(
        HeadStates(
            reader, state, cell, heads[reader.head.layer].float().cpu().reshape(1, -1).expand(len(cell), -1)
        )
        for reader in untouched.readers
        if reader.head.layer in heads
    )
