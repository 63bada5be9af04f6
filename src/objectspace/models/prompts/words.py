"""The words of a prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

from objectspace.errors import InputError

#: What ends a word: full stops and question marks end a phrase in Grounding DINO's own attention mask, and
#: commas are how people write lists.
_ENDS = re.compile(r"[.,?]")


def parse_words(prompt: str | Sequence[str]) -> tuple[str, ...]:
    """Return the words (or phrases) of a prompt, given as one text or one by one.

    >>> parse_words("apple. red  car, dog")
    ('apple', 'red car', 'dog')

    Each is kept as the user wrote it, with single spaces; it becomes the label of the objects found.
    Raises InputError for a prompt without words, for a word that it holds twice, in any case, and for one of
    several words that holds a character that ends a word.
    """
    parts = _ENDS.split(prompt) if isinstance(prompt, str) else prompt
    words = tuple(" ".join(part.split()) for part in parts)
    for word in words:
        if end := _ENDS.search(word):
            raise InputError(f"the word {word!r} holds {end[0]!r}, which ends a word; leave it out")
    words = tuple(word for word in words if any(character.isalnum() for character in word))
    if not words:
        raise InputError(f'prompt without words: {prompt!r}; expected words such as "apple. red car. dog."')
    seen: set[str] = set()
    for word in words:
        if word.lower() in seen:
            raise InputError(f"the prompt names {word!r} twice; expected each word once")
        seen.add(word.lower())
    return words
