"""Objects from the head outputs of torchvision's detectors, each with the anchor that made it.

The numbers are those of torchvision's own post-processing, whose steps are repeated here around its modules
(heads, anchor generators, box coders), because there the anchor's number is lost on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

from objectspace.errors import ModelError
from objectspace.models.detectors.predictions import Predictions
from objectspace.models.maps import Head
from objectspace.objects.records import Provenance

#: Boxes of a box head narrower than this many pixels of the input are dropped, as in torchvision.
_LEAST_SIDE = 1e-2


@dataclass(frozen=True, eq=False)
class Dense:
    """The head outputs of a one-stage detector for an image's anchors (n), by level, row, column, anchor.

    logits: (n, classes) of each class, with the background first where it has one
    deltas: (n, 4) from the anchor to the box, in the coding of its family
    anchors: (n, 4) xyxy in pixels of the network's input
    centerness: (n,) logits, of FCOS only
    grids: (rows, columns) of each level; input_hw: the image's size in pixels of the input, without padding
    """

    logits: Tensor
    deltas: Tensor
    anchors: Tensor
    centerness: Tensor | None
    grids: tuple[tuple[int, int], ...]
    input_hw: tuple[int, int]

    @property
    def outputs(self) -> tuple[Tensor | None, ...]:
        """The outputs of the network's heads."""
        return (self.logits, self.deltas, self.centerness)


@dataclass(frozen=True, eq=False)
class Proposed:
    """The proposals (p) of an image and the outputs of the box head for each.

    first_stage: () the sum of all that the first stage gave, which shows whether it was finite: proposals of
        NaN are dropped on the way
    index: the number of the anchor that each came from, in the order level, row, column, anchor
    objectness: (p,) in [0, 1]; xyxy: (p, 4) in pixels of the network's input
    logits: (p, classes), the background first; deltas: (p, classes * 4)
    """

    first_stage: Tensor
    index: Tensor
    objectness: Tensor
    xyxy: Tensor
    logits: Tensor
    deltas: Tensor
    grids: tuple[tuple[int, int], ...]
    input_hw: tuple[int, int]

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The outputs of both stages."""
        return (self.first_stage, self.logits, self.deltas)


@dataclass(frozen=True, eq=False)
class Kept:
    """Detections (m), highest score first: boxes in pixels of the input, and their anchors' numbers."""

    xyxy: Tensor
    score: Tensor
    label: Tensor
    index: Tensor
    objectness: Tensor


class OutputReader(Protocol):
    """One family of torchvision's detectors."""

    def raw(self, features: Mapping[str, Tensor], images: ImageList) -> list[Any]:
        """Return the head outputs of each image of a batch; ``features`` are the backbone's maps."""

    def kept(self, raw: Any, confidence: float, iou: float) -> Kept:
        """Return the detections of one image whose score is at least ``confidence``, after suppression."""

    def anchors(self, features: Mapping[str, Tensor], images: ImageList) -> list[NDArray[np.float32]]:
        """Return width and height (a, 2) of the anchors of one cell of each level, in pixels of the input."""


def reader_of(network: Any) -> OutputReader:
    """Return the reader of one of torchvision's detectors."""
    for kind, reader in _READERS:
        if isinstance(network, kind):
            made: OutputReader = reader(network)
            return made
    raise ModelError(f"{type(network).__name__} is none of torchvision's detectors that are known here")


