"""Agreement of neighbors: whether an object's nearest objects share its value of a factor."""

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
from objectspace.neighbors import ExactIndex, JointIndex, JointVectors


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """The agreement of neighbors in a factor.

    overall, labels: for all objects, and for the objects of each label (whose neighbors are of any label):
        purity at k for a categorical factor, mean absolute difference for a linear one, mean arc for a
        circular one. ``chance`` is the same over all objects that could be neighbors: the mean for random
        neighbors.
    values: (n,) float64, each object's own; ``group``: (n,) int64, its group
    """

    overall: Estimate
    labels: dict[str, Estimate]
    values: NDArray[np.float64]
    group: Codes

    def __repr__(self) -> str:
        return f"Agreement({self.overall!r}, {len(self.labels)} labels)"


def find_neighbors(
    vectors: NDArray[np.float32] | JointVectors,
    ids: NDArray[np.str_],
    groups: Groups,
    *,
    k: int,
    metric: str,
) -> Codes:
    """Return each object's exact k nearest (n, k) in other groups at its level; -1 where there are fewer."""
    found = np.full((len(vectors), k), -1, np.int64)
    for level in range(int(groups.level.max(initial=-1)) + 1):
        rows = np.flatnonzero(groups.level == level)
        group = groups.group[rows]
        part = vectors[rows]
        if isinstance(part, JointVectors):
            joint = JointIndex(part, ids[rows], metric=metric, groups=group)
            near = joint.nearest(part, k=k, query_groups=group).index
        else:
            index = ExactIndex(part, ids[rows], metric=metric, groups=group)
            near = index.nearest(part, k=k, query_groups=group).index
        found[rows] = np.where(near >= 0, rows[near], -1)
    return found


def measure_agreement(
    neighbors: Codes,
    factor: Factor,
    groups: Groups,
    labels: NDArray[np.object_],
    *,
    permuted: int = PERMUTATIONS,
    seed: int = 0,
) -> Agreement:
    """Measure the agreement in a factor of ``neighbors`` (n, k), as :func:`find_neighbors` gives them.

    The interval keeps the neighbors fixed: it covers the variation of the query objects, not of the store
    that is searched. p compares the agreement minus its chance with the same under
    :func:`~objectspace.analyses.statistics.permutations`.
    """
    values = _agreement(neighbors, factor, factor.values)
    random = random_agreement(factor, factor.values, groups)
    shuffled = (
        factor.values[rows] for rows in permutations(groups, permuted, values=factor.values, seed=seed)
    )
    null = np.array([_gain(neighbors, factor, drawn, groups) for drawn in shuffled])
    p = p_value(factor.sign * float(values.mean() - random.mean()), null)

    def estimate(rows: NDArray[Any], p: float | None = None) -> Estimate:
        return estimate_mean(values[rows], random[rows], groups.group[rows], p=p, seed=seed)

    names = sorted(set(labels.tolist()))
    by_label = {name: estimate(labels == name) for name in names}
    return Agreement(estimate(np.arange(len(values)), p), by_label, values, groups.group)


def hubness(neighbors: Codes) -> float:
    """Return the skewness of the k-occurrence: how often each object is a neighbor.

    Radovanović et al., *Hubs in Space* (2010). About 0 where all objects are neighbors equally often; above 1
    a few objects, the hubs, are in many lists.

    >>> round(hubness(np.array([[1], [0], [0], [0]])), 3)
    0.816
    """
    counts = np.bincount(neighbors[neighbors >= 0], minlength=len(neighbors))
    return float(skew(counts)) if counts.min() < counts.max() else 0.0


def _agreement(neighbors: Codes, factor: Factor, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) the mean comparison of each object with its neighbors."""
    there = neighbors >= 0
    compared = factor.compare(values[:, None], values[neighbors])
    mean: NDArray[np.float64] = np.where(there, compared, 0).sum(1) / there.sum(1)
    return mean


def _gain(neighbors: Codes, factor: Factor, values: NDArray[np.float64], groups: Groups) -> float:
    """The agreement of neighbors minus that of random ones, positive where better."""
    random = random_agreement(factor, values, groups)
    return factor.sign * float((_agreement(neighbors, factor, values) - random).mean())
