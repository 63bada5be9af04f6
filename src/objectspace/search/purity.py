"""The purity of the spaces of a store: which of them a search should use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.groups import codes
from objectspace.analyses.statistics import estimate_mean, mean_interval
from objectspace.search.space_search import SpaceSearch
from objectspace.store import LabelPurity, Store

#: The neighbors of an object that are looked at, and the objects that are asked for at most.
K = 5
QUERIES = 2000


@dataclass(frozen=True, slots=True, eq=False)
class ObjectPurities:
    """The share of each object's label among its K nearest of other photos in one space, for n objects.

    object_id, group: (n,) the objects and their images; values, chance: (n,) the share, and that among all
        objects of other photos; objects: how many the space holds
    """

    object_id: NDArray[np.str_]
    group: NDArray[np.int64]
    values: NDArray[np.float64]
    chance: NDArray[np.float64]
    objects: int

    def __repr__(self) -> str:
        return f"ObjectPurities({len(self.values)} of {self.objects} objects)"

    def summary(self) -> LabelPurity:
        """Return the mean with its interval and chance."""
        one = estimate_mean(self.values, self.chance, self.group)
        return LabelPurity(one.value, one.chance, one.low, one.high, one.n, self.objects)

    def exceeds(self, other: ObjectPurities) -> bool:
        """Return whether the mean is higher on the objects of both: a 95 % interval above 0."""
        _, own, others = np.intersect1d(self.object_id, other.object_id, return_indices=True)
        return mean_interval(self.values[own] - other.values[others], self.group[own])[0] > 0


def object_purities(store: Store, space: str) -> ObjectPurities | None:
    """Return the purities of a space by cosine; None with a single label, or objects of a single image.

    Of many objects the first QUERIES by id are asked for, which are hashes: a fixed but arbitrary choice.
    """
    search = SpaceSearch(store, space, metric="cosine")
    columns = store.object_columns(["label", "image_id"], space)
    label, image = (codes(columns[name].astype(str)) for name in ("label", "image_id"))
    if min(label.max(initial=-1), image.max(initial=-1)) < 1:
        return None
    rows = np.argsort(search.space.object_id)[:QUERIES]
    ids = search.space.object_id[rows]
    found = search.nearest_rows(rows, k=K, groups=image)
    values = [float((label[near] == label[row]).mean()) for row, near in zip(rows, found, strict=True)]
    pair = codes(image * (int(label.max()) + 1) + label)
    same = np.bincount(label)[label] - np.bincount(pair)[pair]
    others = len(label) - np.bincount(image)[image]
    return ObjectPurities(ids, image[rows], np.array(values), (same / others)[rows], len(label))
