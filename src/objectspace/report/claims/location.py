"""Claims about the position of an object, from several objects at many positions each (figures 6 and 7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_values import Factor, random_agreement
from objectspace.analyses.grid_positions import PHASES
from objectspace.analyses.groups import Codes, make_folds, make_groups
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.probes import FOLDS
from objectspace.analyses.ridge import FoldedRidge
from objectspace.analyses.statistics import Estimate, estimate_mean
from objectspace.errors import InputError
from objectspace.report.claims.evidence_types import PERMUTED, Evidence, K, MovedObject, require
from objectspace.report.claims.sign_flips import sign_flips

Float64 = NDArray[np.float64]

EDGES = ("x1", "y1")


def place_in_two(evidence: Evidence, seed: int) -> Estimate:
    """Return the mean R2 over objects of the box's two edges from two components."""
    return _over_objects(evidence, lambda one, runs: _r2(one, EDGES, runs), seed)


def groups_in_tsne(evidence: Evidence, seed: int) -> Estimate:
    """Return how far apart neighbors in the t-SNE map were in the image, as a share of all pictures."""
    return _over_objects(evidence, _spread_of_neighbors, seed)


def place_beside_phase(evidence: Evidence, seed: int) -> Estimate:
    """Return the mean R2 as above; in the place of chance, that of the two sub-cell offsets.

    Both are means over two directions, as the better of two would be better where both are noise. p is from
    the signs of the objects' differences: where components hold both alike, they could change places.
    """
    moved = [one for one in require(evidence.moved) if all(name in one.pca.factors for name in PHASES)]
    if not moved:
        raise InputError("the objects were not moved within cells")
    place, phase = (
        np.array([_r2(one, names, np.arange(len(one.pca.coordinates))[:, None])[0] for one in moved])
        for names in (EDGES, PHASES)
    )
    found = estimate_mean(place, phase, np.arange(len(moved)), seed=seed)
    return found.tested(*sign_flips(place - phase, seed=seed))


def _over_objects(
    evidence: Evidence, statistics: Callable[[MovedObject, Codes], Float64], seed: int
) -> Estimate:
    """Return the mean of a statistic over objects; chance and p are of exchanging each object's positions.

    ``statistics`` returns the statistic (r,) of an object whose pictures take the positions of rows (n, r).
    """
    rng = np.random.default_rng([seed, 9])
    runs = []
    for one in require(evidence.moved):
        rows = np.tile(np.arange(len(one.pca.coordinates))[:, None], 1 + PERMUTED)
        rows[:, 1:] = rng.permuted(rows[:, 1:], axis=0)
        runs.append(statistics(one, rows))
    values, null = np.split(np.array(runs), [1], axis=1)
    found = estimate_mean(values[:, 0], null.mean(1), np.arange(len(runs)), seed=seed)
    return found.tested(float(values.mean()), null.mean(0))


def _r2(one: MovedObject, names: Sequence[str], rows: Codes) -> Float64:
    """Return the mean held-out R2 (r,) of factors from two components, at the values of rows (n, r).

    As in :func:`~objectspace.analyses.probes.measure_probe`.
    """
    plane = one.pca.coordinates[:, :2].astype(np.float32)
    fold = make_folds(np.arange(len(plane)), FOLDS)
    ridge = FoldedRidge(plane, fold, np.zeros_like(fold))
    scores = []
    for name in names:
        values = one.pca.factors[name]
        targets = ((values - values.mean()) / values.std())[rows]
        predicted, mean = ridge.predict(targets, ridge.choose_penalties(targets, targets.shape[1]))
        scores.append(1 - ((targets - predicted) ** 2).sum(0) / ((targets - mean) ** 2).sum(0))
    r2: Float64 = np.mean(scores, axis=0)
    return r2


def _spread_of_neighbors(one: MovedObject, rows: Codes) -> Float64:
    """Return the difference of position to the nearest in the map, as a share of that to all: (r,)."""
    points = one.tsne.coordinates.astype(np.float32)
    groups = make_groups(np.arange(len(points)))
    near = find_neighbors(points, groups.group.astype(str), groups, k=K, metric="euclidean")
    shares = []
    for name in EDGES:
        factor = Factor(name, "linear", one.tsne.factors[name])
        values = factor.values[rows]
        differences = np.abs(values[near.query] - values[near.neighbor])
        found = near.weight @ differences / near.weight.sum()
        shares.append(found / random_agreement(factor, factor.values, groups).mean())
    spread: Float64 = np.mean(shares, axis=0)
    return spread
