"""Comparison of spaces of the same objects: shared neighbors, kernel alignment, and factors side by side."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.alignment import measure_cka
from objectspace.analyses.factor_values import factor_column
from objectspace.analyses.factors import FactorMeasure, FactorSpec, measure_factor
from objectspace.analyses.groups import MOST_OBJECTS, Codes, Groups, comparable, make_groups
from objectspace.analyses.jackknife import Range, jackknife, jackknifed, make_blocks, no_interval
from objectspace.analyses.nearest_neighbors import NearestNeighbors, find_neighbors
from objectspace.analyses.statistics import (
    PERMUTATIONS,
    Estimate,
    estimate_mean,
    finite,
    permutations,
    ratio,
)
from objectspace.arguments import typed
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError, counted
from objectspace.neighbors import select_rows
from objectspace.objects.records import Objects, known_values

steps = logging.getLogger("objectspace.steps")


@dataclass(frozen=True, slots=True)
class PairOfSpaces:
    """Two spaces of the same objects.

    overlap: the mean share of an object's k nearest in one space that are among its k nearest in the other;
        chance is k divided by the number of possible neighbors
    cka: unbiased linear centered kernel alignment: 1 where the spaces are the same up to rotation, scale and
        shift, 0 on average where they are independent
    cka_biased: the biased estimate that most papers report: far above 0 where vectors have more numbers than
        there are objects, even for noise
    """

    first: str
    second: str
    overlap: Estimate
    cka: Estimate
    cka_biased: float


@dataclass(frozen=True, slots=True)
class Difference:
    """The agreement of neighbors in ``second`` minus that in ``first``, positive where ``second`` is better.

    In the factor's measure; low, high: 95 % interval over stores of new groups, NaN where
    ``no_interval`` says why; p: two-sided, by Student's t on the same error.
    """

    first: str
    second: str
    value: float
    low: float
    high: float
    p: float | None
    no_interval: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FactorInSpaces:
    """One factor in each space, and the difference of each pair of spaces."""

    measures: tuple[FactorMeasure, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Spaces compared on the ``n`` objects that all of them hold, in ``groups`` groups."""

    spaces: tuple[str, ...]
    k: int
    metric: str
    group: str | None
    n: int
    groups: int
    pairs: tuple[PairOfSpaces, ...]
    factors: tuple[FactorInSpaces, ...]

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.spaces)}: {self.n} objects, {len(self.factors)} factors)"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the shape that ``objectspace compare --json`` prints."""
        return {
            "spaces": list(self.spaces),
            "k": self.k,
            "metric": self.metric,
            "group": self.group,
            "n": self.n,
            "groups": self.groups,
            "pairs": [
                {
                    "spaces": [pair.first, pair.second],
                    "overlap": pair.overlap.to_json(),
                    "cka": {**pair.cka.to_json(), "biased": finite(pair.cka_biased)},
                }
                for pair in self.pairs
            ],
            "factors": [
                {
                    "factor": factor.measures[0].spec.factor,
                    "measures": [measure.to_json() for measure in factor.measures],
                    "differences": [
                        {
                            "spaces": [one.first, one.second],
                            "value": one.value,
                            "low": finite(one.low),
                            "high": finite(one.high),
                            "p": one.p,
                            "no_interval": one.no_interval or None,
                        }
                        for one in factor.differences
                    ],
                }
                for factor in self.factors
            ],
        }


def shared_objects(spaces: Sequence[Space]) -> list[str]:
    """Return the sorted ids of the objects that all spaces hold. Raises InputError where there are none."""
    if len({space.name for space in spaces}) < 2:
        raise InputError(
            "a comparison needs two spaces or more, each named once; objectspace info lists them"
        )
    shared = set.intersection(*(set(space.object_id.tolist()) for space in spaces))
    if not shared:
        raise InputError(
            f"no object is in all of {', '.join(space.name for space in spaces)}; spaces of different heads "
            "hold different objects"
        )
    return sorted(shared)


