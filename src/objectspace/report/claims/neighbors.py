"""Claims about neighbors: orientation, style, class, look-alikes, people on chairs (figures 2 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_values import Factor, factor_column, random_agreement_of
from objectspace.analyses.factors import AlignedSample, FactorSpec, align
from objectspace.analyses.groups import Codes, codes, pair_codes
from objectspace.analyses.nearest_neighbors import NearestNeighbors, find_in_other_classes
from objectspace.analyses.statistics import Estimate, estimate_mean, permutations
from objectspace.errors import InputError
from objectspace.objects.records import known_values
from objectspace.report.claims.chairs import measure_chairs
from objectspace.report.claims.evidence_types import (
    PERMUTED,
    Column,
    Evidence,
    K,
    SpaceWithObjects,
    group_unless,
    require,
    within_labels,
)
from objectspace.report.claims.sign_flips import sign_flips

Float64 = NDArray[np.float64]


def _crop(evidence: Evidence) -> SpaceWithObjects:
    return require(evidence.crop, "needs a crop space")


def _window(evidence: Evidence) -> SpaceWithObjects:
    return require(evidence.window, "needs a window space of a detector")


def _orientation(evidence: Evidence) -> Column:
    return require(evidence.orientation, "needs a column of orientation, such as azimuth")


def _style(evidence: Evidence) -> Column:
    return require(evidence.style, "needs a column of style or sort, such as breed")


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
    held, orientation = _crop(evidence), _orientation(evidence)
    if orientation.period is None:
        raise InputError(f"{orientation.name} is taken as a length, of which no two views are opposite")
    sample = within_labels(held, orientation, evidence.group)
    geometry = sample.geometry(seed=seed)
    if geometry is None:
        raise InputError("no two views of one thing are opposite")
    return geometry.opposite


def style_before_orientation(evidence: Evidence, seed: int) -> Estimate:
    """Return the agreement of neighbors in style minus that in orientation: 0 is chance, 1 full agreement.

    Two tests must agree, and p is the larger one: style and orientation, permuted together (that neighbors
    hold neither), and the signs of the groups' differences (that they hold both alike).
    """
    style, orientation = _style(evidence), _orientation(evidence)
    held = _with_known(_crop(evidence), (style, orientation))
    # One group for both, so that both are computed on the same neighbors.
    group = group_unless(evidence, style)
    samples = [within_labels(held, column, group) for column in (style, orientation)]
    near = samples[0].neighbors(K)
    gains = [_gains_of(near, one) for one in samples]

    def lead(rows: Codes) -> Float64:
        """Return each object's difference when it takes the values of these rows."""
        of_style, of_orientation = (gain(rows) for gain in gains)
        return of_style - of_orientation

    groups = samples[0].groups
    own = lead(np.arange(len(groups)))
    drawn = permutations(groups, PERMUTED, values=samples[1].factor.values, seed=seed)
    null = np.array([float(lead(rows).mean()) for rows in drawn])
    found = estimate_mean(own, np.zeros(len(own)), groups.group, seed=seed)
    tests = found.tested(float(own.mean()), null), found.tested(*sign_flips(own, groups.group, seed=seed))
    return max(tests, key=lambda one: one.p or 0.0)


def _with_known(held: SpaceWithObjects, columns: Sequence[Column]) -> SpaceWithObjects:
    """Return the objects for which all of the columns are known."""
    known = [known_values(factor_column(held.objects, column.name)) for column in columns]
    rows = np.flatnonzero(np.logical_and.reduce(known))
    if not len(rows):
        raise InputError(f"no object has both a {columns[0].name} and a {columns[1].name}")
    return SpaceWithObjects(held.space.take(rows), held.objects.take(rows))


def _gains_of(near: NearestNeighbors, sample: AlignedSample) -> Callable[[Codes], Float64]:
    """Return a function: rows whose values the objects take → each object's agreement (n,).

    The agreement is scaled to 0 at chance and 1 at full agreement.
    """
    factor: Factor = sample.factor
    random = random_agreement_of(factor, sample.groups)

    def gains(rows: Codes) -> Float64:
        values = factor.values[rows]
        found = near.mean(factor.compare(values[near.query], values[near.neighbor]))
        chance = random(values)
        room = (1.0 if factor.kind == "categorical" else 0.0) - chance
        # Where all candidates agree already, none can agree more.
        gain: Float64 = np.divide(found - chance, room, out=np.zeros_like(room), where=np.abs(room) > 1e-12)
        return gain

    return gains


def labels_separate(evidence: Evidence, seed: int) -> Estimate:
    """Return the share of the nearest windows that have the same label."""
    held = _window(evidence)
    sample = align(held.space, held.objects, FactorSpec("label", group=evidence.group))
    return sample.agreement(sample.neighbors(K), permuted=PERMUTED, seed=seed).overall


def look_alikes(evidence: Evidence, seed: int) -> Estimate:
    """Return how often the nearest object of another label has the same style; chance: any such object.

    Of objects that are equally near each counts for its part.
    """
    held, column = _window(evidence), _style(evidence)
    spec = FactorSpec(column.name, categorical=True, group=group_unless(evidence, column))
    sample = align(held.space, held.objects, spec)
    style, group, label = sample.factor.values, sample.groups.group, codes(sample.labels.astype(str))
    near = find_in_other_classes(sample.searched, sample.ids, sample.groups, label, k=1, metric="euclidean")
    there = np.bincount(near.query, minlength=len(label)) > 0
    if not there.any():
        raise InputError("needs objects of two labels in the window space")

    chance_of = _chances_of_another_label(label, group)

    def agreement(values: Float64) -> tuple[Float64, Float64]:
        alike = np.where(values[near.query] == values[near.neighbor], near.weight, 0.0)
        same = np.bincount(near.query, alike, len(label)).astype(np.float64)[there]
        return same, chance_of(values)[there]

    same, chance = agreement(style)
    drawn = (agreement(style[rows]) for rows in permutations(sample.groups, PERMUTED, seed=seed))
    null = np.array([float((one - random).mean()) for one, random in drawn])
    return estimate_mean(same, chance, group[there], seed=seed).tested(float((same - chance).mean()), null)


def _chances_of_another_label(label: Codes, group: Codes) -> Callable[[Float64], Float64]:
    """Return a function: values (n,) → their shares (n,) among the objects of another label and group."""
    both = pair_codes(label, group)
    allowed = len(label) - _count(label) - _count(group) + _count(both)

    def chances(values: Float64) -> Float64:
        value = codes(values)
        alike = _count(value) + _count(pair_codes(value, both))
        alike -= _count(pair_codes(value, label)) + _count(pair_codes(value, group))
        return np.divide(alike, allowed, out=np.zeros(len(label)), where=allowed > 0)

    return chances


def _count(number: Codes) -> Float64:
    """Return how many objects (n,) have each object's number."""
    return np.bincount(number)[number].astype(np.float64)


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
