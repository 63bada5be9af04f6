"""The paper's claims, one by one: a measure, its chance level, an interval, and whether the claim holds.

Source: K. Selvakumaran, M. Acharya and N. Adke, *Decomposing Image Embeddings into Object Embeddings*. The
paper inspected grids of pictures and scatter plots; each of its sentences that could be wrong is one claim.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from objectspace.analyses.statistics import Estimate
from objectspace.errors import InputError
from objectspace.objects.records import Objects
from objectspace.report.claims.evidence_types import (
    WINDOW,
    Column,
    Evidence,
    K,
    Missing,
    MovedObject,
    SpaceWithObjects,
    ZeroedPhoto,
    require,
)
from objectspace.report.claims.location import groups_in_tsne, place_beside_phase, place_in_two
from objectspace.report.claims.neighbors import (
    labels_separate,
    look_alikes,
    on_chairs,
    on_not_beside,
    opposite_is_farthest,
    orientation_agrees,
    style_agrees,
    style_before_orientation,
)
from objectspace.report.claims.verdicts import FEWEST, Judgment, Verdict, correct, judge
from objectspace.report.claims.zeroed_cells import own_cell_counts

__all__ = [
    "CLAIMS",
    "WINDOW",
    "Column",
    "Evidence",
    "Finding",
    "Judgment",
    "Missing",
    "MovedObject",
    "SpaceWithObjects",
    "Verdict",
    "ZeroedPhoto",
    "judge",
    "require",
    "weigh_claims",
]

steps = logging.getLogger("objectspace.steps")

Unit = Literal["degrees", "the column's unit", "share", "R²"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with its estimate and verdict.

    claim: the paper's, in a sentence; section: where; measure: what was measured, in words
    better: 1 where the claim says "more than chance", -1 where it says "less"
    worth, unit: how far from chance the value must be for the claim to hold
    judged: in the space of the claim's route; both: in the joint space, None where there is none or where the
        claim is not about a space
    labels: the same for the objects of each label alone, of a claim about orientation
    by_construction: why the claim could not fail in whole or in part; empty where it could
    """

    key: str
    claim: str
    section: str
    measure: str
    better: int
    worth: float
    unit: Unit
    judged: Judgment
    both: Judgment | None = None
    labels: Mapping[str, Judgment] = field(default_factory=dict)
    by_construction: str = ""

    def __repr__(self) -> str:
        return f"Finding({self.key}: {self.verdict}, {self.reason or self.estimate})"

    @property
    def estimate(self) -> Estimate | None:
        """Return what was measured; None where nothing could be."""
        return self.judged.estimate

    @property
    def verdict(self) -> Verdict:
        """Return the verdict in the space of the claim's route."""
        return self.judged.verdict

    @property
    def reason(self) -> str:
        """Return why there is no verdict; empty where there is one."""
        return self.judged.reason


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and its measure, which raises InputError where the evidence does not allow it.

    space: the route whose space it is about, if any; by_label: whether each label has a row of its own
    of_length: the measure in words where the orientation is a length, of one in degrees
    by_construction: returns why the evidence makes the claim true, empty where it does not
    """

    key: str
    claim: str
    section: str
    measure: str
    better: int
    worth: float
    unit: Unit
    estimate: Callable[[Evidence, int], Estimate]
    space: Literal["crop", "window"] | None = None
    by_label: bool = False
    of_length: str = ""
    by_construction: Callable[[Evidence], str] = lambda evidence: ""


def weigh_claims(evidence: Evidence, *, seed: int = 0) -> list[Finding]:
    """Return a finding for every claim, in the paper's order; the same seed gives the same figures.

    p is corrected by Holm's method over the claims, apart from these over those in the joint space, and over
    the labels of a claim.
    """
    alone = correct([_judged(claim, evidence, seed, "") for claim in CLAIMS])
    joint = _in_joint_space(evidence, seed)
    return [
        Finding(
            claim.key,
            claim.claim,
            claim.section,
            *_in_words(claim, evidence),
            judged,
            joint.get(claim.key),
            _of_labels(claim, evidence, seed) if claim.by_label else {},
            claim.by_construction(evidence) if judged.estimate is not None else "",
        )
        for claim, judged in zip(CLAIMS, alone, strict=True)
    ]


def _judged(claim: Claim, evidence: Evidence, seed: int, where: str) -> Judgment:
    """Return the judgment on a claim; ``where`` says in which space or on which objects, as a step."""
    steps.info("claim %d of %d%s: %s", CLAIMS.index(claim) + 1, len(CLAIMS), where, claim.claim)
    try:
        estimate = claim.estimate(evidence, seed)
    except InputError as error:
        return Judgment(None, "not tested", str(error))
    return judge(estimate, claim.better, _worth(claim, evidence))


def _worth(claim: Claim, evidence: Evidence) -> float:
    """Return the size that makes a claim worth saying; degrees are of a turn of 360.

    Of a length as much of what evenly spread values give by chance, which is a quarter of a turn and a third
    of an extent.
    """
    if claim.unit != "degrees" or evidence.orientation is None:
        return claim.worth
    if (extent := evidence.orientation.extent) is not None:
        return claim.worth / 90 * extent / 3
    return claim.worth * (evidence.orientation.period or 360) / 360


def _in_words(claim: Claim, evidence: Evidence) -> tuple[str, int, float, Unit]:
    """Return a finding's measure, which side of chance is better, what is worth saying, and its unit."""
    length = evidence.orientation is not None and evidence.orientation.extent is not None
    told: tuple[str, Unit] = (claim.measure, claim.unit)
    if claim.of_length and length:
        told = (claim.of_length, "the column's unit")
    return told[0], claim.better, _worth(claim, evidence), told[1]


