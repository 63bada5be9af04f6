"""A linear classifier whose scores for an object never come from the object's own group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from objectspace.analyses.groups import Codes
from objectspace.analyses.probes import FOLDS, make_folds
from objectspace.neighbors import JointVectors

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: The ridge penalty, as a multiple of the mean squared distance of a direction from their mean.
PENALTY = 0.5

#: Objects that a classifier is fitted to, at most, and that are read at once.
FITTED, BLOCK = 100_000, 8192


class HeldOutClassifier:
    """Ridge regressions from directions (n, d) to any targets (n, t), each fold predicted from the others.

    Directions are vectors of unit length, centered by the training folds. The system is solved once for each
    fold, so that the same objects with other labels cost one product: a ridge classifier (indicators of the
    labels as targets) where logistic regression would be fitted anew. The smaller of the two equal systems is
    kept: for the weights of the d numbers, or of the training rows.

    vectors: read in blocks; group: (n,) whole ones are in one fold
    """

    def __init__(self, vectors: Float32 | JointVectors, group: Codes, *, seed: int = 0) -> None:
        self._vectors = vectors
        fold = make_folds(group, FOLDS, seed=seed)
        random = np.random.default_rng([seed, 14])
        self._folds = []
        for held in range(int(fold.max()) + 1):
            training = np.flatnonzero(fold != held)
            if len(training) > FITTED:
                training = np.sort(random.choice(training, FITTED, replace=False))
            self._folds.append((np.flatnonzero(fold == held), training))
        self._systems = [self._system(training) for _, training in self._folds]

    def scores(self, targets: NDArray[np.float32]) -> Float64:
        """Return the predictions (n, t) of targets (n, t), each by the folds that it is not in."""
        predicted = np.empty(targets.shape)
        for (held, training), system in zip(self._folds, self._systems, strict=True):
            mean = targets[training].mean(0, dtype=np.float64)
            weights = system.weights(targets[training] - mean, self._blocks(training))
            for rows, block in self._blocks(held):
                predicted[rows] = (block - system.mean) @ weights + mean
        return predicted

    def _system(self, training: Codes) -> _Primal | _Dual:
        wide = len(training) <= self._vectors.shape[1]
        return _Dual(self._blocks(training)) if wide else _Primal(self._blocks(training))

    def _blocks(self, rows: Codes) -> Iterator[tuple[Codes, Float32]]:
        """Yield rows and their directions, a block at a time."""
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            block = np.asarray(self._vectors[part], np.float32)
            length = np.linalg.norm(block, axis=1, keepdims=True)
            yield part, np.divide(block, length, out=np.zeros_like(block), where=length > 0)


class _Primal:
    """The normal equations of the d weights."""

    def __init__(self, blocks: Iterator[tuple[Codes, Float32]]) -> None:
        gram: Any = 0.0
        total: Any = 0.0
        count = 0
        for _, block in blocks:
            gram = gram + (block.T @ block).astype(np.float64)
            total = total + block.sum(0, dtype=np.float64)
            count += len(block)
        self.mean = (total / count).astype(np.float32)
        centered = gram - np.outer(total, total) / count
        penalty = PENALTY * max(float(np.trace(centered)) / count, 1e-12)
        self._factor = cho_factor(centered + penalty * np.eye(len(centered)))

    def weights(self, targets: Float64, blocks: Iterator[tuple[Codes, Float32]]) -> Float32:
        """Return the weights (d, t) for centered targets of the training rows."""
        moment: Any = 0.0
        start = 0
        for _, block in blocks:
            moment = moment + (block - self.mean).T @ targets[start : start + len(block)]
            start += len(block)
        solved: Float32 = cho_solve(self._factor, moment).astype(np.float32)
        return solved


class _Dual:
    """The equations of the training rows' weights, for fewer rows than numbers in a vector."""

    def __init__(self, blocks: Iterator[tuple[Codes, Float32]]) -> None:
        rows = np.concatenate([block for _, block in blocks])
        self.mean = rows.mean(0)
        self._rows = rows - self.mean
        kernel = (self._rows @ self._rows.T).astype(np.float64)
        penalty = PENALTY * max(float(np.trace(kernel)) / len(kernel), 1e-12)
        self._factor = cho_factor(kernel + penalty * np.eye(len(kernel)))

    def weights(self, targets: Float64, blocks: Iterator[tuple[Codes, Float32]]) -> Float32:
        """Return the weights (d, t) for centered targets of the training rows."""
        solved: Float32 = self._rows.T @ cho_solve(self._factor, targets).astype(np.float32)
        return solved
