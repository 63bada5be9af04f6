"""Exact search for the nearest of all vectors among themselves."""

from __future__ import annotations

from functools import partial

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
    searches = []
    for block in blocks:
        part = slice(int(block[0]), int(block[-1]) + 1)
        queries = vectors.vectors[part]
        normalized = vectors.rows(part)
        searches.append(Search(vectors, rows, queries, own[part], k, normalized=normalized, pending=0))

    def filter_both(second: int, first: int) -> None:
        one, other = blocks[first], blocks[second]
        of_one, of_other = slice(one[0], one[-1] + 1), slice(other[0], other[-1] + 1)
        products = np.matmul(vectors.values[of_one], vectors.values[of_other].T)
        searches[first].keep_near(vectors.low[of_other] - products, other, queries_first=True)
        searches[second].keep_near(vectors.low[of_one, None] - products, one)

    run_side_by_side(lambda number: searches[number].start(blocks[number]), range(len(blocks)))
    for second in range(1, len(blocks)):
        run_side_by_side(partial(filter_both, second), range(second))
    run_side_by_side(Search.finish, searches)
    found = no_neighbors(len(rows), k)
    for block, search in zip(blocks, searches, strict=True):
        near = search.finish()
        found.index[block], found.distance[block] = near.index, near.distance
    return found
