"""Montages: pictures side by side (the paper's figure 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from objectspace.errors import InputError

COLUMNS = 4


def draw_montage(pictures: Sequence[NDArray[np.uint8]]) -> Figure:
    """Draw pictures (h, w, 3) in rows of four. Raises InputError without any."""
    if not pictures:
        raise InputError("a montage needs at least one picture")
    rows = -(-len(pictures) // COLUMNS)
    height, width = pictures[0].shape[:2]
    figure = Figure(figsize=(6.4, 6.4 / COLUMNS * rows * height / width), layout="constrained")
    for axes, picture in zip(figure.subplots(rows, COLUMNS, squeeze=False).ravel(), pictures, strict=False):
        axes.imshow(picture, interpolation="antialiased")
    for axes in figure.axes:
        axes.axis("off")
    return figure
