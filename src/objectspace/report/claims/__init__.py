"""The paper's claims, one by one: a measure, its chance level, an interval, and whether the claim holds.

Source: K. Selvakumaran, M. Acharya and N. Adke, *Decomposing Image Embeddings into Object Embeddings*. The
paper inspected grids of pictures and scatter plots; each of its sentences that could be wrong is one claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from objectspace.analyses.statistics import Estimate
from objectspace.errors import InputError, counted
from objectspace.report.claims.evidence_types import (
    WINDOW,
    Column,
    Evidence,
    K,
    Missing,
    SpaceWithObjects,
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
from objectspace.report.claims.zeroed_cells import own_cell_counts

__all__ = [
    "CLAIMS",
    "WINDOW",
    "Column",
    "Evidence",
    "Finding",
    "Missing",
    "SpaceWithObjects",
    "judge",
    "require",
    "weigh_claims",
]

Verdict = Literal["holds", "does not hold", "not shown here"]

LEVEL = 0.05
FEWEST = 10  # groups: a bootstrap over fewer says little


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with its estimate and verdict.

    claim: the paper's, in a sentence; section: where; measure: what was measured, in words
    better: 1 where the claim says "more than chance", -1 where it says "less"
    estimate: None where nothing could be measured; ``reason`` says why
    """

    key: str
    claim: str
    section: str
    measure: str
    better: int
    estimate: Estimate | None
    verdict: Verdict
    reason: str = ""

    def __repr__(self) -> str:
        return f"Finding({self.key}: {self.verdict}, {self.reason or self.estimate})"


def judge(estimate: Estimate, better: int) -> Verdict:
    """Return the verdict on a claim: the interval of value - chance must be strictly on one side of 0.

    To hold, the permutation test must agree too where there is one: p <= LEVEL. Fewer than FEWEST groups give
    no verdict.
    """
    if estimate.groups < FEWEST:
        return "not shown here"
    low, high = sorted(better * bound for bound in estimate.interval_over_chance())
    if not (math.isfinite(low) and math.isfinite(high)):
        return "not shown here"
    if low > 0 and (estimate.p is None or estimate.p <= LEVEL):
        return "holds"
    return "does not hold" if high < 0 else "not shown here"


def weigh_claims(evidence: Evidence, *, seed: int = 0) -> list[Finding]:
    """Return a finding for every claim, in the paper's order; the same seed gives the same figures."""
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
    fields = (claim.key, claim.claim, claim.section, claim.measure, claim.better)
    try:
        estimate = claim.estimate(evidence, seed)
    except InputError as error:
        return Finding(*fields, estimate=None, verdict="not shown here", reason=str(error))
    verdict = judge(estimate, claim.better)
    reason = _undecided(estimate) if verdict == "not shown here" else ""
    return Finding(*fields, estimate=estimate, verdict=verdict, reason=reason)


def _undecided(estimate: Estimate) -> str:
    """Return why an estimate gives no verdict."""
    if estimate.groups < FEWEST:
        few = counted(estimate.groups, "photo or group is", "photos or groups are")
        return f"{few} too few"
    low, high = estimate.interval_over_chance()
    if not (math.isfinite(low) and math.isfinite(high)):
        return "there is no interval, or no chance level, to compare with"
    if low <= 0 <= high:
        return "the interval includes chance"
    return "the permutation test does not agree"


CLAIMS = (
    Claim(
        "orientation",
        "The nearest crops of an object face the same way.",
        "III, orientation",
        f"mean angle between an object and its {K} nearest of the same label, crop space, degrees",
        -1,
        orientation_agrees,
    ),
    Claim(
        "opposite",
        "Diametrically opposite views are the most distant.",
        "III, orientation",
        "share of views whose farthest view is an opposite one, crop space",
        1,
        opposite_is_farthest,
    ),
    Claim(
        "color first",
        "Color counts before orientation.",
        "III, orientation",
        f"agreement of the {K} nearest in style less that in orientation, 0 chance, 1 full, crop space",
        1,
        style_before_orientation,
    ),
    Claim(
        "sub-class",
        "Objects of one class gather by their sort (breed, style).",
        "III, sub-classes",
        f"share of the {K} nearest of the same label that have the same style, crop space",
        1,
        style_agrees,
    ),
    Claim(
        "own cell",
        "Zeroing the cells around an object's own removes its prediction.",
        "IV, occlusion",
        f"share of predictions that vanish when the {WINDOW} x {WINDOW} cells around their own are zeroed; "
        "chance: other windows of that size",
        1,
        own_cell_counts,
    ),
    Claim(
        "classes",
        "Window embeddings separate classes.",
        "IV, semantics",
        f"share of the {K} nearest that have the same label, window space",
        1,
        labels_separate,
    ),
    Claim(
        "on chair",
        "The neighbors of a person on a chair are people on chairs.",
        "IV, context",
        f"share of the {K} nearest people that are on a chair, for people on chairs, window space",
        1,
        on_chairs,
    ),
    Claim(
        "not beside",
        "It is being on the chair that counts, not a chair nearby.",
        "IV, context",
        "the same share less that for people beside a chair, window space",
        1,
        on_not_beside,
    ),
    Claim(
        "look-alikes",
        "Look-alikes of other classes are near, such as a chair and a couch of one set.",
        "IV, semantics",
        "share of nearest objects of another label that have the same style, window space",
        1,
        look_alikes,
    ),
    Claim(
        "location",
        "The first two components of a moved object's windows hold its position.",
        "IV, location",
        "held-out R² of the box's left and top edge from the first two components, the worse of both",
        1,
        place_in_two,
    ),
    Claim(
        "place, not phase",
        "What the first two components hold is the position in the picture (not that within a cell).",
        "IV, location",
        "the same R²; in the place of chance, that of the position within the cell, the better of both",
        1,
        place_beside_phase,
    ),
    Claim(
        "t-SNE",
        "In a t-SNE map of the moved object near places gather.",
        "IV, location",
        f"pixels between an object and its {K} nearest in the map, the worse of across and down",
        -1,
        groups_in_tsne,
    ),
)
