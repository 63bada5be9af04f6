"""Factors as values: their kind, the difference of two values, and the mean difference of random objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.groups import Codes, Groups, codes
from objectspace.analyses.jackknife import Range
from objectspace.errors import InputError, guess
from objectspace.objects.records import Objects, known_values

Kind = Literal["categorical", "linear", "circular"]

#: Factors that every object has: its label, and its box in pixels of its photo.
BUILT_IN = ("label", "x", "y", "x1", "y1", "size")

#: A numeric control of more different values than this is cut into classes of equal counts.
MOST_LEVELS = 32
CLASSES = 10


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """The values of one factor for n objects.

    values: (n,) float64; for a categorical factor the index of each value in ``categories``; for a circular
        one in [0, period), in the factor's own unit (degrees)

    >>> Factor("yaw", "circular", np.array([350.0, 20.0]), period=360.0)
    Factor(yaw, circular, 2 values)
    """

    name: str
    kind: Kind
    values: NDArray[np.float64]
    period: float = math.nan
    categories: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Factor({self.name}, {self.kind}, {len(self.values)} values)"

    def take(self, rows: NDArray[Any]) -> Factor:
        """Return the factor of some of the objects."""
        return Factor(self.name, self.kind, self.values[rows], self.period, self.categories)

    def compare(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return, element by element, equal (1) or not (0); the absolute difference; the shorter arc.

        >>> Factor("yaw", "circular", np.zeros(0), period=360.0).compare(np.array([350.0]), np.array([20.0]))
        array([30.])
        """
        if self.kind == "categorical":
            equal: NDArray[np.float64] = (first == second).astype(np.float64)
            return equal
        apart: NDArray[np.float64] = np.abs(first - second)
        if self.kind == "circular":
            np.minimum(apart, self.period - apart, out=apart)
        return apart

    @property
    def bounds(self) -> Range:
        """Return the bounds of a mean of :meth:`compare`."""
        if self.kind == "categorical":
            return Range(0.0, 1.0)
        return Range(0.0, self.period / 2 if self.kind == "circular" else math.inf)


def read_factor(
    objects: Objects, name: str, *, circular: float | None = None, categorical: bool = False
) -> tuple[Factor, NDArray[np.bool_]]:
    """Return a factor of the objects for which it is known, and which these are (n,) bool.

    The user's own columns come first; then ``label``, ``x`` and ``y`` (the box's center), ``x1`` and ``y1``
    (its top left corner, by which the paper colors) and ``size`` (the square root of its area), in pixels.
    Numbers are linear, circular if ``circular`` gives their period, categories if ``categorical``; texts are
    categories. Raises InputError for an unknown name and for texts that should be circular.
    """
    column = factor_column(objects, name)
    known = known_values(column)
    there = column[known]
    if circular is not None:
        if there.dtype.kind != "f":
            raise InputError(f"factor {name} holds texts, and circular= needs angles")
        if not (math.isfinite(circular) and circular > 0):
            raise InputError(f"the period of factor {name} is {circular:g}, expected a number above 0")
        turned = np.mod(there, circular)
        # A tiny negative angle becomes the period itself, which is 0.
        return Factor(name, "circular", np.where(turned < circular, turned, 0.0), circular), known
    if there.dtype.kind == "f" and not categorical:
        return Factor(name, "linear", there.astype(np.float64)), known
    names, number = np.unique(
        there.astype(np.float64 if there.dtype.kind == "f" else str), return_inverse=True
    )
    categories = tuple(f"{value:g}" if names.dtype.kind == "f" else str(value) for value in names)
    return Factor(name, "categorical", number.astype(np.float64), categories=categories), known


def factor_column(objects: Objects, name: str) -> NDArray[Any]:
    """Return a factor's column (n,), float64 or texts. Raises InputError for an unknown name."""
    if name in objects.factors:
        column: NDArray[Any] = objects.factors[name]
        return column
    left, top, right, bottom = objects.xyxy.astype(np.float64).T
    own = {
        "label": objects.label,
        "x": (left + right) / 2,
        "y": (top + bottom) / 2,
        "x1": left,
        "y1": top,
        "size": np.sqrt((right - left) * (bottom - top)),
    }
    if name not in own:
        known = [*sorted(objects.factors), *(own for own in BUILT_IN if own not in objects.factors)]
        raise InputError(f"no factor {name!r}, expected one of {', '.join(known)}{guess(name, known)}")
    built_in: NDArray[Any] = own[name]
    return built_in


