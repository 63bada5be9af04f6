"""Rankings: the k nearest of each query, and the merging of measured pairs into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import counted

#: The row number in an answer where fewer than k rows are left; the distance there is infinite.
NO_NEIGHBOR = -1

# Numbers in a table whose smallest are taken (8 MB).
_TABLE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors:
    """The k nearest of each query, nearest first, equal distances by id.

    index: (q, k) int64, rows of the searched vectors; -1 where fewer than k were left
    distance: (q, k) float64; infinite there
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float64]

    def __repr__(self) -> str:
        queries, k = self.index.shape
        return f"Neighbors({counted(queries, 'query', 'queries')}, {k} each)"


def no_neighbors(queries: int, k: int) -> Neighbors:
    """Return the answer (queries, k) before anything is found."""
    return Neighbors(np.full((queries, k), NO_NEIGHBOR, np.int64), np.full((queries, k), np.inf))


def merge(
    index: NDArray[np.int64],
    distance: NDArray[np.float64],
    query: NDArray[Any],
    rows: NDArray[np.int64],
    distances: NDArray[np.float64],
    rank: NDArray[np.int64],
) -> None:
    """Merge measured pairs (p,) into an answer (q, k), in place; equal distances in the order of ``rank``."""
    held = np.nonzero(index != NO_NEIGHBOR)
    query = np.concatenate([held[0], query])
    rows, distances = np.concatenate([index[held], rows]), np.concatenate([distance[held], distances])
    order = np.lexsort((rank[rows], distances, query))
    place = places(query[order], len(index))
    best = place < index.shape[1]
    order = order[best]
    at = query[order], place[best]
    index[at], distance[at] = rows[order], distances[order]


def smallest(
    least: NDArray[np.float64], query: NDArray[Any], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the k smallest of each query, of ``least`` (q, k) and ``values`` (p,), the k-th one last."""
    queries, k = least.shape
    # Radix sort: uint16 holds every query of a search.
    order = np.argsort(query.astype(np.uint16), kind="stable")
    query, values = query[order], values[order]
    place = places(query, queries)
    longest = int(place.max(initial=-1)) + 1
    width = min(longest, max(k, _TABLE // queries))
    for start in range(0, longest, max(width, 1)):
        here = slice(None) if width == longest else (place >= start) & (place < start + width)
        table = np.full((queries, k + width), np.inf)
        table[:, :k] = least
        table[query[here], k + place[here] - start] = values[here]
        # A copy, as a view would keep the table.
        least = np.partition(table, k - 1, axis=1)[:, :k].copy()
    return least


def places(query: NDArray[Any], queries: int) -> NDArray[np.int64]:
    """Return the place (p,) of each pair among those of its query; ``query`` (p,) is sorted."""
    counts = np.bincount(query, minlength=queries)
    place: NDArray[np.int64] = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place
