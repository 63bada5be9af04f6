"""Comparison of spaces of the same objects: shared neighbors, kernel alignment, and factors side by side."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.alignment import measure_cka
from objectspace.analyses.factor_values import factor_column
from objectspace.analyses.factors import (
    AlignedSample,
    FactorMeasure,
    FactorSpec,
    align,
    measure_sample,
)
from objectspace.analyses.groups import (
    MOST_OBJECTS,
    Codes,
    Groups,
    comparable,
    draw_groups,
    make_groups,
)
from objectspace.analyses.jackknife import Range, jackknife, jackknifed, make_blocks, no_interval
from objectspace.analyses.nearest_neighbors import NearestNeighbors, find_neighbors
from objectspace.analyses.statistics import (
    Estimate,
    estimate_mean,
    finite,
    permutation_count,
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
    queries: int | None = None,
    most: int | None = MOST_OBJECTS,
    seed: int = 0,
) -> Comparison:
    """Compare spaces on ``objects``, which all of them hold (:func:`shared_objects`).

    Neighbors are of other groups: images, or those of the column ``group``, which each of the ``specs`` names
    too. With ``queries`` they are searched, among all, for at most so many objects; of more than ``most``
    objects probes are fitted on as many, and 199 permutations test the rest; each as
    :func:`~objectspace.analyses.factors.measure_factor` does. Raises InputError for fewer than two groups and
    as that does.

    >>> spaces = [store.space(name) for name in ("demo-crop", "demo-window3-deepest")]
    >>> osp.compare_spaces(spaces, store.objects())
    Comparison(demo-crop, demo-window3-deepest: 39 objects, 0 factors)
    """
    aligned = [_rows_of(space, objects) for space in spaces]
    kept, groups = _groups(objects, group)
    ids = objects.object_id[kept]
    block = make_blocks(groups.group)
    asked = draw_groups(groups.group, queries, seed=seed)
    near = []
    for space in aligned:
        steps.info("%s: neighbors", space.name)
        searched = select_rows(space.searched, kept)
        near.append(find_neighbors(searched, ids, groups, k=k, metric=metric, block=block, asked=asked))
    pairs = []
    for one, other in combinations(range(len(aligned)), 2):
        first, second = aligned[one], aligned[other]
        steps.info("%s beside %s: overlap and alignment", first.name, second.name)
        one_vectors, other_vectors = (select_rows(space.searched, kept) for space in (first, second))
        cka, biased = measure_cka(one_vectors, other_vectors, groups, seed=seed)
        permuted = permutation_count(len(ids), most)
        overlap = _overlap(near[one], near[other], block, groups, permuted, seed)
        pairs.append(PairOfSpaces(first.name, second.name, overlap, cka, biased))
    known = _Known(kept, groups, tuple(near))
    settings = _Settings(k, metric, queries, most, seed)
    factors = [_side_by_side(aligned, objects, one, known, settings) for one in specs]
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
    first: NearestNeighbors, second: NearestNeighbors, block: Codes, groups: Groups, permuted: int, seed: int
) -> Estimate:
    queries, group = first.queries, groups.group[first.queries]
    there = np.bincount(first.query, first.weight, first.count)[queries]
    others = len(groups) - np.bincount(groups.group)[group]
    shares, chance = first.overlap(second)[queries] / there, there / others
    null = np.array(
        [
            float((first.overlap(second, rows)[queries] / there).mean())
            for rows in _exchanges(queries, groups, permuted, seed)
        ]
    )
    estimate = estimate_mean(shares, chance, group, seed=seed).tested(float(shares.mean()), null)
    without = [
        _overlap_without(first.without(one), second.without(one), block != one, groups)
        for one in range(int(block.max()) + 1)
    ]
    return jackknifed(
        estimate, np.array(without), block[queries], group, null - null.mean(), bounds=Range(0.0, 1.0)
    )


def _exchanges(queries: Codes, groups: Groups, count: int, seed: int) -> Iterator[Codes]:
    """Yield ``count`` times the row (n,) that each object is taken for, a query for a query.

    Groups stay whole, so objects of different groups are taken for objects of different groups.
    """
    others = np.setdiff1d(np.arange(len(groups)), queries, assume_unique=True)
    parts = [rows for rows in (queries, others) if len(rows)]
    for drawn in zip(*(permutations(groups.take(rows), count, seed=seed) for rows in parts), strict=True):
        taken = np.empty(len(groups), np.int64)
        for rows, one in zip(parts, drawn, strict=True):
            taken[rows] = rows[one]
        yield taken


def _overlap_without(
    first: NearestNeighbors, second: NearestNeighbors, kept: NDArray[np.bool_], groups: Groups
) -> tuple[float, float]:
    """Return the mean overlap of the queries that are kept, and its chance; NaN where one has no neighbor."""
    queries = first.queries[kept[first.queries]]
    there = np.bincount(first.query, first.weight, first.count)[queries].astype(np.float64)
    left = np.bincount(groups.group[kept], minlength=groups.count)
    others = left.sum() - left[groups.group[queries]].astype(np.float64)
    shares = ratio(first.overlap(second)[queries], there)
    return float(shares.mean()), float(ratio(there, others).mean())


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """The neighbors in each space of the objects that all spaces hold, which are these rows of them."""

    rows: NDArray[np.int64]
    groups: Groups
    near: tuple[NearestNeighbors, ...]

    def are_of(self, sample: AlignedSample) -> bool:
        """Return whether they are those of a factor's sample: of the same objects in the same groups."""
        pairs = ((getattr(self.groups, name), getattr(sample.groups, name)) for name in ("group", "level"))
        same = (np.array_equal(*pair) for pair in ((self.rows, sample.rows), *pairs))
        return all(same)


@dataclass(frozen=True, slots=True)
class _Settings:
    """What all measures of a comparison share, as :func:`compare_spaces` has it."""

    k: int
    metric: str
    queries: int | None
    most: int | None
    seed: int


def _side_by_side(
    spaces: Sequence[Space], objects: Objects, spec: FactorSpec, known: _Known, settings: _Settings
) -> FactorInSpaces:
    k, metric, most, seed = settings.k, settings.metric, settings.most, settings.seed
    measures = []
    for space, near in zip(spaces, known.near, strict=True):
        sample = align(space, objects, spec)
        if not known.are_of(sample):
            steps.info("%s in %s: neighbors", spec.factor, space.name)
            near = sample.neighbors(k, metric, asked=sample.drawn(settings.queries, seed))
        measures.append(
            measure_sample(sample, near, space.name, spec, k=k, metric=metric, most=most, seed=seed)
        )
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
