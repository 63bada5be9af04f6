"""What a YOLOv3 head is trained toward: which cell and anchor answers for an object, and the loss.

Source: J. Redmon and A. Farhadi, "YOLOv3: An Incremental Improvement", arXiv:1804.02767, section 2.1, with
two changes of later work: an object is also given to the other anchors that fit its shape (as in YOLOv4's
and YOLOv5's training; more cells learn from each object), and the box's loss is complete IoU (Zheng et al.,
"Distance-IoU Loss", arXiv:1911.08287).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou, complete_box_iou_loss

from objectspace.models.darknet.layers import Layers, Yolo

#: An anchor fits an object if neither side is more than this many times the other's.
WIDEST_RATIO = 1.6

#: A prediction that overlaps an object by more, but does not answer for it, is no mistake (section 2.1 has
#: 0.5; with several anchors an object, their neighbors lie closer).
IGNORED_IOU = 0.6

BOX_WEIGHT = 2.0


@dataclass(frozen=True)
class Truths:
    """The objects of a batch (m,): picture in the batch, kind, box (m, 4) in pixels of the input."""

    picture: NDArray[np.int64]
    kind: NDArray[np.int64]
    xyxy: NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """A head's shape: its anchors (a, 2) in pixels of the input, pixels a cell, number of classes.

    chosen: the anchors' numbers among all of the network's
    """

    anchors: NDArray[np.float32]
    chosen: tuple[int, ...]
    stride: int
    classes: int


@dataclass(frozen=True)
class Assigned:
    """The slots of one head that answer for an object (p,): picture, anchor, row, column, and whose it is."""

    picture: NDArray[np.int64]
    anchor: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    truth: NDArray[np.int64]


def grids(layers: Layers) -> tuple[Grid, ...]:
    """The heads of a network, in the cfg's order."""
    found = []
    for head in layers.heads:
        assert isinstance(head.settings, Yolo)
        yolo = head.settings
        anchors = np.array([yolo.anchors[number] for number in yolo.mask], np.float32)
        found.append(Grid(anchors, yolo.mask, head.stride, yolo.classes))
    return tuple(found)


def assign(truths: Truths, heads: Sequence[Grid], all_anchors: NDArray[np.float32]) -> list[Assigned]:
    """Which slots of each head answer for which object.

    An object belongs to the cell that holds its center: at the anchor that fits it best of all heads'
    (greatest IoU of the shapes), and at every other whose sides are within WIDEST_RATIO of its own. Where
    two objects want one slot, the one with the shape nearer the anchor has it.
    """
    side = truths.xyxy[:, 2:] - truths.xyxy[:, :2]
    center = (truths.xyxy[:, 2:] + truths.xyxy[:, :2]) / 2
    fit = shape_iou(side, all_anchors)
    best = fit.argmax(1)
    found = []
    for head in heads:
        ratio = side[:, None] / head.anchors
        fits = np.maximum(ratio, 1 / ratio).max(2) < WIDEST_RATIO
        fits |= best[:, None] == np.array(head.chosen)
        truth, anchor = np.nonzero(fits)
        nearer_last = np.argsort(fit[truth, np.array(head.chosen)[anchor]], kind="stable")
        truth, anchor = truth[nearer_last], anchor[nearer_last]
        cell = (center[truth] / head.stride).astype(np.int64)
        slots = np.stack([truths.picture[truth], anchor, cell[:, 1], cell[:, 0]])
        # The last of equal slots is the first of the reversed ones.
        _, kept = np.unique(slots[:, ::-1], axis=1, return_index=True)
        kept = len(truth) - 1 - kept
        picture, anchor, row, column = slots[:, kept]
        found.append(Assigned(picture, anchor, row, column, truth[kept]))
    return found


def yolo_loss(heads: Sequence[Tensor], shapes: Sequence[Grid], truths: Truths) -> Tensor:
    """The loss of a batch: raw heads (b, a (5 + classes), h, w) against its objects.

    Box (complete IoU), objectness and class (binary cross-entropy), each over the number of assigned slots.
    """
    anchors = np.empty((sum(len(shape.chosen) for shape in shapes), 2), np.float32)
    for shape in shapes:
        anchors[list(shape.chosen)] = shape.anchors
    assigned = assign(truths, shapes, anchors)
    total = sum(
        (
            _head_loss(raw, shape, slots, truths)
            for raw, shape, slots in zip(heads, shapes, assigned, strict=True)
        ),
        start=heads[0].new_zeros(()),
    )
    return total / max(sum(len(slots.truth) for slots in assigned), 1)


def _head_loss(raw: Tensor, shape: Grid, slots: Assigned, truths: Truths) -> Tensor:
    """The summed loss of one head."""
    batch, _, rows, columns = raw.shape
    numbers = raw.reshape(batch, len(shape.anchors), 5 + shape.classes, rows, columns).permute(0, 1, 3, 4, 2)
    index = tuple(torch.from_numpy(part) for part in (slots.picture, slots.anchor, slots.row, slots.column))
    own = numbers[index]
    boxes = torch.from_numpy(truths.xyxy[slots.truth])
    predicted = decode(
        own[:, :4], index[3], index[2], torch.from_numpy(shape.anchors)[index[1]], shape.stride
    )
    box = complete_box_iou_loss(predicted, boxes, reduction="sum")
    kind = functional.one_hot(torch.from_numpy(truths.kind[slots.truth]), shape.classes).to(own)
    label = functional.binary_cross_entropy_with_logits(own[:, 5:], kind, reduction="sum")
    wanted = torch.zeros_like(numbers[..., 4])
    wanted[index] = 1
    counted = ~_overlapping(numbers.detach(), shape, truths) | (wanted > 0)
    objectness = functional.binary_cross_entropy_with_logits(
        numbers[..., 4], wanted, counted.to(raw), reduction="sum"
    )
    return BOX_WEIGHT * box + objectness + label


def decode(numbers: Tensor, column: Tensor, row: Tensor, anchors: Tensor, stride: int) -> Tensor:
    """Boxes (…, 4) in pixels of the input from tx, ty, tw, th (…, 4) of cells (YOLOv3, section 2.1)."""
    center = (torch.sigmoid(numbers[..., :2]) + torch.stack([column, row], -1)) * stride
    half = anchors * torch.exp(numbers[..., 2:4].clamp(max=6)) / 2
    return torch.cat([center - half, center + half], -1)


@torch.no_grad()
def _overlapping(numbers: Tensor, shape: Grid, truths: Truths) -> Tensor:
    """Which slots (b, a, h, w) predict a box that overlaps an object of their picture by IGNORED_IOU."""
    batch, count, rows, columns, _ = numbers.shape
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    anchors = torch.from_numpy(shape.anchors)[:, None, None]
    boxes = decode(numbers[..., :4], column, row, anchors, shape.stride).reshape(batch, -1, 4)
    found = torch.zeros(boxes.shape[:2], dtype=torch.bool)
    for picture in range(batch):
        own = torch.from_numpy(truths.xyxy[truths.picture == picture])
        if len(own):
            found[picture] = box_iou(boxes[picture], own).amax(1) > IGNORED_IOU
    return found.reshape(batch, count, rows, columns)


def shape_iou(side: NDArray[np.float32], anchors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The IoU (m, a) of boxes with sides (m, 2) and anchors (a, 2) about one center."""
    shared = np.minimum(side[:, None], anchors).prod(2)
    joined: NDArray[np.float32] = side.prod(1)[:, None] + anchors.prod(1) - shared
    return shared / joined
