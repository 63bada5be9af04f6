"""The claim about zeroed cells (figure 3)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.clusters import codes
from objectspace.analyses.occlusion import Occlusion
from objectspace.analyses.statistics import Estimate, mean_interval
from objectspace.errors import InputError
from objectspace.report.claims.evidence import WINDOW, Evidence, had


def own_cell_counts(evidence: Evidence, seed: int) -> Estimate:
    """Predictions that vanish when the cells around theirs are zeroed, beside windows without their cell."""
    own, other, image = [], [], []
    for number, occlusion in enumerate(had(evidence.occlusions)):
        # The layer may feed one head of several: predictions of the others no window can change.
        for row in np.flatnonzero(occlusion.score_change.any(axis=0)):
            around, elsewhere = _windows_around(occlusion, int(row))
            own.append(float(occlusion.disappeared[around, row].mean()))
            if elsewhere.any():  # not in a map that one window fills
                other.append(float(occlusion.disappeared[elsewhere, row].mean()))
            image.append(number)
    if not own:
        raise InputError("nothing was detected in the photos that were occluded")
    values, cluster = np.array(own), np.array(image)
    low, high = mean_interval(values, codes(cluster), seed=seed)
    chance = float(np.mean(other)) if other else math.nan
    return Estimate(float(values.mean()), chance, low, high, len(own), len(np.unique(cluster)))


def _windows_around(occlusion: Occlusion, row: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Windows of the paper's size: the one around an object's own cell, and those that do not hold that cell.

    At the border the one that lies inside the map and is nearest to it.
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
