"""Filters of answers: their number, distance, label and excluded groups."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import QueryError
from objectspace.objects.records import Objects, known_values

#: The name by which objects are grouped by their image, beside the user's factors.
IMAGE = "image"


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Filters on the neighbors of a query.

    k: at most so many, nearest first
    label: only objects of this label; source: only those of this finder
    exclude_same: none that shares the query's value of this column: ``image`` or a factor, such as a clip
    within: none that is farther away, in the metric of the search
    selection: only objects of this named selection of the store

    Raises QueryError for k below 1 and for a distance that is negative or not finite.

    >>> SearchFilters(k=5, exclude_same="clip").to_json()
    {'exclude_same': 'clip'}
    """

    k: int = 10
    label: str | None = None
    exclude_same: str | None = None
    within: float | None = None
    source: str | None = None
    selection: str | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise QueryError(f"k is {self.k}, expected 1 or more")
        if self.within is not None and not (math.isfinite(self.within) and self.within >= 0):
            raise QueryError(f"within is {self.within:g}, expected a distance of 0 or more")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: those of the last four that were given."""
        given = {
            "exclude_same": self.exclude_same,
            "within": self.within,
            "source": self.source,
            "selection": self.selection,
        }
        return {name: value for name, value in given.items() if value is not None}


def shared_values(objects: Objects, name: str) -> NDArray[Any]:
    """Return the column (n,) of objects that their groups are made by: image ids, or a factor."""
    column: NDArray[Any] = objects.image_id if name == IMAGE else objects.factors[name]
    return column


def value_groups(column: NDArray[Any]) -> NDArray[np.int64]:
    """Return the group of each object (n,): equal values share one, an unknown value is alone.

    >>> value_groups(np.array(["north", "south", None, "north", None], object))
    array([0, 1, 7, 0, 9])
    """
    known = known_values(column)
    groups = len(column) + np.arange(len(column))
    groups[known] = np.unique(column[known], return_inverse=True)[1]
    return groups


def of_source(column: NDArray[Any], source: str) -> NDArray[np.bool_]:
    """Return which objects (n,) are of a finder, by their sources: ``name@digest``, or ``name`` alone.

    Raises QueryError where none is, naming the sources.

    >>> of_source(np.array(["yolo@1f", "yolov3-tiny@0a"]), "yolo")
    array([ True, False])
    """
    texts = column.astype(str)
    mask: NDArray[np.bool_] = (texts == source) | np.char.startswith(texts, f"{source}@")
    if not mask.any():
        known = sorted(set(texts.tolist()))
        raise QueryError(f"no object is of source {source!r}, expected one of {', '.join(known)}")
    return mask


def common_value(column: NDArray[Any]) -> Any:
    """Return the one value that is known of some objects, None where none is, or where they differ."""
    values = np.unique(column[known_values(column)])
    return values[0] if len(values) == 1 else None
