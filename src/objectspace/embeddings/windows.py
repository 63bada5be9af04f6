"""The window route: k x k cells of the detector's own map around each object's cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.models.maps import Head
from objectspace.objects.boxes import Frame, centers, first_cells
from objectspace.objects.records import UNKNOWN, Objects

Scale = Literal["own", "deepest"]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells of a detector's maps that represent each object (n,).

    head: int32, the number of the output layer (:attr:`Head.layer`)
    cell_x, cell_y: int32, the responsible cell, inside that head's grid
    anchor: int32, the anchor's number in the whole network's list
    center_x, center_y: float32, the box center in cells of that head's map: 0 is the left (upper) edge of
        the first cell, 0.5 its middle
    """

    head: NDArray[np.int32]
    cell_x: NDArray[np.int32]
    cell_y: NDArray[np.int32]
    anchor: NDArray[np.int32]
    center_x: NDArray[np.float32]
    center_y: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.head)

    def take(self, index: NDArray[Any]) -> Cells:
        """Return the rows that ``index`` (integers or booleans) selects."""
        return Cells(*(getattr(self, column.name)[index] for column in fields(self)))


def responsible_cells(
    objects: Objects, heads: Sequence[Head], frame: Frame, scale: Scale = "own", *, source: str
) -> Cells:
    """Return the cell of each object (n,) in the maps of the detector with these heads.

    ``source`` is the detector's own: objects that it found keep the head, cell and anchor that made them. Any
    other object gets the head whose anchor fits its width and height best (IoU of the two sizes laid on one
    center) and there the cell that holds its box center, as YOLOv3 assigns ground truth in training (Redmon
    and Farhadi 2018, section 2.1). With ``scale="deepest"`` every object gets the cell that holds its box
    center at the head of the largest stride, as the paper has it. ``frame`` is that of the objects' image.
    """
    if scale not in ("own", "deepest"):
        raise InputError(f"scale {scale!r} is not known; choose own or deepest")
    candidates = [max(heads, key=lambda head: head.stride)] if scale == "deepest" else list(heads)
    boxes = frame.to_input(objects.xyxy)
    head_row, anchor = _best_anchors(boxes, candidates)

    found_here = np.zeros(len(objects), np.bool_)
    if scale == "own":
        layers = [head.layer for head in candidates]
        made_by = objects.provenance.head
        found_here = (objects.source == source) & np.isin(made_by, layers)
        own_row = np.array([layers.index(layer) for layer in made_by[found_here]], np.intp)
        head_row[found_here] = own_row
        anchor[found_here] = objects.provenance.anchor[found_here]

    strides = np.array([head.stride for head in candidates], np.float32)[head_row]
    grids = np.array([head.grid_wh for head in candidates], np.int32).reshape(-1, 2)[head_row]
    middle = np.clip(centers(boxes) / strides[:, None], 0, grids).astype(np.float32)
    cell = np.minimum(np.floor(middle).astype(np.int32), grids - 1)
    made_at = np.column_stack([objects.provenance.cell_x, objects.provenance.cell_y])
    cell[found_here] = made_at[found_here]
    layer = np.array([head.layer for head in candidates], np.int32)[head_row]
    return Cells(layer, cell[:, 0], cell[:, 1], anchor, middle[:, 0], middle[:, 1])


def _best_anchors(
    boxes: NDArray[np.float32], heads: Sequence[Head]
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return, for each box (n, 4) of the input, the row of its head in ``heads`` and its anchor's number.

    Of anchors that fit equally well the first in the network's list wins, an anchor that two heads share
    counts at the first of them, and where there are none, -1 stands.
    """
    if not any(len(head.anchors) for head in heads):
        # An encoder's map: there is one, and nothing to choose by.
        return np.zeros(len(boxes), np.intp), np.full(len(boxes), UNKNOWN, np.int32)
    numbers = np.concatenate([np.asarray(head.anchor_index, np.int32) for head in heads])
    sizes = np.concatenate([np.asarray(head.anchors, np.float32).reshape(-1, 2) for head in heads])
    rows = np.concatenate([np.full(len(head.anchor_index), row) for row, head in enumerate(heads)])
    order = np.argsort(numbers, kind="stable")
    numbers, sizes, rows = numbers[order], sizes[order], rows[order]

    sides = boxes[:, 2:] - boxes[:, :2]
    shared = np.minimum(sides[:, None], sizes[None]).prod(axis=2)
    union = sides.prod(axis=1)[:, None] + sizes.prod(axis=1)[None] - shared
    best = np.argmax(shared / union, axis=1)
    return rows[best].astype(np.intp), numbers[best]


def cut_windows(
    features: torch.Tensor | NDArray[Any], cells: Cells, size: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the ``size`` x ``size`` window around each cell (n,) of one map (channels, height, width).

    An odd window is centered on the cell; an even one is the block whose center is nearest the box center.
    Cells outside the map are zeros, as a padded convolution sees them. ``cells`` must all be of the head that
    ``features`` belongs to; the map may be on any device, in any float type.

    Returns the vectors (n, channels * size * size) float32, laid out (channels, row, column), and the number
    (n,) int32 of each window's cells outside the map.
    """
    if size < 1:
        raise InputError(f"window size {size} is not a positive number of cells")
    height, width = features.shape[1:]
    left = first_cells(cells.cell_x, cells.center_x, size)
    top = first_cells(cells.cell_y, cells.center_y, size)
    outside = size * size - _inside(left, size, width) * _inside(top, size, height)

    margin = size // 2
    padded = torch.nn.functional.pad(torch.as_tensor(features), (margin, margin, margin, margin))
    windows = padded.unfold(1, size, 1).unfold(2, size, 1)
    rows = torch.as_tensor(top + margin, dtype=torch.long, device=padded.device)
    columns = torch.as_tensor(left + margin, dtype=torch.long, device=padded.device)
    vectors = (
        windows[:, rows, columns].transpose(0, 1).reshape(len(cells), math.prod((len(features), size, size)))
    )
    return vectors.float().cpu().numpy(), outside.astype(np.int32)


def _inside(first: NDArray[np.int32], size: int, length: int) -> NDArray[np.int32]:
    """Return how many of the cells ``first .. first + size - 1`` are in ``0 .. length - 1``."""
    inside: NDArray[np.int32] = np.minimum(first + size, length) - np.maximum(first, 0)
    return np.maximum(inside, 0)
