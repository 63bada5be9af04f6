"""Margins: how much more speaks for another label of an object than for its own, by three evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from objectspace.analyses.audit.held_out import HeldOutClassifier
from objectspace.analyses.audit.same_photo import nearest_in_photo, whole_photos
from objectspace.analyses.groups import Codes
from objectspace.neighbors import NO_NEIGHBOR, JointVectors, Neighbors

Float64 = NDArray[np.float64]

#: Neighbors' votes for each label start with the label's share of all objects, as much as this many votes.
PRIOR_VOTES = 1.0

#: Neighbors in an object's own photo that vote, at most.
OWN_K = 10

# Votes are compared by their logarithm, from this share on.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """How much the best other label of each object (n,) is above its own; float64.

    others: (n, 2) by the votes of neighbors in other photos, and by a classifier that did not see the photo
    own_photo: (n,) by the votes of near objects in the own photo; the mean of all where there are none
    together: (n, 2) as ``others``, of the mean over all objects of the photo that have the same label
    """

    others: Float64
    own_photo: Float64
    together: Float64

    @property
    def of_one(self) -> Float64:
        """What tells that this label is wrong and those of the photo's other objects are right, (n, 3)."""
        return np.column_stack([self.others, self.own_photo])

    @property
    def of_all(self) -> Float64:
        """What tells that this label is wrong, whatever those of the photo's other objects are, (n, 4)."""
        return np.column_stack([self.others, self.together])

    def take(self, rows: NDArray[np.bool_] | Codes) -> Margins:
        """Return those of some of the objects."""
        return Margins(self.others[rows], self.own_photo[rows], self.together[rows])


class LabelEvidence:
    """Neighbors in other photos, a classifier and neighbors in the own photo, for any labels of the objects.

    Neighbors in the own photo count as far as the last one in other photos: a dog among people has none.
    Votes and scores of all labels are made for some photos at a time, as of a hundred labels and a million
    objects they would be larger than the vectors.

    near: the k nearest of each of n objects in other photos; photo: (n,) codes from 0
    labels: how many there are
    """

    def __init__(
        self,
        vectors: NDArray[np.float32] | JointVectors,
        near: Neighbors,
        photo: Codes,
        labels: int,
        *,
        seed: int = 0,
    ) -> None:
        self._near, self._photo, self._labels = near, photo, labels
        self._classifier = HeldOutClassifier(vectors, photo, seed=seed)
        reach = near.distance.max(1, initial=0)
        self._own = nearest_in_photo(vectors, photo, k=OWN_K, within=reach)
        self._alone = (self._own.index == NO_NEIGHBOR).all(1)

    def margins(self, own: Codes) -> Margins:
        """Return the margins of all objects, where their labels are ``own`` (n,)."""
        scored, prior = self._classifier.fit(own, self._labels), self._prior(own)
        n = len(own)
        found = Margins(np.empty((n, 2)), np.empty(n), np.empty((n, 2)))
        for rows in whole_photos(self._photo):
            votes, scores = self._votes(self._near, own, rows, prior), scored.of(rows)
            own_votes = self._votes(self._own, own, rows, prior)
            found.others[rows] = np.column_stack(
                [_margins(_logarithm(votes), own[rows]), _margins(scores, own[rows])]
            )
            found.own_photo[rows] = _margins(_logarithm(own_votes), own[rows])
            found.together[rows] = self._together(votes, scores, own[rows], self._photo[rows])
        known = found.own_photo[~self._alone]
        found.own_photo[self._alone] = known.mean() if len(known) else 0.0
        return found

    def proposals(self, own: Codes, margins: Margins) -> Codes:
        """Return the label (n,) that most speaks for instead of each one's own; the own photo counts half.

        margins: those of the labels ``own`` (n,), by whose spread the three are made alike
        """
        scored, prior = self._classifier.fit(own, self._labels), self._prior(own)
        by_votes, by_scores = (_spread(column) for column in margins.others.T)
        by_own = 2 * _spread(margins.own_photo[~self._alone])
        proposed = np.empty(len(own), np.int64)
        for rows in whole_photos(self._photo):
            said = _logarithm(self._votes(self._near, own, rows, prior)) / by_votes
            said += scored.of(rows) / by_scores
            known = ~self._alone[rows]
            said[known] += _logarithm(self._votes(self._own, own, rows[known], prior)) / by_own
            said[np.arange(len(rows)), own[rows]] = -np.inf
            proposed[rows] = said.argmax(1)
        return proposed

    def confusions(self, own: Codes) -> Float64:
        """Return the share (labels, labels) in which a label's neighbors have the others; 0 for itself."""
        confused, prior = np.zeros((self._labels, self._labels)), self._prior(own)
        for rows in whole_photos(self._photo):
            np.add.at(confused, own[rows], self._votes(self._near, own, rows, prior))
        np.fill_diagonal(confused, 0)
        shares: Float64 = confused / confused.sum(1, keepdims=True)
        return shares

    def _prior(self, own: Codes) -> Float64:
        """Return the votes (labels,) that each label has before any neighbor votes."""
        prior: Float64 = PRIOR_VOTES * np.bincount(own, minlength=self._labels) / len(own)
        return prior

    def _votes(self, near: Neighbors, own: Codes, rows: Codes, prior: Float64) -> Float64:
        """Return the share (m, labels) of the votes of some objects' neighbors, and the prior's."""
        index = near.index[rows]
        row, place = np.nonzero(index != NO_NEIGHBOR)
        cell = row * self._labels + own[index[row, place]]
        counts = np.bincount(cell, minlength=len(rows) * self._labels)
        votes = counts.reshape(len(rows), self._labels) + prior
        shares: Float64 = votes / votes.sum(1, keepdims=True)
        return shares

    def _together(self, votes: Float64, scores: Float64, own: Codes, photo: Codes) -> Float64:
        """Return the margins (m, 2) of the means over the objects of a photo that have one label.

        Where all of them are wrong in the same way, their neighbors in other photos agree on another label.
        """
        cells, cell = np.unique(photo * self._labels + own, return_inverse=True)
        share = 1 / np.bincount(cell)[cell]
        mean = csr_array((share, (cell, np.arange(len(own)))), shape=(len(cells), len(own)))
        label = cells % self._labels
        columns = [_margins(_logarithm(mean @ votes), label), _margins(mean @ scores, label)]
        return np.column_stack(columns)[cell]


def _logarithm(shares: Float64) -> Float64:
    logarithms: Float64 = np.log(np.maximum(shares, _LEAST))
    return logarithms


def _spread(values: Float64) -> float:
    return max(float(values.std()), 1e-12) if len(values) else 1.0


def _margins(scores: Float64, own: Codes) -> Float64:
    """Return how much the best other label (n, labels) is above the own (n,)."""
    rows = np.arange(len(own))
    others = scores.copy()
    others[rows, own] = -np.inf
    margin: Float64 = others.max(1) - scores[rows, own]
    return margin
