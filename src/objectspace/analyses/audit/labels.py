"""Suspicious labels: objects of which neighbors and vectors speak for another label than theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from objectspace.analyses.audit.calibration import Calibration, best_threshold, calibrate
from objectspace.analyses.audit.label_margins import LabelEvidence
from objectspace.analyses.audit.label_model import LabelDraw, LabelModel, judge_draws_held_out
from objectspace.analyses.audit.label_swaps import SWAPPED, WHOLE_PHOTO, kinds_of, swap_labels
from objectspace.analyses.groups import Codes, codes
from objectspace.errors import InputError
from objectspace.neighbors import JointVectors, Neighbors

Float64 = NDArray[np.float64]

#: How often labels are swapped in each way.
DRAWS = 3

#: The share of the work, by the clock, after which the classifier is solved for any labels.
SOLVED = 0.5

#: Where the threshold came from.
BY_ERRORS = (
    "where the errors would be fewest if one object in ten were such a case, by the planted and the unplanted"
)


@dataclass(frozen=True, slots=True, eq=False)
class LabelErrors:
    """How probably each object's label is wrong.

    row: (m,) int64, the objects that can be judged: whose label another group has too
    probability: (m,) float64, that the label is wrong, in [0, 1]; where nothing was planted the mean of the
        ranks of the two margins by other photos instead (``score_name`` says which)
    proposed: (m,) the label that speaks most for itself instead
    threshold, listed, calibration: None where nothing was planted
    """

    row: Codes
    probability: Float64
    proposed: NDArray[np.object_]
    score_name: str
    threshold: float | None
    listed: int | None
    calibration: Calibration | None


def audit_labels(
    vectors: NDArray[np.float32] | JointVectors,
    near: Neighbors,
    label: NDArray[np.object_],
    group: NDArray[np.str_],
    *,
    calibrated: bool = True,
    seed: int = 0,
    judging: Callable[[float], None] = lambda share: None,
) -> LabelErrors:
    """Judge the labels of n objects by their nearest and by a linear classifier that did not see their group.

    Margins of the best other label over the object's own (:class:`LabelEvidence`) become the probability
    that a label is wrong *if one in twenty is*, by labels that are swapped: each alone, and all of a label in
    a photo (:class:`LabelModel`). Swaps of one draw are judged by what was fitted to the others.

    near: the k nearest of each in other groups; group: (n,) the photo, or what is held out together
    judging: called with the share of the work that is done
    Raises InputError for fewer than two labels that are in two groups each.
    """
    names, own = np.unique(label.astype(str), return_inverse=True)
    own, photo = own.astype(np.int64).reshape(-1), codes(group)
    judged = in_two_groups(own, photo)
    if len(set(own[judged].tolist())) < 2:
        raise InputError(
            "labels can be judged only where two labels or more are in two photos each, and here are "
            f"{len(set(own[judged].tolist()))}"
        )
    evidence = LabelEvidence(vectors, near, photo, len(names), seed=seed)
    judging(SOLVED)
    row = np.flatnonzero(judged)
    of_all = evidence.margins(own)
    margins = of_all.take(row)
    proposed = names[evidence.proposals(own, of_all)[row]].astype(object)
    if not calibrated:
        score = sum(_ranks(column) for column in margins.others.T) / margins.others.shape[1]
        return LabelErrors(row, score, proposed, "mean_rank", None, None, None)
    draws = draw_swaps(evidence, own, photo, judged, seed, judging)
    probability = LabelModel(draws).probability(margins)
    planted = judge_draws_held_out(draws, group[row])
    threshold = best_threshold(planted.suspicion, probability)
    alarms = probability >= threshold
    return LabelErrors(
        row,
        probability,
        proposed,
        "probability",
        threshold,
        int(alarms.sum()),
        calibrate(planted, alarms, group[row], threshold, how=(_planted_how(draws), BY_ERRORS)),
    )


def in_two_groups(own: Codes, group: Codes) -> NDArray[np.bool_]:
    """Return which objects (n,) have a label that is in another group as well."""
    pairs = np.unique(np.stack([own, group]), axis=1)
    there: NDArray[np.bool_] = np.bincount(pairs[0], minlength=int(own.max(initial=0)) + 1)[own] >= 2
    return there


def draw_swaps(
    evidence: LabelEvidence,
    own: Codes,
    photo: Codes,
    judged: NDArray[np.bool_],
    seed: int,
    judging: Callable[[float], None] = lambda share: None,
) -> list[LabelDraw]:
    """Swap labels :data:`DRAWS` times in each way, and return the margins of the judged objects each time."""
    confusions, kinds = evidence.confusions(own), kinds_of(own, photo, judged)
    draws: list[LabelDraw] = []
    for number in range(DRAWS):
        for place, kind in enumerate(kinds):
            random = np.random.default_rng([seed, 13, place, number])
            label, swapped = swap_labels(own, photo, judged, confusions, kind, random)
            draws.append(LabelDraw(kind, evidence.margins(label).take(judged), swapped[judged]))
            judging(SOLVED + (1 - SOLVED) * len(draws) / (DRAWS * len(kinds)))
    return draws


def _planted_how(draws: list[LabelDraw]) -> str:
    """Return how labels were swapped, a sentence."""
    ways = [f"{DRAWS} times evenly", f"{DRAWS} times along the store's confusions"]
    if any(draw.kind == WHOLE_PHOTO for draw in draws):
        ways.append(f"{DRAWS} times all of a label in a photo")
    return f"{SWAPPED:.0%} of the labels swapped, {', '.join(ways[:-1])} and {ways[-1]}"


def _ranks(values: Float64) -> Float64:
    """Return the ranks (n,) of values in (0, 1], the largest last; equal ones share theirs."""
    ranks: Float64 = rankdata(values) / len(values)
    return ranks
