"""The evidence that claims are tested with, and the reason for each part that is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factors import AlignedSample, FactorSpec, align
from objectspace.analyses.projection import Projection
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects

#: Nearest neighbors of a claim, as in the paper's figures, and cells a side of the window that it settles on.
K, WINDOW = 5, 3

#: Permutations of a claim's test: p goes down to 0.002, which leaves room for a correction over all claims.
PERMUTED = 999

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Missing:
    """A part of the evidence that could not be made; the report prints ``reason`` in its place."""

    reason: str


def require(value: Value | Missing | None, otherwise: str = "") -> Value:
    """Return the value. Raises InputError with the reason where it is missing; ``otherwise`` if it is None.

    >>> require(3)
    3
    >>> require(None, "the store has no crop space")
    Traceback (most recent call last):
    objectspace.errors.InputError: the store has no crop space
    """
    if isinstance(value, Missing) or value is None:
        raise InputError(value.reason if isinstance(value, Missing) else otherwise)
    return value


@dataclass(frozen=True, slots=True, eq=False)
class SpaceWithObjects:
    """A space and its objects, row for row."""

    space: Space
    objects: Objects


@dataclass(frozen=True, slots=True, eq=False)
class ZeroedPhoto:
    """What happens to the p predictions of a photo when each window of a map is zeroed.

    gone: (rows, columns, p) bool, which disappear under the window whose first cell is there
    cell: (p, 2) int64, row and column of the map's cell that made each prediction
    size: cells a side of a window
    own_cell_only: whether a score can only change where its own cell is covered
    """

    gone: NDArray[np.bool_]
    cell: NDArray[np.int64]
    size: int
    own_cell_only: bool


@dataclass(frozen=True, slots=True, eq=False)
class MovedObject:
    """The windows of one object at many positions, by principal components and by t-SNE."""

    label: str
    pca: Projection
    tsne: Projection


@dataclass(frozen=True, slots=True)
class Column:
    """A factor column for a concept of the paper, of names unless one of these is given.

    period: of an angle, in its own unit; extent: of a length, from its smallest to its largest value
    """

    name: str
    period: float | None = None
    extent: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The evidence that claims are tested with; None or Missing for a part that is not there.

    crop, window: a space of each route; both: the joint space of the two routes
    orientation: the column of the direction an object faces, an angle or a length
    style: the column of an object's sort within its label (its color, its breed)
    group: the column whose equal values are never neighbors (one apple in many images); objects of one image
        never are either
    occlusions: the photos whose layer before a head was zeroed window by window
    moved: objects that were shown at many positions
    """

    crop: SpaceWithObjects | None = None
    window: SpaceWithObjects | None = None
    both: SpaceWithObjects | None = None
    orientation: Column | None = None
    style: Column | None = None
    group: str | None = None
    occlusions: Sequence[ZeroedPhoto] | Missing = Missing("no photo was occluded")
    moved: Sequence[MovedObject] | Missing = Missing("no object was moved about")


def within_labels(held: SpaceWithObjects, column: Column, group: str | None) -> AlignedSample:
    """Return the sample for a column, compared only among objects of one label."""
    categorical = column.period is None and column.extent is None
    spec = FactorSpec(
        column.name, circular=column.period, categorical=categorical, group=group, control="label"
    )
    return align(held.space, held.objects, spec)


def group_unless(evidence: Evidence, column: Column) -> str | None:
    """Return the group, unless it is the column itself: then all neighbors would differ in it."""
    return None if column.name == evidence.group else evidence.group
