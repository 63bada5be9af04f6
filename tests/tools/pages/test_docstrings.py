"""Docstrings become Markdown: arguments a list, examples code, public names links."""

from __future__ import annotations

import pytest

pytest.importorskip("griffe")

from tools.pages.docstrings import to_markdown


def test_arguments_are_a_list_and_examples_are_code() -> None:
    text = """Return a thing of :class:`Store`, not of :class:`_Hidden`.

first: what it is,
    in two lines
k, n: numbers

Raises nothing::

>>> 1 + 1
2

and text: that is no argument,
as its second line is not indented."""

    assert to_markdown(text) == (
        "Return a thing of [`Store`][objectspace.Store], not of `_Hidden`.\n\n"
        "- `first`: what it is, in two lines\n"
        "- `k, n`: numbers\n\n"
        "Raises nothing:\n\n"
        "```pycon\n>>> 1 + 1\n2\n```\n\n"
        "and text: that is no argument,\nas its second line is not indented."
    )
