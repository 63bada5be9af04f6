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
class CellShares:
    """For each of the p predictions of a photo, the share of windows under which it disappears.

    own: (p,) float64, of the windows around its own cell; other: (p,) float64, of windows without that cell,
    NaN where one window covers the whole map
    """

    own: NDArray[np.float64]
    other: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Column:
    """A factor column for a concept of the paper; ``period`` of a circular one, in its own unit."""

    name: str
    period: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The evidence that claims are tested with; None or Missing for a part that is not there.

    crop, window: a space of each route
    orientation: the column of the direction an object faces, with its period
    style: the column of an object's sort within its label (its color, its breed)
    group: the column whose equal values are never neighbors (one apple in many images); objects of one image
        never are either
    occlusions: shares for each image whose layer before a head was zeroed window by window
    moved: the windows of one object at many positions, by PCA and by t-SNE
    """

    crop: SpaceWithObjects | None = None
    window: SpaceWithObjects | None = None
    orientation: Column | None = None
    style: Column | None = None
    group: str | None = None
    occlusions: Sequence[CellShares] | Missing = Missing("no photo was occluded")
    moved: tuple[Projection, Projection] | Missing = Missing("no object was moved about")


def within_labels(held: SpaceWithObjects, column: Column, group: str | None) -> AlignedSample:
    """Return the sample for a column, compared only among objects of one label."""
    spec = FactorSpec(
        column.name, circular=column.period, categorical=column.period is None, group=group, control="label"
    )
    return align(held.space, held.objects, spec)


def group_unless(evidence: Evidence, column: Column) -> str | None:
    """Return the group, unless it is the column itself: then all neighbors would differ in it."""
    return None if column.name == evidence.group else evidence.group
