"""Attributes of annotated objects, as CVAT and others write them, become factor columns."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.objects.annotations.values import is_utf8
from objectspace.objects.records import can_be_column


@dataclass(frozen=True, slots=True)
class AttributeColumns:
    """The factor columns that the attributes of all objects make.

    numeric: each column, whether all of its known values are numbers
    names: attribute as it is written -> its column; one that can have no column is left out
    notes: what was renamed and left out, a sentence each
    """

    numeric: Mapping[str, bool]
    names: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def of(self, attributes: Any) -> dict[str, Any]:
        """Return an object's attributes by column; those that are neither a number nor text are unknown."""
        if not isinstance(attributes, dict):
            return {}
        named = ((self.names.get(name), value) for name, value in attributes.items())
        return {name: value for name, value in named if name is not None and _is_plain(value)}


NO_ATTRIBUTES = AttributeColumns({}, {})


def attribute_columns(attributes: Iterable[Any], *, is_number: Callable[[Any], bool]) -> AttributeColumns:
    """Return the columns that the attributes of all objects make, a mapping for each object.

    A name that no column can have is changed: signs that it cannot hold become ``_``, and to one of the
    objects' own columns ``attribute_`` is added. What is no mapping, and a value that is neither a number nor
    text, is left out.
    """
    numeric: dict[str, bool] = {}
    names: dict[str, str] = {}
    notes: dict[str, None] = {}
    for values in attributes:
        if not isinstance(values, dict):
            if values not in (None, [], ""):
                notes["attributes that are no object are left out"] = None
            continue
        for name, value in values.items():
            column = names.get(name) or _column(name, set(names.values()))
            if not column:
                notes[f"attributes named {reprlib.repr(name)} are left out"] = None
            elif not _is_plain(value):
                notes[f"values of attribute {name} that are neither a number nor text are left out"] = None
            else:
                names[name] = column
                numeric[column] = numeric.get(column, True) and (value is None or is_number(value))
    renamed = [f"attribute {reprlib.repr(n)} is read as {c}" for n, c in names.items() if n != c]
    return AttributeColumns(numeric, names, (*renamed, *notes))


def _column(name: str, taken: Collection[str]) -> str | None:
    """Return a column's name for an attribute; None where nothing is left of it."""
    if can_be_column(name):
        column = name
    else:
        column = re.sub(r"[^\w -]+", "_", name).strip("_- ")
        column = column if can_be_column(column) else f"attribute_{column}"
        if not can_be_column(column) or column == "attribute_":
            return None
    while column in taken:
        column += "_"
    return column


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int) or (isinstance(value, str) and is_utf8(value))


def attribute_column(values: Sequence[Any], *, numeric: bool) -> NDArray[Any]:
    """Return the values of one attribute: float64 with NaN, or text with None, where unknown."""
    if numeric:
        return np.array([math.nan if value is None else float(value) for value in values], np.float64)
    column = np.empty(len(values), object)
    column[:] = [
        None if value is None else value if isinstance(value, str) else json.dumps(value) for value in values
    ]
    return column
