"""Claims about where an object is, from one that was moved about (figures 6 and 7)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from objectspace.analyses.agreement import find_neighbours, measure_agreement
from objectspace.analyses.clusters import make_clusters
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.statistics import Estimate
from objectspace.errors import InputError
from objectspace.report.claims.evidence import Evidence, K, moved_of


def place_in_two(evidence: Evidence, seed: int) -> Estimate:
    """The worse read of the two coordinates, as the claim is of both."""
    readings = moved_of(evidence)[0].readings
    return min((readings[name].first[2] for name in ("x1", "y1")), key=lambda estimate: estimate.value)


def place_beside_phase(evidence: Evidence, seed: int) -> Estimate:
    """The same; in the place of chance, the better read of the two phases, as either can refute the claim."""
    readings = moved_of(evidence)[0].readings
    phases = [readings[name].first[2].value for name in ("phase_x", "phase_y") if name in readings]
    if not phases:
        raise InputError("the object was not moved within cells")
    place = place_in_two(evidence, seed)
    return replace(place, chance=max(phases), p=math.nan)


def groups_in_tsne(evidence: Evidence, seed: int) -> Estimate:
    """Neighbours in the plane of t-SNE: how far apart they were in the picture, the worse of x and y."""
    tsne = moved_of(evidence)[1]
    points = tsne.coordinates.astype(np.float32)
    clusters = make_clusters(np.arange(len(points)))
    near = find_neighbours(
        points, np.array([f"{row:08d}" for row in range(len(points))]), clusters, k=K, metric="euclidean"
    )
    label = np.array(["object"] * len(points), object)
    estimates = []
    for name in ("x1", "y1"):
        factor = Factor(name, "linear", tsne.factors[name])
        estimates.append(measure_agreement(near, factor, clusters, label, seed=seed).overall)
    return max(estimates, key=lambda estimate: estimate.value / estimate.chance)
