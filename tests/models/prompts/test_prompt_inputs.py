from __future__ import annotations

import numpy as np
import pytest

from objectspace.images import image_from_array
from objectspace.models.catalogue import SAM3
from objectspace.models.prompts import load_prompter
from objectspace.models.prompts.prompt_inputs import processed
from objectspace.models.transformers_models import load_published


@pytest.mark.parametrize("height", [1, 3])
def test_a_photo_one_or_three_pixels_high_has_its_colors_last(prompt_weights, height: int) -> None:
    image_processor = load_published(SAM3, prompt_weights).processor.image_processor
    red = np.zeros((height, 9, 3), np.uint8)
    red[..., 0] = 255
    pixels = processed(image_processor, [image_from_array(red)])["pixel_values"][0]
    assert [float(pixels[color].mean()) for color in range(3)] == pytest.approx([1, -1, -1])


@pytest.mark.parametrize("name", ["grounded-sam", "sam3"])
def test_photos_of_any_shape_are_looked_at(prompt_weights, name: str) -> None:
    thresholds = {"box_threshold": 0.0} | ({"text_threshold": 0.0} if name == "grounded-sam" else {})
    prompter = load_prompter("dog", name=name, weights=prompt_weights, **thresholds)
    for height, width in ((1, 1), (1, 5000), (5000, 1), (3, 900)):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        (objects,) = prompter.find_objects([image_from_array(pixels)])
        assert len(objects)
        assert (objects.xyxy >= 0).all()
        assert (objects.xyxy <= [width, height, width, height]).all()
        assert all(mask is None or (mask.width, mask.height) == (width, height) for mask in objects.mask)
