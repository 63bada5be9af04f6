"""Neighbour purity: how often the nearest objects of other photos have an object's own label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError
from objectspace.neighbours import ExactIndex
from objectspace.objects.records import Objects

#: Resamples of the bootstrap.
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Purity:
    """Purity at ``k`` over ``n`` objects of ``images`` photos.

    value: mean share, in [0, 1], of the k nearest objects of other photos that have the object's label
    chance: the same share of all objects of other photos, the value that random neighbours have on average
    low, high: 95 % interval by bootstrap over photos
    """

    k: int
    n: int
    images: int
    value: float
    chance: float
    low: float
    high: float


def measure_purity(
    space: Space, objects: Objects, *, k: int = 5, metric: str = "euclidean", seed: int = 0
) -> Purity:
    """Purity at k of a space; ``objects`` are its objects, row for row.

    Objects of the same photo are never neighbours, as they share light, camera and company. The interval
    resamples whole photos, as objects of one photo are not independent. Raises InputError with fewer than two
    photos and where the rows do not match.
    """
    if objects.object_id.tolist() != space.object_id.tolist():
        raise InputError(f"space {space.name}: its vectors and the objects are not in the same order")
    photos, photo = np.unique(objects.image_id, return_inverse=True)
    if len(photos) < 2:
        raise InputError(f"purity needs objects of at least two photos, space {space.name} has {len(photos)}")
    index = ExactIndex(space.vectors, space.object_id, metric=metric, groups=objects.image_id)
    found = index.nearest(space.vectors, k=k, query_groups=objects.image_id)
    _, label = np.unique(objects.label.astype(str), return_inverse=True)
    there = found.index >= 0
    same = there & (label[found.index] == label[:, None])
    shares = same.sum(1) / there.sum(1)
    low, high = _interval(shares, photo, len(photos), seed)
    chance = float(_random_shares(label, photo).mean())
    return Purity(k, len(objects), len(photos), float(shares.mean()), chance, low, high)


def _random_shares(label: NDArray[Any], photo: NDArray[Any]) -> NDArray[np.float64]:
    """For each object the share of its label among all objects of other photos."""
    in_photo = np.zeros((photo.max() + 1, label.max() + 1))
    np.add.at(in_photo, (photo, label), 1)
    others = in_photo.sum(0)[label] - in_photo[photo, label]
    shares: NDArray[np.float64] = others / (len(label) - in_photo.sum(1)[photo])
    return shares


def _interval(
    shares: NDArray[np.float64], photo: NDArray[Any], photos: int, seed: int
) -> tuple[float, float]:
    """The 2.5 and 97.5 percent points of the mean when photos are drawn with replacement."""
    total = np.bincount(photo, weights=shares, minlength=photos)
    count = np.bincount(photo, minlength=photos)
    drawn = np.random.default_rng(seed).integers(0, photos, (RESAMPLES, photos))
    means = total[drawn].sum(1) / count[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
