from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from objectspace.errors import InputError, NonFiniteError
from objectspace.images import Image, image_from_array
from objectspace.models.catalogue import GROUNDING_DINO_TINY
from objectspace.models.prompts.found import Found
from objectspace.models.prompts.grounding_dino import (
    GroundingDino,
    captions_of,
    read_boxes,
)
from objectspace.models.transformers_models import Pretrained, load_published

WORDS = ("Apple", "red pineapple", "dog")
CPU = torch.device("cpu")
#: [CLS] apple . red pine ##apple . dog . [SEP]
PLACES = ([1], [3, 4, 5], [7])


@pytest.fixture(scope="module")
def loaded(prompt_weights) -> Pretrained:
    return load_published(GROUNDING_DINO_TINY, prompt_weights)


@pytest.fixture(scope="module")
def photo() -> Image:
    return image_from_array(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))


# ------------------------------------------------------------------------------------------------ captions


def test_tokens_belong_to_the_word_whose_letters_they_are(loaded) -> None:
    (caption,) = captions_of(WORDS, loaded.processor.tokenizer, 24)
    pieces = loaded.processor.tokenizer.convert_ids_to_tokens(caption.tokens["input_ids"][0])
    assert pieces == ["[CLS]", "apple", ".", "red", "pine", "##apple", ".", "dog", ".", "[SEP]"]
    assert [place.tolist() for place in caption.places] == list(PLACES)
    assert caption.words == (0, 1, 2)


def test_the_caption_is_what_the_processor_makes_of_labels(loaded, photo) -> None:
    (caption,) = captions_of(WORDS, loaded.processor.tokenizer, 24)
    published = loaded.processor(images=photo.pixels, text=[list(WORDS)], return_tensors="pt")
    for name, tensor in caption.tokens.items():
        assert torch.equal(tensor, published[name])


def test_accents_and_signs_shift_no_token(loaded) -> None:
    (caption,) = captions_of(("a-réd", "dogs"), loaded.processor.tokenizer, 24)
    ids = caption.tokens["input_ids"][0]
    pieces = [loaded.processor.tokenizer.convert_ids_to_tokens(ids[place]) for place in caption.places]
    assert pieces == [["a", "[UNK]", "red"], ["dog", "##s"]]


def test_words_beyond_one_caption_are_read_in_several(loaded) -> None:
    # A caption of 8 tokens has room for 6: apple . red pine ##apple . | dog . car .
    first, second = captions_of((*WORDS, "car"), loaded.processor.tokenizer, 8)
    assert (first.words, second.words) == ((0, 1), (2, 3))
    assert [place.tolist() for place in second.places] == [[1], [3]]
    assert first.tokens["input_ids"].shape == (1, 8)


def test_a_word_longer_than_a_caption(loaded) -> None:
    with pytest.raises(InputError, match="'red red red' … has 4 tokens, Grounding DINO reads 3 at once"):
        captions_of(("dog", "red red red"), loaded.processor.tokenizer, 5)


def test_a_word_of_which_nothing_is_known(loaded) -> None:
    with pytest.raises(InputError, match="Grounding DINO knows no part of the word 'xylophon'"):
        captions_of(("dog", "Xylophon"), loaded.processor.tokenizer, 24)


# ------------------------------------------------------------------------------------------- post-processing


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def by_hand(*rows: dict[int, float], box: float = 0.35, text: float = 0.25) -> Found:
    """What queries give whose tokens have these probabilities, all others 0.01; boxes in a row."""
    logits = torch.full((len(rows), 10), logit(0.01))
    for row, tokens in enumerate(rows):
        for token, probability in tokens.items():
            logits[row, token] = logit(probability)
    boxes = torch.tensor([[0.1 + 0.2 * row, 0.5, 0.1, 0.2] for row in range(len(rows))])
    return read_boxes(logits, boxes, [np.array(place) for place in PLACES], box, text)


def test_the_score_of_a_word_is_that_of_its_best_token() -> None:
    found = by_hand({3: 0.4, 5: 0.7}, {7: 0.5})
    assert found.word.tolist() == [1, 2]
    np.testing.assert_allclose(found.score, [0.7, 0.5], rtol=1e-6)
    assert found.query.tolist() == [0, 1]


def test_boxes_become_corners() -> None:
    np.testing.assert_allclose(by_hand({}, {7: 0.5}).xyxy, [[0.25, 0.4, 0.35, 0.6]], rtol=1e-6)


def test_a_part_of_one_word_is_not_another_word() -> None:
    # "##apple" of the pineapple, decoded as text, is part of "apple".
    assert by_hand({5: 0.9}).word.tolist() == [1]


def test_a_box_of_two_words_is_an_object_of_each() -> None:
    found = by_hand({1: 0.6, 7: 0.3})
    assert (found.word.tolist(), found.query.tolist()) == ([0, 2], [0, 0])
    np.testing.assert_allclose(found.score, [0.6, 0.3], rtol=1e-6)