def _in_joint_space(evidence: Evidence, seed: int) -> dict[str, Judgment]:
    """Return the judgments on the claims about a space, in the joint space."""
    if evidence.both is None:
        return {}
    joint = replace(evidence, crop=evidence.both, window=evidence.both)
    claims = [claim for claim in CLAIMS if claim.space is not None]
    judged = correct([_judged(claim, joint, seed, ", in the joint space") for claim in claims])
    return {claim.key: one for claim, one in zip(claims, judged, strict=True)}


def _of_labels(claim: Claim, evidence: Evidence, seed: int) -> dict[str, Judgment]:
    """Return the judgments on the objects of each label that is in enough photos or groups for a verdict."""
    held = evidence.crop
    if held is None:
        return {}
    names, judged = [], []
    for name, one in _by_label(held):
        of_label = _judged(claim, replace(evidence, crop=one), seed, f", {name} alone")
        if of_label.estimate is not None and of_label.estimate.groups >= FEWEST:
            names.append(name)
            judged.append(of_label)
    return dict(zip(names, correct(judged), strict=True))


def _by_label(held: SpaceWithObjects) -> Iterator[tuple[str, SpaceWithObjects]]:
    """Yield each label of several with its objects."""
    labels = sorted(set(held.objects.label.tolist()))
    for label in labels if len(labels) > 1 else ():
        rows = np.flatnonzero(held.objects.label == label)
        yield str(label), SpaceWithObjects(held.space.take(rows), held.objects.take(rows))


def _one_cell_each(evidence: Evidence) -> str:
    """Return why a prediction falls only with its own cell, where that is how the network is built."""
    photos = require(evidence.occlusions)
    if not all(photo.own_cell_only for photo in photos):
        return ""
    return (
        "only single cells are read after this layer, so no window elsewhere can remove a prediction; "
        "measured is how often no other cell or head predicts the object too"
    )


