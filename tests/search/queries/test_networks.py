"""What found a store's objects is loaded again as the store says, or one sentence says why not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from objectspace.embeddings.spaces import model_key
from objectspace.errors import ModelError, QueryError, RecipeError
from objectspace.search.queries import networks
from objectspace.search.queries.networks import _detecting_network, _found_by_words

LABELS = {"name": "labels"}
WORDS = {"family": "words", "model": "dino", "weights": "ab", "words": ["red apple", "cat"]}


def a_store(**sources: Any) -> Any:
    """A store of these sources, in which two networks of one name were loaded from two files."""
    models = {
        model_key("dino", weights): {"name": "dino", "weights": f"{weights}.pth"} for weights in ("ab", "cd")
    }
    return SimpleNamespace(path="s.osp", sources=sources, models=models)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """With what prompters were loaded, which have the source ``words``; nothing is loaded."""
    calls: list[Any] = []

    def load(words: list[str], **arguments: Any) -> Any:
        calls.append((words, arguments))
        return SimpleNamespace(source="words")

    monkeypatch.setattr(networks, "load_prompter", load)
    monkeypatch.setattr(networks, "source_detector", lambda store, source, device: (source, device))
    return calls


def test_words_are_asked_for_as_they_were(loaded: list[Any]) -> None:
    recipe = {**WORDS, "weights": "cd", "box_threshold": 0.25, "text_threshold": None}
    store = a_store(hand=LABELS, words=recipe, yolo={"weights": "x"})
    assert _detecting_network(store, "cuda")["prompts"].source == "words"
    thresholds = {"box_threshold": 0.25, "text_threshold": None}
    assert loaded == [
        (["red apple", "cat"], {"name": "dino", "weights": "cd.pth", "device": "cuda", **thresholds})
    ]
    assert _found_by_words(store)


def test_the_first_network_of_a_store_is_the_one_that_finds(loaded: list[Any]) -> None:
    store = a_store(hand=LABELS, yolo={"weights": "x"}, words=WORDS)
    assert _detecting_network(store, "cpu") == {"detector": ("yolo", "cpu")}
    assert not _found_by_words(store)
    assert not loaded
    with pytest.raises(QueryError, match="come from annotations; give the object's x1, y1, x2, y2 as box="):
        _detecting_network(a_store(hand=LABELS), "cpu")
    assert not _found_by_words(a_store(hand=LABELS))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"words": None}, "the recipe of words in the store at s.osp has no words; index again"),
        ({"words": "cat"}, "has no words; index again"),
        ({"words": ["cat", 3]}, "has no words; index again"),
        ({"model": 3}, "has no model; index again"),
        ({"box_threshold": "0.3"}, "a threshold of words in the store at s.osp is no number; index again"),
        ({"box_threshold": 0.3, "text_threshold": [1]}, "is no number; index again"),
    ],
)
def test_a_recipe_of_words_that_says_too_little(loaded: list[Any], change: Any, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        _detecting_network(a_store(words={**WORDS, **change}), "cpu")
    assert not loaded


def test_words_that_cannot_be_asked_for_again(loaded: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="other found the words of this store and has changed since; index"):
        _detecting_network(a_store(other=WORDS), "cpu")

    def fail(words: list[str], **arguments: Any) -> Any:
        raise ModelError("no such file")

    monkeypatch.setattr(networks, "load_prompter", fail)
    with pytest.raises(ModelError, match="found the words of this store cannot be loaded again: no such"):
        _detecting_network(a_store(words=WORDS), "cpu")
