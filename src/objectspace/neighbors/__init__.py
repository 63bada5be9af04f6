"""Exact nearest neighbors: the true k nearest, as near as float64 tells, at the speed of a matrix product.

Two sieves. A float32 matrix product gives every distance with an error that has a proven bound, and whatever
could be among the k nearest within that bound is kept. The few that are kept are measured by float64
differences of the vectors themselves, and these distances are the answer. So no neighbor is lost to
rounding, and two vectors have the same distance in whatever company they are searched.

Vectors that do not fit in memory are searched where they lie, block by block, with the same answers
(:class:`StreamedIndex`).

Equal distances are ordered by object id. The cosine distance is ``1 - cos``, in [0, 2]; a zero vector has no
direction and is at distance 1 from everything, itself included.
"""

from __future__ import annotations

from objectspace.neighbors.exact import ExactIndex, Neighbors, nearest
from objectspace.neighbors.points import METRICS
from objectspace.neighbors.sieve import NOBODY
from objectspace.neighbors.streamed import StreamedIndex

__all__ = ["METRICS", "NOBODY", "ExactIndex", "Neighbors", "StreamedIndex", "nearest"]
