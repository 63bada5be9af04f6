"""Average precision of detections against known boxes, as COCO measures it (101 recall levels)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.objects.boxes import iou as iou_of

#: Recall levels at which COCO reads the precision: 0, 0.01, … 1.
LEVELS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Boxes:
    """Boxes (n,) of one kind in many pictures: picture, xyxy (n, 4), and score where they are detections."""

    picture: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    score: NDArray[np.float64]

    def take(self, index: NDArray[np.bool_]) -> Boxes:
        """The boxes that ``index`` selects."""
        return Boxes(self.picture[index], self.xyxy[index], self.score[index])


def average_precision(found: Boxes, truths: Boxes, *, iou: float = 0.5) -> float:
    """The mean, over the levels of recall, of the best precision at that recall or a higher one.

    Detections take the truths best first; each takes the free truth that it overlaps most, if by ``iou``.
    NaN where there are no truths.
    """
    if not len(truths.score):
        return float("nan")
    order = np.argsort(-found.score, kind="stable")
    hits = matched(found, truths, iou=iou)[order] >= 0
    recall = np.cumsum(hits) / len(truths.score)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(recall, LEVELS, side="left")].mean())


def matched(found: Boxes, truths: Boxes, *, iou: float) -> NDArray[np.int64]:
    """For each detection (n,) the number of the truth that it takes, or -1."""
    taken = np.zeros(len(truths.score), bool)
    match = np.full(len(found.score), -1)
    for row in np.argsort(-found.score, kind="stable"):
        free = np.flatnonzero((truths.picture == found.picture[row]) & ~taken)
        overlap = iou_of(found.xyxy[[row]], truths.xyxy[free])[0]
        if len(free) and overlap.max() >= iou:
            match[row] = free[overlap.argmax()]
            taken[match[row]] = True
    return match
