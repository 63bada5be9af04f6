"""The probability that a label is wrong by its margins, learned from labels that were swapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from objectspace.analyses.audit.calibration import Planted
from objectspace.analyses.audit.label_margins import Margins
from objectspace.analyses.audit.label_swaps import WHOLE_PHOTO
from objectspace.analyses.groups import MOST_OBJECTS

Float64 = NDArray[np.float64]

#: The weight of the odds without the own photo's votes, which whole photos of wrong labels confirm, against
#: that of the odds with them: docs/audit.md has what other weights find.
WITHOUT_OWN = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class LabelDraw:
    """The margins of the judged objects (m,) where the labels of some (m,) are swapped."""

    kind: str
    margins: Margins
    swapped: NDArray[np.bool_]

    def some(self, most: int) -> LabelDraw:
        """Return evenly spaced objects, at most so many."""
        rows = np.arange(0, len(self.swapped), max(1, -(-len(self.swapped) // most)))
        return LabelDraw(self.kind, self.margins.take(rows), self.swapped[rows])


class LabelModel:
    """The probability that a label is wrong by its margins, fitted to swapped labels.

    Two logistic regressions: of the margins without the own photo's votes, fitted to all draws, and of those
    with them, fitted to the draws in which single labels were swapped. A single label that is wrong differs
    from its like in the photo; where all of these are wrong they confirm each other, so that the own photo
    may make a label suspicious, but hardly clear it: the odds of both are added, by :data:`WITHOUT_OWN`. A
    third one, of the logarithm of this sum, makes it a probability of all kinds again. Of more than
    :data:`MOST_OBJECTS` objects evenly spaced ones are fitted.
    """

    def __init__(self, draws: Sequence[LabelDraw], *, without_own: float = WITHOUT_OWN) -> None:
        self._weights = np.log([without_own, 1 - without_own])
        draws = [draw.some(MOST_OBJECTS) for draw in draws]
        of_all = np.concatenate([draw.margins.of_all for draw in draws])
        of_one = np.concatenate([draw.margins.of_one for draw in draws])
        swapped = np.concatenate([draw.swapped for draw in draws])
        single = np.repeat(
            [draw.kind != WHOLE_PHOTO for draw in draws], [len(draw.swapped) for draw in draws]
        )
        self._of_all = _fit(of_all, swapped)
        self._of_one = _fit(of_one[single], swapped[single])
        self._whole = _fit(self._log_odds(of_all, of_one), swapped)

    def probability(self, margins: Margins) -> Float64:
        """Return the probability (m,) that the label of each object is wrong."""
        log_odds = self._log_odds(margins.of_all, margins.of_one)
        probability: Float64 = self._whole.predict_proba(log_odds)[:, 1]
        return probability

    def _log_odds(self, of_all: Float64, of_one: Float64) -> Float64:
        """Return the logarithm (m, 1) of the weighted sum of both odds."""
        without_own = self._of_all.decision_function(of_all) + self._weights[0]
        with_own = self._of_one.decision_function(of_one) + self._weights[1]
        log_odds: Float64 = np.logaddexp(without_own, with_own)[:, None]
        return log_odds


def _fit(margins: Float64, swapped: NDArray[np.bool_]) -> Pipeline:
    """Return the logistic regression of standardized margins (m, d) on which labels (m,) are swapped."""
    model: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-8))
    return model.fit(margins, swapped)


def judge_draws_held_out(draws: Sequence[LabelDraw], group: NDArray[np.str_]) -> Planted:
    """Return the swapped labels of all draws, each judged by what was fitted to the other draws."""
    models = [LabelModel([other for other in draws if other is not draw]) for draw in draws]
    return judge_draws(draws, models, group)


def judge_draws(draws: Sequence[LabelDraw], models: Sequence[LabelModel], group: NDArray[np.str_]) -> Planted:
    """Return the swapped labels of draws, each by its model; their places are those in their draw's list.

    group: (m,) of the judged objects
    """
    kinds: list[str] = []
    suspicion, place, of = [], [], []
    for draw, model in zip(draws, models, strict=True):
        probability = model.probability(draw.margins)
        rank = np.empty(len(probability))
        rank[np.argsort(-probability, kind="stable")] = np.arange(len(probability))
        kinds += [draw.kind] * int(draw.swapped.sum())
        suspicion.append(probability[draw.swapped])
        place.append(rank[draw.swapped] / len(probability))
        of.append(group[draw.swapped])
    return Planted(
        np.array(kinds, object), np.concatenate(suspicion), np.concatenate(of), np.concatenate(place)
    )
