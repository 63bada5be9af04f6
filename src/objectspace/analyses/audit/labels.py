"""Suspicious labels: objects of which neighbors and vectors speak for another label than theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from objectspace.analyses.audit.calibration import Calibration, Planted, best_threshold, calibrate
from objectspace.analyses.audit.label_margins import LabelWitnesses, Margins
from objectspace.analyses.audit.label_swaps import SWAPPED, WHOLE_PHOTO, kinds_of, swap_labels
from objectspace.analyses.groups import Codes, codes
from objectspace.errors import InputError
from objectspace.neighbors import JointVectors, Neighbors

Float64 = NDArray[np.float64]

#: How often labels are swapped in each way.
DRAWS = 3

#: The weight of the odds without the own photo's votes, which whole photos of wrong labels confirm, against
#: that of the odds with them: docs/audit.md has what other weights find.
WITHOUT_OWN = 0.75

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

    Margins of the best other label over the object's own (:class:`LabelWitnesses`) become the probability
    that a label is wrong *if one in twenty is*, by labels that are swapped: each alone, and all of a label in
    a photo (:class:`_LabelModel`). Swaps of one draw are judged by what was fitted to the others.

    near: the k nearest of each in other groups; group: (n,) the photo, or what is held out together
    judging: called with the share of the work that is done
    Raises InputError for fewer than two labels that are in two groups each.
    """
    names, own = np.unique(label.astype(str), return_inverse=True)
    own, photo = own.astype(np.int64).reshape(-1), codes(group)
    judged = _in_two_groups(own, photo)
    if len(set(own[judged].tolist())) < 2:
        raise InputError(
            "labels can be judged only where two labels or more are in two photos each, and here are "
            f"{len(set(own[judged].tolist()))}"
        )
    witnesses = LabelWitnesses(vectors, near, photo, len(names), seed=seed)
    judging(SOLVED)
    row = np.flatnonzero(judged)
    margins = witnesses.margins(own).take(row)
    proposed = names[witnesses.proposals(own)[row]].astype(object)
    if not calibrated:
        score = sum(_ranks(column) for column in margins.others.T) / margins.others.shape[1]
        return LabelErrors(row, score, proposed, "mean_rank", None, None, None)
    draws = _draw_swaps(witnesses, own, photo, judged, seed, judging)
    probability = _LabelModel(draws).probability(margins)
    planted = _planted(draws, group[row])
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


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """The margins of the judged objects (m,) where the labels of some (m,) are swapped."""

    kind: str
    margins: Margins
    swapped: NDArray[np.bool_]


def _in_two_groups(own: Codes, group: Codes) -> NDArray[np.bool_]:
    """Return which objects (n,) have a label that is in another group as well."""
    pairs = np.unique(np.stack([own, group]), axis=1)
    there: NDArray[np.bool_] = np.bincount(pairs[0], minlength=int(own.max(initial=0)) + 1)[own] >= 2
    return there


def _draw_swaps(
    witnesses: LabelWitnesses,
    own: Codes,
    photo: Codes,
    judged: NDArray[np.bool_],
    seed: int,
    judging: Callable[[float], None],
) -> list[_Draw]:
    """Swap labels :data:`DRAWS` times in each way, and return the margins of the judged objects each time."""
    confusions, kinds = witnesses.confusions(own), kinds_of(own, photo, judged)
    draws: list[_Draw] = []
    for number in range(DRAWS):
        for place, kind in enumerate(kinds):
            random = np.random.default_rng([seed, 13, place, number])
            label, swapped = swap_labels(own, photo, judged, confusions, kind, random)
            draws.append(_Draw(kind, witnesses.margins(label).take(judged), swapped[judged]))
            judging(SOLVED + (1 - SOLVED) * len(draws) / (DRAWS * len(kinds)))
    return draws


def _planted_how(draws: list[_Draw]) -> str:
    """Return how labels were swapped, a sentence."""
    ways = [f"{DRAWS} times evenly", f"{DRAWS} times along the store's confusions"]
    if any(draw.kind == WHOLE_PHOTO for draw in draws):
        ways.append(f"{DRAWS} times all of a label in a photo")
    return f"{SWAPPED:.0%} of the labels swapped, {', '.join(ways[:-1])} and {ways[-1]}"


# --------------------------------------------------------------------------------------- the probability


class _LabelModel:
    """The probability that a label is wrong by its margins, fitted to swapped labels.

    Two logistic regressions: of the margins without the own photo's votes, fitted to all draws, and of those
    with them, fitted to the draws in which single labels were swapped. A single label that is wrong differs
    from its like in the photo; where all of these are wrong they confirm each other, so that the own photo
    may make a label suspicious, but hardly clear it: the odds of both are added, by :data:`WITHOUT_OWN`. A
    third one, of the logarithm of this sum, makes it a probability of all kinds again.
    """

    def __init__(self, draws: list[_Draw]) -> None:
        single = [draw for draw in draws if draw.kind != WHOLE_PHOTO]
        self._of_all = _fit([draw.margins.of_all for draw in draws], draws)
        self._of_one = _fit([draw.margins.of_one for draw in single], single)
        self._whole = _fit([self._log_odds(draw.margins) for draw in draws], draws)

    def probability(self, margins: Margins) -> Float64:
        """Return the probability (m,) that the label of each object is wrong."""
        probability: Float64 = self._whole.predict_proba(self._log_odds(margins))[:, 1]
        return probability

    def _log_odds(self, margins: Margins) -> Float64:
        """Return the logarithm (m, 1) of the weighted sum of both odds."""
        of_all = self._of_all.decision_function(margins.of_all) + np.log(WITHOUT_OWN)
        of_one = self._of_one.decision_function(margins.of_one) + np.log(1 - WITHOUT_OWN)
        log_odds: Float64 = np.logaddexp(of_all, of_one)[:, None]
        return log_odds


def _fit(margins: list[Float64], draws: list[_Draw]) -> Pipeline:
    """Return the logistic regression of standardized margins (m, d) of each draw on which are swapped."""
    model: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-8))
    model.fit(np.concatenate(margins), np.concatenate([draw.swapped for draw in draws]))
    return model


def _planted(draws: list[_Draw], group: NDArray[np.str_]) -> Planted:
    """Return the swapped labels of all draws, each judged by what was fitted to the other draws.

    Their places are those in the whole list of their draw.
    """
    kinds: list[str] = []
    suspicion, place, of = [], [], []
    for draw in draws:
        probability = _LabelModel([other for other in draws if other is not draw]).probability(draw.margins)
        rank = np.empty(len(probability))
        rank[np.argsort(-probability, kind="stable")] = np.arange(len(probability))
        kinds += [draw.kind] * int(draw.swapped.sum())
        suspicion.append(probability[draw.swapped])
        place.append(rank[draw.swapped] / len(probability))
        of.append(group[draw.swapped])
    return Planted(
        np.array(kinds, object), np.concatenate(suspicion), np.concatenate(of), np.concatenate(place)
    )


def _ranks(values: Float64) -> Float64:
    """Return the ranks (n,) of values in (0, 1], the largest last."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(1, len(values) + 1) / len(values)
    return ranks
