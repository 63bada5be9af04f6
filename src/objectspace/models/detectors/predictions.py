"""Predictions: boxes decoded from the raw outputs of YOLO's heads, without duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import batched_nms

from objectspace.models.darknet.layers import Reading
from objectspace.models.maps import Head
from objectspace.objects import boxes
from objectspace.objects.boxes import Frame
from objectspace.objects.records import Objects, Provenance, make_objects

#: A box e^16 times its anchor is wider than any image; without a bound its sides would overflow.
_LARGEST_EXPONENT = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions (n,) of cells and anchors, before objects are made of them.

    xyxy: (n, 4) float64, pixels of the network's input, not cut off at any border
    score: (n,) float32, objectness * probability of the best class
    label: (n,) int64, the number of that class
    """

    xyxy: NDArray[np.float64]
    score: NDArray[np.float32]
    label: NDArray[np.int64]
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: NDArray[Any]) -> Predictions:
        """Return the rows that ``index`` (integers or booleans) selects."""
        return Predictions(
            self.xyxy[index], self.score[index], self.label[index], self.provenance.take(index)
        )


@dataclass(frozen=True, slots=True, eq=False)
class HeadReader:
    """Reads the raw numbers of one head: how many classes, ``scale_x_y``, the network's input in pixels.

    A cell's numbers are, anchor after anchor, tx, ty, tw, th, objectness and the classes (YOLOv3, section
    2.1). ``reading`` is that of :class:`~objectspace.models.darknet.layers.Yolo`.
    """

    head: Head
    classes: int
    scale_xy: float
    input_wh: tuple[int, int]
    reading: Reading = "sigmoid"

    def of_map(self, raw: Tensor, confidence: float) -> Predictions:
        """Return the predictions of a map (anchors * (5 + classes), h, w) that reach ``confidence``."""
        numbers = raw.reshape(len(self.head.anchors), 5 + self.classes, *raw.shape[1:])
        # A score is at most its objectness, so few cells are decoded further.
        anchor, row, column = torch.nonzero(self._probability(numbers[:, 4]) >= confidence, as_tuple=True)
        found = self._read(numbers[anchor, :, row, column], column.numpy(), row.numpy(), anchor.numpy())
        return found.take(found.score >= confidence)

    def of_cells(
        self, raw: Tensor, x: NDArray[Any], y: NDArray[Any], confidence: float
    ) -> tuple[Predictions, NDArray[np.int64]]:
        """Return the predictions of cells at ``x``, ``y`` (n,), from (n, anchors * (5 + classes)).

        Only those whose score reaches ``confidence``; beside them the row of ``raw`` that each comes from.
        """
        numbers = raw.reshape(len(raw), len(self.head.anchors), 5 + self.classes)
        row, anchor = torch.nonzero(self._probability(numbers[:, :, 4]) >= confidence, as_tuple=True)
        rows = row.numpy()
        found = self._read(numbers[row, anchor], x[rows], y[rows], anchor.numpy())
        kept = found.score >= confidence
        return found.take(kept), rows[kept]

    def scores(
        self, raw: Tensor, row: NDArray[Any], anchor: NDArray[Any], label: NDArray[Any]
    ) -> NDArray[np.float32]:
        """Return objectness * probability of class ``label`` (n,), for anchors by their number (n,).

        raw: (cells, anchors * (5 + classes)); row: (n,) the cell of each in it
        """
        place = np.zeros(max(self.head.anchor_index) + 1, np.int64)
        place[list(self.head.anchor_index)] = np.arange(len(self.head.anchors))
        rows, first = torch.as_tensor(row, dtype=torch.int64), place[anchor] * (5 + self.classes)
        objectness = self._probability(raw[rows, torch.from_numpy(first + 4)])
        if self.reading == "softmax":
            every = torch.from_numpy(first[:, None] + 5 + np.arange(self.classes))
            probability = torch.softmax(raw[rows[:, None], every], 1)[
                torch.arange(len(rows)), torch.from_numpy(label)
            ]
        else:
            probability = self._probability(raw[rows, torch.from_numpy(first + 5 + label)])
        scores: NDArray[np.float32] = (objectness * probability).numpy()
        return scores

    def _probability(self, numbers: Tensor) -> Tensor:
        return numbers if self.reading == "activated" else torch.sigmoid(numbers)

    def _read(
        self, cells: Tensor, x: NDArray[Any], y: NDArray[Any], anchor: NDArray[np.int64]
    ) -> Predictions:
        """Return predictions from the numbers (n, 5 + classes) of one anchor of a cell each."""
        objectness = self._probability(cells[:, 4])
        if self.reading == "softmax":
            probability, label = torch.softmax(cells[:, 5:], 1).max(dim=1)
        else:
            best, label = cells[:, 5:].max(dim=1)
            probability = self._probability(best)
        score = objectness * probability
        xyxy = self._boxes(cells[:, :4].double(), np.stack([x, y], 1), self.head.anchors[anchor])
        provenance = Provenance(
            head=np.full(len(x), self.head.layer, np.int32),
            stride=np.full(len(x), self.head.stride, np.int32),
            cell_x=x.astype(np.int32),
            cell_y=y.astype(np.int32),
            anchor=np.array(self.head.anchor_index, np.int32)[anchor],
            objectness=objectness.numpy(),
        )
        return Predictions(xyxy, score.numpy(), label.numpy(), provenance)

    def _boxes(
        self, numbers: Tensor, corner: NDArray[Any], anchors: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Decode boxes (n, 4) in pixels of the network's input from tx, ty, tw, th (n, 4).

        The center is the cell's corner + sigmoid(txy), stretched by ``scale_xy`` about the cell's middle; the
        sides are anchor * exp(twh). Where the numbers are activated, txy is the sigmoid already, and the
        sides are anchor * (2 twh)^2.
        """
        within = (self._probability(numbers[:, :2]).numpy() - 0.5) * self.scale_xy + 0.5
        center = (corner + within) * np.array(self.input_wh) / np.array(self.head.grid_wh)
        sides = numbers[:, 2:].numpy()
        activated = self.reading == "activated"
        factor = (2 * sides) ** 2 if activated else np.exp(np.minimum(sides, _LARGEST_EXPONENT))
        half = anchors * factor / 2
        return np.concatenate([center - half, center + half], axis=1)


def best_first(parts: Sequence[Predictions]) -> Predictions:
    """Sort all heads' predictions by score, highest first; ties by head, cell row, cell column, anchor."""
    found = joined(parts)
    cells = found.provenance
    return found.take(np.lexsort((cells.anchor, cells.cell_x, cells.cell_y, cells.head, -found.score)))


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Concatenate the rows of all parts (at least one) in order."""
    return Predictions(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.label for part in parts]),
        Provenance.joined([part.provenance for part in parts]),
    )


def unsuppressed(found: Predictions, iou: float) -> NDArray[np.int64]:
    """Return the rows, in order, that class-wise non-maximum suppression keeps."""
    # torchvision sets classes apart by shifting their boxes, which must not be negative for that; float64, so
    # that the shift costs no digits.
    corners = torch.from_numpy(found.xyxy - found.xyxy.min(initial=0))
    kept = batched_nms(corners, torch.from_numpy(found.score).double(), torch.from_numpy(found.label), iou)
    return np.sort(kept.numpy())


def objects_inside(
    found: Predictions, image_id: str, frame: Frame, names: NDArray[np.object_], source: str
) -> Objects:
    """Return the objects of one image, clipped to it; those outside it are dropped.

    names: (classes,) the labels; source: the detector's
    """
    xyxy = boxes.clip(frame.to_image(found.xyxy.astype(np.float32)), frame.image_wh)
    inside = boxes.area(xyxy) > 0
    found = found.take(inside)
    return make_objects(
        image_id=image_id,
        xyxy=xyxy[inside],
        label=names[found.label].tolist(),
        source=source,
        score=found.score,
        provenance=found.provenance,
    )
