"""SAM 3: every object of a word, with its box and mask, in one network.

Carion et al., "SAM 3: Segment Anything with Concepts", 2025 (arXiv:2511.16719).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from objectspace.errors import InputError
from objectspace.files import recipe_digest
from objectspace.images import Image
from objectspace.models.batches import PROMPTED
from objectspace.models.catalogue import SAM3
from objectspace.models.maps import check_finite
from objectspace.models.precision import reproducible
from objectspace.models.prompts import Prompter
from objectspace.models.prompts.found import DUPLICATE_IOU, Found, each_once, joined, objects_of
from objectspace.models.prompts.mask_logits import bilinear, run_lengths
from objectspace.models.prompts.prompt_inputs import preprocessing, processed
from objectspace.models.transformers_models import Pretrained, joint_sha256, load_published
from objectspace.objects.records import Mask, Objects

#: Least score of an object, as in SAM 3's own image processor (github.com/facebookresearch/sam3).
SCORE_THRESHOLD = 0.5
#: A pixel is the object's where its probability exceeds this.
_MASK_THRESHOLD = 0.5


class Sam3(Prompter):
    """SAM 3 with the words; made by :func:`load_sam3`.

    See :class:`objectspace.models.prompts.Prompter` for the attributes. It reads one
    word at a time: an image's features are computed once, those of the words when it is made.
    """

    name = "sam3"
    precision = "float32"

    def __init__(
        self, words: Sequence[str], loaded: Pretrained, device: torch.device, *, box_threshold: float
    ) -> None:
        self._words = tuple(words)
        self._network = loaded.network.to(device)
        self._image_processor = loaded.processor.image_processor
        self._threshold = box_threshold
        self.device = device
        self.batch_size = PROMPTED[device.type]
        self._texts = [self._text(word, loaded.processor.tokenizer) for word in words]
        self.loaded_from: Mapping[str, Any] = {}
        self.recipe: Mapping[str, Any] = {
            "family": "words",
            "model": self.name,
            "weights": joint_sha256([loaded.sha256]),
            "files": {"sam3": loaded.sha256},
            "preprocessing": {"sam3": preprocessing(self._image_processor)},
            "words": list(words),
            "box_threshold": box_threshold,
            "duplicate_iou": DUPLICATE_IOU,
            "precision": self.precision,
        }
        self.source = f"{self.name}@{recipe_digest(self.recipe)}"

    def find_objects(self, images: Sequence[Image]) -> list[Objects]:
        """Return the objects of each image with masks, highest score first; safe to call from threads."""
        found: list[Objects] = []
        for start in range(0, len(images), self.batch_size):
            found += self._find_batch(images[start : start + self.batch_size])
        return found

    def _find_batch(self, images: Sequence[Image]) -> list[Objects]:
        inputs = processed(self._image_processor, images)
        pixels = inputs["pixel_values"].to(self.device)
        parts: list[list[tuple[Found, Tensor]]] = [[] for _ in images]
        with torch.inference_mode(), reproducible(self.device):
            vision = self._network.get_vision_features(pixel_values=pixels)
            for number, (features, mask) in enumerate(self._texts):
                output = self._network(
                    vision_embeds=vision,
                    text_embeds=_text_embeds(features.expand(len(pixels), -1, -1)),
                    attention_mask=mask.expand(len(pixels), -1),
                )
                for row, image in enumerate(images):
                    parts[row].append(self._read(output, row, number, image))
        return [self._objects(image, part) for image, part in zip(images, parts, strict=True)]

    def _read(self, output: Any, row: int, word: int, image: Image) -> tuple[Found, Tensor]:
        """Return the boxes of one word in one image, and the mask probabilities of their queries."""
        logits, boxes = output.pred_logits[row].cpu(), output.pred_boxes[row].cpu()
        presence = output.presence_logits[row].cpu()
        check_finite("SAM 3", image.image_id, boxes, torch.sigmoid(logits), torch.sigmoid(presence))
        found = read_boxes(logits, presence, boxes, self._threshold)
        maps = output.pred_masks[row][torch.from_numpy(found.query).to(self.device)].sigmoid()
        check_finite("SAM 3", image.image_id, maps)
        return Found(found.xyxy, np.full(len(found), word, np.int64), found.score, found.query), maps

    def _objects(self, image: Image, parts: Sequence[tuple[Found, Tensor]]) -> Objects:
        together = joined([found for found, _ in parts])
        # Rows are chosen by the number of each one's map among all, instead of its query.
        numbered = Found(together.xyxy, together.word, together.score, np.arange(len(together)))
        found, xyxy = each_once(numbered, (image.width, image.height))
        maps = torch.cat([maps for _, maps in parts])
        size = (image.height, image.width)
        masks: list[Mask | None] = run_lengths(
            maps[torch.from_numpy(found.query).to(self.device)],
            lambda small: bilinear(small, size),
            _MASK_THRESHOLD,
        )
        return objects_of(image, found, xyxy, self._words, self.source, masks)

    def _text(self, word: str, tokenizer: Any) -> tuple[Tensor, Tensor]:
        """Embed a word: features (1, t, d), and (1, t) which of them are tokens."""
        limit = int(self._network.config.text_config.max_position_embeddings)
        count = len(tokenizer(word)["input_ids"])
        if count > limit:
            raise InputError(f"{word[:40]!r} … has {count} tokens, SAM 3 reads {limit}; use fewer words")
        tokens = tokenizer(word, padding="max_length", max_length=limit, return_tensors="pt")
        ids, mask = tokens["input_ids"].to(self.device), tokens["attention_mask"].to(self.device)
        with torch.inference_mode(), reproducible(self.device):
            features = self._network.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
        return features, mask


def _text_embeds(features: Tensor) -> Any:
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    return BaseModelOutputWithPooling(pooler_output=features)


def read_boxes(logits: Tensor, presence: Tensor, boxes: Tensor, threshold: float) -> Found:
    """Return the boxes of one word (number 0), from the outputs of q object queries.

    logits: (q,); presence: (1,), whether the word is in the image at all; boxes: (q, 4) ``xyxy`` relative to
    the image

    The score is the product of both probabilities (section 3 of the paper); a query counts where it reaches
    ``threshold``.
    """
    score = (torch.sigmoid(logits) * torch.sigmoid(presence)).numpy()
    query = np.flatnonzero(score >= threshold)
    return Found(boxes.numpy()[query].astype(np.float32), np.zeros(len(query), np.int64), score[query], query)


def load_sam3(
    words: Sequence[str], weights: Path | str | None, device: torch.device, *, box_threshold: float | None
) -> Sam3:
    """Load SAM 3 for words; see :func:`objectspace.models.prompts.load_prompter`."""
    threshold = SCORE_THRESHOLD if box_threshold is None else box_threshold
    return Sam3(words, load_published(SAM3, weights), device, box_threshold=threshold)
