"""Agreement of neighbors: whether an object's nearest objects share its value of a factor."""

from __future__ import annotations

from collections.abc import Callable
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
    permutations,
)
from objectspace.neighbors import ExactIndex, JointIndex, JointVectors, Neighbors


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


@dataclass(frozen=True, slots=True, eq=False)
class NearestNeighbors:
    """The k nearest neighbors of n objects, as pairs of rows.

    query, neighbor: (p,) int64
    weight: (p,) float64: 1, but where more objects are as far as the k-th than fit among the k, the share of
        the room that each of them has; a query's weights sum to k, or to the number of its candidates

    So nothing depends on how equal distances are ordered.
    """

    count: int
    query: Codes
    neighbor: Codes
    weight: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"NearestNeighbors({len(self.query)} pairs, {self.count} objects)"

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the weighted mean (n,) of a value of each pair (p,) over each object's neighbors."""
        sums = np.bincount(self.query, self.weight * values, self.count)
        mean: NDArray[np.float64] = sums / np.bincount(self.query, self.weight, self.count)
        return mean

    def overlap(self, other: NearestNeighbors, rows: Codes | None = None) -> NDArray[np.float64]:
        """Return the weight (n,) that each object's neighbors have in both.

        rows: (n,) the row of the other that each object is taken for, its own by default
        """
        moved = np.arange(self.count) if rows is None else rows
        own = moved[self.query] * self.count + moved[self.neighbor]
        others = other.query * self.count + other.neighbor
        order = np.argsort(others, kind="stable")
        place = order[np.minimum(np.searchsorted(others, own, sorter=order), len(order) - 1)]
        shared = np.where(others[place] == own, np.minimum(self.weight, other.weight[place]), 0.0)
        weight: NDArray[np.float64] = np.bincount(self.query, shared, self.count).astype(np.float64)
        return weight


def find_neighbors(
    vectors: NDArray[np.float32] | JointVectors,
    ids: NDArray[np.str_],
    groups: Groups,
    *,
    k: int,
    metric: str,
) -> NearestNeighbors:
    """Return each object's exact k nearest in other groups at its level; all where there are fewer."""
    parts = [np.empty((3, 0))]
    for level in range(int(groups.level.max(initial=-1)) + 1):
        rows = np.flatnonzero(groups.level == level)
        group = groups.group[rows]
        nearest = _search(vectors[rows], ids[rows], group, metric)
        query, neighbor, weight = _nearest_and_tied(nearest, len(rows), k)
        parts.append(np.stack([rows[query], rows[neighbor], weight]))
    query, neighbor, weight = np.concatenate(parts, axis=1)
    return NearestNeighbors(len(vectors), query.astype(np.int64), neighbor.astype(np.int64), weight)


def _search(
    vectors: NDArray[np.float32] | JointVectors, ids: NDArray[np.str_], group: Codes, metric: str
) -> Callable[[Codes, int], Neighbors]:
    """Return the search for the k nearest in other groups of some of the rows."""
    if isinstance(vectors, JointVectors):
        joint = JointIndex(vectors, ids, metric=metric, groups=group)
        return lambda rows, k: joint.nearest(vectors[rows], k=k, query_groups=group[rows])
    index = ExactIndex(vectors, ids, metric=metric, groups=group)
    return lambda rows, k: index.nearest(vectors[rows], k=k, query_groups=group[rows])


def _nearest_and_tied(
    nearest: Callable[[Codes, int], Neighbors], count: int, k: int
) -> tuple[Codes, Codes, NDArray[np.float64]]:
    """Return query, neighbor and weight of the k nearest of each row, and of all as far as the k-th."""
    parts, pending, wanted = [np.empty((3, 0))], np.arange(count), k + 1
    while len(pending):
        near = nearest(pending, wanted)
        kth = near.distance[:, k - 1 : k]
        # All that is as far as the k-th is there where something farther, or nothing more, was found.
        whole = (near.distance[:, -1:] > kth) | (near.index[:, -1:] < 0)
        nearer, tied = near.distance < kth, (near.distance == kth) & (near.index >= 0)
        room = (k - nearer.sum(1, keepdims=True)) / np.maximum(tied.sum(1, keepdims=True), 1)
        row, place = np.nonzero((nearer | tied) & whole)
        weight = np.where(nearer, 1.0, room)[row, place]
        parts.append(np.stack([pending[row], near.index[row, place], weight]))
        pending, wanted = pending[~whole[:, 0]], 2 * wanted
    query, neighbor, weight = np.concatenate(parts, axis=1)
    return query.astype(np.int64), neighbor.astype(np.int64), weight


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

    Neighbors that are equally far, of which not all are among the k, count by their weight. The interval
    keeps the neighbors fixed: it covers the variation of the query objects, not of the store that is
    searched. p compares the agreement minus its chance with the same under
    :func:`~objectspace.analyses.statistics.permutations`.
    """
    values = _agreement(neighbors, factor, factor.values)
    random = random_agreement(factor, factor.values, groups)
    shuffled = (
        factor.values[rows] for rows in permutations(groups, permuted, values=factor.values, seed=seed)
    )
    null = np.array([_gain(neighbors, factor, drawn, groups) for drawn in shuffled])

    def estimate(rows: NDArray[Any]) -> Estimate:
        return estimate_mean(values[rows], random[rows], groups.group[rows], seed=seed)

    names = sorted(set(labels.tolist()))
    by_label = {name: estimate(labels == name) for name in names}
    overall = estimate(np.arange(len(values))).tested(float((values - random).mean()), null)
    return Agreement(overall, by_label, values, groups.group)


def hubness(neighbors: NearestNeighbors) -> float:
    """Return the skewness of the k-occurrence: how often each object is a neighbor.

    Radovanović et al., *Hubs in Space* (2010). About 0 where all objects are neighbors equally often; above 1
    a few objects, the hubs, are in many lists.
    """
    counts = np.bincount(neighbors.neighbor, neighbors.weight, neighbors.count)
    return float(skew(counts)) if counts.min() < counts.max() else 0.0


def _agreement(
    neighbors: NearestNeighbors, factor: Factor, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean comparison (n,) of each object with its neighbors."""
    return neighbors.mean(factor.compare(values[neighbors.query], values[neighbors.neighbor]))


def _gain(neighbors: NearestNeighbors, factor: Factor, values: NDArray[np.float64], groups: Groups) -> float:
    """Return the agreement of neighbors minus that of random ones."""
    random = random_agreement(factor, values, groups)
    return float((_agreement(neighbors, factor, values) - random).mean())
