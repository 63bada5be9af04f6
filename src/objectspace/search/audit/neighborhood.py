"""The nearest objects of all objects of a space, found once for all lists."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors import (
    ExactIndex,
    JointIndex,
    JointVectors,
    Neighbors,
    StreamedIndex,
    no_neighbors,
)
from objectspace.search.answers import Approximation
from objectspace.search.approximate import ApproximateIndex, approximate_index
from objectspace.search.approximate_joint import ApproximateJointIndex, approximate_joint_index
from objectspace.store import StoredJointVectors, StoredSpace, StoredVectors
from objectspace.threads import work_ahead, worker_count

#: Neighbors of each object that are found: those that vote on labels, and among which copies are looked for.
K = 20

#: Vectors of fewer bytes are read into memory, larger spaces are searched on disk.
IN_MEMORY = 2 << 30

# Bytes of the vectors that are searched at once; a space on disk is read once for each.
_QUERIES = 1 << 28

# Objects that a thread searches at once by an approximate index, which follows its graph in one thread.
_ASKED = 4096

METRIC = "cosine"


Index = ExactIndex | StreamedIndex | JointIndex | ApproximateIndex | ApproximateJointIndex


class Neighborhood:
    """The K nearest objects of other images of each of n objects of a space, by cosine distance.

    rows: (n,) of the space, sorted: the objects that are compared, with each other alone
    near: of all n; image: (n,) the image of each
    approximate: the index of the space that proposes them, which takes all rows; None for the true nearest
    Raises QueryError where the space has no index of cosine distances to search by.
    """

    def __init__(
        self,
        space: StoredSpace,
        rows: NDArray[np.int64],
        image: NDArray[np.str_],
        *,
        approximate: bool = False,
    ) -> None:
        self.image = image
        self.vectors = _read(space.vectors, rows)
        self._index: Index
        self.approximate: Approximation | None = None
        if approximate:
            self._index = _approximate(space, self.vectors).grouped(image)
            self.approximate = Approximation(self._index.index, self._index.unindexed)
        elif isinstance(self.vectors, JointVectors):
            self._index = JointIndex(self.vectors, space.object_id[rows], metric=METRIC, groups=image)
        else:
            kind = ExactIndex if isinstance(self.vectors, np.ndarray) else StreamedIndex
            self._index = kind(self.vectors, space.object_id[rows], metric=METRIC, groups=image)
        self.near = self._nearest_of_all()

    def __len__(self) -> int:
        return len(self.image)

    def _nearest_of_all(self) -> Neighbors:
        if isinstance(self._index, ExactIndex | StreamedIndex):
            return self._index.nearest_of_all(k=K)
        return self.nearest_of(np.arange(len(self.image)), K)

    def nearest(
        self, vectors: NDArray[np.float32] | JointVectors, image: NDArray[np.str_] | None = None
    ) -> Neighbors:
        """Return the K nearest of vectors from outside, of all images but the one (m,) that each is of."""
        return self._index.nearest(vectors, k=K, query_groups=image)  # type: ignore[arg-type]

    def nearest_of(
        self, rows: NDArray[np.int64], k: int, photo: NDArray[np.int64] | None = None
    ) -> Neighbors:
        """Return the k nearest objects of other images of some of the n (m,).

        photo: (n,) the photo of each, where several images are copies of one; by default its image
        """
        index: Index = self._index
        group: NDArray[Any] = self.image
        if photo is not None:
            index, group = index.grouped(photo), photo
        asks_index = isinstance(index, ApproximateIndex | ApproximateJointIndex)
        size = _ASKED if asks_index else max(1, _QUERIES // (4 * self.vectors.shape[1]))
        blocks = [slice(start, start + size) for start in range(0, len(rows), size)]

        def search(block: slice) -> Neighbors:
            asked = rows[block]
            return index.nearest(self.vectors[asked], k=k, query_groups=group[asked])

        found = no_neighbors(len(rows), k)
        workers = worker_count() if asks_index else 1
        with closing(work_ahead(blocks, search, workers=workers, ahead=2 * workers)) as parts:
            for block, part in zip(blocks, parts, strict=True):
                found.index[block], found.distance[block] = part.index, part.distance
        return found


def _read(vectors: StoredVectors | StoredJointVectors, rows: NDArray[np.int64]) -> Any:
    """Return the vectors of some rows: in memory if there is room, else as they are read on demand."""
    whole = len(rows) == len(vectors)
    if isinstance(vectors, JointVectors):
        return vectors if whole and vectors.nbytes > IN_MEMORY else vectors[rows]
    if 4 * len(rows) * vectors.shape[1] > IN_MEMORY:
        return vectors if whole else _StoredRows(vectors, rows)
    return vectors[:] if whole else vectors[rows]


class _StoredRows:
    """Some rows (n,) of vectors on disk, read on demand."""

    def __init__(self, vectors: StoredVectors, rows: NDArray[np.int64]) -> None:
        self._vectors, self._rows = vectors, rows
        self.shape = len(rows), vectors.shape[1]

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        return self._vectors[self._rows[rows]]


def _approximate(space: StoredSpace, vectors: Any) -> ApproximateIndex | ApproximateJointIndex:
    if isinstance(space.vectors, StoredJointVectors):
        return approximate_joint_index(space, space.vectors, metric=METRIC)
    in_memory = vectors if isinstance(vectors, np.ndarray) else None
    return approximate_index(space, metric=METRIC, in_memory=in_memory)