def control_levels(column: NDArray[Any]) -> Codes:
    """Return the level (n,) at which each object is compared, from a column without unknown values.

    Each value is a level; numbers of more than 32 different values are cut into ten classes of equal counts.

    >>> control_levels(np.array([90.0, 0.0, 90.0])).tolist()
    [1, 0, 1]
    """
    if column.dtype.kind != "f":
        return codes(column.astype(str))
    if len(np.unique(column)) <= MOST_LEVELS:
        return codes(column)
    edges = np.quantile(column, np.arange(1, CLASSES) / CLASSES)
    return codes(np.searchsorted(edges, column, side="right"))


def random_agreement(factor: Factor, values: NDArray[np.float64], groups: Groups) -> NDArray[np.float64]:
    """Return the mean (n,) of :meth:`Factor.compare` of each object with all its possible neighbors.

    These are the objects of its level in other groups; each object must have one (:func:`comparable`).
    """
    return random_agreement_of(factor, groups)(values)


def random_agreement_of(
    factor: Factor, groups: Groups
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return :func:`random_agreement` of the same objects for any values of theirs, such as permuted ones."""
    level, sums = groups.level, _sums[factor.kind]
    block = codes(groups.group * (int(level.max()) + 1) + level)
    others = np.bincount(level)[level] - np.bincount(block)[block]

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total, own = (sums(values, segment, factor.period) for segment in (level, block))
        means: NDArray[np.float64] = (total - own) / others
        return means

    return mean


def _sum_equal(values: NDArray[np.float64], segment: Codes, period: float) -> NDArray[np.float64]:
    """Return the number (n,) of objects of the same segment with each object's value."""
    pair = segment * (int(values.max()) + 1) + values.astype(np.int64)
    if pair.max() > 8 * len(pair):  # a table with a place for each pair would be far larger than the objects
        pair = codes(pair)
    return np.bincount(pair)[pair].astype(np.float64)


def _sum_differences(values: NDArray[np.float64], segment: Codes, period: float) -> NDArray[np.float64]:
    """Return the sum (n,) of |v - w| over the values w of each object's segment, from sorted running sums."""
    order = np.lexsort((values, segment))
    ordered, own = values[order], segment[order]
    size = np.bincount(segment)
    start = (np.cumsum(size) - size)[own]
    running = np.concatenate([[0.0], np.cumsum(ordered)])
    rank = np.arange(len(order)) - start
    before = running[:-1] - running[start]
    total = running[start + size[own]] - running[start]
    sums = np.empty(len(values))
    sums[order] = ordered * (2 * rank - size[own]) + total - 2 * before
    return sums


def _sum_arcs(values: NDArray[np.float64], segment: Codes, period: float) -> NDArray[np.float64]:
    """Return the sum (n,) of the shorter arcs from each angle to those of its segment.

    Each segment's sorted angles are repeated one turn later, so that all angles up to half a turn ahead are
    contiguous; the others are nearer the other way round.
    """
    order = np.lexsort((values, segment))
    size = np.bincount(segment)
    start = np.cumsum(size) - size
    own = segment[order]
    rank = np.arange(len(order)) - start[own]
    place = 2 * start[own] + rank
    line = np.empty(2 * len(order))
    # Segments are four turns apart, so that no range reaches into the next one.
    angle = values[order] + 4 * period * own
    line[place], line[place + size[own]] = angle, angle + period
    running = np.concatenate([[0.0], np.cumsum(line)])
    half = np.searchsorted(line, angle + period / 2, side="right")
    end = place + size[own]
    half = np.minimum(half, end)
    ahead = running[half] - running[place] - (half - place) * angle
    behind = (end - half) * (period + angle) - (running[end] - running[half])
    sums = np.empty(len(values))
    sums[order] = ahead + behind
    return sums


_sums = {"categorical": _sum_equal, "linear": _sum_differences, "circular": _sum_arcs}
