"""Groups: which objects hang together, and so must stay together in every statistic.

Objects of one photo share light, camera and company; objects of one of the user's groups (the same apple, the
same street) share even more. A *group* is the smallest set of objects that shares no photo and no group
with any object outside it. One rule follows for every measure: neighbours come from other groups, whole
groups are held out of a probe, drawn in a bootstrap and exchanged in a permutation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The company of each object (n,), as numbers from 0.

    image: its photo
    group: its group
    level: the value of the control that it is compared at; all 0 without a control
    """

    image: Codes
    group: Codes
    level: Codes

    def __len__(self) -> int:
        return len(self.group)

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.group.max(initial=-1)) + 1

    def take(self, rows: NDArray[Any]) -> Groups:
        """The groups of some of the objects, numbered anew."""
        return Groups(*(codes(column[rows]) for column in (self.image, self.group, self.level)))


def make_groups(
    image: NDArray[Any], *, group: NDArray[Any] | None = None, level: NDArray[Any] | None = None
) -> Groups:
    """Groups of objects by their photo (n,) and, where there is one, their group (n,).

    A photo whose objects are of several groups joins these groups to one group.
    """
    photo = codes(image)
    group = photo if group is None else _connected(photo, codes(group))
    return Groups(photo, group, np.zeros_like(photo) if level is None else codes(level))


def comparable(groups: Groups) -> NDArray[np.bool_]:
    """(n,) which objects can have neighbours: those whose level is in another group as well."""
    pairs = np.unique(np.stack([groups.level, groups.group]), axis=1)
    in_groups = np.bincount(pairs[0], minlength=int(groups.level.max(initial=0)) + 1)
    there: NDArray[np.bool_] = in_groups[groups.level] >= 2
    return there


def codes(column: NDArray[Any]) -> Codes:
    """The place of each value among the different values, in order."""
    return np.unique(column, return_inverse=True)[1].astype(np.int64).reshape(-1)


def _connected(photo: Codes, group: Codes) -> Codes:
    """The connected parts of the graph whose nodes are photos and groups and whose edges are objects."""
    photos = int(photo.max(initial=-1)) + 1
    nodes = photos + int(group.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(photo)), (photo, photos + group)), shape=(nodes, nodes))
    part = connected_components(edges, directed=False)[1]
    return codes(part[photo])
