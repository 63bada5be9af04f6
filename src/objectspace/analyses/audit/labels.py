"""Suspicious labels: objects whose neighbors and whose vectors both speak for another label than theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from objectspace.analyses.audit.calibration import Calibration, Planted, best_threshold, calibrate
from objectspace.analyses.audit.held_out import HeldOutClassifier
from objectspace.analyses.groups import Codes, codes
from objectspace.errors import InputError
from objectspace.neighbors import NO_NEIGHBOR, JointVectors, Neighbors

Float64 = NDArray[np.float64]

#: The share of labels that are swapped at once, and how often: each time evenly, and along confusions.
SWAPPED, DRAWS = 0.05, 3

#: The share of the work, by the clock, after which the classifier is solved for any labels.
SOLVED = 0.5

#: Neighbors' votes for each label start with the label's share of all objects, as much as this many votes.
PRIOR_VOTES = 1.0

# Votes are compared by their logarithm, from this share on.
_LEAST = 1e-6

KINDS = ("uniform", "confusions")

#: What was planted, and where the threshold came from.
HOW = (
    f"{SWAPPED:.0%} of the labels swapped, {DRAWS} times evenly and {DRAWS} times along the store's "
    "confusions",
    "where the errors would be fewest if one object in ten were such a case, by the planted and the "
    "unplanted",
)


@dataclass(frozen=True, slots=True, eq=False)
class LabelErrors:
    """How probably each object's label is wrong.

    row: (m,) int64, the objects that can be judged: whose label another group has too
    probability: (m,) float64, that the label is wrong, in [0, 1]; where nothing was planted the mean of the
        two margins' ranks instead (``score_name`` says which)
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

    Two margins of the best other label over the object's own: of the logarithm of the neighbors' votes, and
    of a ridge classifier's scores out of fold (:class:`HeldOutClassifier`). A logistic regression of both,
    fitted to swapped labels, gives the probability that a label is wrong *if one in twenty is*. Swaps of one
    draw are judged by what was fitted to the others.

    near: the k nearest of each in other groups; group: (n,) what is held out together
    judging: called with the share of the work that is done
    Raises InputError for fewer than two labels that are in two groups each.
    """
    names, own = np.unique(label.astype(str), return_inverse=True)
    own = own.astype(np.int64).reshape(-1)
    judged = _in_two_groups(own, codes(group))
    if len(set(own[judged].tolist())) < 2:
        raise InputError(
            "labels can be judged only where two labels or more are in two photos each, and here are "
            f"{len(set(own[judged].tolist()))}"
        )
    judge = _Judge(vectors, near, len(names), codes(group), seed)
    judging(SOLVED)
    margins, proposed = judge.margins(own)
    row = np.flatnonzero(judged)
    if not calibrated:
        score = sum(_ranks(column) for column in margins[row].T) / margins.shape[1]
        return LabelErrors(row, score, names[proposed[row]].astype(object), "mean_rank", None, None, None)
    draws = _draw_swaps(judge, own, judged, seed, judging)
    probability = _probability(_fit(draws), margins[row])
    planted = _planted(draws, group[row])
    threshold = best_threshold(planted.suspicion, probability)
    alarms = probability >= threshold
    return LabelErrors(
        row,
        probability,
        names[proposed[row]].astype(object),
        "probability",
        threshold,
        int(alarms.sum()),
        calibrate(planted, alarms, group[row], threshold, how=HOW),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """The margins (m, 2) of the judged objects where the labels of some (m,) are swapped."""

    kind: str
    margins: Float64
    swapped: NDArray[np.bool_]


class _Judge:
    """The two margins of all objects, for any labels of theirs."""

    def __init__(
        self,
        vectors: NDArray[np.float32] | JointVectors,
        near: Neighbors,
        labels: int,
        group: Codes,
        seed: int,
    ) -> None:
        self._near, self._labels = near, labels
        self._classifier = HeldOutClassifier(vectors, group, seed=seed)

    def margins(self, own: Codes) -> tuple[Float64, Codes]:
        """Return the margins (n, 2) by neighbors and by the classifier, and the label (n,) proposed."""
        votes = np.log(np.maximum(self.votes(own), _LEAST))
        scores = self._classifier.scores(np.eye(self._labels, dtype=np.float32)[own])
        both = np.stack([_margin(votes, own), _margin(scores, own)], axis=1)
        together = votes / max(float(both[:, 0].std()), 1e-12) + scores / max(float(both[:, 1].std()), 1e-12)
        together[np.arange(len(own)), own] = -np.inf
        return both, together.argmax(1).astype(np.int64)

    def votes(self, own: Codes) -> Float64:
        """Return the share (n, labels) of the neighbors' votes, and the prior's, for each label."""
        n = len(own)
        row, place = np.nonzero(self._near.index != NO_NEIGHBOR)
        cell = row * self._labels + own[self._near.index[row, place]]
        votes = np.bincount(cell, minlength=n * self._labels).reshape(n, self._labels).astype(np.float64)
        votes += PRIOR_VOTES * np.bincount(own, minlength=self._labels) / n
        shares: Float64 = votes / votes.sum(1, keepdims=True)
        return shares

    def confusions(self, own: Codes) -> Float64:
        """Return the share (labels, labels) in which a label's neighbors have the others; 0 for itself."""
        confused = np.zeros((self._labels, self._labels))
        np.add.at(confused, own, self.votes(own))
        np.fill_diagonal(confused, 0)
        shares: Float64 = confused / confused.sum(1, keepdims=True)
        return shares


