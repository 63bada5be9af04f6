"""Drawings of embedded parts: crops of objects and windows of a map (the paper's figures 1 and 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.figures.style import BLUE, GRAY, ORANGE

Pixels = NDArray[np.uint8]

TEXT_SIZE = 8
#: Letters of the line under a photo.
MOST_LETTERS = 40


@dataclass(frozen=True, slots=True, eq=False)
class CropCut:
    """One object on its way to the encoder.

    image: (h, w, 3) uint8; xyxy: (4,) float32, box in pixels of the image; outline: (h, w) bool, its mask,
    None where it has none; crop: (s, s, 3) uint8, the encoder's input
    """

    label: str
    image: Pixels
    xyxy: NDArray[np.float32]
    outline: NDArray[np.bool_] | None
    crop: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class WindowCut:
    """A photo, and boxes, cells and windows of its n objects, all in pixels of ``image``.

    xyxy, cell_xyxy, window_xyxy: (n, 4) float32, box, responsible cell and window; labels: (n,)
    """

    image: Pixels
    labels: Sequence[str]
    xyxy: NDArray[np.float32]
    cell_xyxy: NDArray[np.float32]
    window_xyxy: NDArray[np.float32]


def draw_crop_cuts(cuts: Sequence[CropCut]) -> Figure:
    """Draw a row for each object: its photo and box, its mask, and the crop that the encoder gets."""
    _check(cuts, "an object")
    figure = Figure(figsize=(6.4, 2.2 * len(cuts) + 0.3), layout="constrained")
    grid = figure.subplots(len(cuts), 3, squeeze=False)
    for title, axes in zip(("photo and box", "object", "encoder's input"), grid[0], strict=True):
        axes.set_title(title, size=TEXT_SIZE + 1, color=GRAY)
    for row, cut in zip(grid, cuts, strict=True):
        _show(row[0], cut.image)
        _frame(row[0], cut.xyxy, BLUE, "-")
        row[0].set_xlabel(cut.label, size=TEXT_SIZE, parse_math=False)
        _show(row[1], _lifted(cut))
        _show(row[2], cut.crop)
    return figure


def draw_window_cuts(cuts: Sequence[WindowCut]) -> Figure:
    """Draw each photo with boxes (solid), responsible cells (filled) and the windows around them (dashed)."""
    _check(cuts, "a photo")
    columns = min(3, len(cuts))
    rows = -(-len(cuts) // columns)
    figure = Figure(figsize=(2.6 * columns + 0.2, 2.75 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, cut in zip(grid, cuts, strict=False):
        axes.axis("on")
        _show(axes, cut.image)
        for row in range(len(cut.labels)):
            _frame(axes, cut.xyxy[row], BLUE, "-")
            _frame(axes, cut.window_xyxy[row], ORANGE, "--")
            _fill(axes, cut.cell_xyxy[row], ORANGE)
        axes.set_xlabel(_counts(cut.labels), size=TEXT_SIZE - 1, parse_math=False)
    handles = [
        Rectangle((0, 0), 1, 1, fill=False, edgecolor=BLUE),
        Rectangle((0, 0), 1, 1, facecolor=ORANGE, alpha=0.6),
        Rectangle((0, 0), 1, 1, fill=False, edgecolor=ORANGE, linestyle="--"),
    ]
    names = ["box", "responsible cell", "window"]
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=TEXT_SIZE)
    return figure


def _counts(labels: Sequence[str]) -> str:
    """Return labels with their counts, the most frequent first, as many as a panel has room for."""
    text = ""
    for label, count in Counter(labels).most_common():
        part = label if count == 1 else f"{count} {label}"
        if text and len(text) + len(part) > MOST_LETTERS:
            return f"{text}, …"
        text = f"{text}, {part}" if text else part
    return text


def _check(cuts: Sequence[object], what: str) -> None:
    if not cuts:
        raise InputError(f"a figure of how vectors are cut needs at least {what}")


def _lifted(cut: CropCut) -> Pixels:
    """Return the photo, pale where the object is not."""
    inside = np.zeros(cut.image.shape[:2], np.bool_)
    left, top, right, bottom = np.round(cut.xyxy).astype(int)
    inside[max(0, top) : bottom, max(0, left) : right] = True
    if cut.outline is not None:
        inside &= cut.outline
    pale = (cut.image.astype(np.float32) * 0.15 + 255 * 0.85).astype(np.uint8)
    return np.where(inside[..., None], cut.image, pale)


def _show(axes: Axes, picture: Pixels) -> None:
    axes.imshow(picture, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlim(0, picture.shape[1])
    axes.set_ylim(picture.shape[0], 0)
    for side in axes.spines.values():
        side.set_color("#cccccc")


def _frame(axes: Axes, xyxy: NDArray[np.float32], color: str, style: str) -> None:
    left, top, right, bottom = (float(side) for side in xyxy)
    # White below the color: the line shows on any photo.
    for edge, width in (("white", 2.6), (color, 1.3)):
        axes.add_patch(
            Rectangle(
                (left, top),
                right - left,
                bottom - top,
                fill=False,
                edgecolor=edge,
                linewidth=width,
                linestyle="-" if edge == "white" else style,
            )
        )


def _fill(axes: Axes, xyxy: NDArray[np.float32], color: str) -> None:
    left, top, right, bottom = (float(side) for side in xyxy)
    axes.add_patch(
        Rectangle((left, top), right - left, bottom - top, facecolor=color, alpha=0.6, linewidth=0)
    )
