"""Margins: how much more speaks for another label of an object than for its own, by three evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from objectspace.analyses.audit.held_out import HeldOutClassifier
from objectspace.analyses.audit.same_photo import nearest_in_photo
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
        votes, scores = self.votes(own), self._scores(own)
        others = np.column_stack([_margins(_logarithm(votes), own), _margins(scores, own)])
        own_photo = _margins(_logarithm(self._votes(self._own, own)), own)
        known = own_photo[~self._alone]
        own_photo[self._alone] = known.mean() if len(known) else 0.0
        return Margins(others, own_photo, self._together(votes, scores, own))

    def proposals(self, own: Codes) -> Codes:
        """Return the label (n,) that most speaks for instead of each one's own; the own photo counts half."""
        votes, scores = _logarithm(self.votes(own)), self._scores(own)
        said = votes / _spread(_margins(votes, own)) + scores / _spread(_margins(scores, own))
        known, near = ~self._alone, _logarithm(self._votes(self._own, own))
        said[known] += near[known] / (2 * _spread(_margins(near, own)[known]))
        said[np.arange(len(own)), own] = -np.inf
        proposed: Codes = said.argmax(1).astype(np.int64)
        return proposed

    def votes(self, own: Codes) -> Float64:
        """Return the share (n, labels) of the votes of neighbors in other photos, and the prior's."""
        return self._votes(self._near, own)

    def confusions(self, own: Codes) -> Float64:
        """Return the share (labels, labels) in which a label's neighbors have the others; 0 for itself."""
        confused = np.zeros((self._labels, self._labels))
        np.add.at(confused, own, self.votes(own))
        np.fill_diagonal(confused, 0)
        shares: Float64 = confused / confused.sum(1, keepdims=True)
        return shares

    def _votes(self, near: Neighbors, own: Codes) -> Float64:
        n = len(own)
        row, place = np.nonzero(near.index != NO_NEIGHBOR)
        cell = row * self._labels + own[near.index[row, place]]
        votes = np.bincount(cell, minlength=n * self._labels).reshape(n, self._labels).astype(np.float64)
        votes += PRIOR_VOTES * np.bincount(own, minlength=self._labels) / n
        shares: Float64 = votes / votes.sum(1, keepdims=True)
        return shares

    def _scores(self, own: Codes) -> Float64:
        return self._classifier.scores(np.eye(self._labels, dtype=np.float32)[own])

    def _together(self, votes: Float64, scores: Float64, own: Codes) -> Float64:
        """Return the margins (n, 2) of the means over the objects of a photo that have one label.

        Where all of them are wrong in the same way, their neighbors in other photos agree on another label.
        """
        cells, cell = np.unique(self._photo * self._labels + own, return_inverse=True)
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
