"""What limits an answer: how many neighbors, how far away, and of what the query is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import QueryError, guess
from objectspace.objects.records import Objects, known_values

#: The column of every object's photo, beside the user's factors.
IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Limits:
    """Which neighbors of a query are answers.

    k: so many of them at most, nearest first
    label: only objects of this label
    exclude_same: none that shares the query's value of this column: ``image`` or a factor, such as a clip
    within: none that is farther away, in the metric of the search

    Raises QueryError for k below 1 and for a distance that is negative or not finite.
    """

    k: int = 10
    label: str | None = None
    exclude_same: str | None = None
    within: float | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise QueryError(f"k is {self.k}, expected 1 or more")
        if self.within is not None and not (math.isfinite(self.within) and self.within >= 0):
            raise QueryError(f"within is {self.within:g}, expected a distance of 0 or more")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: ``exclude_same`` and ``within`` where they were asked for."""
        asked = {"exclude_same": self.exclude_same, "within": self.within}
        return {name: value for name, value in asked.items() if value is not None}


def shared_column(objects: Objects, name: str) -> NDArray[Any]:
    """What objects may share (n,): their photo's id, or a factor. Raises QueryError for an unknown name."""
    if name == IMAGE:
        return objects.image_id
    if name not in objects.factors:
        known = [IMAGE, *sorted(objects.factors)]
        raise QueryError(
            f"no column {name!r} that objects may share, expected one of {', '.join(known)}"
            f"{guess(name, known)}"
        )
    column: NDArray[Any] = objects.factors[name]
    return column


def value_groups(column: NDArray[Any]) -> NDArray[np.int64]:
    """The group of each object (n,), from 0: those of one value; one whose value is unknown is alone."""
    known = known_values(column)
    groups = len(column) + np.arange(len(column))
    groups[known] = np.unique(column[known], return_inverse=True)[1]
    return groups


def common_value(column: NDArray[Any]) -> Any:
    """The one value that is known of some objects, None where none is, or where they differ."""
    values = np.unique(column[known_values(column)])
    return values[0] if len(values) == 1 else None
