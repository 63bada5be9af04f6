"""Agreement of neighbours: does an object's neighbourhood share its value of a factor?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import skew

from objectspace.analyses.factor_values import Factor, random_agreement
from objectspace.analyses.groups import Codes, Groups
from objectspace.analyses.statistics import (
    PERMUTATIONS,
    Estimate,
    estimate_mean,
    p_value,
    permutations,
)
from objectspace.neighbours import ExactIndex


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How well neighbours agree in a factor.

    overall, labels: of all objects, and of the objects of each label (whose neighbours are of any label):
        purity at k for a categorical factor, mean absolute difference for a linear one, mean arc for a
        circular one. ``chance`` is the same over all objects that could be neighbours, which is what random
        neighbours have on average.
    values: (n,) float64, each object's own; ``group``: (n,) int64, its group
    """

    overall: Estimate
    labels: dict[str, Estimate]
    values: NDArray[np.float64]
    group: Codes


def find_neighbours(
    vectors: NDArray[np.float32], ids: NDArray[np.str_], groups: Groups, *, k: int, metric: str
) -> Codes:
    """(n, k) each object's exact k nearest in other groups at its level; -1 where fewer are left."""
    found = np.full((len(vectors), k), -1, np.int64)
    for level in range(int(groups.level.max(initial=-1)) + 1):
        rows = np.flatnonzero(groups.level == level)
        group = groups.group[rows]
        index = ExactIndex(vectors[rows], ids[rows], metric=metric, groups=group)
        near = index.nearest(vectors[rows], k=k, query_groups=group).index
        found[rows] = np.where(near >= 0, rows[near], -1)
    return found


def measure_agreement(
    neighbours: Codes,
    factor: Factor,
    groups: Groups,
    labels: NDArray[np.object_],
    *,
    permuted: int = PERMUTATIONS,
    seed: int = 0,
) -> Agreement:
    """Agreement in a factor among ``neighbours`` (n, k), as :func:`find_neighbours` gives them.

    The interval takes the neighbours as they are: it says how the figure varies with the objects that are
    asked about, not with the store that answers. p compares the agreement less its chance with the same under
    :func:`~objectspace.analyses.statistics.permutations`.
    """
    values = _agreement(neighbours, factor, factor.values)
    random = random_agreement(factor, factor.values, groups)
    shuffled = (
        factor.values[rows] for rows in permutations(groups, permuted, values=factor.values, seed=seed)
    )
    null = np.array([_gain(neighbours, factor, drawn, groups) for drawn in shuffled])
    p = p_value(factor.sign * float(values.mean() - random.mean()), null)

    def estimate(rows: NDArray[Any], p: float | None = None) -> Estimate:
        return estimate_mean(values[rows], random[rows], groups.group[rows], p=p, seed=seed)

    names = sorted(set(labels.tolist()))
    by_label = {name: estimate(labels == name) for name in names}
    return Agreement(estimate(np.arange(len(values)), p), by_label, values, groups.group)


def hubness(neighbours: Codes) -> float:
    """Skewness of the k-occurrence: how often each object is a neighbour (Radovanović et al., 2010).

    About 0 where all are neighbours about as often; above 1 a few objects, the hubs, are in many lists.
    """
    counts = np.bincount(neighbours[neighbours >= 0], minlength=len(neighbours))
    return float(skew(counts)) if counts.min() < counts.max() else 0.0


def _agreement(neighbours: Codes, factor: Factor, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) the mean comparison of each object with its neighbours."""
    there = neighbours >= 0
    compared = factor.compare(values[:, None], values[neighbours])
    mean: NDArray[np.float64] = np.where(there, compared, 0).sum(1) / there.sum(1)
    return mean


def _gain(neighbours: Codes, factor: Factor, values: NDArray[np.float64], groups: Groups) -> float:
    """By how much neighbours agree better than random ones."""
    random = random_agreement(factor, values, groups)
    return factor.sign * float((_agreement(neighbours, factor, values) - random).mean())
