from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from objectspace.errors import InputError
from objectspace.files import file_sha256
from objectspace.images import Image, image_from_array
from objectspace.models.catalogue import GROUNDING_DINO_TINY, SAM_VIT_BASE
from objectspace.models.prompts import Prompter, load_prompter
from objectspace.models.prompts.grounded_sam import BOX_THRESHOLD, TEXT_THRESHOLD, GroundedSam
from objectspace.models.transformers_models import load_published
from objectspace.objects.masks import decode

PROMPT = "Apple. red pineapple"
EVERYTHING = {
    "grounded-sam": {"box_threshold": 0.0, "text_threshold": 0.0},
    "sam3": {"box_threshold": 0.0},
}


@pytest.fixture(scope="module", params=EVERYTHING)
def prompter(request: pytest.FixtureRequest, prompt_weights: Path) -> Prompter:
    """Each of the prompters, with thresholds that everything passes."""
    return load_prompter(PROMPT, name=request.param, weights=prompt_weights, **EVERYTHING[request.param])


@pytest.fixture(scope="module")
def grounded_sam(prompt_weights: Path) -> Callable[..., GroundedSam]:
    """Makes a Grounded SAM of two words that lets everything through, with other arguments where given."""
    networks = (
        load_published(GROUNDING_DINO_TINY, prompt_weights),
        load_published(SAM_VIT_BASE, prompt_weights),
    )

    def make(words: tuple[str, ...] = ("apple", "dog"), **thresholds: float) -> GroundedSam:
        return GroundedSam(
            words, *networks, torch.device("cpu"), **{**EVERYTHING["grounded-sam"], **thresholds}
        )

    return make


@pytest.fixture(scope="module")
def photos() -> list[Image]:
    random = np.random.default_rng(0)
    sizes = ((60, 80), (80, 60), (60, 80), (31, 90))
    return [image_from_array(random.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


def ids(found: list) -> list[list[str]]:
    return [objects.object_id.tolist() for objects in found]


# -------------------------------------------------------------------------------------------------- objects


def test_objects_are_labeled_with_the_users_words(prompter, photos) -> None:
    (objects,) = prompter.find_objects(photos[:1])
    assert set(objects.label) == {"Apple", "red pineapple"}
    assert set(objects.source) == {prompter.source}
    assert (np.diff(objects.score) <= 0).all()
    assert prompter.source == f"{prompter.name}@{prompter.source.split('@')[1]}"


def test_masks_are_run_lengths_of_the_photo(prompter, photos) -> None:
    (objects,) = prompter.find_objects(photos[:1])
    assert any(mask is not None for mask in objects.mask)
    assert {(mask.width, mask.height) for mask in objects.mask if mask is not None} == {(80, 60)}
    assert all(decode(mask).any() for mask in objects.mask if mask is not None)


def test_a_photo_does_not_depend_on_its_company(prompter, photos) -> None:
    together = prompter.find_objects(photos)
    alone = [prompter.find_objects([photo])[0] for photo in photos]
    assert ids(together) == ids(alone)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.score, other.score)


def test_many_threads_find_the_same(prompter, photos) -> None:
    expected = ids([prompter.find_objects([photo])[0] for photo in photos])
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda photo: prompter.find_objects([photo])[0], photos * 2))
    assert ids(found) == expected * 2


def test_an_image_decoded_at_reduced_scale_gives_boxes_of_its_frame(prompter, photos) -> None:
    small = photos[0]
    large = Image(small.image_id, "", small.pixels, 2 * small.width, 2 * small.height)
    (one,), (other,) = prompter.find_objects([small]), prompter.find_objects([large])
    np.testing.assert_allclose(other.xyxy, 2 * one.xyxy, rtol=1e-5)
    assert {(mask.width, mask.height) for mask in other.mask if mask is not None} == {(160, 120)}


def test_words_that_nothing_matches(grounded_sam, photos) -> None:
    prompter = grounded_sam(box_threshold=1.0)
    assert [len(objects) for objects in prompter.find_objects(photos)] == [0] * 4


def test_the_mask_score_is_a_factor_of_grounded_sam(grounded_sam, photos) -> None:
    (objects,) = grounded_sam().find_objects(photos[:1])
    scores = objects.factors["mask_score"]
    assert scores.dtype == np.float64
    assert np.isnan(scores).tolist() == [mask is None for mask in objects.mask]


def test_a_box_of_two_words_has_one_mask(grounded_sam, photos) -> None:
    (objects,) = grounded_sam().find_objects(photos[:1])
    masks: dict[tuple, set] = {}
    for box, mask in zip(objects.xyxy.tolist(), objects.mask, strict=True):
        masks.setdefault(tuple(box), set()).add(mask)
    assert len(masks) < len(objects)
    assert {len(different) for different in masks.values()} == {1}


# -------------------------------------------------------------------------------------------------- recipes


def test_the_recipe_says_what_decides(prompter, prompt_weights) -> None:
    recipe = json.loads(json.dumps(prompter.recipe))
    assert recipe["words"] == ["Apple", "red pineapple"]
    assert {name: recipe[name] for name in EVERYTHING[prompter.name]} == EVERYTHING[prompter.name]
    parts = {"grounded-sam": ["grounding-dino", "sam"], "sam3": ["sam3"]}[prompter.name]
    for part in parts:
        file = prompt_weights / part / "model.safetensors"
        assert recipe["files"][part] == {"model.safetensors": file_sha256(file)}
    assert len(recipe["weights"]) == 64


def test_other_words_and_thresholds_are_another_source(grounded_sam) -> None:
    assert grounded_sam().source == grounded_sam().source
    others = (
        grounded_sam(words=("apple", "dogs")),
        grounded_sam(words=("apple", "Dog")),
        grounded_sam(box_threshold=0.4),
        grounded_sam(text_threshold=0.3),
    )
    assert len({prompter.source for prompter in (grounded_sam(), *others)}) == 5


def test_the_thresholds_are_those_of_grounded_sams_demo(prompt_weights) -> None:
    recipe = load_prompter("dog", weights=prompt_weights).recipe
    assert (recipe["box_threshold"], recipe["text_threshold"]) == (BOX_THRESHOLD, TEXT_THRESHOLD)
    assert (BOX_THRESHOLD, TEXT_THRESHOLD) == (0.3, 0.25)


def test_it_is_loaded_again_by_what_it_keeps(prompter) -> None:
    again = load_prompter(prompter.recipe["words"], **prompter.loaded_from, **EVERYTHING[prompter.name])
    assert again.source == prompter.source


# -------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"prompt": " . "}, "prompt without words: ' . '; expected words such as"),
        ({"name": "sam2"}, "no prompt model 'sam2': expected grounded-sam or sam3"),
        ({"box_threshold": 1.5}, "box threshold is 1.5, expected a number from 0 to 1"),
        ({"text_threshold": float("nan")}, "text threshold is nan, expected a number from 0 to 1"),
        ({"name": "sam3", "text_threshold": 0.1}, "sam3 scores a whole word, it has no text threshold"),
        ({"device": "tpu"}, "device is 'tpu', expected auto, cpu, cuda or cuda:N"),
    ],
)
def test_wrong_arguments(prompt_weights, given: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_prompter(**{"prompt": "dog", "weights": prompt_weights, **given})


def test_a_prompter_shows_itself_in_one_line(prompter) -> None:
    assert repr(prompter) == f"{type(prompter).__name__}('Apple, red pineapple', float32 on cpu)"
