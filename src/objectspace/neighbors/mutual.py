"""Exact search for the nearest of all vectors among themselves."""

from __future__ import annotations

import threading
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors.candidates import QUERIES, Search
from objectspace.neighbors.normalization import NormalizedVectors
from objectspace.neighbors.ranking import Neighbors, no_neighbors
from objectspace.neighbors.rows import Rows
from objectspace.threads import run_side_by_side


def search_mutually(vectors: NormalizedVectors, rows: Rows, own: NDArray[np.int64], k: int) -> Neighbors:
    """Return the k nearest of all vectors, of which none is of a query's own group (n,).

    Blocks of queries are searched beside each other, so that the product of two blocks is made once: its rows
    are candidates of its columns, and its columns of its rows.
    """
    blocks = [np.arange(start, min(start + QUERIES, len(rows))) for start in range(0, len(rows), QUERIES)]
    searches, values = [], []
    for block in blocks:
        part = slice(int(block[0]), int(block[-1]) + 1)
        queries = vectors.vectors[part]
        normalized = vectors.rows(part)
        values.append(normalized[0])
        searches.append(Search(vectors, rows, queries, own[part], k, normalized=normalized, pending=0))

    own_buffers = threading.local()

    def filter_both(pair: tuple[int, int]) -> None:
        one, other = (blocks[number] for number in pair)
        of_one, of_other = slice(one[0], one[-1] + 1), slice(other[0], other[-1] + 1)
        if not hasattr(own_buffers, "tables"):
            own_buffers.tables = np.empty((2, QUERIES * QUERIES), np.float32)
        size = len(one) * len(other)
        products, keys = (table[:size].reshape(len(one), -1) for table in own_buffers.tables)
        vectors.products(of_one, values[pair[1]], out=products)
        np.subtract(vectors.low[of_one, None], products, out=keys)
        searches[pair[1]].keep_near(keys, one)
        np.subtract(vectors.low[of_other], products, out=keys)
        searches[pair[0]].keep_near(keys, other, queries_first=True)

    run_side_by_side(lambda number: searches[number].start(blocks[number]), range(len(blocks)))
    run_side_by_side(filter_both, list(combinations(range(len(blocks)), 2)))
    found = no_neighbors(len(rows), k)
    for block, search in zip(blocks, searches, strict=True):
        near = search.finish()
        found.index[block], found.distance[block] = near.index, near.distance
    return found
