"""Attributes of annotated objects, as CVAT and others write them, become factor columns."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.objects.annotations.annotation_reader import FormError, kind
from objectspace.objects.records import can_be_column


def attribute_columns(
    attributes: Iterable[tuple[str, Any]], *, is_number: Callable[[Any], bool]
) -> dict[str, bool]:
    """Return the names of all attributes, and whether each is a number wherever it is known.

    ``attributes`` are a mapping or None for each object, with the object's name for messages. Raises
    FormError for a name that no column can have and for values that are neither numbers nor text.
    """
    numeric: dict[str, bool] = {}
    for owner, values in attributes:
        if values is None:
            continue
        if not isinstance(values, dict):
            raise FormError(f"{owner}: attributes is {kind(values)}, expected an object")
        for name, value in values.items():
            if name not in numeric and not can_be_column(name):
                raise FormError(
                    f"{owner}: an attribute cannot be named {reprlib.repr(name)}, as objects have a column "
                    "of that name or it holds signs other than letters, digits, spaces, - and _; rename it"
                )
            if not (value is None or isinstance(value, bool | str) or is_number(value)):
                raise FormError(f"{owner}: attribute {name} is {kind(value)}, expected a number or text")
            numeric[name] = numeric.get(name, True) and (value is None or is_number(value))
    return numeric


def attribute_column(values: Sequence[Any], *, numeric: bool) -> NDArray[Any]:
    """Return the values of one attribute: float64 with NaN, or text with None, where unknown."""
    if numeric:
        return np.array([math.nan if value is None else float(value) for value in values], np.float64)
    column = np.empty(len(values), object)
    column[:] = [
        None if value is None else value if isinstance(value, str) else json.dumps(value) for value in values
    ]
    return column