def _own_labels(evidence: Evidence) -> str:
    """Return why windows hold the label, where the detector that made them gave it."""
    held = require(evidence.window)
    if not _detected_by(held.objects, held.space.recipe.model):
        return ""
    return "the labels are the detector's own predictions from these windows; annotated labels would test it"


def _detected_by(objects: Objects, model: str) -> bool:
    """Return whether a detector of this name found the objects: a source is its name, @ and a digest."""
    return all(source.startswith(f"{model}@") for source in set(objects.source.tolist()))


CLAIMS = (
    Claim(
        "orientation",
        "The nearest crops of an object face the same way.",
        "III, orientation",
        f"mean angle between an object and its {K} nearest of the same label, crop space, degrees",
        -1,
        15,
        "degrees",
        orientation_agrees,
        space="crop",
        by_label=True,
        of_length=f"mean difference of an object and its {K} nearest of the same label, crop space, in the "
        "column's unit",
    ),
    Claim(
        "opposite",
        "Diametrically opposite views are the most distant.",
        "III, orientation",
        "share of views whose farthest view is an opposite one, crop space",
        1,
        0.1,
        "share",
        opposite_is_farthest,
        space="crop",
        by_label=True,
    ),
    Claim(
        "color first",
        "Color counts before orientation.",
        "III, orientation",
        f"agreement of the {K} nearest in style less that in orientation, 0 chance, 1 full, crop space",
        1,
        0.1,
        "share",
        style_before_orientation,
        space="crop",
    ),
    Claim(
        "sub-class",
        "Objects of one class gather by their sort (breed, style).",
        "III, sub-classes",
        f"share of the {K} nearest of the same label that have the same style, crop space",
        1,
        0.1,
        "share",
        style_agrees,
        space="crop",
    ),
    Claim(
        "own cell",
        "Zeroing the cells around an object's own removes its prediction.",
        "IV, occlusion",
        f"share of predictions that vanish when the {WINDOW} x {WINDOW} cells around their own are zeroed; "
        "chance: other windows of that size",
        1,
        0.5,
        "share",
        own_cell_counts,
        by_construction=_one_cell_each,
    ),
    Claim(
        "classes",
        "Window embeddings separate classes.",
        "IV, semantics",
        f"share of the {K} nearest that have the same label, window space",
        1,
        0.1,
        "share",
        labels_separate,
        space="window",
        by_construction=_own_labels,
    ),
    Claim(
        "on chair",
        "The neighbors of a person on a chair are people on chairs.",
        "IV, context",
        f"share of the {K} nearest people that are on a chair, for people on chairs, window space",
        1,
        0.1,
        "share",
        on_chairs,
        space="window",
    ),
    Claim(
        "not beside",
        "It is being on the chair that counts, not a chair nearby.",
        "IV, context",
        "the same share less that for people beside a chair, window space",
        1,
        0.1,
        "share",
        on_not_beside,
        space="window",
    ),
    Claim(
        "look-alikes",
        "Look-alikes of other classes are near, such as a chair and a couch of one set.",
        "IV, semantics",
        "share of nearest objects of another label that have the same style, window space",
        1,
        0.1,
        "share",
        look_alikes,
        space="window",
    ),
    Claim(
        "location",
        "The first two components of a moved object's windows hold its position.",
        "IV, location",
        "held-out R² of the box's left and top edge from two components, mean over both and objects",
        1,
        0.5,
        "R²",
        place_in_two,
    ),
    Claim(
        "place, not phase",
        "What the first two components hold is the position in the picture (not that within a cell).",
        "IV, location",
        "the same R²; in the place of chance, that of the position within the cell, across and down",
        1,
        0.1,
        "R²",
        place_beside_phase,
    ),
    Claim(
        "t-SNE",
        "In a t-SNE map of the moved object near places gather.",
        "IV, location",
        f"difference of position between a picture and its {K} nearest in the map, as a share of that of all "
        "pictures, over objects",
        -1,
        0.5,
        "share",
        groups_in_tsne,
    ),
)
