"""Agreement of neighbors: whether an object's nearest objects share its value of a factor."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_values import Factor, random_agreement, random_agreement_of
from objectspace.analyses.groups import Codes, Groups, comparable
from objectspace.analyses.jackknife import jackknifed
from objectspace.analyses.nearest_neighbors import NearestNeighbors
from objectspace.analyses.statistics import (
    PERMUTATIONS,
    Estimate,
    estimate_mean,
    permutations,
    ratio,
    skewness,
)


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """The agreement of neighbors in a factor.

    overall, labels: for all objects, and for the objects of each label (whose neighbors are of any label):
        purity at k for a categorical factor, mean absolute difference for a linear one, mean arc for a
        circular one. ``chance`` is the same over all objects that could be neighbors: the mean for random
        neighbors.
    values: (q,) float64, each query's own; ``group``: (q,) int64, its group
    null: (p,) the mean less its chance in permutations
    without: (b,) the mean without each block of groups, and ``block``: (q,) int64, each query's; None where
        neighbors were found without deletions
    """

    overall: Estimate
    labels: dict[str, Estimate]
    values: NDArray[np.float64]
    group: Codes
    null: NDArray[np.float64]
    without: NDArray[np.float64] | None = None
    block: Codes | None = None

    def __repr__(self) -> str:
        return f"Agreement({self.overall!r}, {len(self.labels)} labels)"


def measure_agreement(
    neighbors: NearestNeighbors,
    factor: Factor,
    groups: Groups,
    labels: NDArray[np.object_],
    *,
    permuted: int = PERMUTATIONS,
    seed: int = 0,
) -> Agreement:
    """Measure the agreement of neighbors in a factor.

    Neighbors that are equally far, of which not all are among the k, count by their weight. Intervals are of
    stores of new groups where the neighbors were found with deletions; else they keep the neighbors fixed and
    cover the variation of the query objects alone. p compares the agreement minus its chance with the
    same under :func:`~objectspace.analyses.statistics.permutations`. Where neighbors of some objects were
    asked for, whole groups of them, all figures are of these; both kinds of interval cover their draw.
    """
    queries = neighbors.queries
    values = _agreement(neighbors, factor, factor.values)[queries]
    random = random_agreement(factor, factor.values, groups)[queries]
    shuffled = (
        factor.values[rows] for rows in permutations(groups, permuted, values=factor.values, seed=seed)
    )
    null = np.array(list(_gains(neighbors, factor, shuffled, groups)))

    labels, group = labels[queries], groups.group[queries]
    names = sorted(set(labels.tolist()))
    subsets = [np.ones(len(values), np.bool_), *(labels == name for name in names)]
    observed = float((values - random).mean())
    without = block = None
    if neighbors.deletions is None:
        estimates = [estimate_mean(values[rows], random[rows], group[rows], seed=seed) for rows in subsets]
        overall = estimates[0].tested(observed, null)
    else:
        parts = _without_each(neighbors, factor, groups, subsets)
        block = neighbors.deletions.block[queries]
        plain = [plain_mean(values[rows], random[rows], group[rows]) for rows in subsets]
        of_rows = [(block[rows], group[rows]) for rows in subsets]
        bounds, without = factor.bounds, parts[0, :, 0]
        overall = jackknifed(plain[0].tested(observed, null), parts[0], *of_rows[0], null, bounds=bounds)
        estimates = [
            jackknifed(one, part, *own, bounds=bounds)
            for one, part, own in zip(plain, parts, of_rows, strict=True)
        ]
    by_label = dict(zip(names, estimates[1:], strict=True))
    return Agreement(overall, by_label, values, group, null, without, block)


def plain_mean(values: NDArray[np.float64], random: NDArray[np.float64], group: Codes) -> Estimate:
    """Return the mean of ``values`` (n,) beside that of ``random`` (n,), without interval."""
    value, chance = float(values.mean()), float(random.mean())
    return Estimate(value, chance, math.nan, math.nan, len(values), len(np.unique(group)))


def agreement_without(
    neighbors: NearestNeighbors, factor: Factor, groups: Groups
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the agreement of each query (q,) and its chance, without each block of groups in turn.

    NaN for the queries of the block, and for those that have nobody left to be compared with. The neighbors
    are those of :func:`~objectspace.analyses.nearest_neighbors.find_neighbors` with blocks.
    """
    if neighbors.deletions is None:
        raise ValueError("these neighbors were found without deletions")
    block, queries = neighbors.deletions.block, neighbors.queries
    for one in range(int(block.max()) + 1):
        kept = np.flatnonzero(block != one)
        kept = kept[comparable(groups.take(kept))]
        random = np.full(len(block), np.nan)
        if len(kept):  # of two groups, one is left
            random[kept] = random_agreement(factor, factor.values[kept], groups.take(kept))
        random = random[queries]
        values = _agreement(neighbors.without(one), factor, factor.values)[queries]
        yield np.where(np.isnan(random), np.nan, values), random


def _without_each(
    neighbors: NearestNeighbors, factor: Factor, groups: Groups, subsets: Sequence[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Return value and chance (subsets, b, 2) of some of the queries (q,) without each block of groups."""
    member = np.stack(subsets)
    means = []
    for values, random in agreement_without(neighbors, factor, groups):
        left = ~np.isnan(random)
        there = member[:, left].astype(np.float64)
        sums = there @ np.stack([values[left], random[left]], axis=1)
        means.append(ratio(sums, there.sum(1, keepdims=True)))
    return np.stack(means, axis=1)


def hubness(neighbors: NearestNeighbors) -> float:
    """Return the skewness of the k-occurrence: how often each object is a neighbor.

    Radovanović et al., *Hubs in Space* (2010). About 0 where all objects are neighbors equally often; above 1
    a few objects, the hubs, are in many lists.
    """
    return skewness(np.bincount(neighbors.neighbor, neighbors.weight, neighbors.count))


def _agreement(
    neighbors: NearestNeighbors, factor: Factor, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean comparison (n,) of each object with its neighbors."""
    return neighbors.mean(factor.compare(values[neighbors.query], values[neighbors.neighbor]))


def _gains(
    neighbors: NearestNeighbors, factor: Factor, drawn: Iterable[NDArray[np.float64]], groups: Groups
) -> Iterator[float]:
    """Yield the mean agreement of neighbors minus that of random ones, for each draw of values."""
    queries = neighbors.queries
    there = np.bincount(neighbors.query, neighbors.weight, neighbors.count)
    share = neighbors.weight / there[neighbors.query] / len(queries)
    random = random_agreement_of(factor, groups)
    for values in drawn:
        agreement = share @ factor.compare(values[neighbors.query], values[neighbors.neighbor])
        yield float(agreement - random(values)[queries].mean())
