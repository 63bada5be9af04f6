from __future__ import annotations

import numpy as np
import pytest
import torch

from objectspace.errors import NonFiniteError
from objectspace.images import Image, image_from_array
from objectspace.models.catalogue import SAM_VIT_BASE
from objectspace.models.prompts.mask_logits import run_lengths
from objectspace.models.prompts.sam import BOXES, Sam, enlarged
from objectspace.models.transformers_models import Pretrained, load_published
from objectspace.objects.masks import decode

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def loaded(prompt_weights) -> Pretrained:
    return load_published(SAM_VIT_BASE, prompt_weights)


def photo(width: int, height: int, seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return image_from_array(pixels)


def boxes_in(image: Image, count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    corners = np.sort(random.uniform(0, 1, (count, 2, 2)), axis=1).reshape(count, 4)
    return (corners * np.array([image.width, image.height] * 2)).astype(np.float32)


# ------------------------------------------------------------------------------------------------- enlarging


def test_a_half_plane_is_found_at_the_photos_size() -> None:
    # Columns 0 and 1 of 4 are the object's, and the photo fills the input.
    maps = torch.full((1, 1, 4, 4), -1.0)
    maps[..., :2] = 1.0
    pixels = enlarged(maps, 16, (16, 16), (6, 8))[0, 0] > 0
    assert pixels.tolist() == [[True] * 4 + [False] * 4] * 6


def test_what_lies_below_a_wide_photo_in_the_input_does_not_count() -> None:
    # Only the lower half of the square input is the object's, and there the photo has ended.
    maps = torch.full((1, 1, 4, 4), -1.0)
    maps[..., 2:, :] = 1.0
    assert not (enlarged(maps, 16, (6, 16), (6, 16)) > 0).any()


@pytest.mark.parametrize(("width", "height"), [(80, 60), (33, 101), (640, 479), (64, 64), (5, 3)])
def test_enlarging_is_the_published_one(loaded, width: int, height: int) -> None:
    maps = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(width))
    processor = loaded.processor
    inputs = processor(images=photo(width, height).pixels, return_tensors="pt")
    (oracle,) = processor.post_process_masks([maps], [[height, width]], inputs["reshaped_input_sizes"])
    fitted_hw = tuple(inputs["reshaped_input_sizes"][0].tolist())
    masks = run_lengths(maps[:, 0], lambda small: enlarged(small, 64, fitted_hw, (height, width)), 0.0)
    for mask, expected in zip(masks, oracle[:, 0], strict=True):
        assert mask is not None
        np.testing.assert_array_equal(decode(mask), expected.numpy())


def test_an_empty_mask_is_none() -> None:
    maps = torch.full((3, 4, 4), -1.0)
    maps[1, 2, 2] = 1.0
    # The second is above 0 on its small map, but at no pixel center of this photo.
    masks = run_lengths(maps[:2], lambda small: enlarged(small, 4, (4, 4), (1, 1)), 0.0)
    assert masks == [None, None]


def test_one_photo_sized_mask_at_a_time() -> None:
    shapes = []

    def enlarge(small: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(small.shape))
        return enlarged(small, 8, (8, 8), (30, 40))

    assert len(run_lengths(torch.ones(5, 4, 4), enlarge, 0.0)) == 5
    assert shapes == [(1, 1, 4, 4)] * 5


# ---------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize(("width", "height"), [(80, 60), (33, 101), (300, 40)])
def test_masks_are_those_of_the_published_processor(loaded, width: int, height: int) -> None:
    image = photo(width, height)
    boxes = boxes_in(image, BOXES["cpu"] + 3)
    (found,) = Sam(loaded, CPU).masks([image], [boxes])

    inputs = loaded.processor(images=image.pixels, input_boxes=[boxes.tolist()], return_tensors="pt")
    with torch.inference_mode():
        output = loaded.network(
            pixel_values=inputs["pixel_values"],
            input_boxes=inputs["input_boxes"].float(),
            multimask_output=False,
        )
    (oracle,) = loaded.processor.post_process_masks(
        output.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )
    pixels = np.stack(
        [np.zeros((height, width), bool) if mask is None else decode(mask) for mask in found.masks]
    )
    # Chunks of boxes round otherwise than all of them at once.
    assert (pixels != oracle[:, 0].numpy()).mean() < 1e-3
    there = ~np.isnan(found.score)
    assert there.any()
    np.testing.assert_allclose(found.score[there], output.iou_scores[0, :, 0].numpy()[there], atol=1e-5)


def test_photos_without_boxes_have_no_masks(loaded) -> None:
    images = [photo(40, 30), photo(50, 30, seed=1), photo(30, 50, seed=2)]
    boxes = [np.empty((0, 4), np.float32), boxes_in(images[1], 2), np.empty((0, 4), np.float32)]
    found = Sam(loaded, CPU).masks(images, boxes)
    assert [len(masks.masks) for masks in found] == [0, 2, 0]
    assert [len(masks.score) for masks in found] == [0, 2, 0]


@pytest.mark.parametrize("output", ["pred_masks", "iou_scores"])
def test_numbers_that_are_not_finite_fail_the_image(loaded, output: str) -> None:
    def overflow(_, __, given):
        given[output] = torch.full_like(given[output], torch.nan)
        return given

    image = photo(40, 30)
    hook = loaded.network.register_forward_hook(overflow)
    try:
        with pytest.raises(NonFiniteError, match=f"image {image.image_id}: SAM gave NaN"):
            Sam(loaded, CPU).masks([image], [boxes_in(image, 2)])
    finally:
        hook.remove()
