"""How unlike two objects are as copies of each other: by their vectors and by their thumbnails.

Neither is enough. A small object that is saved again changes its vector as much as a stranger's differs, and
its thumbnail hardly; a cropped or turned one keeps its vector better than its pixels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.analyses.audit.duplicates import Pairs, make_pairs
from objectspace.images import decode_thumbnail
from objectspace.neighbors import NO_NEIGHBOR, Neighbors
from objectspace.search.audit.neighborhood import Neighborhood
from objectspace.store import Store

Float32 = NDArray[np.float32]

#: Pixels a side to which thumbnails are reduced before they are compared.
SIDE = 12

# Thumbnails that are read at once.
_BLOCK = 4096


def reduced(thumbnails: Iterable[bytes]) -> Float32:
    """Return thumbnails as vectors (n, 3 x SIDE x SIDE) whose products are correlations; flat ones are 0."""
    rows = []
    for data in thumbnails:
        small = PIL.Image.fromarray(decode_thumbnail(data)).resize((SIDE, SIDE), PIL.Image.Resampling.BOX)
        levels = np.asarray(small, np.float32).transpose(2, 0, 1)
        levels = levels - levels.mean((1, 2), keepdims=True)
        rows.append(levels.ravel() / max(float(np.linalg.norm(levels)), 1.0))
    return np.array(rows, np.float32).reshape(-1, 3 * SIDE * SIDE)


class CopyDifferences:
    """The difference of each object to its nearest, as copies: near 0 for one, 1 for nothing in common.

    It is the cosine distance times one less the correlation of the reduced thumbnails, or of one and the
    other mirrored if that is larger.

    nearest: (n,) int64, the least different of other images, -1 for none; difference: (n,) float64
    """

    def __init__(self, store: Store, object_id: NDArray[np.str_], near: Neighborhood) -> None:
        blocks = range(0, len(object_id), _BLOCK)
        self._pictures = np.concatenate(
            [reduced(store.thumbnails(object_id[start : start + _BLOCK])) for start in blocks]
        )
        self._near = near
        differences = self._of_rows(np.arange(len(object_id)), near.near)
        least = differences.argmin(1)
        rows = np.arange(len(object_id))
        self.difference: NDArray[np.float64] = differences[rows, least]
        self.nearest: NDArray[np.int64] = near.near.index[rows, least]

    def to_originals(
        self, found: Neighbors, pictures: Float32, original: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the difference (m,) of copies to what they are of; infinite where that is not found."""
        own = found.index == original[:, None]
        distance = np.where(own, found.distance, 0).sum(1)
        difference = distance * _unlike(pictures, self._pictures[original])
        return np.where(own.any(1), difference, np.inf)

    def pairs_within(self, difference: float) -> Pairs:
        """Return the pairs of objects of different images that differ by at most so much."""
        parts, pending, near = [np.empty((3, 0))], np.arange(len(self.nearest)), self._near.near
        while len(pending):
            differences = self._of_rows(pending, near)
            row, place = np.nonzero(differences <= difference)
            parts.append(np.stack([pending[row], near.index[row, place], differences[row, place]]))
            # Whose farthest neighbor is a copy may have more of them.
            full = differences[:, -1] <= difference
            pending, k = pending[full], 2 * near.index.shape[1]
            near = self._near.nearest_of(pending, k)
        first, second, apart = np.concatenate(parts, axis=1)
        return make_pairs(first, second, apart)

    def _of_rows(self, rows: NDArray[np.int64], near: Neighbors) -> NDArray[np.float64]:
        """Return the difference (m, k) of rows (m,) to their neighbors; infinite where there is none."""
        unlike = [
            _unlike(self._pictures[rows], self._pictures[near.index[:, place]])
            for place in range(near.index.shape[1])
        ]
        there = near.index != NO_NEIGHBOR
        return np.where(there, np.where(there, near.distance, 0) * np.stack(unlike, axis=1), np.inf)


def _unlike(first: Float32, second: Float32) -> NDArray[np.float64]:
    """Return one less the correlation of reduced thumbnails (m,), mirrored or not, whichever is larger."""
    mirrored = second.reshape(-1, 3, SIDE, SIDE)[..., ::-1].reshape(second.shape)
    alike = np.maximum((first * second).sum(1), (first * mirrored).sum(1))
    unlike: NDArray[np.float64] = 1 - np.clip(alike, 0, 1).astype(np.float64)
    return unlike
