"""Grounded SAM: Grounding DINO finds boxes for the words, SAM a mask for each box.

Ren et al., "Grounded SAM: Assembling Open-World Models for Diverse Visual Tasks", 2024 (arXiv:2401.14159).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from objectspace.files import recipe_digest
from objectspace.images import Image
from objectspace.models.batches import PROMPTED
from objectspace.models.catalogue import GROUNDING_DINO_TINY, SAM_VIT_BASE
from objectspace.models.prompts import Prompter
from objectspace.models.prompts.found import DUPLICATE_IOU, each_once, objects_of
from objectspace.models.prompts.grounding_dino import GroundingDino
from objectspace.models.prompts.sam import Masks, Sam
from objectspace.models.transformers_models import Pretrained, joint_sha256, load_published
from objectspace.objects.records import Objects

#: Thresholds of Grounded SAM's own demo (github.com/IDEA-Research/Grounded-Segment-Anything).
BOX_THRESHOLD, TEXT_THRESHOLD = 0.3, 0.25


class GroundedSam(Prompter):
    """Both networks with the words; made by :func:`load_grounded_sam`.

    See :class:`objectspace.models.prompts.Prompter` for the attributes. Both
    run in float32 on every device: a box in bfloat16 would be a multiple of some four pixels.
    """

    name = "grounded-sam"
    precision = "float32"

    def __init__(
        self,
        words: Sequence[str],
        detector: Pretrained,
        segmenter: Pretrained,
        device: torch.device,
        *,
        box_threshold: float,
        text_threshold: float,
    ) -> None:
        self._words = tuple(words)
        self._detector = GroundingDino(
            detector, words, device, box_threshold=box_threshold, text_threshold=text_threshold
        )
        self._segmenter = Sam(segmenter, device)
        self.device = device
        self.batch_size = PROMPTED[device.type]
        self.loaded_from: Mapping[str, Any] = {}
        self.recipe: Mapping[str, Any] = {
            "family": "words",
            "model": self.name,
            "weights": joint_sha256([detector.sha256, segmenter.sha256]),
            "files": {"grounding-dino": detector.sha256, "sam": segmenter.sha256},
            "preprocessing": {
                "grounding-dino": self._detector.preprocessing,
                "sam": self._segmenter.preprocessing,
            },
            "words": list(words),
            "box_threshold": box_threshold,
            "text_threshold": text_threshold,
            "duplicate_iou": DUPLICATE_IOU,
            "precision": self.precision,
        }
        self.source = f"{self.name}@{recipe_digest(self.recipe)}"

    def find_objects(self, images: Sequence[Image]) -> list[Objects]:
        """Return the objects of each image with masks, highest score first; ``mask_score`` is a factor.

        May be called from many threads.
        """
        found = [each_once(self._detector.find(image), (image.width, image.height)) for image in images]
        # A box that is an object of two words is segmented once.
        unique = [np.unique(xyxy, axis=0, return_inverse=True) for _, xyxy in found]
        masks = self._segmenter.masks(images, [boxes for boxes, _ in unique])
        return [
            self._objects(image, *boxes, of_boxes, rows.reshape(-1))
            for image, boxes, of_boxes, (_, rows) in zip(images, found, masks, unique, strict=True)
        ]

    def _objects(
        self, image: Image, found: Any, xyxy: NDArray[np.float32], masks: Masks, rows: NDArray[np.int64]
    ) -> Objects:
        own = [masks.masks[row] for row in rows]
        return objects_of(image, found, xyxy, self._words, self.source, own, masks.score[rows])


def load_grounded_sam(
    words: Sequence[str],
    weights: Path | str | None,
    device: torch.device,
    *,
    box_threshold: float | None,
    text_threshold: float | None,
) -> GroundedSam:
    """Load Grounded SAM for words; see :func:`objectspace.models.prompts.load_prompter`."""
    return GroundedSam(
        words,
        load_published(GROUNDING_DINO_TINY, weights),
        load_published(SAM_VIT_BASE, weights),
        device,
        box_threshold=BOX_THRESHOLD if box_threshold is None else box_threshold,
        text_threshold=TEXT_THRESHOLD if text_threshold is None else text_threshold,
    )
