"""The paper's claims, one by one: a measure, its chance level, an interval, and whether the claim holds.

Source: K. Selvakumaran, M. Acharya and N. Adke, *Decomposing Image Embeddings into Object Embeddings*. The
paper looked at grids of pictures and at scatter plots; each sentence of its that could be wrong is a claim
here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.agreement import find_neighbours, measure_agreement
from objectspace.analyses.circular_geometry import measure_geometry
from objectspace.analyses.clusters import Codes, codes, make_clusters
from objectspace.analyses.context.chairs import measure_chairs
from objectspace.analyses.factor_values import Factor, random_agreement
from objectspace.analyses.factors import Asked, Question, measure_neighbours
from objectspace.analyses.occlusion import Occlusion
from objectspace.analyses.projection import Projection
from objectspace.analyses.statistics import Estimate, mean_interval, p_value, permutations
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError
from objectspace.neighbours import ExactIndex
from objectspace.objects.records import Objects

Verdict = Literal["holds", "does not hold", "not shown here"]

K = 5  # neighbours, as in the paper's figures
WINDOW = 3  # cells a side of the window that the paper settles on
LEVEL = 0.05
FEWEST = 10  # clusters: a bootstrap over fewer says little
PERMUTED = 199


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A space and its objects, row for row."""

    space: Space
    objects: Objects


@dataclass(frozen=True, slots=True)
class Column:
    """A factor column that stands for something the paper speaks of; ``period`` of one that goes round."""

    name: str
    period: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What there is to test the claims with; what is None is not there.

    crop, window: a space of each route; orientation: the column that says which way an object faces, with its
    period; style: the column that says which of its kind it is (its colour, its breed)
    group: the column of which no two equal values are neighbours (one apple in many photos), besides the
    photo occlusions: photos whose layer before a head was zeroed cell by cell
    """

    crop: Held | None = None
    window: Held | None = None
    orientation: Column | None = None
    style: Column | None = None
    group: str | None = None
    occlusions: Sequence[Occlusion] = ()
    moved: tuple[Projection, Projection] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim and what became of it.

    claim: the paper's, in a sentence; section: where; measure: what was measured, in words
    better: 1 where the claim says "more than chance", -1 where it says "less"
    estimate: None where nothing could be measured, and then ``reason`` says why
    """

    key: str
    claim: str
    section: str
    measure: str
    better: int
    estimate: Estimate | None
    verdict: Verdict
    reason: str = ""


def judge(estimate: Estimate, better: int) -> Verdict:
    """What an estimate of enough clusters says of a claim: the interval must lie on one side of chance.

    To hold, the permutation test must agree too where there is one.
    """
    if estimate.clusters < FEWEST:
        return "not shown here"
    low, high = sorted(better * (bound - estimate.chance) for bound in (estimate.low, estimate.high))
    if not (math.isfinite(low) and math.isfinite(high)):
        return "not shown here"
    if low > 0 and not estimate.p > LEVEL:
        return "holds"
    return "does not hold" if high < 0 else "not shown here"


