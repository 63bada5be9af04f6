"""Approximate search in a joint space: the indexes of its parts propose candidates, all of them are measured.

An object that is near in all is near in some part, so the candidates of each part together hold most of the
nearest; how many is measured, as for any space. Their distances are those of exact search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors import Block, JointIndex, JointVectors, Neighbors
from objectspace.neighbors.joint import check_joint_queries
from objectspace.neighbors.joint_vectors import part_distances
from objectspace.neighbors.ranking import no_neighbors
from objectspace.neighbors.rows import Rows
from objectspace.search.approximate import FEW, NEIGHBORS, PROPOSED, require_index
from objectspace.store import SpaceIndex, StoredJointVectors, StoredSpace


class ApproximateJointIndex:
    """Search a joint space in a store by the indexes of its parts' spaces, with true distances.

    A space too small for an index proposes all its vectors. A search reads its candidates alone, in all
    parts.

    vectors: in the store; index: how their recall was measured
    groups: (n,) of anything that sorts (image ids, say), for searches that leave a query's own group out
    """

    def __init__(
        self,
        vectors: StoredJointVectors,
        index: SpaceIndex,
        *,
        metric: str,
        groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> None:
        self.vectors, self.index, self.metric = vectors, index, metric
        # The ids of candidates are read when needed, so rows need none here.
        self._rows = Rows(len(vectors), np.arange(len(vectors)), groups)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def unindexed(self) -> int:
        """Return how many objects came after the indexes were built; each of them is compared."""
        return self.vectors.unindexed

    def exact(self) -> JointIndex:
        """Return the exact index of the same vectors, on disk."""
        return JointIndex(self.vectors, self.vectors.object_ids(), metric=self.metric)

    def grouped(self, groups: Sequence[str] | NDArray[Any]) -> ApproximateJointIndex:
        """Return an index of the same vectors in other groups (n,)."""
        return ApproximateJointIndex(self.vectors, self.index, metric=self.metric, groups=groups)

    def nearest(
        self,
        queries: JointVectors,
        *,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        query_groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> Neighbors:
        """Return nearly the k nearest of each query, nearest first, equal distances by id.

        The arguments are those of :meth:`JointIndex.nearest`. The answer is exact where a filter allows at
        most FEW rows, and where the indexes propose fewer than k.
        """
        check_joint_queries(queries, self.vectors, k)
        rows, own = self._rows.allowed(allowed), self._rows.own_groups(query_groups, len(queries))
        found = no_neighbors(len(queries), k)
        for group in np.unique(own):
            of_others = rows
            if self._rows.group is not None and group >= 0:
                of_others = rows[self._rows.group[rows] != group]
            selected = np.flatnonzero(own == group)
            for query, near in zip(
                selected, self._of_one_group(queries[selected], k, of_others), strict=True
            ):
                found.index[query], found.distance[query] = near.index[0], near.distance[0]
        return found

    def cosines(
        self, queries: JointVectors, query: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the cosine of pairs (p,) in each part, as :meth:`JointIndex.cosines` does."""
        return 1 - part_distances(queries, query, self.vectors[rows], np.arange(len(rows)))

    def _of_one_group(self, queries: JointVectors, k: int, rows: NDArray[np.int64]) -> Iterator[Neighbors]:
        """Yield what is found for each of some queries among rows that all of them may find."""
        few = len(rows) <= FEW
        candidates = [rows] * len(queries) if few else self._propose(queries, k, rows)
        for start, stop in self._read_together(candidates):
            together = np.unique(np.concatenate(candidates[start:stop]))
            read = self.vectors[together], self.vectors.object_ids(together)
            for number in range(start, stop):
                query, proposed = queries[number : number + 1], candidates[number]
                if few or len(proposed) >= k:
                    yield self._measure(query, k, proposed, np.searchsorted(together, proposed), *read)
                else:
                    yield self.exact().nearest(query, k=k, allowed=self._mask(rows))

    def _read_together(self, candidates: Sequence[NDArray[np.int64]]) -> list[tuple[int, int]]:
        """Return where the queries begin and end (of a slice) whose candidates are read at once."""
        read = np.cumsum([4 * self.vectors.shape[1] * len(proposed) for proposed in candidates])
        edges = (np.flatnonzero(np.diff(read // PROPOSED)) + 1).tolist()
        return list(pairwise([0, *edges, len(candidates)]))

    def _propose(self, queries: JointVectors, k: int, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the rows that some part proposes for each query, sorted."""
        count = self.index.settings["candidates"] * max(k, NEIGHBORS)
        allowed = self._mask(rows)
        pairs = [np.empty((2, 0), np.int64)]
        for asked, block, index in zip(
            queries.blocks, self.vectors.blocks, self.vectors.indexes, strict=True
        ):
            if len(asked.rows) and len(block.rows):
                pairs.append(_proposed(asked, block, index, count, allowed[block.rows]))
        query, row = np.unique(np.concatenate(pairs, axis=1), axis=1)
        return np.split(row, np.searchsorted(query, np.arange(1, len(queries))))

    def _measure(
        self,
        query: JointVectors,
        k: int,
        rows: NDArray[np.int64],
        place: NDArray[np.int64],
        vectors: JointVectors,
        ids: NDArray[np.str_],
    ) -> Neighbors:
        """Return the k nearest of a query among some rows, exactly; place: of each in vectors and ids."""
        near = JointIndex(vectors[place], ids[place], metric=self.metric).nearest(query, k=k)
        there = near.index >= 0
        near.index[there] = rows[near.index[there]]
        return near

    def _mask(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self), np.bool_)
        mask[rows] = True
        return mask


def approximate_joint_index(
    space: StoredSpace, vectors: StoredJointVectors, *, metric: str
) -> ApproximateJointIndex:
    """Return the index of a joint space, which serves both metrics, as they rank alike.

    Raises QueryError where the space has none.
    """
    return ApproximateJointIndex(vectors, require_index(space, metric=metric), metric=metric)


def _proposed(
    asked: Block, block: Block, index: SpaceIndex | None, count: int, allowed: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return query and row (2, p) of what a block proposes for the queries that have a vector in it."""
    if index is None:
        held = block.rows[allowed]
        return np.stack([np.repeat(asked.rows, len(held)), np.tile(held, len(asked.rows))])
    source: Any = block.source
    vectors = np.ascontiguousarray(asked.source[:], np.float32)
    query, row = source.propose_rows(vectors, count, index, None if allowed.all() else allowed)
    return np.stack([asked.rows[query], block.rows[row]])
