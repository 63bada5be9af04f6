"""Planted wrong labels: a known share of a store's labels, given to other labels in three ways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.groups import Codes

Float64 = NDArray[np.float64]

#: The share of labels that are swapped at once.
SWAPPED = 0.05

#: The ways: each label evenly, each along the store's confusions, and all objects of one label in a photo
#: together, evenly, as by someone who took the photo for another.
UNIFORM, CONFUSIONS, WHOLE_PHOTO = "uniform", "confusions", "whole photo"


def kinds_of(own: Codes, photo: Codes, judged: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return the ways in which labels (n,) can be swapped: whole photos where one has a label twice."""
    cells = (photo * (int(own.max()) + 1) + own)[judged]
    twice = len(np.unique(cells)) < len(cells)
    return (UNIFORM, CONFUSIONS, WHOLE_PHOTO) if twice else (UNIFORM, CONFUSIONS)


def swap_labels(
    own: Codes,
    photo: Codes,
    judged: NDArray[np.bool_],
    confusions: Float64,
    kind: str,
    random: np.random.Generator,
    *,
    share: float = SWAPPED,
) -> tuple[Codes, NDArray[np.bool_]]:
    """Return labels (n,) of which a share of the judged was given to another label, and which.

    Of whole photos those are swapped whose objects come nearest to that share, one at least.

    judged: (n,) the objects that may be swapped; all of a label, or none
    confusions: (labels, labels) how often each becomes the others
    """
    count, label = len(confusions), own.copy()
    wanted = max(1, round(share * int(judged.sum())))
    if kind == WHOLE_PHOTO:
        return _swap_photos(own, photo, judged, wanted, count, random)
    chosen = random.choice(np.flatnonzero(judged), wanted, replace=False)
    if kind == UNIFORM:
        label[chosen] = (own[chosen] + random.integers(1, count, len(chosen))) % count
    else:
        reached = np.cumsum(confusions[own[chosen]], axis=1)
        drawn = (random.random(len(chosen))[:, None] * reached[:, -1:] >= reached).sum(1)
        label[chosen] = np.minimum(drawn, count - 1)
    swapped = np.zeros(len(own), bool)
    swapped[chosen] = True
    return label, swapped


def _swap_photos(
    own: Codes,
    photo: Codes,
    judged: NDArray[np.bool_],
    wanted: int,
    count: int,
    random: np.random.Generator,
) -> tuple[Codes, NDArray[np.bool_]]:
    cell = photo * count + own
    cells, sizes = np.unique(cell[judged], return_counts=True)
    order = random.permutation(np.flatnonzero(sizes > 1))
    last = int(np.abs(sizes[order].cumsum() - wanted).argmin())
    chosen = np.sort(cells[order[: last + 1]])
    given = (chosen % count + random.integers(1, count, len(chosen))) % count
    swapped = np.isin(cell, chosen)
    label = own.copy()
    label[swapped] = given[chosen.searchsorted(cell[swapped])]
    return label, swapped
