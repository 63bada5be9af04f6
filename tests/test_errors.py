"""Exceptions, and how their messages word counts, numbers and guesses."""

from __future__ import annotations

import inspect
import math

import pytest

import objectspace
from objectspace import errors
from objectspace.errors import counted, guess, number_text


@pytest.mark.parametrize(("count", "text"), [(0, "0 photos"), (1, "1 photo"), (2, "2 photos")])
def test_a_noun_agrees_with_its_count(count, text):
    assert counted(count, "photo") == text


def test_a_plural_of_its_own():
    assert [counted(count, "R of a class", "Rs of a class") for count in (1, 2)] == [
        "1 R of a class",
        "2 Rs of a class",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.3251, "0.325"),
        (-0.5, "-0.500"),
        (90.12, "90.1"),
        (-12.34, "-12.3"),
        (-0.0002, "0.000"),
        (math.nan, "-"),
    ],
)
def test_digits(number, text):
    assert number_text(number) == text


def test_a_name_that_is_nearly_known_is_guessed() -> None:
    assert guess("dgo", ["cat", "dog"]) == "; did you mean dog?"
    assert guess("zebra", ["cat", "dog"], "; there are two") == "; there are two"


def exceptions() -> list[type[Exception]]:
    found = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, Exception)]
    return [item for item in found if not issubclass(item, Warning)]


@pytest.mark.parametrize("error", exceptions())
def test_an_exception_is_public_and_in_the_tree(error: type[Exception]) -> None:
    assert getattr(objectspace, error.__name__) is error
    assert issubclass(error, errors.ObjectspaceError)
    assert f" {error.__name__} " in errors.__doc__.replace("\n", " ")
