"""The nearest objects of all objects of a space, found once for all lists."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors import ExactIndex, JointIndex, JointVectors, Neighbors, StreamedIndex
from objectspace.store import StoredSpace

#: Neighbors of each object that are found: those of the local outlier factor, and more than labels need.
K = 20

#: Vectors of fewer bytes are read into memory, larger spaces are searched on disk.
IN_MEMORY = 2 << 30

# Bytes of the vectors that are searched at once; a space on disk is read once for each.
_QUERIES = 1 << 28

METRIC = "cosine"


class Neighborhood:
    """The K nearest objects of other images of each of n objects, by cosine distance.

    near: of all n; image: (n,) the image of each
    """

    def __init__(self, space: StoredSpace, image: NDArray[np.str_]) -> None:
        self.image = image
        vectors = space.vectors
        ids = space.object_id
        self.vectors: Any
        self._index: ExactIndex | StreamedIndex | JointIndex
        if isinstance(vectors, JointVectors):
            read = vectors[:] if vectors.nbytes <= IN_MEMORY else vectors
            self.vectors, self._index = read, JointIndex(read, ids, metric=METRIC, groups=image)
        elif 4 * vectors.shape[0] * vectors.shape[1] <= IN_MEMORY:
            self.vectors = np.asarray(vectors[:], np.float32)
            self._index = ExactIndex(self.vectors, ids, metric=METRIC, groups=image)
        else:
            self.vectors, self._index = vectors, StreamedIndex(vectors, ids, metric=METRIC, groups=image)
        self.near = self.nearest_of(np.arange(len(image)), K)

    def __len__(self) -> int:
        return len(self.image)

    def nearest(
        self, vectors: NDArray[np.float32] | JointVectors, image: NDArray[np.str_] | None = None
    ) -> Neighbors:
        """Return the K nearest of vectors from outside, of all images but the one (m,) that each is of."""
        return self._index.nearest(vectors, k=K, query_groups=image)  # type: ignore[arg-type]

    def nearest_of(self, rows: NDArray[np.int64], k: int) -> Neighbors:
        """Return the k nearest objects of other images of some of the n (m,)."""
        size = max(1, _QUERIES // (4 * self.vectors.shape[1]))
        parts = [
            self._index.nearest(self.vectors[block], k=k, query_groups=self.image[block])
            for block in (rows[start : start + size] for start in range(0, len(rows), size))
        ]
        if not parts:
            return Neighbors(np.empty((0, k), np.int64), np.empty((0, k)))
        return Neighbors(
            np.concatenate([one.index for one in parts]), np.concatenate([one.distance for one in parts])
        )
