"""Pooling: an object's vector from a window around its cell, its box, or its mask on a map."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.windows import Cells, cut_windows
from objectspace.errors import InputError
from objectspace.objects.boxes import Frame, whole_pixels
from objectspace.objects.masks import decode_box
from objectspace.objects.records import Mask, Objects

Kind = Literal["window", "roi", "mask"]

#: The methods in the recipes of what is taken from maps: raised when the same map would give other vectors.
MAP_METHODS: dict[Kind, int] = {"window": 2, "roi": 2, "mask": 2}

#: Cells a side of a RoI for which none are named: Fast R-CNN's 7 (Girshick 2015, section 2.1).
ROI_SIZE = 7


@dataclass(frozen=True, slots=True)
class Pooling:
    """A method of taking a vector from a map.

    "window": ``size`` x ``size`` cells around the object's cell (the paper); its name ``window3``. ``cell``
        is another word for a window of one cell.
    "roi": the box, laid out as ``size`` x ``size`` numbers a channel by RoIAlign (He et al. 2017, section 3):
        ``roi7``, or ``roi`` alone
    "mask": the mean of the map under the mask, or under the box of an object without one: ``mask``
    """

    kind: Kind
    size: int = 1

    @property
    def name(self) -> str:
        """The word that :func:`parse_pooling` reads, and that stands in the names of spaces."""
        return self.kind if self.kind == "mask" else f"{self.kind}{self.size}"


def parse_pooling(text: str) -> Pooling:
    """Return the pooling of a name. Raises InputError for another word, and for a size below 1."""
    if text == "mask":
        return Pooling("mask")
    if text == "cell":
        return Pooling("window", 1)
    if text == "roi":
        return Pooling("roi", ROI_SIZE)
    found = re.fullmatch(r"(window|roi)([0-9]{1,3})", text)
    if found is None or int(found[2]) < 1:
        raise InputError(
            f"pooling {text!r} is not known; choose mask, cell, or window or roi with the cells a side, such "
            "as window3 or roi7"
        )
    return Pooling("window" if found[1] == "window" else "roi", int(found[2]))


def pool(
    features: Tensor, objects: Objects, cells: Cells, pooling: Pooling, frame: Frame, stride: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the vectors of one image's objects (n) from one of its maps (channels, height, width).

    ``cells`` (n,) are the objects' own in that map, ``frame`` the image's and ``stride`` the map's. Returns
    vectors (n, d) float32, d being channels * size * size laid out (channels, row, column), or channels under
    a mask; and the number (n,) int32 of cells outside the map, which only a window has.
    """
    if pooling.kind == "window":
        return cut_windows(features, cells, pooling.size)
    if pooling.kind == "roi":
        vectors = pool_boxes(features, frame.to_input(objects.xyxy), pooling.size, stride)
    else:
        vectors = pool_masks(features, objects, frame, stride)
    return vectors, np.zeros(len(objects), np.int32)


def pool_boxes(features: Tensor, boxes: NDArray[np.float32], size: int, stride: int) -> NDArray[np.float32]:
    """Return RoIAlign of boxes (n, 4) in pixels of the network's input: (n, channels * size * size).

    Samples are less than a cell apart, so a box larger than ``size`` cells is averaged, not picked from. A
    cell's value counts at its middle.
    """
    # Its import takes as long as torch's, and no other pooling needs it.
    from torchvision.ops import roi_align

    rois = torch.from_numpy(boxes).to(features.device, torch.float32)
    pooled = roi_align(features.float()[None], [rois], size, 1 / stride, sampling_ratio=-1, aligned=True)
    vectors: NDArray[np.float32] = pooled.flatten(1).cpu().numpy()
    return vectors


def pool_masks(features: Tensor, objects: Objects, frame: Frame, stride: int) -> NDArray[np.float32]:
    """Return the mean of a map (channels, height, width) under each object's mask: (n, channels).

    A cell counts by the share of it that the mask covers, so that a mask much smaller than a cell has a
    vector too. A mask counts inside its object's box; one that is empty there gives way to the box.
    """
    channels, height, width = features.shape
    shares = mask_shares(objects, frame, stride, (width, height)).reshape(len(objects), -1)
    flat = features.float().reshape(channels, -1)
    # One product an object: the sums of a product of many depend on how many there are.
    vectors = [flat @ share for share in torch.from_numpy(shares).to(flat.device)]
    return torch.stack(vectors).cpu().numpy() if vectors else np.empty((0, channels), np.float32)


def mask_shares(objects: Objects, frame: Frame, stride: int, grid_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Return the weight of each cell of a map in :func:`pool_masks`, (n, height, width), which sum to 1."""
    shares = np.empty((len(objects), grid_wh[1], grid_wh[0]), np.float32)
    for row in range(len(objects)):
        covered = _covered(objects.xyxy[row], objects.mask[row], frame, stride, grid_wh)
        shares[row] = covered / covered.sum()
    return shares


def _covered(
    box: NDArray[np.float32], mask: Mask | None, frame: Frame, stride: int, grid_wh: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the share of each cell (height, width) that an object covers, in pixels of its image."""
    edges = [_cell_edges(frame, axis, stride, grid_wh[axis]) for axis in (0, 1)]
    if mask is not None:
        area = whole_pixels(box, (mask.width, mask.height))
        under = _integrated(decode_box(mask, area), area, edges[0], edges[1])
        if under.sum() > 0:
            return under
    across, down = (
        np.diff(np.clip(edges[axis], box[axis], box[axis + 2]).astype(np.float64)) for axis in (0, 1)
    )
    covered = np.outer(down, across)
    if covered.sum() > 0:
        return np.asarray(covered, np.float64)
    raise InputError(f"box {box.tolist()} is on no cell of the map")


def _cell_edges(frame: Frame, axis: int, stride: int, count: int) -> NDArray[np.float64]:
    """Return the edges (count + 1,) of a map's columns or rows in pixels of the image.

    The last reaches the image's border, as padding can end before the last pixel does.
    """
    inner: NDArray[np.float64] = np.arange(count + 1, dtype=np.float64) * stride - frame.offset_xy[axis]
    inner /= frame.scale_xy[axis]
    inner[-1] = max(inner[-1], float(frame.image_wh[axis]))
    return inner


def _integrated(
    pixels: NDArray[np.bool_], area: tuple[int, int, int, int], x: NDArray[Any], y: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the number of true pixels (h, w) in each rectangle between edges ``x`` and ``y``.

    By the table of sums, which is linear between whole pixels: fractions of a pixel count exactly.
    """
    left, top, right, bottom = area
    sums = np.zeros((bottom - top + 1, right - left + 1))
    sums[1:, 1:] = pixels.cumsum(0).cumsum(1)
    across = _at(sums.T, np.clip(x, left, right) - left).T
    table = _at(across, np.clip(y, top, bottom) - top)
    counts: NDArray[np.float64] = np.diff(np.diff(table, axis=0), axis=1)
    return counts.clip(min=0)


def _at(table: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows of a table (n, m) at positions between 0 and n - 1, linear between them."""
    below = np.minimum(np.floor(place).astype(np.intp), len(table) - 2)
    share = (place - below)[:, None]
    rows: NDArray[np.float64] = table[below] * (1 - share) + table[below + 1] * share
    return rows


def pooled_space_name(source: str, pooling: Pooling, stride: int | None) -> str:
    """Return the name of a space: of the maps of one stride, or (``None``) of the deepest map."""
    return f"{source}-{pooling.name}-" + ("deepest" if stride is None else f"stride{stride}")