def _margin(scores: Float64, own: Codes) -> Float64:
    """Return how much the best other label (n, labels) is above the own (n,)."""
    rows = np.arange(len(own))
    others = scores.copy()
    others[rows, own] = -np.inf
    margin: Float64 = others.max(1) - scores[rows, own]
    return margin


def _in_two_groups(own: Codes, group: Codes) -> NDArray[np.bool_]:
    """Return which objects (n,) have a label that is in another group as well."""
    pairs = np.unique(np.stack([own, group]), axis=1)
    there: NDArray[np.bool_] = np.bincount(pairs[0], minlength=int(own.max(initial=0)) + 1)[own] >= 2
    return there


def _draw_swaps(
    judge: _Judge, own: Codes, judged: NDArray[np.bool_], seed: int, judging: Callable[[float], None]
) -> list[_Draw]:
    """Swap labels :data:`DRAWS` times in each way, and return the margins of the judged objects each time."""
    confusions, draws = judge.confusions(own), []
    for number in range(DRAWS):
        for kind in KINDS:
            label, swapped = _swap(own, judged, confusions, kind, seed, number)
            draws.append(_Draw(kind, judge.margins(label)[0][judged], swapped[judged]))
            judging(SOLVED + (1 - SOLVED) * len(draws) / (DRAWS * len(KINDS)))
    return draws


def _swap(
    own: Codes, judged: NDArray[np.bool_], confusions: Float64, kind: str, seed: int, number: int
) -> tuple[Codes, NDArray[np.bool_]]:
    """Return labels (n,) of which :data:`SWAPPED` were given to another label, and which."""
    random = np.random.default_rng([seed, 13, KINDS.index(kind), number])
    rows = np.flatnonzero(judged)
    chosen = random.choice(rows, max(1, round(SWAPPED * len(rows))), replace=False)
    swapped = np.zeros(len(own), bool)
    swapped[chosen] = True
    count = len(confusions)
    label = own.copy()
    if kind == "uniform":
        label[chosen] = (own[chosen] + random.integers(1, count, len(chosen))) % count
    else:
        reached = np.cumsum(confusions[own[chosen]], axis=1)
        drawn = (random.random(len(chosen))[:, None] * reached[:, -1:] >= reached).sum(1)
        label[chosen] = np.minimum(drawn, count - 1)
    return label, swapped


# --------------------------------------------------------------------------------------- the probability


def _fit(draws: list[_Draw]) -> Pipeline:
    """Return the logistic regression of standardized margins on swaps, all draws together."""
    model: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-8))
    model.fit(
        np.concatenate([draw.margins for draw in draws]), np.concatenate([draw.swapped for draw in draws])
    )
    return model


def _probability(model: Pipeline, margins: Float64) -> Float64:
    """Return the probability (m,) that the label of each object with these margins (m, 2) is wrong."""
    probability: Float64 = model.predict_proba(margins)[:, 1]
    return probability


def _planted(draws: list[_Draw], group: NDArray[np.str_]) -> Planted:
    """Return the swapped labels of all draws, each judged by what was fitted to the other draws.

    Their places are those in the whole list of their draw.
    """
    kinds: list[str] = []
    suspicion, place, of = [], [], []
    for draw in draws:
        probability = _probability(_fit([other for other in draws if other is not draw]), draw.margins)
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
