"""The claim about zeroed cells (figure 3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.statistics import Estimate, estimate_mean
from objectspace.errors import InputError
from objectspace.report.claims.evidence_types import WINDOW, CellShares, Evidence, require

if TYPE_CHECKING:
    from objectspace.analyses.occlusion import Occlusion


def own_cell_counts(evidence: Evidence, seed: int) -> Estimate:
    """Return the share of predictions that disappear when the cells around their own are zeroed.

    Chance is the share under windows of that size without the prediction's own cell.
    """
    images = require(evidence.occlusions)
    own = np.concatenate([np.zeros(0), *(shares.own for shares in images)])
    other = np.concatenate([np.zeros(0), *(shares.other for shares in images)])
    if not len(own):
        raise InputError("nothing was detected in the photos that were occluded")
    image = np.repeat(np.arange(len(images)), [len(shares.own) for shares in images])
    return estimate_mean(own, other, image, seed=seed)


def cell_shares(occlusion: Occlusion) -> CellShares:
    """Return the shares of the predictions whose score changes under any window.

    The tap may feed one head of several; no window can change the predictions of the others.
    """
    shares = []
    for row in np.flatnonzero(occlusion.score_change.any(axis=0)):
        around, elsewhere = _windows_around(occlusion, int(row))
        gone = occlusion.disappeared[:, row]
        shares.append((gone[around].mean(), gone[elsewhere].mean() if elsewhere.any() else math.nan))
    own, other = np.array(shares, np.float64).reshape(-1, 2).T
    return CellShares(own, other)


def _windows_around(occlusion: Occlusion, row: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which windows of the paper's size are around an object's own cell, and which do not cover it.

    At the border, around means the nearest window inside the map.
    """
    provenance, windows = occlusion.objects.provenance, occlusion.windows
    columns, rows = occlusion.grid_wh
    width, height = occlusion.frame.input_wh
    stride = int(provenance.stride[row])
    x = int((int(provenance.cell_x[row]) + 0.5) * stride * columns / width)
    y = int((int(provenance.cell_y[row]) + 0.5) * stride * rows / height)
    size = min(WINDOW, columns, rows)
    left, top = (int(np.clip(at - size // 2, 0, end - size)) for at, end in ((x, columns), (y, rows)))
    right_size = windows.size == size
    holds = (windows.x <= x) & (x < windows.x + size) & (windows.y <= y) & (y < windows.y + size)
    return right_size & (windows.x == left) & (windows.y == top), right_size & ~holds
