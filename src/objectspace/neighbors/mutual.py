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
    every = np.arange(len(rows))
    blocks = [slice(start, min(start + QUERIES, len(rows))) for start in range(0, len(rows), QUERIES)]
    normalized = [vectors.rows(part) for part in blocks]
    searches = [
        Search(vectors, rows, vectors.vectors[part], own[part], k, normalized=queries, pending=0)
        for part, queries in zip(blocks, normalized, strict=True)
    ]
    # Memory of each thread's own, as fresh blocks among what searches keep would leave gaps.
    tables = threading.local()

    def filter_both(pair: tuple[int, int]) -> None:
        one, other = (blocks[number] for number in pair)
        shape = one.stop - one.start, other.stop - other.start
        if not hasattr(tables, "both"):
            tables.both = np.empty((2, QUERIES * QUERIES), np.float32)
        products, keys = (table[: shape[0] * shape[1]].reshape(shape) for table in tables.both)
        vectors.products(one, normalized[pair[1]][0], out=products)
        np.subtract(vectors.low[one, None], products, out=keys)
        searches[pair[1]].keep_near(keys, every[one])
        np.subtract(vectors.low[other], products, out=keys)
        searches[pair[0]].keep_near(keys, every[other], queries_first=True)

    run_side_by_side(lambda number: searches[number].start(every[blocks[number]]), range(len(blocks)))
    run_side_by_side(filter_both, list(combinations(range(len(blocks)), 2)))
    run_side_by_side(Search.finish, searches)
    found = no_neighbors(len(rows), k)
    for block, search in zip(blocks, searches, strict=True):
        near = search.finish()
        found.index[block], found.distance[block] = near.index, near.distance
    return found
