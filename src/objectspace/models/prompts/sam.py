"""SAM: a mask for each box.

Kirillov et al., "Segment Anything", 2023 (arXiv:2304.02643).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.images import Image
from objectspace.models.batches import BOXES, PROMPTED
from objectspace.models.maps import check_finite
from objectspace.models.precision import reproducible
from objectspace.models.prompts.mask_logits import bilinear, run_lengths
from objectspace.models.prompts.prompt_inputs import preprocessing, processed
from objectspace.models.transformers_models import Pretrained
from objectspace.objects.records import Mask


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """A mask for each of n boxes of one image, None where it is empty.

    score: (n,) float64, the overlap with the object that SAM itself predicts; NaN where there is no mask
    """

    masks: tuple[Mask | None, ...]
    score: NDArray[np.float64]


class Sam:
    """The network; the image encoder runs once an image, the mask decoder over chunks of its boxes."""

    def __init__(self, loaded: Pretrained, device: torch.device) -> None:
        self._network = loaded.network.to(device)
        self._image_processor = loaded.processor.image_processor
        self._device = device
        self.preprocessing = preprocessing(self._image_processor)

    def masks(self, images: Sequence[Image], boxes: Sequence[NDArray[np.float32]]) -> list[Masks]:
        """Return the masks of each image's boxes (n, 4), which are in pixels of the image; n may be 0."""
        found = [Masks((), np.empty(0)) for _ in images]
        rows = [row for row, wanted in enumerate(boxes) if len(wanted)]
        count = PROMPTED[self._device.type]
        for start in range(0, len(rows), count):
            here = rows[start : start + count]
            inputs = processed(self._image_processor, [images[row] for row in here])
            pixels = inputs["pixel_values"].to(self._device)
            with torch.inference_mode(), reproducible(self._device):
                embeddings = self._network.get_image_embeddings(pixels)
            for place, row in enumerate(here):
                fitted_hw = tuple(int(side) for side in inputs["reshaped_input_sizes"][place])
                found[row] = self._decoded(embeddings[place], images[row], boxes[row], fitted_hw)
        return found

    def _decoded(
        self, embedding: Tensor, image: Image, boxes: NDArray[np.float32], fitted_hw: tuple[int, ...]
    ) -> Masks:
        """Return the masks of one image's boxes from its embedding (c, h, w)."""
        height, width = fitted_hw[0], fitted_hw[1]
        scale = np.array([width / image.width, height / image.height] * 2)
        prompts = torch.from_numpy(boxes * scale).float().to(self._device)
        side = self._image_processor.pad_size["height"]
        enlarge = partial(
            enlarged, side=side, fitted_hw=(height, width), image_hw=(image.height, image.width)
        )
        masks: list[Mask | None] = []
        scores = []
        for chunk in torch.split(prompts, BOXES[self._device.type]):
            with torch.inference_mode(), reproducible(self._device):
                # One mask a box, as Grounded SAM asks for: a box, unlike a point, says which object is meant.
                output = self._network(
                    image_embeddings=embedding[None], input_boxes=chunk[None], multimask_output=False
                )
                check_finite("SAM", image.image_id, output.pred_masks, output.iou_scores)
                masks += run_lengths(output.pred_masks[0, :, 0], enlarge, 0.0)
            scores.append(output.iou_scores[0, :, 0].double().cpu().numpy())
        missing = np.array([mask is None for mask in masks])
        return Masks(tuple(masks), np.where(missing, np.nan, np.concatenate(scores)))


def enlarged(maps: Tensor, side: int, fitted_hw: tuple[int, int], image_hw: tuple[int, int]) -> Tensor:
    """Enlarge the decoder's logits (b, c, h, w) to the image's size by way of the input's, as SAM does.

    side: of the square input, whose top left ``fitted_hw`` pixels are the image
    """
    on_input = bilinear(maps, (side, side))[..., : fitted_hw[0], : fitted_hw[1]]
    return bilinear(on_input, image_hw)
