"""The nearest of each object in its own photo, which a search for neighbors in other photos leaves out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.groups import Codes
from objectspace.neighbors import JointVectors, Neighbors, no_neighbors

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Objects that are read at once; those of one photo always are.
BLOCK = 8192

# Objects of one photo that are compared with all of it at once.
_QUERIES = 1024


def nearest_in_photo(vectors: Float32 | JointVectors, photo: Codes, *, k: int, within: Float64) -> Neighbors:
    """Return the k nearest objects (n, k) in each one's own photo, by cosine distance, that are near enough.

    Fewer, or none, where the photo has no more of them. Equal distances are in the order of the objects.

    vectors: (n, d), read in blocks; photo: (n,) codes from 0
    within: (n,) the largest distance that counts for each
    """
    found = no_neighbors(len(photo), k)
    for rows in whole_photos(photo, least=2):
        block = read_rows(vectors, rows)
        length = np.linalg.norm(block, axis=1, keepdims=True)
        directions = np.divide(block, length, out=np.zeros_like(block), where=length > 0)
        starts = np.flatnonzero(np.diff(photo[rows], prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            _add(found, rows[start:end], directions[start:end], within)
    return found


def read_rows(vectors: Float32 | JointVectors, rows: Codes) -> Float32:
    """Return some vectors (m, d); successive ones by a slice, which costs a store less than their numbers."""
    successive = len(rows) > 0 and bool((np.diff(rows) == 1).all())
    asked = slice(int(rows[0]), int(rows[-1]) + 1) if successive else rows
    return np.asarray(vectors[asked], np.float32)


def whole_photos(photo: Codes, *, least: int = 1) -> Iterator[Codes]:
    """Yield the rows of whole photos of at least so many objects, about :data:`BLOCK` at once."""
    # In the order of their first objects, as vectors on disk are read faster in their own order.
    first = np.unique(photo, return_index=True)[1][photo]
    rows = np.argsort(first, kind="stable")
    rows = rows[(np.bincount(photo)[photo] >= least)[rows]]
    ends = np.flatnonzero(np.diff(photo[rows], append=-1)) + 1
    start = 0
    while start < len(rows):
        end = int(ends[np.searchsorted(ends, min(start + BLOCK, len(rows)))])
        yield rows[start:end]
        start = end


def _add(found: Neighbors, rows: Codes, directions: Float32, within: Float64) -> None:
    """Write the nearest of the objects (m,) of one photo into an answer, in place."""
    k = min(found.index.shape[1], len(rows) - 1)
    for start in range(0, len(rows), _QUERIES):
        asked = np.arange(start, min(start + _QUERIES, len(rows)))
        distance = 1 - (directions[asked] @ directions.T).astype(np.float64)
        distance[np.arange(len(asked)), asked] = np.inf
        order = np.argsort(distance, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(distance, order, axis=1)
        counts = near <= within[rows[asked], None]
        found.distance[rows[asked], :k] = np.where(counts, near, found.distance[rows[asked], :k])
        found.index[rows[asked], :k] = np.where(counts, rows[order], found.index[rows[asked], :k])
