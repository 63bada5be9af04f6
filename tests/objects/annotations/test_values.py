from __future__ import annotations

import math
from typing import Any

import pytest

from objectspace.objects.annotations.values import as_id, as_number, as_side, is_true


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), ("3", 3), (" 1e-2 ", 0.01), (0.5, 0.5), (-1, -1), ("-.5", -0.5), ("5.", 5)],
)
def test_numbers_and_numbers_as_text(value: Any, number: float) -> None:
    assert as_number(value) == number


@pytest.mark.parametrize(
    "value", [None, True, "", "wide", "nan", math.nan, math.inf, "1e999", 10**400, [1], {}, "0x10", "1_0"]
)
def test_what_is_no_number(value: Any) -> None:
    assert as_number(value) is None


@pytest.mark.parametrize(
    ("value", "key"),
    [(1, 1), ("1", 1), (1.0, 1), ("a", "a"), (1.5, None), (True, None), ("", None), (None, None), ([], None)],
)
def test_ids(value: Any, key: int | str | None) -> None:
    assert as_id(value) == key
    assert not isinstance(as_id(value), bool)


@pytest.mark.parametrize(
    ("value", "side"),
    [(768, 768), (768.0, 768), ("768", 768), (0, None), (-4, None), (1.5, None), ("", None)],
)
def test_sides(value: Any, side: int | None) -> None:
    assert as_side(value) == side


@pytest.mark.parametrize("value", [0, "0", "False", "no", "", None, [], 0.0, "0.0"])
def test_flags_that_are_not_set(value: Any) -> None:
    assert not is_true(value)


@pytest.mark.parametrize("value", [1, "1", "true", True, 1.0, "yes"])
def test_flags_that_are_set(value: Any) -> None:
    assert is_true(value)
