"""Rankings: the k nearest of each query, and the merging of measured pairs into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The row number in an answer where fewer than k rows are left; the distance there is infinite.
NO_NEIGHBOR = -1


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors:
    """The k nearest of each query, nearest first, equal distances by id.

    index: (q, k) int64, rows of the searched vectors; -1 where fewer than k were left
    distance: (q, k) float64; infinite there
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float64]


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


def smallest(query: NDArray[Any], values: NDArray[np.float64], queries: int, k: int) -> NDArray[np.float64]:
    """Return the k smallest values (queries, k) of each query, in order; infinite where there are fewer."""
    table = np.full((queries, k), np.inf)
    order = np.lexsort((values, query))
    place = places(query[order], queries)
    best = place < k
    order = order[best]
    table[query[order], place[best]] = values[order]
    return table


def places(query: NDArray[Any], queries: int) -> NDArray[np.int64]:
    """Return the place (p,) of each pair among those of its query; ``query`` (p,) is sorted."""
    counts = np.bincount(query, minlength=queries)
    place: NDArray[np.int64] = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place
