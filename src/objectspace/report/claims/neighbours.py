"""Claims about neighbours: orientation, style, class, look-alikes, people on chairs (figures 2 and 5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.agreement import find_neighbours, measure_agreement
from objectspace.analyses.circular_geometry import measure_geometry
from objectspace.analyses.clusters import Codes, codes
from objectspace.analyses.factor_values import random_agreement
from objectspace.analyses.factors import Asked, Question, measure_neighbours
from objectspace.analyses.statistics import Estimate, mean_interval, p_value, permutations
from objectspace.errors import InputError
from objectspace.neighbours import ExactIndex
from objectspace.report.claims.chairs import measure_chairs
from objectspace.report.claims.evidence import (
    Column,
    Evidence,
    Held,
    K,
    asked_of,
    crop_of,
    group_beside,
    orientation_of,
    style_of,
    window_of,
)

PERMUTED = 199


def _neighbours_agree(held: Held, column: Column, evidence: Evidence, seed: int) -> Estimate:
    asked = asked_of(held, column, group_beside(evidence, column))
    near = find_neighbours(asked.vectors, asked.ids, asked.clusters, k=K, metric="euclidean")
    agreement = measure_agreement(
        near, asked.factor, asked.clusters, asked.labels, permuted=PERMUTED, seed=seed
    )
    return agreement.overall


def orientation_agrees(evidence: Evidence, seed: int) -> Estimate:
    """Mean angle between an object and its nearest crops of the same label."""
    return _neighbours_agree(crop_of(evidence), orientation_of(evidence), evidence, seed)


def style_agrees(evidence: Evidence, seed: int) -> Estimate:
    """Share of the nearest crops of the same label that have the same style."""
    return _neighbours_agree(crop_of(evidence), style_of(evidence), evidence, seed)


def opposite_is_farthest(evidence: Evidence, seed: int) -> Estimate:
    """Share of views whose farthest view of the same thing is an opposite one."""
    asked = asked_of(crop_of(evidence), orientation_of(evidence), evidence.group)
    thing, same = asked.thing
    geometry = measure_geometry(asked.vectors, asked.factor, asked.clusters, thing, same=same, seed=seed)
    if geometry is None:
        raise InputError("no two views of one thing are opposite")
    return geometry.opposite


def style_before_orientation(evidence: Evidence, seed: int) -> Estimate:
    """How much more of the way from chance to full agreement neighbours go in style than in orientation."""
    held, style = crop_of(evidence), style_of(evidence)
    # The same neighbours for both, so that they are compared on the same ground.
    group = group_beside(evidence, style)
    gains = [_gains(asked_of(held, column, group), seed) for column in (style, orientation_of(evidence))]
    ids, first, second = np.intersect1d(gains[0][0], gains[1][0], return_indices=True)
    if not len(ids):
        raise InputError("no object has both a style and an orientation")
    difference = gains[0][1][first] - gains[1][1][second]
    cluster = gains[0][2][first]
    low, high = mean_interval(difference, codes(cluster), seed=seed)
    return Estimate(float(difference.mean()), 0.0, low, high, len(ids), len(np.unique(cluster)))


def _gains(asked: Asked, seed: int) -> tuple[NDArray[np.str_], NDArray[np.float64], Codes]:
    """Ids, each object's share of the way from chance (0) to full agreement (1), and clusters."""
    near = find_neighbours(asked.vectors, asked.ids, asked.clusters, k=K, metric="euclidean")
    values = measure_agreement(near, asked.factor, asked.clusters, asked.labels, permuted=1, seed=seed).values
    chance = random_agreement(asked.factor, asked.factor.values, asked.clusters)
    full = 1.0 if asked.factor.kind == "categorical" else 0.0
    way = full - chance
    # Where all that could be neighbours agree already there is no way to go.
    gain = np.divide(values - chance, way, out=np.zeros_like(way), where=np.abs(way) > 1e-12)
    return asked.ids, gain, asked.clusters.cluster


def labels_separate(evidence: Evidence, seed: int) -> Estimate:
    """Share of the nearest windows that have the same label."""
    held = window_of(evidence)
    question = Question("label", group=evidence.group)
    return measure_neighbours(held.space, held.objects, question, k=K, seed=seed).overall


def look_alikes(evidence: Evidence, seed: int) -> Estimate:
    """Style shared with the nearest object of another label, beside that with any object of another label."""
    held, column = window_of(evidence), style_of(evidence)
    question = Question(column.name, categorical=True, group=group_beside(evidence, column))
    asked = Asked(held.space, held.objects, question)
    style, cluster, label = asked.factor.values, asked.clusters.cluster, codes(asked.labels.astype(str))
    near = _nearest_of_another_label(asked, label)
    there = near >= 0
    if not there.any():
        raise InputError("the window space holds one label only")

    def agreement(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        same = (values[there] == values[near[there]]).astype(np.float64)
        return same, _chance_of_another_label(values, label, cluster)[there]

    same, chance = agreement(style)
    drawn = (agreement(style[rows]) for rows in permutations(asked.clusters, PERMUTED, seed=seed))
    null = np.array([float((one - random).mean()) for one, random in drawn])
    low, high = mean_interval(same, codes(cluster[there]), seed=seed)
    return Estimate(
        float(same.mean()),
        float(chance.mean()),
        low,
        high,
        int(there.sum()),
        len(np.unique(cluster[there])),
        p_value(float((same - chance).mean()), null),
    )


def _nearest_of_another_label(asked: Asked, label: Codes) -> Codes:
    """(n,) the nearest object of another label and cluster, -1 where there is none."""
    cluster = asked.clusters.cluster
    found = np.full(len(label), -1, np.int64)
    for one in range(int(label.max()) + 1):
        own, others = np.flatnonzero(label == one), np.flatnonzero(label != one)
        if not len(others):
            continue
        index = ExactIndex(asked.vectors[others], asked.ids[others], groups=cluster[others])
        near = index.nearest(asked.vectors[own], k=1, query_groups=cluster[own]).index[:, 0]
        found[own] = np.where(near >= 0, others[near], -1)
    return found


def _chance_of_another_label(
    values: NDArray[np.float64], label: Codes, cluster: Codes
) -> NDArray[np.float64]:
    """(n,) the share of the objects of another label and cluster that have each object's value."""

    def count(*columns: NDArray[np.float64] | Codes) -> NDArray[np.float64]:
        """How many objects have each object's combination of these columns."""
        number = np.zeros(len(label), np.int64)
        for column in columns:
            part = codes(column)
            number = codes(number * (int(part.max()) + 1) + part)
        return np.bincount(number)[number].astype(np.float64)

    alike = count(values) - count(values, label) - count(values, cluster) + count(values, label, cluster)
    allowed = len(label) - count(label) - count(cluster) + count(label, cluster)
    return np.divide(alike, allowed, out=np.zeros(len(label)), where=allowed > 0)


def on_chairs(evidence: Evidence, seed: int) -> Estimate:
    """Share of the nearest people that are on a chair, for people on chairs."""
    held = window_of(evidence)
    return measure_chairs(held.space, held.objects, k=K, seed=seed).on


def on_not_beside(evidence: Evidence, seed: int) -> Estimate:
    """The same share less that for people merely beside a chair."""
    held = window_of(evidence)
    difference = measure_chairs(held.space, held.objects, k=K, seed=seed).difference
    if difference is None:
        raise InputError("nobody is merely beside a chair")
    return difference