def test_both_thresholds() -> None:
    assert len(by_hand({1: 0.34})) == 0  # no token reaches the box threshold
    assert by_hand({1: 0.6, 7: 0.24}).word.tolist() == [0]  # the dog's does not reach the text threshold
    assert len(by_hand({1: 0.6}, text=0.7)) == 0  # a box without a word


def test_tokens_between_the_words_do_not_count() -> None:
    assert len(by_hand({0: 0.9, 2: 0.9, 6: 0.9, 8: 0.9, 9: 0.9})) == 0


def test_nothing_found() -> None:
    found = by_hand({}, {})
    assert (len(found), found.xyxy.shape) == (0, (0, 4))


@pytest.mark.parametrize("seed", range(5))
def test_as_the_published_post_processing_does(loaded, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, 50, 24, generator=generator) - 1
    # The published scores take the best of all tokens, those between the words among them.
    logits[..., [0, 2, 6, *range(8, 24)]] = -torch.inf
    boxes = torch.rand(1, 50, 4, generator=generator)
    (caption,) = captions_of(WORDS, loaded.processor.tokenizer, 24)
    output = SimpleNamespace(logits=logits, pred_boxes=boxes, input_ids=caption.tokens["input_ids"])
    (oracle,) = loaded.processor.post_process_grounded_object_detection(
        output, threshold=0.4, text_threshold=0.3
    )

    found = read_boxes(logits[0], boxes[0], caption.places, 0.4, 0.3)
    queries = np.unique(found.query)
    best = [found.score[found.query == query].max() for query in queries]
    np.testing.assert_allclose(best, oracle["scores"], rtol=1e-6)
    first = np.unique(found.query, return_index=True)[1]
    np.testing.assert_allclose(found.xyxy[first], oracle["boxes"], rtol=1e-5)
    # The published label is made of the tokens themselves, of several words run together: where it is a whole
    # word, it is the only one.
    labels = dict(zip(queries.tolist(), oracle["text_labels"], strict=True))
    whole = {query: text for query, text in labels.items() if text in ("apple", "red pineapple", "dog")}
    assert len(set(whole.values())) > 1
    for query, text in whole.items():
        assert [WORDS[word].lower() for word in found.word[found.query == query]] == [text]


# ---------------------------------------------------------------------------------------------- the network


def finder(loaded: Pretrained, words=WORDS, box: float = 0.0, text: float = 0.0) -> GroundingDino:
    return GroundingDino(loaded, words, CPU, box_threshold=box, text_threshold=text)


def test_the_network_sees_what_the_processor_makes(loaded, photo) -> None:
    found = finder(loaded, box=0.5).find(photo)
    inputs = loaded.processor(images=photo.pixels, text=[list(WORDS)], return_tensors="pt")
    with torch.inference_mode():
        output = loaded.network(**inputs)
    (oracle,) = loaded.processor.image_processor.post_process_object_detection(
        SimpleNamespace(
            logits=output.logits[..., [place for word in PLACES for place in word]],
            pred_boxes=output.pred_boxes,
        ),
        threshold=0.5,
    )
    assert 0 < len(oracle["scores"]) < 20
    first = np.unique(found.query, return_index=True)[1]
    np.testing.assert_allclose(found.xyxy[first], oracle["boxes"], rtol=1e-5)


def test_several_captions_give_all_words(loaded, photo) -> None:
    words = ("apple", "pear", "red", "green", "dog", "car", "a dog", "a car", "a red", "a pear", "a apple")
    found = finder(loaded, words).find(photo)
    assert len(finder(loaded, words).captions) == 2
    assert sorted(set(found.word.tolist())) == list(range(len(words)))
    # 20 queries a caption, a box of each for every word at threshold 0
    assert np.bincount(found.word).tolist() == [20] * len(words)
    assert len(np.unique(found.query)) == 40


def test_scores_of_the_thresholds_count() -> None:
    logits, boxes = torch.zeros(1, 10), torch.full((1, 4), 0.5)  # every probability is a half
    found = read_boxes(logits, boxes, [np.array([1]), np.array([3])], 0.5, 0.5)
    assert found.word.tolist() == [0, 1]


@pytest.mark.parametrize("output", ["logits", "pred_boxes"])
def test_numbers_that_are_not_finite_fail_the_image(loaded, photo, output: str) -> None:
    def overflow(_, __, given):
        given[output] = torch.full_like(given[output], torch.nan)
        return given

    hook = loaded.network.register_forward_hook(overflow)
    try:
        with pytest.raises(NonFiniteError, match=f"image {photo.image_id}: Grounding DINO gave NaN"):
            finder(loaded).find(photo)
    finally:
        hook.remove()