def weigh_claims(evidence: Evidence, *, seed: int = 0) -> list[Finding]:
    """Every claim, in the paper's order; the same seed gives the same figures."""
    return [_weigh(claim, evidence, seed) for claim in CLAIMS]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and its measure, which raises InputError where the evidence does not allow it."""

    key: str
    claim: str
    section: str
    measure: str
    better: int
    estimate: Callable[[Evidence, int], Estimate]


def _weigh(claim: Claim, evidence: Evidence, seed: int) -> Finding:
    told = (claim.key, claim.claim, claim.section, claim.measure, claim.better)
    try:
        estimate = claim.estimate(evidence, seed)
    except InputError as error:
        return Finding(*told, estimate=None, verdict="not shown here", reason=str(error))
    verdict = judge(estimate, claim.better)
    reason = ""
    if verdict == "not shown here":
        few = estimate.clusters < FEWEST
        reason = (
            f"{estimate.clusters} photos or groups are too few" if few else "the interval includes chance"
        )
    return Finding(*told, estimate=estimate, verdict=verdict, reason=reason)


# What is missing, in words of the user's.


def _crop(evidence: Evidence) -> Held:
    if evidence.crop is None:
        raise InputError("the store has no crop space")
    return evidence.crop


def _window(evidence: Evidence) -> Held:
    if evidence.window is None:
        raise InputError("the store has no window space")
    return evidence.window


def _orientation(evidence: Evidence) -> Column:
    if evidence.orientation is None:
        raise InputError("no column says which way the objects face; name one with --orientation")
    return evidence.orientation


def _style(evidence: Evidence) -> Column:
    if evidence.style is None:
        raise InputError("no column says of which style or sort the objects are; name one with --style")
    return evidence.style


def _asked(held: Held, column: Column, group: str | None) -> Asked:
    """The column among objects of one label, as a chair has no front that an apple could share."""
    question = Question(
        column.name, circular=column.period, categorical=column.period is None, group=group, control="label"
    )
    return Asked(held.space, held.objects, question)


def _group_beside(evidence: Evidence, column: Column) -> str | None:
    """The group, unless it is the column itself: then all neighbours would differ in it."""
    return None if column.name == evidence.group else evidence.group


# The measures.


def _neighbours_agree(held: Held, column: Column, evidence: Evidence, seed: int) -> Estimate:
    asked = _asked(held, column, _group_beside(evidence, column))
    near = find_neighbours(asked.vectors, asked.ids, asked.clusters, k=K, metric="euclidean")
    return measure_agreement(near, asked.factor, asked.clusters, asked.labels, seed=seed).overall


def _orientation_agrees(evidence: Evidence, seed: int) -> Estimate:
    return _neighbours_agree(_crop(evidence), _orientation(evidence), evidence, seed)


def _style_agrees(evidence: Evidence, seed: int) -> Estimate:
    return _neighbours_agree(_crop(evidence), _style(evidence), evidence, seed)


def _opposite_is_farthest(evidence: Evidence, seed: int) -> Estimate:
    asked = _asked(_crop(evidence), _orientation(evidence), evidence.group)
    thing, same = asked.thing
    geometry = measure_geometry(asked.vectors, asked.factor, asked.clusters, thing, same=same, seed=seed)
    if geometry is None:
        raise InputError("no two views of one thing are opposite")
    return geometry.opposite


def _style_before_orientation(evidence: Evidence, seed: int) -> Estimate:
    """How much more of the way from chance to full agreement neighbours go in style than in orientation."""
    held, style = _crop(evidence), _style(evidence)
    # The same neighbours for both, so that they are compared on the same ground.
    group = _group_beside(evidence, style)
    gains = [_gains(_asked(held, column, group), seed) for column in (style, _orientation(evidence))]
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


def _labels_separate(evidence: Evidence, seed: int) -> Estimate:
    held = _window(evidence)
    question = Question("label", group=evidence.group)
    return measure_neighbours(held.space, held.objects, question, k=K, seed=seed).overall


def _look_alikes(evidence: Evidence, seed: int) -> Estimate:
    """Style shared with the nearest object of another label, beside that with any object of another label."""
    held, column = _window(evidence), _style(evidence)
    question = Question(column.name, categorical=True, group=_group_beside(evidence, column))
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


def _own_cell_counts(evidence: Evidence, seed: int) -> Estimate:
    """Predictions that vanish when the cells around theirs are zeroed, beside windows without their cell."""
    if not evidence.occlusions:
        raise InputError("no photo was occluded, as no detector of the store could be run on its photos")
    own, other, image = [], [], []
    for number, occlusion in enumerate(evidence.occlusions):
        # The layer may feed one head of several: predictions of the others no window can change.
        for row in np.flatnonzero(occlusion.score_change.any(axis=0)):
            around, elsewhere = _windows_around(occlusion, int(row))
            own.append(float(occlusion.disappeared[around, row].mean()))
            other.append(float(occlusion.disappeared[elsewhere, row].mean()))
            image.append(number)
    if not own:
        raise InputError("nothing was detected in the photos that were occluded")
    values, cluster = np.array(own), np.array(image)
    low, high = mean_interval(values, codes(cluster), seed=seed)
    return Estimate(float(values.mean()), float(np.mean(other)), low, high, len(own), len(np.unique(cluster)))


def _windows_around(occlusion: Occlusion, row: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Windows of the paper's size: the one around an object's own cell, and those that do not hold that cell.

    At the border the one that lies inside the map and is nearest to it.
    """
    provenance, windows = occlusion.objects.provenance, occlusion.windows
    columns, rows = occlusion.grid_wh
    width, height = occlusion.frame.input_wh
    stride = int(provenance.stride[row])
    x = int((int(provenance.cell_x[row]) + 0.5) * stride * columns / width)
    y = int((int(provenance.cell_y[row]) + 0.5) * stride * rows / height)
    size = min(WINDOW, columns, rows)
    left, top = (int(np.clip(at - size // 2, 0, end - size)) for at, end in ((x, columns), (y, rows)))
    right_size = windows.size == size
    holds = (windows.x <= x) & (x < windows.x + size) & (windows.y <= y) & (y < windows.y + size)
    return right_size & (windows.x == left) & (windows.y == top), right_size & ~holds


def _on_chairs(evidence: Evidence, seed: int) -> Estimate:
    held = _window(evidence)
    return measure_chairs(held.space, held.objects, k=K, seed=seed).on


def _on_not_beside(evidence: Evidence, seed: int) -> Estimate:
    held = _window(evidence)
    difference = measure_chairs(held.space, held.objects, k=K, seed=seed).difference
    if difference is None:
        raise InputError("nobody is merely beside a chair")
    return difference


def _moved(evidence: Evidence) -> tuple[Projection, Projection]:
    if evidence.moved is None:
        raise InputError("no object was moved about, as no detector of the store could be run on its photos")
    return evidence.moved


def _place_in_two(evidence: Evidence, seed: int) -> Estimate:
    """The worse read of the two coordinates, as the claim is of both."""
    readings = _moved(evidence)[0].readings
    return min((readings[name].first[2] for name in ("x1", "y1")), key=lambda estimate: estimate.value)


def _place_beside_phase(evidence: Evidence, seed: int) -> Estimate:
    """The same, with what the phase is read with in the place of chance."""
    readings = _moved(evidence)[0].readings
    phases = [readings[name].first[2].value for name in ("phase_x", "phase_y") if name in readings]
    if not phases:
        raise InputError("the object was not moved within cells")
    place = _place_in_two(evidence, seed)
    return replace(place, chance=min(phases), p=math.nan)


def _groups_in_tsne(evidence: Evidence, seed: int) -> Estimate:
    """Neighbours in the plane of t-SNE: how far apart they were in the picture, the worse of x and y."""
    tsne = _moved(evidence)[1]
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


CLAIMS = (
    Claim(
        "orientation",
        "The nearest crops of an object face the same way.",
        "III, orientation",
        f"mean angle between an object and its {K} nearest of the same label, crop space, degrees",
        -1,
        _orientation_agrees,
    ),
    Claim(
        "opposite",
        "Diametrically opposite views are the most distant.",
        "III, orientation",
        "share of views whose farthest view is an opposite one, crop space",
        1,
        _opposite_is_farthest,
    ),
    Claim(
        "colour first",
        "Colour counts before orientation.",
        "III, orientation",
        f"agreement of the {K} nearest in style less that in orientation, 0 chance, 1 full, crop space",
        1,
        _style_before_orientation,
    ),
    Claim(
        "sub-class",
        "Objects of one class gather by their sort (breed, style).",
        "III, sub-classes",
        f"share of the {K} nearest of the same label that have the same style, crop space",
        1,
        _style_agrees,
    ),
    Claim(
        "own cell",
        "Zeroing the cells around an object's own removes its prediction.",
        "IV, occlusion",
        f"share of predictions that vanish when the {WINDOW} x {WINDOW} cells around their own are zeroed; "
        "chance: other windows of that size",
        1,
        _own_cell_counts,
    ),
    Claim(
        "classes",
        "Window embeddings separate classes.",
        "IV, semantics",
        f"share of the {K} nearest that have the same label, window space",
        1,
        _labels_separate,
    ),
    Claim(
        "on chair",
        "The neighbours of a person on a chair are people on chairs.",
        "IV, context",
        f"share of the {K} nearest people that are on a chair, for people on chairs, window space",
        1,
        _on_chairs,
    ),
    Claim(
        "not beside",
        "It is being on the chair that counts, not a chair nearby.",
        "IV, context",
        "the same share less that for people beside a chair, window space",
        1,
        _on_not_beside,
    ),
    Claim(
        "look-alikes",
        "Look-alikes of other classes are near, such as a chair and a couch of one set.",
        "IV, semantics",
        "share of nearest objects of another label that have the same style, window space",
        1,
        _look_alikes,
    ),
    Claim(
        "location",
        "The first two components of a moved object's windows tell where it is.",
        "IV, location",
        "held-out R² of the box's left and top edge from the first two components, the worse of both",
        1,
        _place_in_two,
    ),
    Claim(
        "place, not phase",
        "What the first two components tell is the place in the picture (not the place within a cell).",
        "IV, location",
        "the same R²; in the place of chance, that of the position within the cell",
        1,
        _place_beside_phase,
    ),
    Claim(
        "t-SNE",
        "In a t-SNE map of the moved object near places gather.",
        "IV, location",
        f"pixels between an object and its {K} nearest in the map, the worse of across and down",
        -1,
        _groups_in_tsne,
    ),
)
