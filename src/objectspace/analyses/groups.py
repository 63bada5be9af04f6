"""Groups: the sets of objects that are dependent, and so stay together in every statistic.

Objects of one image share light, camera and surroundings; objects of one value of the user's group column
(the same apple, the same street) share even more. A *group* is the smallest set of objects that shares no
image and no value of that column with an object outside it. One rule follows for every measure: neighbors
come from other groups, and whole groups are held out of a probe (as in scikit-learn's ``GroupKFold``),
resampled in a bootstrap and exchanged in a permutation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Codes = NDArray[np.int64]

#: Objects of which more are not fitted or searched for, where a sample says as much.
MOST_OBJECTS = 20_000
#: Groups of which fewer are never drawn, however large they are.
FEWEST_DRAWN = 100


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The image, group and control level of each object (n,), as numbers from 0.

    level: the value of the control at which the object is compared; all 0 without a control
    """

    image: Codes
    group: Codes
    level: Codes

    def __len__(self) -> int:
        return len(self.group)

    def __repr__(self) -> str:
        return f"Groups({len(self)} objects in {self.count} groups)"

    @property
    def count(self) -> int:
        """Return the number of groups."""
        return int(self.group.max(initial=-1)) + 1

    def take(self, rows: NDArray[Any]) -> Groups:
        """Return the groups of some of the objects, renumbered from 0."""
        return Groups(*(codes(column[rows]) for column in (self.image, self.group, self.level)))


def make_groups(
    image: NDArray[Any], *, group: NDArray[Any] | None = None, level: NDArray[Any] | None = None
) -> Groups:
    """Return the groups of objects by their ``image`` (n,) and, if given, the user's column ``group`` (n,).

    An image whose objects have several values of that column joins these to one group.

    >>> make_groups(np.array(["a", "a", "b", "c"]), group=np.array([1, 2, 2, 3])).group.tolist()
    [0, 0, 0, 1]
    """
    image_code = codes(image)
    group = image_code if group is None else _connected(image_code, codes(group))
    return Groups(image_code, group, np.zeros_like(image_code) if level is None else codes(level))


def comparable(groups: Groups) -> NDArray[np.bool_]:
    """Return which objects (n,) can have neighbors: those whose level is in another group as well."""
    pairs = np.unique(groups.level * (groups.count + 1) + groups.group)
    in_groups = np.bincount(pairs // (groups.count + 1), minlength=int(groups.level.max(initial=0)) + 1)
    there: NDArray[np.bool_] = in_groups[groups.level] >= 2
    return there


def draw_groups(group: Codes, most: int | None, *, seed: int = 0) -> Codes:
    """Return the objects, sorted, of whole groups (n,) drawn at random; all where they are no more than most.

    Groups are drawn one after another, each as likely as any other, as long as their objects are at most
    ``most`` together, but 100 groups at least. ``most`` is None for all objects.

    >>> draw_groups(np.arange(2000) // 4, 500).shape, draw_groups(np.arange(4), 500).tolist()
    ((500,), [0, 1, 2, 3])
    """
    if most is None or len(group) <= most:
        return np.arange(len(group))
    size = np.bincount(group)
    order = np.random.default_rng([seed, 6]).permutation(len(size))
    fitting = int(np.searchsorted(np.cumsum(size[order]), most, side="right"))
    drawn = np.zeros(len(size), np.bool_)
    drawn[order[: max(fitting, FEWEST_DRAWN)]] = True
    return np.flatnonzero(drawn[group])


def make_folds(group: Codes, folds: int, *, seed: int = 0) -> Codes:
    """Return the fold (n,) of each object: whole groups, the largest first, each to the smallest fold so far.

    >>> make_folds(np.array([0, 0, 0, 1, 1, 2]), 2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    size = np.bincount(group)
    order = np.random.default_rng([seed, 2]).permutation(len(size))
    order = order[np.argsort(-size[order], kind="stable")]
    fold = np.empty(len(size), np.int64)
    filled = np.zeros(min(folds, len(size)), np.int64)
    for one in order:
        fold[one] = np.argmin(filled)
        filled[fold[one]] += size[one]
    return fold[group]


def codes(column: NDArray[Any]) -> Codes:
    """Return the number of each value among the sorted unique values.

    >>> codes(np.array(["b", "a", "b"])).tolist()
    [1, 0, 1]
    """
    return np.unique(column, return_inverse=True)[1].astype(np.int64).reshape(-1)


def pair_codes(first: Codes, second: Codes) -> Codes:
    """Return the number of each pair (n,) among those that are there, by the first, then the second.

    >>> pair_codes(np.array([1, 0, 1]), np.array([0, 2, 0])).tolist()
    [1, 0, 1]
    """
    return codes(first * (int(second.max(initial=0)) + 1) + second)


def _connected(image_code: Codes, group: Codes) -> Codes:
    """Return the connected components of the graph of images and column values, whose edges are objects."""
    image_count = int(image_code.max(initial=-1)) + 1
    nodes = image_count + int(group.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(image_code)), (image_code, image_count + group)), shape=(nodes, nodes))
    part = connected_components(edges, directed=False)[1]
    return codes(part[image_code])
