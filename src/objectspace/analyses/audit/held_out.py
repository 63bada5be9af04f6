"""A linear classifier whose scores for an object never come from the object's own group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from objectspace.analyses.audit.same_photo import read_rows
from objectspace.analyses.groups import Codes, make_folds
from objectspace.analyses.packed import Packed
from objectspace.analyses.probes import FOLDS
from objectspace.analyses.ridge import SINGLE
from objectspace.neighbors import JointVectors

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: The ridge penalty, as a multiple of the mean squared distance of a direction from their mean.
PENALTY = 0.5

#: Objects that are read at once, and numbers in them (64 MB).
BLOCK, NUMBERS = 8192, 1 << 24


class HeldOutClassifier:
    """Ridge regressions from directions (n, d) to indicators of labels, each fold predicted from the others.

    Directions are vectors of unit length, centered by the training folds. The system is solved once for each
    fold, so that the same objects with other labels cost one product: a ridge classifier (indicators of the
    labels as targets) where logistic regression would be fitted anew. The smaller of the two equal systems is
    kept: for the weights of the d numbers, or of the objects.

    vectors: read in blocks; group: (n,) whole ones are in one fold
    """

    def __init__(self, vectors: Float32 | JointVectors, group: Codes, *, seed: int = 0) -> None:
        self._folded = _Folded(vectors, make_folds(group, FOLDS, seed=seed))
        systems = _SystemsOfObjects if len(group) <= vectors.shape[1] else _SystemsOfNumbers
        self._systems = systems(self._folded)

    def fit(self, label: Codes, labels: int) -> HeldOutScores:
        """Fit the indicators of labels (n,), codes below ``labels``, by each fold's others."""
        fold, folds = self._folded.fold, self._folded.folds
        counts = [np.bincount(label[fold != held], minlength=labels) for held in folds]
        means = [count / max(1, count.sum()) for count in counts]
        indicators = np.eye(labels, dtype=np.float32)
        return HeldOutScores(self, self._systems.weights(label, indicators, means), means)

    def predict(self, rows: Codes, weights: list[Float32], means: list[Float64]) -> Float64:
        """Return the predictions (m, labels) of some objects, each by its fold's weights (d, labels)."""
        directions, fold = self._folded.directions(rows), self._folded.fold[rows]
        predicted = np.empty((len(rows), len(means[0])))
        for held in np.unique(fold).tolist():
            own = np.flatnonzero(fold == held)
            center = self._systems.centers[held].astype(np.float32)
            predicted[own] = (directions[own] - center) @ weights[held] + means[held]
        return predicted