@typed
def compare_spaces(
    spaces: Sequence[Space],
    objects: Objects,
    specs: Sequence[FactorSpec] = (),
    *,
    group: str | None = None,
    k: int = 5,
    metric: str = "euclidean",
    most: int | None = MOST_OBJECTS,
    seed: int = 0,
) -> Comparison:
    """Compare spaces on ``objects``, which all of them hold (:func:`shared_objects`).

    Neighbors are of other groups: images, or those of the column ``group``, which each of the ``specs`` names
    too. Probes are fitted on ``most`` objects at most. Raises InputError for fewer than two groups and as
    :func:`~objectspace.analyses.factors.measure_factor` does.

    >>> spaces = [store.space(name) for name in ("demo-crop", "demo-window3-deepest")]
    >>> osp.compare_spaces(spaces, store.objects())
    Comparison(demo-crop, demo-window3-deepest: 39 objects, 0 factors)
    """
    aligned = [_rows_of(space, objects) for space in spaces]
    kept, groups = _groups(objects, group)
    ids = objects.object_id[kept]
    block = make_blocks(groups.group)
    near = []
    for space in aligned:
        steps.info("%s: neighbors", space.name)
        searched = select_rows(space.searched, kept)
        near.append(find_neighbors(searched, ids, groups, k=k, metric=metric, block=block))
    pairs = []
    for one, other in combinations(range(len(aligned)), 2):
        first, second = aligned[one], aligned[other]
        steps.info("%s beside %s: overlap and alignment", first.name, second.name)
        one_vectors, other_vectors = (select_rows(space.searched, kept) for space in (first, second))
        cka, biased = measure_cka(one_vectors, other_vectors, groups, seed=seed)
        overlap = _overlap(near[one], near[other], block, groups, seed)
        pairs.append(PairOfSpaces(first.name, second.name, overlap, cka, biased))
    factors = [_side_by_side(aligned, objects, one, k, metric, most, seed) for one in specs]
    names = tuple(space.name for space in spaces)
    return Comparison(names, k, metric, group, len(ids), groups.count, tuple(pairs), tuple(factors))


def _rows_of(space: Space, objects: Objects) -> Space:
    """Return the space restricted to the objects, in their order."""
    place = {name: row for row, name in enumerate(space.object_id.tolist())}
    try:
        rows = [place[name] for name in objects.object_id.tolist()]
    except KeyError as error:
        raise InputError(f"object {error.args[0]} has no vector in space {space.name}") from None
    return space.take(np.array(rows, np.int64))


def _groups(objects: Objects, group: str | None) -> tuple[NDArray[np.int64], Groups]:
    """Return the objects whose group is known, and their groups."""
    column = None if group is None else factor_column(objects, group)
    kept = np.arange(len(objects)) if column is None else np.flatnonzero(known_values(column))
    groups = make_groups(objects.image_id[kept], group=None if column is None else column[kept])
    if groups.count < 2 or not comparable(groups).all():
        names = ("photo", "photos") if group is None else (f"value of {group}", f"values of {group}")
        what = counted(groups.count, *names)
        raise InputError(f"the spaces share objects of {what}, expected two or more")
    return kept, groups


def _overlap(
    first: NearestNeighbors, second: NearestNeighbors, block: Codes, groups: Groups, seed: int
) -> Estimate:
    there = np.bincount(first.query, first.weight, first.count)
    others = len(groups) - np.bincount(groups.group)[groups.group]
    shares, chance = first.overlap(second) / there, there / others
    # Groups stay whole, so objects of different groups are taken for objects of different groups.
    moved = permutations(groups, PERMUTATIONS, seed=seed)
    null = np.array([float((first.overlap(second, rows) / there).mean()) for rows in moved])
    estimate = estimate_mean(shares, chance, groups.group, seed=seed).tested(float(shares.mean()), null)
    without = [
        _overlap_without(first.without(one), second.without(one), block != one, groups)
        for one in range(int(block.max()) + 1)
    ]
    return jackknifed(
        estimate, np.array(without), block, groups.group, null - null.mean(), bounds=Range(0.0, 1.0)
    )


def _overlap_without(
    first: NearestNeighbors, second: NearestNeighbors, kept: NDArray[np.bool_], groups: Groups
) -> tuple[float, float]:
    """Return the mean overlap of the objects that are kept, and its chance; NaN where one has no neighbor."""
    there = np.bincount(first.query, first.weight, first.count)[kept].astype(np.float64)
    left = groups.take(kept)
    others = len(left) - np.bincount(left.group)[left.group].astype(np.float64)
    shares = ratio(first.overlap(second)[kept], there)
    return float(shares.mean()), float(ratio(there, others).mean())


def _side_by_side(
    spaces: Sequence[Space],
    objects: Objects,
    spec: FactorSpec,
    k: int,
    metric: str,
    most: int | None,
    seed: int,
) -> FactorInSpaces:
    measures = [
        measure_factor(one, objects, spec, k=k, metric=metric, most=most, seed=seed) for one in spaces
    ]
    return FactorInSpaces(tuple(measures), tuple(_difference(*two) for two in combinations(measures, 2)))


def _difference(first: FactorMeasure, second: FactorMeasure) -> Difference:
    sign = 1 if first.kind == "categorical" else -1
    one, other = first.neighbors, second.neighbors
    value = sign * (other.overall.value - one.overall.value)
    if one.without is None or other.without is None or one.block is None:
        raise ValueError("these neighbors were found without deletions")
    without = sign * (other.without - one.without)
    if reason := no_interval(without, one.group):
        return Difference(first.space, second.space, value, math.nan, math.nan, None, reason)
    # Both spaces are measured under the same permutations.
    spread = jackknife(without, one.block, least=float(np.nanstd(other.null - one.null)))
    reach = spread.reach
    return Difference(first.space, second.space, value, value - reach, value + reach, spread.p_value(value))
