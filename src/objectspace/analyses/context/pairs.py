"""The context share of a neighbor pair: is it near by its objects, or by their surroundings?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from objectspace.analyses.groups import Codes, Groups
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.statistics import (
    PERMUTATIONS,
    Estimate,
    mean_interval,
    permutations,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PairShares:
    """Neighbor pairs (p,) with everything in view, seen with the object alone and the surroundings alone.

    query, neighbor: rows of the objects
    object_rank, surroundings_rank: float64 in (0, 1), where the neighbor stands among all objects of other
        photos when only the objects, or only the surroundings, are compared; 0 nearest, 0.5 on average
    share: float64 in (0, 1), the pair's context share: ``object_rank / (object_rank + surroundings_rank)``,
        so 0 where the objects alone make them neighbors, 1 where the surroundings alone do
    object, surroundings: mean ranks, and what they are when the vectors are exchanged between photos
    context: the mean share; chance: the surroundings exchanged between photos
    """

    query: Codes
    neighbor: Codes
    object_rank: Matrix
    surroundings_rank: Matrix
    share: Matrix
    object: Estimate
    surroundings: Estimate
    context: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, without the pairs."""
        return {name: getattr(self, name).to_json() for name in ("object", "surroundings", "context")}


def measure_pairs(
    alone: NDArray[np.float32],
    both: NDArray[np.float32],
    around: NDArray[np.float32],
    ids: NDArray[np.str_],
    groups: Groups,
    *,
    k: int = 5,
    metric: str = "euclidean",
    seed: int = 0,
) -> PairShares:
    """Measure pairs of each object with its k nearest of other groups in ``both`` (n, d), rows aligned.

    All that are exactly as far as the k-th make pairs.
    Holds two n x n matrices. Intervals are over the query objects, by whole groups.
    """
    near = find_neighbors(both, ids, groups, k=k, metric=metric)
    query, neighbor = near.query, near.neighbor
    by_object, by_context = (_ranks(vectors, groups, metric) for vectors in (alone, around))
    objects, contexts = by_object[query, neighbor], by_context[query, neighbor]
    null = []
    for rows in permutations(groups, PERMUTATIONS, seed=seed):
        # Different groups stay different, so the pair that gives is one that could have been neighbors.
        moved = (rows[query], rows[neighbor])
        null.append(
            (by_object[moved].mean(), by_context[moved].mean(), _share(objects, by_context[moved]).mean())
        )
    group = groups.group[query]

    def estimate(values: Matrix, drawn: Matrix) -> Estimate:
        low, high = mean_interval(values, group, seed=seed)
        value, chance = float(values.mean()), float(drawn.mean())
        return Estimate(value, chance, low, high, len(values), groups.count).tested(value, drawn)

    drawn = np.array(null).T
    share = _share(objects, contexts)
    return PairShares(
        query,
        neighbor,
        objects,
        contexts,
        share,
        estimate(objects, drawn[0]),
        estimate(contexts, drawn[1]),
        estimate(share, drawn[2]),
    )


def _share(object_rank: Matrix, surroundings_rank: Matrix) -> Matrix:
    share: Matrix = object_rank / (object_rank + surroundings_rank)
    return share


def _ranks(vectors: NDArray[np.float32], groups: Groups, metric: str) -> Matrix:
    """Return ranks (n, n) in (0, 1) of each object among those that could be neighbors of the row's.

    The middle of the place, (rank - 1/2) / candidates, so that the mean is 1/2; equal distances share the
    mean of their places. NaN for objects of the row's own group.
    """
    # Objects that share a vector are equally far from any other, which the rounding of a product hides.
    unique, place = np.unique(vectors, axis=0, return_inverse=True)
    distance = _distances(unique, metric)[np.ix_(place.reshape(-1), place.reshape(-1))]
    distance[groups.group[:, None] == groups.group] = np.nan
    rank = rankdata(distance, axis=1, nan_policy="omit")
    ranks: Matrix = (rank - 0.5) / np.isfinite(distance).sum(1, keepdims=True)
    return ranks


def _distances(vectors: NDArray[np.float32], metric: str) -> Matrix:
    """Return float64 values (n, n) that grow with the distance."""
    placed = vectors.astype(np.float64)
    if metric == "cosine":
        length = np.linalg.norm(placed, axis=1, keepdims=True)
        cosine: Matrix = (placed / np.where(length > 0, length, 1)) @ (
            placed / np.where(length > 0, length, 1)
        ).T
        return 1 - cosine
    placed -= placed.mean(0)
    square = (placed**2).sum(1)
    squares: Matrix = square[:, None] + square - 2 * (placed @ placed.T)
    return squares
