from __future__ import annotations

import numpy as np
import pytest
import torch

from objectspace.errors import InputError, NonFiniteError
from objectspace.images import Image, image_from_array
from objectspace.models.catalogue import SAM3
from objectspace.models.prompts.found import DUPLICATE_IOU
from objectspace.models.prompts.sam3 import Sam3, read_boxes
from objectspace.models.transformers_models import Pretrained, load_published
from objectspace.objects.masks import decode

WORDS = ("apple", "red car")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def loaded(prompt_weights) -> Pretrained:
    return load_published(SAM3, prompt_weights)


@pytest.fixture(scope="module")
def photo() -> Image:
    return image_from_array(np.random.default_rng(0).integers(0, 256, (47, 80, 3), dtype=np.uint8))


def test_the_score_is_the_querys_times_the_words() -> None:
    logits = torch.logit(torch.tensor([0.9, 0.5, 0.99]))
    boxes = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.6, 0.7]])
    found = read_boxes(logits, torch.logit(torch.tensor([0.8])), boxes, 0.5)
    assert found.query.tolist() == [0, 2]
    np.testing.assert_allclose(found.score, [0.72, 0.792], rtol=1e-6)
    np.testing.assert_array_equal(found.xyxy, boxes[[0, 2]])


def test_a_word_that_is_not_in_the_photo() -> None:
    found = read_boxes(torch.full((4,), 5.0), torch.tensor([-5.0]), torch.rand(4, 4), 0.5)
    assert (len(found), found.xyxy.shape) == (0, (0, 4))


def published(loaded: Pretrained, photo: Image, word: str, threshold: float) -> list[tuple]:
    """Score, box and mask of each object as transformers finds them, best first, each thing once."""
    inputs = loaded.processor(images=photo.pixels, text=word, return_tensors="pt")
    with torch.inference_mode():
        output = loaded.network(**inputs)
    (result,) = loaded.processor.post_process_instance_segmentation(
        output, threshold=threshold, target_sizes=[(photo.height, photo.width)]
    )
    kept: list[tuple] = []
    for row in np.argsort(-result["scores"].numpy()):
        box = np.clip(result["boxes"][row].numpy(), 0, [photo.width, photo.height] * 2)
        if all(overlap(box, other) <= DUPLICATE_IOU for _, other, _ in kept):
            kept.append((float(result["scores"][row]), box, result["masks"][row].numpy().astype(bool)))
    return kept


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = np.prod(np.maximum(high - low, 0))
    return float(shared / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - shared))


@pytest.mark.parametrize("word", WORDS)
def test_objects_are_those_of_the_published_processor(loaded, photo, word: str) -> None:
    (objects,) = Sam3(WORDS, loaded, CPU, box_threshold=0.2).find_objects([photo])
    own = objects.take(objects.label == word)
    expected = published(loaded, photo, word, 0.2)
    assert len(own) == len(expected) > 1
    for row, (score, box, mask) in enumerate(expected):
        assert own.score[row] == pytest.approx(score, abs=1e-5)
        np.testing.assert_allclose(own.xyxy[row], box, atol=1e-3)
        found = np.zeros_like(mask) if own.mask[row] is None else decode(own.mask[row])
        assert (found != mask).mean() < 1e-3


def test_best_first_over_all_words(loaded, photo) -> None:
    (objects,) = Sam3(WORDS, loaded, CPU, box_threshold=0.0).find_objects([photo])
    assert set(objects.label) == set(WORDS)
    assert (np.diff(objects.score) <= 0).all()


def test_the_photo_is_looked_at_once_for_all_words(loaded, photo, monkeypatch) -> None:
    seen = []
    look = loaded.network.vision_encoder.forward
    monkeypatch.setattr(
        loaded.network.vision_encoder,
        "forward",
        lambda *given, **named: seen.append(1) or look(*given, **named),
    )
    Sam3(WORDS, loaded, CPU, box_threshold=0.0).find_objects([photo])
    assert len(seen) == 1


def test_a_word_too_long(loaded) -> None:
    with pytest.raises(InputError, match=r"'a{40}' … has 52 tokens, SAM 3 reads 32; use fewer words"):
        Sam3(("a" * 50,), loaded, CPU, box_threshold=0.5)


def test_a_score_of_the_threshold_counts() -> None:
    logits = torch.zeros(2)  # a half, and the word is certainly there
    found = read_boxes(logits, torch.tensor([100.0]), torch.rand(2, 4), 0.5)
    assert found.query.tolist() == [0, 1]


@pytest.mark.parametrize("output", ["pred_logits", "pred_boxes", "presence_logits", "pred_masks"])
def test_numbers_that_are_not_finite_fail_the_image(loaded, photo, output: str) -> None:
    def overflow(_, __, given):
        given[output] = torch.full_like(given[output], torch.nan)
        return given

    prompter = Sam3(WORDS, loaded, CPU, box_threshold=0.0)
    hook = loaded.network.register_forward_hook(overflow)
    try:
        with pytest.raises(NonFiniteError, match=f"image {photo.image_id}: SAM 3 gave NaN"):
            prompter.find_objects([photo])
    finally:
        hook.remove()
