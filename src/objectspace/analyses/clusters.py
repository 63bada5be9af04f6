"""Clusters: which objects hang together, and so must stay together in every statistic.

Objects of one photo share light, camera and company; objects of one of the user's groups (the same apple, the
same street) share even more. A *cluster* is the smallest set of objects that shares no photo and no group
with any object outside it. One rule follows for every measure: neighbors come from other clusters, whole
clusters are held out of a probe, drawn in a bootstrap and exchanged in a permutation.
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
class Clusters:
    """The company of each object (n,), as numbers from 0.

    image: its photo
    cluster: its cluster
    level: the value of the control that it is compared at; all 0 without a control
    """

    image: Codes
    cluster: Codes
    level: Codes

    def __len__(self) -> int:
        return len(self.cluster)

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.cluster.max(initial=-1)) + 1

    def take(self, rows: NDArray[Any]) -> Clusters:
        """The clusters of some of the objects, numbered anew."""
        return Clusters(*(codes(column[rows]) for column in (self.image, self.cluster, self.level)))


def make_clusters(
    image: NDArray[Any], *, group: NDArray[Any] | None = None, level: NDArray[Any] | None = None
) -> Clusters:
    """Clusters of objects by their photo (n,) and, where there is one, their group (n,).

    A photo whose objects are of several groups joins these groups to one cluster.
    """
    photo = codes(image)
    cluster = photo if group is None else _connected(photo, codes(group))
    return Clusters(photo, cluster, np.zeros_like(photo) if level is None else codes(level))


def comparable(clusters: Clusters) -> NDArray[np.bool_]:
    """(n,) which objects can have neighbors: those whose level is in another cluster as well."""
    pairs = np.unique(np.stack([clusters.level, clusters.cluster]), axis=1)
    in_clusters = np.bincount(pairs[0], minlength=int(clusters.level.max(initial=0)) + 1)
    there: NDArray[np.bool_] = in_clusters[clusters.level] >= 2
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
