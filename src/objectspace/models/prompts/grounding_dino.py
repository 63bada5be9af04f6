"""Grounding DINO: boxes for words.

Liu et al., "Grounding DINO: Marrying DINO with Grounded Pre-Training for Open-Set Object Detection", 2023
(arXiv:2303.05499). The network gives every object query a box and a logit for every token of the caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.models.maps import check_finite
from objectspace.models.precision import reproducible
from objectspace.models.prompts.found import Found, joined
from objectspace.models.prompts.prompt_inputs import preprocessing, processed
from objectspace.models.transformers_models import Pretrained


@dataclass(frozen=True, slots=True, eq=False)
class Caption:
    """The input of the text branch in one pass, and the positions of each word in it.

    tokens: the tokenizer's output, (1, t) each; words: (w,) their numbers in the prompt; places: for each the
    positions of its tokens
    """

    tokens: dict[str, Tensor]
    words: tuple[int, ...]
    places: tuple[NDArray[np.int64], ...]


class GroundingDino:
    """The network with the captions of one prompt.

    box_threshold: least score of a box's best token; text_threshold: of a word's best token, for the word to
    label the box
    """

    def __init__(
        self,
        loaded: Pretrained,
        words: Sequence[str],
        device: torch.device,
        *,
        box_threshold: float,
        text_threshold: float,
    ) -> None:
        self._network = loaded.network.to(device)
        self._image_processor = loaded.processor.image_processor
        self._thresholds = (box_threshold, text_threshold)
        self._device = device
        limit = int(loaded.network.config.max_text_len)
        self.captions = captions_of(words, loaded.processor.tokenizer, limit)
        self.preprocessing = preprocessing(self._image_processor)

    def find(self, image: Image) -> Found:
        """Return the boxes of one image for all words; see :func:`read_boxes`.

        An image is alone in its pass: others beside it, of other shapes, would have to be padded with it, and
        the windows of the Swin backbone see the padding. Raises NonFiniteError.
        """
        inputs = processed(self._image_processor, [image]).to(self._device)
        parts = []
        for number, caption in enumerate(self.captions):
            tokens = {name: tensor.to(self._device) for name, tensor in caption.tokens.items()}
            with torch.inference_mode(), reproducible(self._device):
                output = self._network(**inputs, **tokens)
            logits, boxes = output.logits[0].float().cpu(), output.pred_boxes[0].float().cpu()
            # Of the tokens that a caption does not have the logits are minus infinity.
            check_finite("Grounding DINO", image.image_id, boxes, torch.sigmoid(logits))
            box_threshold, text_threshold = self._thresholds
            found = read_boxes(logits, boxes, caption.places, box_threshold, text_threshold)
            word = np.array(caption.words, np.int64)[found.word]
            parts.append(Found(found.xyxy, word, found.score, found.query + number * len(boxes)))
        return joined(parts)


def read_boxes(
    logits: Tensor,
    boxes: Tensor,
    places: Sequence[NDArray[np.int64]],
    box_threshold: float,
    text_threshold: float,
) -> Found:
    """Return the boxes of words, from the outputs of q object queries.

    logits: (q, t) of every token; boxes: (q, 4) center x, y, width, height relative to the image; places: for
    each word the positions of its tokens

    The score of a word is the sigmoid of its best token. A query counts where its best word reaches
    ``box_threshold``; it gives a box to every word that reaches ``text_threshold``, so a box of two words,
    which transformers' own post-processing labels "cat dog", is an object of each. Tokens between the words
    (full stops, [CLS], [SEP]) belong to none and do not count.
    """
    probability = torch.sigmoid(logits)
    scores = torch.stack([probability[:, torch.from_numpy(place)].amax(1) for place in places], 1).numpy()
    counts = (scores.max(1, keepdims=True) >= box_threshold) & (scores >= text_threshold)
    query, word = np.nonzero(counts)
    center, half = boxes[:, :2].numpy(), boxes[:, 2:].numpy() / 2
    xyxy = np.concatenate([center - half, center + half], 1).astype(np.float32)
    return Found(xyxy[query], word.astype(np.int64), scores[query, word], query.astype(np.int64))


def captions_of(words: Sequence[str], tokenizer: Any, limit: int) -> tuple[Caption, ...]:
    """Return captions of words, in lower case with a full stop after each, of ``limit`` tokens at most.

    Raises InputError for a word that alone is too long, and for one without a token.
    """
    texts = [word.lower() for word in words]
    counts = [len(tokenizer(f"{text}.", add_special_tokens=False)["input_ids"]) for text in texts]
    room = limit - tokenizer.num_special_tokens_to_add()
    groups: list[list[int]] = [[]]
    used = 0
    for number, count in enumerate(counts):
        if count > room:
            raise InputError(
                f"{words[number][:40]!r} … has {count} tokens, Grounding DINO reads {room} at once"
            )
        if used + count > room:
            groups.append([])
            used = 0
        groups[-1].append(number)
        used += count
    return tuple(_caption(group, texts, tokenizer) for group in groups)


def _caption(group: Sequence[int], texts: Sequence[str], tokenizer: Any) -> Caption:
    """Return one caption, whose tokens are assigned to words by the characters that they encode."""
    text = " ".join(f"{texts[number]}." for number in group)
    tokens = tokenizer(text, return_offsets_mapping=True, return_tensors="pt", return_token_type_ids=True)
    begin, end = tokens.pop("offset_mapping")[0].numpy().T
    ids = tokens["input_ids"][0].numpy()
    places, start = [], 0
    for number in group:
        stop = start + len(texts[number])
        place = np.flatnonzero((begin >= start) & (end <= stop) & (end > begin))
        if not (ids[place] != tokenizer.unk_token_id).any():
            raise InputError(
                f"Grounding DINO knows no part of the word {texts[number]!r}; name it in English"
            )
        places.append(place)
        start = stop + len(". ")
    return Caption(dict(tokens), tuple(group), tuple(places))