def predictions(kept: Kept, heads: Sequence[Head], grids: Sequence[tuple[int, int]]) -> Predictions:
    """Return detections with the level, cell and anchor of their anchors' numbers."""
    index = kept.index.numpy()
    counts = [rows * columns * len(head.anchors) for head, (rows, columns) in zip(heads, grids, strict=True)]
    ends = np.cumsum(counts)
    level = np.searchsorted(ends, index, side="right")
    within = index - (ends - counts)[level]
    each = np.array([len(head.anchors) for head in heads])[level]
    columns = np.array([columns for _, columns in grids])[level]
    first = np.array([head.anchor_index[0] for head in heads])[level]
    cell = within // each
    provenance = Provenance(
        head=np.array([head.layer for head in heads], np.int32)[level],
        stride=np.array([head.stride for head in heads], np.int32)[level],
        cell_x=(cell % columns).astype(np.int32),
        cell_y=(cell // columns).astype(np.int32),
        anchor=(first + within % each).astype(np.int32),
        objectness=kept.objectness.numpy().astype(np.float32),
    )
    boxes = kept.xyxy.double().numpy()
    return Predictions(boxes, kept.score.numpy(), kept.label.numpy(), provenance)


# ------------------------------------------------------------------------------------------- one stage


class _OneStage:
    """The common part of RetinaNet, FCOS and SSD: heads on every level, and class-wise suppression."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def raw(self, features: Mapping[str, Tensor], images: ImageList) -> list[Dense]:
        maps = list(features.values())
        raw_outputs = {name: numbers.float() for name, numbers in self._network.head(maps).items()}
        anchors = self._anchors(maps, images)
        centerness = raw_outputs.get("bbox_ctrness")
        return [
            Dense(
                raw_outputs["cls_logits"][row],
                raw_outputs["bbox_regression"][row],
                anchors[row],
                None if centerness is None else centerness[row, :, 0],
                _grids(maps),
                size,
            )
            for row, size in enumerate(images.image_sizes)
        ]

    def anchors(self, features: Mapping[str, Tensor], images: ImageList) -> list[NDArray[np.float32]]:
        maps = list(features.values())
        return _cell_anchors(self._anchors(maps, images)[0], _grids(maps), self._per_cell())

    def _anchors(self, maps: Sequence[Tensor], images: ImageList) -> list[Tensor]:
        # In float32 for maps of any type: bfloat16 has too few digits for a position in an image.
        anchors: list[Tensor] = self._network.anchor_generator(images, [one.float() for one in maps])
        return anchors

    def _per_cell(self) -> list[int]:
        counts: list[int] = self._network.anchor_generator.num_anchors_per_location()
        return counts

    def _suppressed(
        self, raw: Dense, score: Tensor, anchor: Tensor, label: Tensor, confidence: float, iou: float
    ) -> Kept:
        """Suppress overlapping candidates (c), each a score, an anchor's number and a class."""
        coder = self._network.box_coder
        decode = getattr(coder, "decode_single", coder.decode)
        boxes = clip_boxes_to_image(decode(raw.deltas[anchor], raw.anchors[anchor]), raw.input_hw)
        boxes, score, label, anchor = (part.cpu() for part in (boxes, score, label, anchor))
        left = batched_nms(boxes, score, label, iou)[: self._network.detections_per_img]
        return Kept(boxes[left], score[left], label[left], anchor[left], self._objectness(raw, anchor[left]))

    def _objectness(self, raw: Dense, anchor: Tensor) -> Tensor:
        """Return NaN (m,): an anchor of RetinaNet and FCOS has no score but those of its classes."""
        return torch.full(anchor.shape, torch.nan)


class _PerLevel(_OneStage):
    """RetinaNet and FCOS: the highest-scoring pairs of anchor and class of all levels are suppressed."""

    def kept(self, raw: Dense, confidence: float, iou: float) -> Kept:
        scores = torch.sigmoid(raw.logits)
        if raw.centerness is not None:
            scores = torch.sqrt(scores * torch.sigmoid(raw.centerness)[:, None])
        counts = [
            rows * columns * each for (rows, columns), each in zip(raw.grids, self._per_cell(), strict=True)
        ]
        best, pairs, start = [], [], 0
        for level in torch.split(scores, counts):
            above = torch.nonzero(level.flatten() >= confidence)[:, 0]
            score, order = level.flatten()[above].topk(min(self._network.topk_candidates, len(above)))
            best.append(score)
            pairs.append(above[order] + start * scores.shape[1])
            start += len(level)
        pair = torch.cat(pairs)
        anchor, label = pair // scores.shape[1], pair % scores.shape[1]
        return self._suppressed(raw, torch.cat(best), anchor, label, confidence, iou)


class _Retina(_PerLevel):
    """T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017."""


class _Fcos(_PerLevel):
    """Z. Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", ICCV 2019."""

    def anchors(self, features: Mapping[str, Tensor], images: ImageList) -> list[NDArray[np.float32]]:
        # FCOS has points, not anchors; torchvision draws them as squares of a stride. A level is trained on
        # objects whose farthest side is 4 to 8 strides from the point (section 3.2), which for a square is
        # a side of 8 to 16: with squares of the geometric mean the best fit chooses by the same borders.
        return [sides * np.float32(8 * 2**0.5) for sides in super().anchors(features, images)]


class _Ssd(_OneStage):
    """W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016."""

    def kept(self, raw: Dense, confidence: float, iou: float) -> Kept:
        scores = functional.softmax(raw.logits, dim=-1)
        best, anchors, labels = [], [], []
        for label in range(1, scores.shape[1]):
            above = torch.nonzero(scores[:, label] >= confidence)[:, 0]
            score, order = scores[above, label].topk(min(self._network.topk_candidates, len(above)))
            best.append(score)
            anchors.append(above[order])
            labels.append(torch.full_like(order, label))
        found = (torch.cat(best), torch.cat(anchors), torch.cat(labels))
        return self._suppressed(raw, *found, confidence, iou)

    def _objectness(self, raw: Dense, anchor: Tensor) -> Tensor:
        """Return the probability (m,) that an anchor is not background, which is a class of SSD."""
        return 1 - functional.softmax(raw.logits[anchor.to(raw.logits.device)], dim=-1)[:, 0].cpu()


# ------------------------------------------------------------------------------------------ two stages


class _FasterRcnn:
    """S. Ren et al., "Faster R-CNN: Toward Real-Time Object Detection with Region Proposal Networks"."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._rpn, self._box_heads = network.rpn, network.roi_heads

    def anchors(self, features: Mapping[str, Tensor], images: ImageList) -> list[NDArray[np.float32]]:
        maps = list(features.values())
        generator = self._rpn.anchor_generator
        return _cell_anchors(generator(images, maps)[0], _grids(maps), generator.num_anchors_per_location())

    def raw(self, features: Mapping[str, Tensor], images: ImageList) -> list[Proposed]:
        maps = list(features.values())
        objectness, deltas = self._rpn.head(maps)
        wide = {name: one.float() for name, one in features.items()}
        anchors = self._rpn.anchor_generator(images, list(wide.values()))
        raw = []
        for row, size in enumerate(images.image_sizes):
            logits = [_flat(level[row], 1)[:, 0] for level in objectness]
            moved = torch.cat([_flat(level[row], 4) for level in deltas])
            index, score, boxes = self._proposals(logits, moved, anchors[row], size)
            # One image at a time: the sums of a batch depend on how many proposals it has.
            own = {name: one[row : row + 1] for name, one in wide.items()}
            outputs = self._box_head_outputs(own, boxes, size)
            first_stage = moved.sum() + torch.cat(logits).sum()
            raw.append(Proposed(first_stage, index, score, boxes, *outputs, _grids(maps), size))
        return raw

    def _proposals(
        self, logits: Sequence[Tensor], deltas: Tensor, anchors: Tensor, input_hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return anchors' numbers, objectness and boxes of an image's proposals, highest score first."""
        picked, levels, start = [], [], 0
        for number, level in enumerate(logits):
            _, order = level.topk(min(self._rpn.pre_nms_top_n(), len(level)))
            picked.append(order + start)
            levels.append(torch.full_like(order, number))
            start += len(level)
        index, level_of = torch.cat(picked), torch.cat(levels)
        boxes = self._rpn.box_coder.decode_single(deltas[index], anchors[index])
        boxes = clip_boxes_to_image(boxes, input_hw)
        score = torch.sigmoid(torch.cat(list(logits))[index])
        large = remove_small_boxes(boxes, self._rpn.min_size)
        large = large[score[large] >= self._rpn.score_thresh]
        left = batched_nms(boxes[large], score[large], level_of[large], self._rpn.nms_thresh)
        left = large[left[: self._rpn.post_nms_top_n()]]
        return index[left], score[left], boxes[left]

    def _box_head_outputs(
        self, features: Mapping[str, Tensor], boxes: Tensor, input_hw: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Return logits (p, classes) and deltas (p, classes * 4) of one image's proposals."""
        pooled = self._box_heads.box_roi_pool(dict(features), [boxes], [input_hw])
        numbers = self._box_heads.box_predictor.cls_score.weight.dtype
        logits, deltas = self._box_heads.box_predictor(self._box_heads.box_head(pooled.to(numbers)))
        return logits.float(), deltas.float()

    def kept(self, raw: Proposed, confidence: float, iou: float) -> Kept:
        classes = raw.logits.shape[1]
        boxes = self._box_heads.box_coder.decode(raw.deltas, [raw.xyxy])
        boxes = clip_boxes_to_image(boxes.reshape(-1, classes, 4), raw.input_hw)[:, 1:].reshape(-1, 4)
        score = functional.softmax(raw.logits, -1)[:, 1:].reshape(-1)
        pair = torch.nonzero(score >= confidence)[:, 0]
        pair = pair[remove_small_boxes(boxes[pair], _LEAST_SIDE)]
        label, proposal = pair % (classes - 1) + 1, pair // (classes - 1)
        boxes, score, label = boxes[pair].cpu(), score[pair].cpu(), label.cpu()
        left = batched_nms(boxes, score, label, iou)[: self._box_heads.detections_per_img]
        made = proposal.cpu()[left]
        return Kept(boxes[left], score[left], label[left], raw.index.cpu()[made], raw.objectness.cpu()[made])


_READERS: tuple[tuple[type, type], ...] = (
    (RetinaNet, _Retina),
    (FCOS, _Fcos),
    (SSD, _Ssd),
    (FasterRCNN, _FasterRcnn),
)


def _grids(maps: Sequence[Tensor]) -> tuple[tuple[int, int], ...]:
    return tuple((one.shape[-2], one.shape[-1]) for one in maps)


def _flat(level: Tensor, numbers: int) -> Tensor:
    """Reshape a head's output (anchors * numbers, rows, columns) to (rows * columns * anchors, numbers)."""
    _, rows, columns = level.shape
    return level.float().view(-1, numbers, rows, columns).permute(2, 3, 0, 1).reshape(-1, numbers)


def _cell_anchors(
    anchors: Tensor, grids: Sequence[tuple[int, int]], per_cell: Sequence[int]
) -> list[NDArray[np.float32]]:
    """Return width and height (a, 2) of the anchors of each level's first cell."""
    sides, start = [], 0
    for (rows, columns), each in zip(grids, per_cell, strict=True):
        first = anchors[start : start + each].float().cpu().numpy()
        sides.append((first[:, 2:] - first[:, :2]).astype(np.float32))
        start += rows * columns * each
    return sides
