"""Agreement of neighbors: does an object's neighborhood share its value of a factor?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import skew

from objectspace.analyses.factor_values import Factor, random_agreement
from objectspace.analyses.groups import Clusters, Codes
from objectspace.analyses.statistics import (
    PERMUTATIONS,
    Estimate,
    mean_interval,
    p_value,
    permutations,
)
from objectspace.neighbors import ExactIndex


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How well neighbors agree in a factor.

    overall, labels: of all objects, and of the objects of each label (whose neighbors are of any label):
        purity at k for a categorical factor, mean absolute difference for a linear one, mean arc for a
        circular one. ``chance`` is the same over all objects that could be neighbors, which is what random
        neighbors have on average.
    values: (n,) float64, each object's own; ``cluster``: (n,) int64, its cluster
    """

    overall: Estimate
    labels: dict[str, Estimate]
    values: NDArray[np.float64]
    cluster: Codes


def find_neighbors(
    vectors: NDArray[np.float32], ids: NDArray[np.str_], clusters: Clusters, *, k: int, metric: str
) -> Codes:
    """(n, k) each object's exact k nearest in other clusters at its level; -1 where fewer are left."""
    found = np.full((len(vectors), k), -1, np.int64)
    for level in range(int(clusters.level.max(initial=-1)) + 1):
        rows = np.flatnonzero(clusters.level == level)
        cluster = clusters.cluster[rows]
        index = ExactIndex(vectors[rows], ids[rows], metric=metric, groups=cluster)
        near = index.nearest(vectors[rows], k=k, query_groups=cluster).index
        found[rows] = np.where(near >= 0, rows[near], -1)
    return found


def measure_agreement(
    neighbors: Codes,
    factor: Factor,
    clusters: Clusters,
    labels: NDArray[np.object_],
    *,
    permuted: int = PERMUTATIONS,
    seed: int = 0,
) -> Agreement:
    """Agreement in a factor among ``neighbors`` (n, k), as :func:`find_neighbors` gives them.

    The interval takes the neighbors as they are: it says how the figure varies with the objects that are
    asked about, not with the store that answers. p compares the agreement less its chance with the same under
    :func:`~objectspace.analyses.statistics.permutations`.
    """
    values = _agreement(neighbors, factor, factor.values)
    random = random_agreement(factor, factor.values, clusters)
    shuffled = (
        factor.values[rows] for rows in permutations(clusters, permuted, values=factor.values, seed=seed)
    )
    null = np.array([_gain(neighbors, factor, drawn, clusters) for drawn in shuffled])
    p = p_value(factor.sign * float(values.mean() - random.mean()), null)

    def estimate(rows: NDArray[np.int64], p: float = np.nan) -> Estimate:
        low, high = mean_interval(values[rows], clusters.cluster[rows], seed=seed)
        in_clusters = len(np.unique(clusters.cluster[rows]))
        return Estimate(
            float(values[rows].mean()), float(random[rows].mean()), low, high, len(rows), in_clusters, p
        )

    names = sorted(set(labels.tolist()))
    by_label = {name: estimate(np.flatnonzero(labels == name)) for name in names}
    return Agreement(estimate(np.arange(len(values)), p), by_label, values, clusters.cluster)


def hubness(neighbors: Codes) -> float:
    """Skewness of the k-occurrence: how often each object is a neighbor (Radovanović et al., 2010).

    About 0 where all are neighbors about as often; above 1 a few objects, the hubs, are in many lists.
    """
    counts = np.bincount(neighbors[neighbors >= 0], minlength=len(neighbors))
    return float(skew(counts)) if counts.min() < counts.max() else 0.0


def _agreement(neighbors: Codes, factor: Factor, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) the mean comparison of each object with its neighbors."""
    there = neighbors >= 0
    compared = factor.compare(values[:, None], values[neighbors])
    mean: NDArray[np.float64] = np.where(there, compared, 0).sum(1) / there.sum(1)
    return mean


def _gain(neighbors: Codes, factor: Factor, values: NDArray[np.float64], clusters: Clusters) -> float:
    """By how much neighbors agree better than random ones."""
    random = random_agreement(factor, values, clusters)
    return factor.sign * float((_agreement(neighbors, factor, values) - random).mean())
