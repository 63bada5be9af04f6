"""Exact nearest neighbors: the true k nearest in float64, at the speed of a float32 matrix product.

The candidate filter: a float32 product compares every query with every row, with an error that has a proven
bound, and keeps each row that could be among the k nearest within that bound. The re-ranking: the candidates'
distances are computed by float64 differences of the vectors themselves, and these are the answer. So no
neighbor is lost to rounding, and two vectors have the same distance in any search.

Vectors that do not fit in memory are searched on disk, block by block, with the same answers
(:class:`StreamedIndex`).

Several parts of a row are searched together without a copy (:class:`JointIndex`).

Equal distances are ordered by object id. The cosine distance is ``1 - cos``, in [0, 2]; a zero vector has no
direction and is at distance 1 from everything, itself included.
"""

from __future__ import annotations

from objectspace.neighbors.distances import METRICS
from objectspace.neighbors.exact import ExactIndex, nearest
from objectspace.neighbors.joint import JointIndex
from objectspace.neighbors.joint_vectors import Block, JointVectors, Part, select_rows
from objectspace.neighbors.mutual import nearest_together
from objectspace.neighbors.ranking import NO_NEIGHBOR, Neighbors, no_neighbors
from objectspace.neighbors.sources import BlockSource
from objectspace.neighbors.streamed import StreamedIndex

__all__ = [
    "METRICS",
    "NO_NEIGHBOR",
    "Block",
    "BlockSource",
    "ExactIndex",
    "JointIndex",
    "JointVectors",
    "Neighbors",
    "Part",
    "StreamedIndex",
    "nearest",
    "nearest_together",
    "no_neighbors",
    "select_rows",
]
