"""The claim about zeroed cells (figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.statistics import Estimate, estimate_mean
from objectspace.errors import InputError
from objectspace.report.claims.evidence_types import PERMUTED, WINDOW, Evidence, ZeroedPhoto, require

if TYPE_CHECKING:
    from objectspace.analyses.occlusion import Occlusion

Float64 = NDArray[np.float64]


def own_cell_counts(evidence: Evidence, seed: int) -> Estimate:
    """Return the share of predictions that disappear when the cells around their own are zeroed.

    Chance is the share under windows of that size without the prediction's own cell. p is from moving the
    photo's outcomes over the map, all predictions together, past the border to the other side: under the
    null hypothesis it does not matter where a window is.
    """
    photos = require(evidence.occlusions)
    shares = [cell_shares(photo.gone, photo) for photo in photos]
    own = np.concatenate([np.zeros(0), *(one for one, _ in shares)])
    other = np.concatenate([np.zeros(0), *(one for _, one in shares)])
    if not len(own):
        raise InputError("nothing was detected in the photos that were occluded")
    image = np.repeat(np.arange(len(photos)), [len(one) for one, _ in shares])
    found = estimate_mean(own, other, image, seed=seed)
    leads = [_leads(photo) for photo in photos]
    rng = np.random.default_rng([seed, 8])
    null = np.sum([rng.choice(lead, PERMUTED) for lead in leads], axis=0)
    return found.tested(float(sum(lead[0] for lead in leads)), null)


def zeroed_photo(occlusion: Occlusion) -> ZeroedPhoto:
    """Return what windows of the claim's size do to the predictions whose score changes under any window.

    The tap may feed one head of several; no window can change the predictions of the others.
    """
    rows = np.flatnonzero(occlusion.score_change.any(axis=0))
    columns, lines = occlusion.grid_wh
    size = min(WINDOW, columns, lines)
    windows = occlusion.windows
    chosen = np.flatnonzero(windows.size == size)
    gone = np.zeros((lines - size + 1, columns - size + 1, len(rows)), np.bool_)
    gone[windows.y[chosen], windows.x[chosen]] = occlusion.disappeared[np.ix_(chosen, rows)]
    provenance = occlusion.objects.provenance
    cell = np.stack([provenance.cell_y, provenance.cell_x], axis=1)[rows]
    middle = (cell + 0.5) * provenance.stride[rows, None]
    own = (middle * occlusion.grid_wh[::-1] / np.array(occlusion.frame.input_wh[::-1])).astype(np.int64)
    return ZeroedPhoto(gone, own, size, occlusion.own_cell_only)


def cell_shares(gone: NDArray[np.bool_], photo: ZeroedPhoto) -> tuple[Float64, Float64]:
    """Return for each prediction (p,) whether it disappears under the window around its own cell, and the
    share of windows without that cell under which it does; NaN where every window covers it.

    At the border, around means the nearest window inside the map.
    """
    rows, columns, count = gone.shape
    last = np.array([rows, columns]) - 1
    top, left = np.clip(photo.cell - photo.size // 2, 0, last).T
    own = gone[top, left, np.arange(count)].astype(np.float64)
    y, x = np.arange(rows)[:, None], np.arange(columns)[:, None]
    over_y = (y <= photo.cell[:, 0]) & (photo.cell[:, 0] < y + photo.size)
    over_x = (x <= photo.cell[:, 1]) & (photo.cell[:, 1] < x + photo.size)
    elsewhere = ~(over_y[:, None] & over_x[None])
    number = elsewhere.sum((0, 1))
    under = (gone & elsewhere).sum((0, 1))
    return own, np.divide(under, number, out=np.full(count, np.nan), where=number > 0)


def _leads(photo: ZeroedPhoto) -> Float64:
    """Return the sum of own - other over predictions, as it is and for each other shift of the outcomes."""
    rows, columns, _ = photo.gone.shape
    shares = (
        cell_shares(np.roll(photo.gone, (down, right), (0, 1)), photo)
        for down in range(rows)
        for right in range(columns)
    )
    return np.array([np.nansum(own - other) for own, other in shares])
