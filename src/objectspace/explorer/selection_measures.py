"""How often the nearest objects of a selection share its labels, beside chance, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.agreement import find_neighbors
from objectspace.analyses.factor_values import Factor, random_agreement
from objectspace.analyses.groups import Groups, codes, make_groups
from objectspace.analyses.statistics import Estimate, estimate_mean
from objectspace.errors import QueryError
from objectspace.neighbors import JointVectors
from objectspace.store import Store

#: Neighbors that a purity is of.
K = 5


@dataclass(frozen=True, slots=True, eq=False)
class SpaceAgreement:
    """Of each object of a space (n,): the share of its nearest in other images that have its label.

    values: (n,) float64; chance: (n,) float64, the same of random objects of other images; labels: (n,)
    """

    values: NDArray[np.float64]
    chance: NDArray[np.float64]
    labels: NDArray[np.object_]
    groups: Groups

    def __repr__(self) -> str:
        return f"SpaceAgreement({len(self.values)} objects)"

    def of(self, chosen: NDArray[np.bool_], *, most_labels: int = 12) -> dict[str, Any]:
        """Return the purity at K of the chosen objects (n,), of all and of the most frequent labels.

        Raises QueryError where none is chosen.
        """
        if not chosen.any():
            raise QueryError("nothing is selected, expected one object or more")
        labels, counts = np.unique(self.labels[chosen], return_counts=True)
        frequent = labels[np.argsort(-counts, kind="stable")][:most_labels].tolist()
        return {
            "k": K,
            "images": len(np.unique(self.groups.image[chosen])),
            "all": self._estimate(chosen).to_json(),
            "labels": {
                str(name): self._estimate(chosen & (self.labels == name)).to_json() for name in frequent
            },
        }

    def _estimate(self, chosen: NDArray[np.bool_]) -> Estimate:
        return estimate_mean(self.values[chosen], self.chance[chosen], self.groups.group[chosen])


def measure_space(store: Store, space: str, metric: str) -> SpaceAgreement:
    """Return the agreement of all objects of a space. Raises QueryError where no image is another's."""
    columns = store.object_columns(["object_id", "image_id", "label"], space)
    groups = make_groups(columns["image_id"])
    if groups.count < 2:
        raise QueryError(f"space {space} has objects of one image, neighbors are those of other images")
    held = store.space(space)
    vectors: NDArray[np.float32] | JointVectors = held.vectors if held.joint is None else held.joint
    neighbors = find_neighbors(vectors, held.object_id, groups, k=K, metric=metric)
    labels = columns["label"].astype(object)
    factor = Factor("label", "categorical", codes(labels.astype(str)).astype(np.float64))
    same = factor.compare(factor.values[neighbors.query], factor.values[neighbors.neighbor])
    chance = random_agreement(factor, factor.values, groups)
    return SpaceAgreement(neighbors.mean(same), chance, labels, groups)
