from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectspace.errors import InputError
from objectspace.models.prompts.words import parse_words


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("apple. airplane. dog.", ("apple", "airplane", "dog")),
        ("apple, airplane,dog", ("apple", "airplane", "dog")),
        ("  red \n  car ", ("red car",)),
        ("Golden Retriever. USB stick", ("Golden Retriever", "USB stick")),
        ("dog?cat", ("dog", "cat")),
        ("pomme à cidre; 7-up", ("pomme à cidre; 7-up",)),
    ],
)
def test_words_are_the_users_own(prompt: str, words: tuple[str, ...]) -> None:
    assert parse_words(prompt) == words


@pytest.mark.parametrize("prompt", ["", "  ", ". , ?", "-. !"])
def test_a_prompt_without_words(prompt: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"prompt without words: {prompt!r}; expected words such")):
        parse_words(prompt)


def test_a_word_that_stands_twice() -> None:
    with pytest.raises(InputError, match="the prompt names 'DOG' twice; expected each word once"):
        parse_words("dog. cat. DOG.")


def test_words_one_by_one_are_not_split() -> None:
    assert parse_words(["traffic  light", "dog"]) == ("traffic light", "dog")


@pytest.mark.parametrize(("word", "end"), [("traffic light, red", ","), ("St. Bernard", "."), ("dog?", "?")])
def test_one_of_several_words_that_would_be_split(word: str, end: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"the word {word!r} holds {end!r}, which ends a word")):
        parse_words(["dog", word])


@given(st.lists(st.text("abc -", min_size=1).filter(lambda text: text.strip(" -")), min_size=1))
def test_every_word_comes_back(words: list[str]) -> None:
    plain = [" ".join(word.split()) for word in words]
    once = list({word: word for word in plain})
    assert parse_words(". ".join(once)) == tuple(once)
