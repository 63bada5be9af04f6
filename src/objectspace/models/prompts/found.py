"""The boxes that words found in one image, before objects are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import batched_nms

from objectspace.images import Image
from objectspace.objects import boxes
from objectspace.objects.records import Mask, Objects, make_objects

#: Overlap at which two boxes of one word are one object found twice, as in Grounded SAM's simple demo
#: (github.com/IDEA-Research/Grounded-Segment-Anything, ``NMS_THRESHOLD``).
DUPLICATE_IOU = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Boxes (n,) of one image, each of one word.

    xyxy: (n, 4) float32, sides relative to the image's width and height, not cut off at its border
    word: (n,) int64, the number of the word in the prompt; score: (n,) float32 in [0, 1]
    query: (n,) int64, the network's object query that made the box
    """

    xyxy: NDArray[np.float32]
    word: NDArray[np.int64]
    score: NDArray[np.float32]
    query: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.score)

    def take(self, index: NDArray[Any]) -> Found:
        """Return the rows that ``index`` (integers or booleans) selects."""
        return Found(self.xyxy[index], self.word[index], self.score[index], self.query[index])


def joined(parts: Sequence[Found]) -> Found:
    """Concatenate the rows of all parts (at least one) in order."""
    return Found(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.word for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.query for part in parts]),
    )


def each_once(found: Found, image_wh: tuple[int, int]) -> tuple[Found, NDArray[np.float32]]:
    """Sort boxes by score and drop duplicates of a higher one of the same word.

    Boxes are clipped to the image, and returned in its pixels too (n, 4); those outside it are dropped. Boxes
    of different words are all kept, however they overlap. Equal scores are in the order of word, then query.
    """
    xyxy = boxes.clip(found.xyxy * np.array(image_wh * 2, np.float32), image_wh)
    order = np.lexsort((found.query, found.word, -found.score))
    order = order[boxes.area(xyxy[order]) > 0]
    # torchvision sorts equal scores in any order; ranks have none.
    rank = torch.arange(len(order), 0, -1, dtype=torch.float64)
    words = torch.from_numpy(found.word[order])
    kept = batched_nms(torch.from_numpy(xyxy[order]).double(), rank, words, DUPLICATE_IOU)
    rows = order[np.sort(kept.numpy())]
    return found.take(rows), xyxy[rows]


def objects_of(
    image: Image,
    found: Found,
    xyxy: NDArray[np.float32],
    words: Sequence[str],
    source: str,
    masks: Sequence[Mask | None],
    mask_score: NDArray[np.float64] | None = None,
) -> Objects:
    """Make the objects of an image, each labeled with its word, from rows that correspond."""
    return make_objects(
        image_id=image.image_id,
        xyxy=xyxy,
        label=[words[number] for number in found.word],
        source=source,
        score=found.score,
        mask=masks,
        factors=None if mask_score is None else {"mask_score": mask_score},
    )
