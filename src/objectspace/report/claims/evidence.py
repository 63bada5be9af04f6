"""What there is to test the claims with, and words for what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factors import Asked, Question
from objectspace.analyses.projection import Projection
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects

#: Neighbours that count, as in the paper's figures, and cells a side of the window that it settles on.
K, WINDOW = 5, 3

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Missing:
    """What could not be had; the report prints ``reason`` in its place."""

    reason: str


def had(value: Value | Missing) -> Value:
    """The value. Raises InputError with the reason where it is missing."""
    if isinstance(value, Missing):
        raise InputError(value.reason)
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Held:
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
    """A factor column that stands for something the paper speaks of; ``period`` of one that goes round."""

    name: str
    period: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What there is to test the claims with; what is None or Missing is not there.

    crop, window: a space of each route
    orientation: the column that says which way an object faces, with its period
    style: the column that says which of its kind an object is (its colour, its breed)
    group: the column of which no two equal values are neighbours (one apple in many photos), nor are any of
        one photo
    occlusions: shares for each photo whose layer before a head was zeroed window by window
    moved: one object moved about, its windows by PCA and by t-SNE
    """

    crop: Held | None = None
    window: Held | None = None
    orientation: Column | None = None
    style: Column | None = None
    group: str | None = None
    occlusions: Sequence[CellShares] | Missing = Missing("no photo was occluded")
    moved: tuple[Projection, Projection] | Missing = Missing("no object was moved about")


def crop_of(evidence: Evidence) -> Held:
    """The crop space. Raises InputError where there is none, as the others here do."""
    if evidence.crop is None:
        raise InputError("the store has no crop space")
    return evidence.crop


def window_of(evidence: Evidence) -> Held:
    """The window space."""
    if evidence.window is None:
        raise InputError("the store has no window space")
    return evidence.window


def orientation_of(evidence: Evidence) -> Column:
    """The column of orientations."""
    if evidence.orientation is None:
        raise InputError("no column says which way the objects face; name one with --orientation")
    return evidence.orientation


def style_of(evidence: Evidence) -> Column:
    """The column of styles."""
    if evidence.style is None:
        raise InputError("no column says of which style or sort the objects are; name one with --style")
    return evidence.style


def moved_of(evidence: Evidence) -> tuple[Projection, Projection]:
    """The moved object by PCA and by t-SNE."""
    return had(evidence.moved)


def asked_of(held: Held, column: Column, group: str | None) -> Asked:
    """The column among objects of one label, as a chair has no front that an apple could share."""
    question = Question(
        column.name, circular=column.period, categorical=column.period is None, group=group, control="label"
    )
    return Asked(held.space, held.objects, question)


def group_beside(evidence: Evidence, column: Column) -> str | None:
    """The group, unless it is the column itself: then all neighbours would differ in it."""
    return None if column.name == evidence.group else evidence.group