class _Folded:
    """The directions of vectors (n, d), and the fold (n,) of each.

    folds: their numbers; count: (folds,) how many vectors are in each
    """

    def __init__(self, vectors: Float32 | JointVectors, fold: Codes) -> None:
        self._vectors, self.fold = vectors, fold
        self.dimension = vectors.shape[1]
        self.count = np.bincount(fold)
        self.folds = range(len(self.count))

    def directions(self, rows: Codes) -> Float32:
        """Return the directions (m, d) of some rows."""
        return _directions_of(read_rows(self._vectors, rows))

    def blocks(self) -> Iterator[tuple[int, Codes, Float32]]:
        """Yield a fold, rows of it and their directions: all rows, read in their order, a block at a time."""
        size = max(1, min(BLOCK, NUMBERS // self.dimension))
        for start in range(0, len(self.fold), size):
            block = _directions_of(np.asarray(self._vectors[start : start + size], np.float32))
            fold = self.fold[start : start + size]
            for held in np.unique(fold).tolist():
                own = np.flatnonzero(fold == held)
                yield held, start + own, block[own]


class _SystemsOfNumbers:
    """The normal equations of the d weights of each fold, where there are more objects than numbers.

    What all objects add up to is summed by fold, in one pass over the vectors, and a fold is fitted to the
    sums of the others: five classifiers read and multiply no more than one. These sums and the five factors
    are halves of symmetric matrices, and factors of more than 2,048 numbers are in float32: 20 d² bytes each.

    centers: (d,) of each fold, the mean direction of the others
    """

    def __init__(self, folded: _Folded) -> None:
        self._folded, d = folded, folded.dimension
        grams = [Packed.zeros(d, np.float32) for _ in folded.folds]
        totals = np.zeros((len(folded.count), d))
        for held, _, block in folded.blocks():
            grams[held].add_products(block)
            totals[held] += block.sum(0, dtype=np.float64)
        self.centers: list[Float64] = []
        self._factors: list[Packed] = []
        for held in folded.folds:
            count, total = (_of_others(sums, held) for sums in (folded.count, totals))
            # A fold has no part in the sums of the others, not by rounding either.
            others = [one for number, one in enumerate(grams) if number != held]
            self.centers.append(total / count)
            self._factors.append(_factored(others, count, total))

    def weights(self, label: Codes, indicators: Float32, means: list[Float64]) -> list[Float32]:
        """Return the weights (d, labels) of each fold for labels (n,) with indicators (labels, labels)."""
        folded = self._folded
        moments = np.zeros((len(folded.count), folded.dimension, len(indicators)))
        for held, rows, block in folded.blocks():
            moments[held] += block.T @ indicators[label[rows]]
        found = []
        for held in folded.folds:
            count = len(folded.fold) - folded.count[held]
            moment = _of_others(moments, held) - count * np.outer(self.centers[held], means[held])
            found.append(self._factors[held].solve(moment).astype(np.float32))
        return found


class _SystemsOfObjects:
    """The equations of the training objects' weights of each fold, where there are more numbers than objects.

    centers: (d,) of each fold, the mean direction of the others
    """

    def __init__(self, folded: _Folded) -> None:
        self._folded = folded
        self._directions = np.empty((len(folded.fold), folded.dimension), np.float32)
        for _, rows, block in folded.blocks():
            self._directions[rows] = block
        self.centers: list[Float64] = []
        self._factors: list[Any] = []
        for held in folded.folds:
            center, training = self._training(held)
            kernel = (training @ training.T).astype(np.float64)
            penalty = PENALTY * max(float(np.trace(kernel)) / len(kernel), 1e-12)
            self.centers.append(center)
            self._factors.append(cho_factor(kernel + penalty * np.eye(len(kernel))))

    def weights(self, label: Codes, indicators: Float32, means: list[Float64]) -> list[Float32]:
        """Return the weights (d, labels) of each fold for labels (n,) with indicators (labels, labels)."""
        found = []
        for held in self._folded.folds:
            centered = indicators[label[self._folded.fold != held]] - means[held]
            solved = cho_solve(self._factors[held], centered).astype(np.float32)
            found.append(self._training(held)[1].T @ solved)
        return found

    def _training(self, held: int) -> tuple[Float64, Float32]:
        """Return the mean direction of the other folds, and their directions from it."""
        rows = self._directions[self._folded.fold != held]
        center = rows.mean(0, dtype=np.float64)
        return center, rows - center.astype(np.float32)


def _factored(grams: Sequence[Packed], count: int, total: Float64) -> Packed:
    """Return the factor of the penalized system of ``count`` directions, whose sum is ``total`` (d,).

    grams: of which the sum is that of their products
    """
    d = len(total)
    gram = Packed.zeros(d, np.float32 if d > SINGLE else np.float64)
    for one in grams:
        gram.add(one)
    gram.add_products(total[None] / np.sqrt(count), -1.0)
    penalty = PENALTY * max(float(gram.diagonal().sum()) / count, 1e-12)
    gram.add_to_diagonal(np.full(d, penalty))
    gram.factor()
    return gram


def _directions_of(vectors: Float32) -> Float32:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Float32 = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return directions


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutScores:
    """What a classifier says of its objects for one set of labels, which is found for some at a time.

    weights: (d, labels) float32 of each fold; means: (labels,) of each
    """

    classifier: HeldOutClassifier
    weights: list[Float32]
    means: list[Float64]

    def of(self, rows: Codes) -> Float64:
        """Return the scores (m, labels) of some objects, each by the folds that it is not in."""
        return self.classifier.predict(rows, self.weights, self.means)


def _of_others(sums: NDArray[Any], held: int) -> Any:
    """Return the sum of all folds' sums (folds, ...) but one's, which has no part in it, not by rounding."""
    total = np.zeros(sums.shape[1:])
    for number, one in enumerate(sums):
        if number != held:
            total += one
    return total
