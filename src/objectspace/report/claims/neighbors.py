"""Claims about neighbors: orientation, style, class, look-alikes, people on chairs (figures 2 and 5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_values import random_agreement
from objectspace.analyses.factors import AlignedSample, FactorSpec, align, measure_neighbors
from objectspace.analyses.groups import Codes, codes
from objectspace.analyses.statistics import Estimate, estimate_mean, p_value, permutations
from objectspace.errors import InputError
from objectspace.neighbors import ExactIndex
from objectspace.report.claims.chairs import measure_chairs
from objectspace.report.claims.evidence_types import (
    Column,
    Evidence,
    K,
    SpaceWithObjects,
    group_unless,
    require,
    within_labels,
)

PERMUTED = 199


def _crop(evidence: Evidence) -> SpaceWithObjects:
    return require(evidence.crop, "the store has no crop space")


def _window(evidence: Evidence) -> SpaceWithObjects:
    return require(evidence.window, "the store has no window space")


def _orientation(evidence: Evidence) -> Column:
    return require(
        evidence.orientation, "no column says which way the objects face; name one as the orientation"
    )


def _style(evidence: Evidence) -> Column:
    return require(evidence.style, "no column holds the style or sort of the objects; name one as the style")


def _neighbors_agree(held: SpaceWithObjects, column: Column, evidence: Evidence, seed: int) -> Estimate:
    sample = within_labels(held, column, group_unless(evidence, column))
    return sample.agreement(sample.neighbors(K), permuted=PERMUTED, seed=seed).overall


def orientation_agrees(evidence: Evidence, seed: int) -> Estimate:
    """Return the mean angle between an object and its nearest crops of the same label."""
    return _neighbors_agree(_crop(evidence), _orientation(evidence), evidence, seed)


def style_agrees(evidence: Evidence, seed: int) -> Estimate:
    """Return the share of the nearest crops of the same label that have the same style."""
    return _neighbors_agree(_crop(evidence), _style(evidence), evidence, seed)


def opposite_is_farthest(evidence: Evidence, seed: int) -> Estimate:
    """Return the share of views whose farthest view of the same thing is an opposite one."""
    sample = within_labels(_crop(evidence), _orientation(evidence), evidence.group)
    geometry = sample.geometry(seed=seed)
    if geometry is None:
        raise InputError("no two views of one thing are opposite")
    return geometry.opposite


def style_before_orientation(evidence: Evidence, seed: int) -> Estimate:
    """Return the agreement of neighbors in style minus that in orientation: 0 is chance, 1 full agreement."""
    held, style = _crop(evidence), _style(evidence)
    # One group for both, so that both are computed on the same neighbors.
    group = group_unless(evidence, style)
    gains = [_gains(within_labels(held, column, group), seed) for column in (style, _orientation(evidence))]
    ids, first, second = np.intersect1d(gains[0][0], gains[1][0], return_indices=True)
    if not len(ids):
        raise InputError("no object has both a style and an orientation")
    difference = gains[0][1][first] - gains[1][1][second]
    return estimate_mean(difference, np.zeros(len(ids)), gains[0][2][first], seed=seed)


def _gains(sample: AlignedSample, seed: int) -> tuple[NDArray[np.str_], NDArray[np.float64], Codes]:
    """Return ids, each object's agreement scaled to 0 at chance and 1 at full agreement, and groups."""
    values = sample.agreement(sample.neighbors(K), permuted=1, seed=seed).values
    chance = random_agreement(sample.factor, sample.factor.values, sample.groups)
    full = 1.0 if sample.factor.kind == "categorical" else 0.0
    room = full - chance
    # Where all candidates agree already, none can agree more.
    gain = np.divide(values - chance, room, out=np.zeros_like(room), where=np.abs(room) > 1e-12)
    return sample.ids, gain, sample.groups.group


def labels_separate(evidence: Evidence, seed: int) -> Estimate:
    """Return the share of the nearest windows that have the same label."""
    held = _window(evidence)
    spec = FactorSpec("label", group=evidence.group)
    return measure_neighbors(held.space, held.objects, spec, k=K, seed=seed).overall


def look_alikes(evidence: Evidence, seed: int) -> Estimate:
    """Return how often the nearest object of another label has the same style; chance: any such object."""
    held, column = _window(evidence), _style(evidence)
    spec = FactorSpec(column.name, categorical=True, group=group_unless(evidence, column))
    sample = align(held.space, held.objects, spec)
    style, group, label = sample.factor.values, sample.groups.group, codes(sample.labels.astype(str))
    near = _nearest_of_another_label(sample, label)
    there = near >= 0
    if not there.any():
        raise InputError("the window space holds one label only")

    def agreement(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        same = (values[there] == values[near[there]]).astype(np.float64)
        return same, _chance_of_another_label(values, label, group)[there]

    same, chance = agreement(style)
    drawn = (agreement(style[rows]) for rows in permutations(sample.groups, PERMUTED, seed=seed))
    null = np.array([float((one - random).mean()) for one, random in drawn])
    p = p_value(float((same - chance).mean()), null)
    return estimate_mean(same, chance, group[there], p=p, seed=seed)


def _nearest_of_another_label(sample: AlignedSample, label: Codes) -> Codes:
    """Return the nearest object (n,) of another label and group, -1 where there is none."""
    group = sample.groups.group
    found = np.full(len(label), -1, np.int64)
    for one in range(int(label.max()) + 1):
        own, others = np.flatnonzero(label == one), np.flatnonzero(label != one)
        if not len(others):
            continue
        index = ExactIndex(sample.vectors[others], sample.ids[others], groups=group[others])
        near = index.nearest(sample.vectors[own], k=1, query_groups=group[own]).index[:, 0]
        found[own] = np.where(near >= 0, others[near], -1)
    return found


def _chance_of_another_label(values: NDArray[np.float64], label: Codes, group: Codes) -> NDArray[np.float64]:
    """Return the share (n,) of the objects of another label and group that have each object's value."""

    def count(*columns: NDArray[np.float64] | Codes) -> NDArray[np.float64]:
        """Return how many objects have each object's combination of these columns."""
        number = np.zeros(len(label), np.int64)
        for column in columns:
            part = codes(column)
            number = codes(number * (int(part.max()) + 1) + part)
        return np.bincount(number)[number].astype(np.float64)

    alike = count(values) - count(values, label) - count(values, group) + count(values, label, group)
    allowed = len(label) - count(label) - count(group) + count(label, group)
    return np.divide(alike, allowed, out=np.zeros(len(label)), where=allowed > 0)


def on_chairs(evidence: Evidence, seed: int) -> Estimate:
    """Return the share of the nearest people that are on a chair, for people on chairs."""
    held = _window(evidence)
    return measure_chairs(held.space, held.objects, k=K, seed=seed).on


def on_not_beside(evidence: Evidence, seed: int) -> Estimate:
    """Return the same share minus that for people merely beside a chair."""
    held = _window(evidence)
    difference = measure_chairs(held.space, held.objects, k=K, seed=seed).difference
    if difference is None:
        raise InputError("nobody is merely beside a chair")
    return difference
