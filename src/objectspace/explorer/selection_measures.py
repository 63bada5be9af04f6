"""How often the nearest objects of a selection share its labels, beside chance, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from objectspace.analyses.agreement import agreement_without, measure_agreement, plain_mean
from objectspace.analyses.factor_values import Factor, random_agreement
from objectspace.analyses.groups import MOST_OBJECTS, Codes, Groups, codes, make_groups
from objectspace.analyses.jackknife import Range, jackknifed, make_blocks
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.statistics import Estimate, permutation_count, ratio
from objectspace.embeddings.spaces import Space
from objectspace.errors import QueryError
from objectspace.neighbors import ExactIndex, JointIndex, JointVectors
from objectspace.store import Store

#: Neighbors that a purity is of.
K = 5

#: Between which a purity is.
_BOUNDS = Range(0.0, 1.0)

#: Neighbors of which a map, or another space, should keep many, and how many objects are compared for it.
KEPT_OF = 10
_MOST_KEPT = 50_000

#: Objects of which agreement is measured: beyond it a page would wait for minutes.
_MOST_MEASURED = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class SpaceAgreement:
    """Of each object of a space (n,): the share of its nearest in other images that have its label.

    whole: of all objects, as ``measure`` gives it
    values: (n,) float64; chance: (n,) float64, the same of random objects of other images
    without: (n, 2 b) float64, values and chance without each block of images; 0 for the block's own objects
    block: (n,) the block of each object; label: (n,) the place of its label among ``names``
    """

    whole: Estimate
    values: NDArray[np.float64]
    chance: NDArray[np.float64]
    without: NDArray[np.float64]
    block: Codes
    label: Codes
    names: tuple[str, ...]
    groups: Groups

    def __repr__(self) -> str:
        return f"SpaceAgreement({len(self.values)} objects)"

    @property
    def blocks(self) -> int:
        """The number of blocks of images."""
        count: int = self.without.shape[1] // 2
        return count

    def of(self, chosen: NDArray[np.bool_], *, most_labels: int = 12) -> dict[str, Any]:
        """Return the purity at K of the chosen objects (n,), of all and of the most frequent labels.

        Intervals are of stores of new images, as those that ``measure`` gives for the objects of one label.
        Raises QueryError where none is chosen.
        """
        if not chosen.any():
            raise QueryError("nothing is selected, expected one object or more")
        rows = np.flatnonzero(chosen)
        counts = np.bincount(self.label[rows], minlength=len(self.names))
        frequent = np.argsort(-counts, kind="stable")[: min(most_labels, np.count_nonzero(counts))]
        subsets = [rows, *(rows[self.label[rows] == one] for one in frequent)]
        overall, *by_label = self._estimates(subsets)
        return {
            "k": K,
            "images": len(np.unique(self.groups.image[rows])),
            "all": (self.whole if chosen.all() else overall).to_json(),
            "labels": {
                self.names[one]: estimate.to_json() for one, estimate in zip(frequent, by_label, strict=True)
            },
        }

    def _estimates(self, subsets: list[Codes]) -> list[Estimate]:
        """Return the purity of some of the rows, each with its interval by deleting blocks of images."""
        blocks, size = self.blocks, [len(rows) for rows in subsets]
        every = np.concatenate(subsets)
        member = csr_array(
            (np.ones(len(every)), every, np.cumsum([0, *size])), (len(subsets), len(self.values))
        )
        sums = (member @ self.without).reshape(len(subsets), 2, blocks).transpose(0, 2, 1)
        own = np.stack([np.bincount(self.block[rows], minlength=blocks) for rows in subsets])
        left = (np.array(size)[:, None] - own).astype(np.float64)
        without = ratio(sums, left[:, :, None])
        return [
            jackknifed(
                plain_mean(self.values[rows], self.chance[rows], self.groups.group[rows]),
                part,
                self.block[rows],
                self.groups.group[rows],
                bounds=_BOUNDS,
            )
            for rows, part in zip(subsets, without, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class SubsetMeasure:
    """The neighbors of n objects among each other, of other images, by cosine.

    nearest: (n, k) int64 rows, -1 where there are fewer; distance: (n, k) float64
    """

    agreement: SpaceAgreement
    nearest: NDArray[np.int64]
    distance: NDArray[np.float64]


def measure_space(store: Store, space: str, metric: str) -> SpaceAgreement:
    """Return the agreement of all objects of a space.

    Raises QueryError where no image is another's, and for more objects than are compared while one waits.
    """
    columns = store.object_columns(["image_id", "label"], space)
    if len(columns["label"]) > _MOST_MEASURED:
        raise QueryError(
            f"purity is measured here of at most {_MOST_MEASURED:,} objects, this space has "
            f"{len(columns['label']):,}; objectspace measure takes its time for it"
        )
    return _agreement(store.space(space), columns["image_id"], columns["label"], metric)


def measure_subset(store: Store, space: str, rows: NDArray[np.int64], *, count: int) -> SubsetMeasure:
    """Return the ``count`` nearest of some rows of a space among them. Raises QueryError for one image."""
    columns = store.object_columns(["image_id", "label"], space)
    images, held = columns["image_id"][rows], store.space(space).take(rows)
    agreement = _agreement(held, images, columns["label"][rows], "cosine")
    group = agreement.groups.group
    if isinstance(held.searched, JointVectors):
        joint = JointIndex(held.searched, held.object_id, metric="cosine", groups=group)
        found = joint.nearest(held.searched, k=count, query_groups=group)
    else:
        vectors = held.vectors
        index = ExactIndex(vectors, held.object_id, metric="cosine", groups=group)
        found = index.nearest(vectors, k=count, query_groups=group)
    return SubsetMeasure(agreement, found.index, found.distance)


def _agreement(held: Space, image_id: NDArray[Any], label: NDArray[Any], metric: str) -> SpaceAgreement:
    groups = make_groups(image_id)
    if groups.count < 2:
        raise QueryError(f"space {held.name} has objects of one image, neighbors are those of other images")
    names, numbers = np.unique(label.astype(str), return_inverse=True)
    factor = Factor("label", "categorical", numbers.astype(np.float64), categories=tuple(names.tolist()))
    block = make_blocks(groups.group)
    near = find_neighbors(held.searched, held.object_id, groups, k=K, metric=metric, block=block)
    permuted = permutation_count(len(label), MOST_OBJECTS)
    measured = measure_agreement(near, factor, groups, label.astype(object), permuted=permuted)
    parts = np.array(list(agreement_without(near, factor, groups)))  # (b, 2, n)
    deleted = block == np.arange(len(parts))[:, None]
    without = np.where(deleted[:, None], 0.0, parts).transpose(2, 1, 0).reshape(len(label), -1)
    chance = random_agreement(factor, factor.values, groups)
    return SpaceAgreement(
        measured.overall,
        measured.values,
        chance,
        np.ascontiguousarray(without),
        block,
        codes(factor.values),
        factor.categories,
        groups,
    )


def kept_neighbors(store: Store, space: str, metric: str, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of each object's 10 nearest in a space that are among its 10 nearest on a map (n,).

    points: (n, 2), the map. Raises QueryError for more objects than are compared while somebody waits.
    """
    held = store.space(space)
    _check_count(len(points))
    if np.isnan(points).any():
        raise QueryError("this map leaves objects out, so what it keeps of their neighbors cannot be told")
    each = make_groups(held.object_id)
    near, on_map = (
        find_neighbors(vectors, held.object_id, each, k=KEPT_OF, metric=measured)
        for vectors, measured in ((held.searched, metric), (points, "euclidean"))
    )
    pairs = near.query * len(points) + near.neighbor
    shared = np.isin(pairs, on_map.query * len(points) + on_map.neighbor)
    kept: NDArray[np.float32] = near.mean(shared.astype(np.float64)).astype(np.float32)
    return kept


def shared_neighbors(store: Store, space: str, other: str, metric: str) -> NDArray[np.float32]:
    """Return the share (n,) of each object's 10 nearest in other images that another space has too.

    Compared among the objects that both spaces hold; NaN for the rest.
    Raises QueryError where both hold objects of fewer than two images, and for too many objects.
    """
    own, others = store.space(space), store.space(other)
    names, rows, other_rows = np.intersect1d(
        own.object_id, others.object_id, assume_unique=True, return_indices=True
    )
    _check_count(len(names))
    images = store.object_columns(["image_id"], space)["image_id"][rows]
    groups = make_groups(images)
    if groups.count < 2:
        raise QueryError(f"spaces {space} and {other} share objects of fewer than two images")
    near, near_too = (
        find_neighbors(vectors, names, groups, k=KEPT_OF, metric=metric)
        for vectors in (own.searched[rows], others.searched[other_rows])
    )
    shared = np.full(len(own.object_id), np.nan, np.float32)
    shared[rows] = near.overlap(near_too) / np.bincount(near.query, near.weight, near.count)
    return shared


def _check_count(count: int) -> None:
    if count > _MOST_KEPT:
        raise QueryError(f"neighbors are compared of at most {_MOST_KEPT} objects, there are {count}")
