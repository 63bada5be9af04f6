"""The context share of an embedding: the parts that the object and its surroundings explain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.groups import Codes, Groups, make_folds
from objectspace.analyses.probes import FOLDS
from objectspace.analyses.projection import principal_components
from objectspace.analyses.ridge import FoldedRidge
from objectspace.analyses.statistics import Estimate, permutations, ratio_interval

Matrix = NDArray[np.float64]

#: Principal components of each space that the regressions work with.
COMPONENTS = 64
PERMUTED = 99


@dataclass(frozen=True, slots=True)
class VarianceShares:
    """Shares of the variance of the vectors with everything in view, predicted for held-out photos (R2).

    object, surroundings: by a ridge regression on the vectors of the object alone, of its surroundings alone
    together: on both at once
    only_object: what is lost without the object's vectors; only_surroundings: without the surroundings'
    shared: what either predicts (commonality analysis; Mood, *Partitioning Variance*, 1971). It is below 0
        where one predicts better because the other is known.
    variance: share of the variance that is in the components which are predicted

    So the context's share is between ``only_surroundings`` and ``surroundings``; ``only_object + shared +
    only_surroundings = together``, and what is left to 1 no line through the two explains. Chance: the
    surroundings exchanged between objects, for ``surroundings``, ``only_surroundings`` and ``shared``; the
    objects' own vectors, for ``object`` and ``only_object``; both, for ``together``.
    """

    object: Estimate
    surroundings: Estimate
    together: Estimate
    only_object: Estimate
    shared: Estimate
    only_surroundings: Estimate
    variance: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        shares = {name: getattr(self, name).to_json() for name in PARTS}
        return {**shares, "variance": self.variance}


PARTS = tuple(field.name for field in fields(VarianceShares) if field.name != "variance")


def measure_shares(
    alone: NDArray[np.float32],
    both: NDArray[np.float32],
    around: NDArray[np.float32],
    groups: Groups,
    *,
    seed: int = 0,
) -> VarianceShares:
    """Measure the shares of ``both`` (n, d) explained by ``alone`` and ``around`` (n, d), rows aligned.

    Each space counts by its first 64 principal components, found without a look at the others; whole groups
    are held out of each regression. No space may be constant; three groups are needed.
    """
    object_, target, surroundings = (
        principal_components(vectors.astype(np.float64), COMPONENTS) for vectors in (alone, both, around)
    )
    fold = make_folds(groups.group, FOLDS, seed=seed)
    regressions = _Regressions(object_.coordinates, surroundings.coordinates, target.coordinates, fold)
    parts = regressions.parts()
    total = regressions.total
    drawn = [regressions.chance(rows) for rows in permutations(groups, PERMUTED, seed=seed)]
    estimates = {}
    for name, part in parts.items():
        null = np.array([one[name] for one in drawn])
        value = float(part.sum() / total.sum())
        low, high = ratio_interval(part, total, groups.group, seed=seed)
        chance = float(null.mean())
        share = Estimate(value, chance, low, high, len(groups), groups.count)
        estimates[name] = share.tested(value, null)
    return VarianceShares(**estimates, variance=float(target.explained.sum()))


class _Regressions:
    """Squared errors of each object (n,) when the target is predicted from one space, or from both."""

    def __init__(self, object_: Matrix, surroundings: Matrix, target: Matrix, fold: Codes) -> None:
        self.object, self.surroundings = object_, surroundings
        self.target, self.fold = target, fold
        self.of_object, self.total = self._errors(object_)
        self.of_surroundings, _ = self._errors(surroundings)
        self.of_both, _ = self._errors(object_, surroundings)

    def parts(self) -> dict[str, Matrix]:
        """Return each object's part (n,) of the shares, times the total variance."""
        return _parts(self.total, self.of_object, self.of_surroundings, self.of_both)

    def chance(self, rows: Codes) -> Mapping[str, float]:
        """Return the shares when objects exchange vectors (n,), as in :class:`VarianceShares`."""
        moved, moved_around = self.object[rows], self.surroundings[rows]
        of_moved, _ = self._errors(moved)
        of_moved_around, _ = self._errors(moved_around)
        moved_object = _parts(
            self.total, of_moved, self.of_surroundings, self._errors(moved, self.surroundings)[0]
        )
        moved_context = _parts(
            self.total, self.of_object, of_moved_around, self._errors(self.object, moved_around)[0]
        )
        whole = self.total.sum()
        chosen = {name: moved_object[name] for name in ("object", "only_object")}
        chosen |= {name: moved_context[name] for name in ("surroundings", "only_surroundings", "shared")}
        chosen["together"] = self.total - self._errors(moved, moved_around)[0]
        return {name: float(part.sum() / whole) for name, part in chosen.items()}

    def _errors(self, *blocks: Matrix) -> tuple[Matrix, Matrix]:
        """Return squared errors of held-out predictions, and of the training folds' mean."""
        ridge = FoldedRidge(np.hstack(blocks), self.fold, np.zeros_like(self.fold))
        predicted, mean = ridge.predict(self.target, ridge.choose_penalties(self.target, 1))
        errors: tuple[Matrix, Matrix] = (
            ((predicted - self.target) ** 2).sum(1),
            ((mean - self.target) ** 2).sum(1),
        )
        return errors


def _parts(total: Matrix, of_object: Matrix, of_surroundings: Matrix, of_both: Matrix) -> dict[str, Matrix]:
    return {
        "object": total - of_object,
        "surroundings": total - of_surroundings,
        "together": total - of_both,
        "only_object": of_surroundings - of_both,
        "shared": total - of_object - of_surroundings + of_both,
        "only_surroundings": of_object - of_both,
    }
