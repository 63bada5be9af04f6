"""Values of annotation files as tools write them: numbers as text, truths as numbers, ids as either."""

from __future__ import annotations

import math
import re
from typing import Any

_FALSE = ("", "0", "0.0", "false", "no", "none", "null")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def as_number(value: Any) -> float | None:
    """Return a finite number, also one that is written as text; None for anything else.

    >>> as_number("1.5"), as_number(2), as_number(float("nan")), as_number(True)
    (1.5, 2.0, None, None)
    """
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_id(value: Any) -> int | str | None:
    """Return an id: a whole number however it is written, else text; None for anything else.

    >>> as_id("1"), as_id(1.0), as_id("a7"), as_id(1.5)
    (1, 1, 'a7', None)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = as_number(value)
    if number is not None and number == round(number) and abs(number) < 1 << 53:
        return round(number)
    return value if isinstance(value, str) and value.strip() else None


def as_side(value: Any) -> int | None:
    """Return a side of an image in pixels; None where it is none, as 0 is, which some tools write."""
    number = as_number(value)
    return round(number) if number is not None and 1 <= number == round(number) else None


def is_true(value: Any) -> bool:
    """Tell whether a flag is set: 1 and true are, 0 and false are not, also as text.

    >>> is_true("0"), is_true("false"), is_true(1), is_true([])
    (False, False, True, False)
    """
    return value.strip().lower() not in _FALSE if isinstance(value, str) else bool(value)


def is_utf8(text: str) -> bool:
    """Tell whether text can be stored: JSON and YAML allow lone surrogates."""
    return not re.search("[\ud800-\udfff]", text)
