"""Claims about the position of an object, from one object at many positions (figures 6 and 7)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from objectspace.analyses.agreement import measure_agreement
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.grid_positions import PHASES
from objectspace.analyses.groups import make_groups
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.statistics import Estimate, Float64, bootstrap, ratio
from objectspace.errors import InputError
from objectspace.report.claims.evidence_types import Evidence, K, require

EDGES = ("x1", "y1")


def place_in_two(evidence: Evidence, seed: int) -> Estimate:
    """Return the R2 of the box's edges from two components, the worse of both, as the claim is of both."""
    readings = require(evidence.moved)[0].readings
    return min((readings[name].first[2] for name in EDGES), key=lambda estimate: estimate.value)


def place_beside_phase(evidence: Evidence, seed: int) -> Estimate:
    """Return the same; its chance is the R2 of the sub-cell offsets, the better of both.

    Either offset can refute the claim. All four are resampled together.
    """
    readings = require(evidence.moved)[0].readings
    phases = [name for name in PHASES if name in readings]
    if not phases:
        raise InputError("the object was not moved within cells")
    errors = np.hstack([readings[name].plane for name in (*EDGES, *phases)])

    def statistics(sums: Float64) -> Float64:
        r2 = 1 - ratio(sums[0::2], sums[1::2])
        lead: Float64 = r2[: len(EDGES)].min(0) - r2[len(EDGES) :].max(0)
        return lead[None]

    (excess,) = bootstrap(errors, np.arange(len(errors)), statistics, seed=seed)
    chance = max(readings[name].first[2].value for name in phases)
    return replace(place_in_two(evidence, seed), chance=chance, p=None, excess=excess)


def groups_in_tsne(evidence: Evidence, seed: int) -> Estimate:
    """Return how far apart neighbors in the t-SNE map were in the image, the worse of across and down."""
    tsne = require(evidence.moved)[1]
    points = tsne.coordinates.astype(np.float32)
    groups = make_groups(np.arange(len(points)))
    near = find_neighbors(
        points, np.array([f"{row:08d}" for row in range(len(points))]), groups, k=K, metric="euclidean"
    )
    label = np.array(["object"] * len(points), object)
    estimates = []
    for name in EDGES:
        factor = Factor(name, "linear", tsne.factors[name])
        estimates.append(measure_agreement(near, factor, groups, label, seed=seed).overall)
    return max(estimates, key=lambda estimate: estimate.value / estimate.chance)
