"""Exact search in a joint space: one pass over each part, whose similarities are added."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, QueryError
from objectspace.neighbors.candidates import QUERIES
from objectspace.neighbors.distances import check_metric, inverses
from objectspace.neighbors.joint_vectors import (
    Block,
    JointVectors,
    combined_distances,
    part_distances,
    part_lengths,
)
from objectspace.neighbors.ranking import Neighbors, merge, no_neighbors
from objectspace.neighbors.rows import Rows

# Unit roundoff of float32.
_UNIT = 2.0**-24
# Products of vectors whose lengths are between these neither overflow nor vanish in float32.
_SHORTEST, _LONGEST = 2.0**-40, 2.0**50
# Similarities in one table (4 MB), bytes of vectors that are read from the disk at once, and bytes of queries
# that share a pass over vectors in memory.
_TABLE, _READ, _QUERIES = 1 << 20, 1 << 26, 1 << 24


class JointIndex:
    """Search vectors of several parts, each of unit length: exact, in memory or on disk.

    The cosine distance is 1 minus the mean cosine of the parts by weight; the euclidean one is that of unit
    vectors of that cosine, ``sqrt(2 (1 - cos))``, so both rank alike. A float32 product for each part, with
    an error that has a proven bound, leaves the rows that could be among the k nearest; their distances are
    computed in float64 part by part, as :func:`part_distances` does, and these are the answer.

    vectors: of n rows; ids: (n,), the order of equal distances
    groups: (n,) of anything that sorts, for searches that leave a query's own group out

    Raises InputError for ids or groups of another length and for a vector that is not finite (on disk: when
    it is read), QueryError for an unknown metric.
    """

    def __init__(
        self,
        vectors: JointVectors,
        ids: Sequence[str] | NDArray[Any],
        *,
        metric: str = "cosine",
        groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> None:
        check_metric(metric)
        self._vectors, self._metric = vectors, metric
        self._rows = Rows(len(vectors), ids, groups)
        for block in vectors.blocks:
            if block.lengths is not None:
                self._check_finite(block)

    def __len__(self) -> int:
        return len(self._rows)

    def grouped(self, groups: Sequence[str] | NDArray[Any]) -> JointIndex:
        """Return an index of the same vectors in other groups (n,), at no cost."""
        other = copy.copy(self)
        other._rows = self._rows.grouped(groups)
        return other

    def nearest(
        self,
        queries: JointVectors,
        *,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        query_groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> Neighbors:
        """Return the k nearest of each query, equal distances by id, as :meth:`ExactIndex.nearest` does.

        The weights are those of the queries' parts. Raises QueryError for queries of other parts, and for
        vectors that are not finite.
        """
        check_joint_queries(queries, self._vectors, k)
        rows, own = self._rows.allowed(allowed), self._rows.own_groups(query_groups, len(queries))
        found = no_neighbors(len(queries), k)
        size = QUERIES
        if self._vectors.in_memory:
            size = max(1, min(QUERIES, _QUERIES // (4 * self._vectors.shape[1])))
        for start in range(0, len(queries), size):
            part = slice(start, start + size)
            asked = _prepare(queries[part])
            answer = Neighbors(found.index[part], found.distance[part])
            for here in self._blocks(rows, len(asked.queries)):
                self._add(answer, asked, own[part], here)
        return found

    def cosines(
        self, queries: JointVectors, query: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the cosine of pairs (p,) in each part, (p, parts) float64.

        Their mean by the queries' :attr:`JointVectors.shares` is the cosine of the answer.
        """
        return 1 - part_distances(queries, query, self._vectors[rows], np.arange(len(rows)))

    def _blocks(self, rows: NDArray[np.int64], queries: int) -> Iterator[NDArray[np.int64]]:
        """Yield rows whose similarities to so many queries, and whose vectors on disk, fit in memory."""
        size = max(1, _TABLE // queries)
        if not self._vectors.in_memory:
            size = max(1, min(size, _READ // (4 * self._vectors.shape[1])))
        return (rows[start : start + size] for start in range(0, len(rows), size))

    def _add(
        self, found: Neighbors, asked: _Prepared, own: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> None:
        """Merge the nearest of some rows (r,) into an answer, in place."""
        vectors = self._vectors[rows]
        for block in vectors.blocks:
            self._check_finite(block, rows)
        similarity = _similarities(asked, vectors)
        if self._rows.group is not None:
            similarity[self._rows.group[rows][:, None] == own] = -np.inf
        error = _error(asked.queries)
        k = min(found.index.shape[1], len(rows))
        nearest = np.partition(similarity, len(rows) - k, axis=0)[len(rows) - k]
        if k < found.index.shape[1]:
            nearest = np.full_like(nearest, -np.inf)
        farthest = self._cosine_distances(found.distance[:, -1])
        reach = np.maximum(1 - farthest, nearest - error) - error
        with np.errstate(over="ignore"):
            limit = np.nextafter(reach.astype(np.float32), np.float32(-np.inf))
        place, query = np.nonzero((similarity >= limit) & (similarity > -np.inf))
        apart = part_distances(asked.queries, query, vectors, place)
        distances = combined_distances(apart, asked.queries.shares, self._metric)
        merge(found.index, found.distance, query, rows[place], distances, self._rows.rank)

    def _cosine_distances(self, distances: NDArray[np.float64]) -> NDArray[np.float64]:
        return distances if self._metric == "cosine" else distances**2 / 2

    def _check_finite(self, block: Block, rows: NDArray[np.int64] | None = None) -> None:
        assert block.lengths is not None
        if not np.isfinite(block.lengths).all():
            row = block.rows[np.flatnonzero(~np.isfinite(block.lengths))[0]]
            name = self._rows.ids[row if rows is None else rows[row]]
            raise InputError(f"the vector of {name} has a NaN or an infinity in it")


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """Queries (q), and for each part and block of it their directions (q, d) by the part's share.

    there: for each part and block, which queries (q,) have a vector in it
    """

    queries: JointVectors
    directions: tuple[tuple[NDArray[np.float32], ...], ...]
    there: tuple[tuple[NDArray[np.bool_], ...], ...]


def check_joint_queries(queries: JointVectors, vectors: JointVectors, k: int) -> None:
    """Raise QueryError for queries of other parts than the vectors, not finite ones, and a k below 1."""
    mine, theirs = (
        [(part.name, *(block.dimension for block in part.blocks)) for part in one.parts]
        for one in (vectors, queries)
    )
    if mine != theirs:
        raise QueryError(f"queries have the parts {theirs} (name, numbers), the vectors {mine}")
    if k < 1:
        raise QueryError(f"k is {k}; expected 1 or more")
    for part in queries.parts:
        for block in part.blocks:
            if block.lengths is None or not np.isfinite(block.lengths).all():
                raise QueryError(f"a query has a NaN or an infinity in its part {part.name}")


def _prepare(queries: JointVectors) -> _Prepared:
    directions, there = [], []
    for part, share in zip(queries.parts, queries.shares.tolist(), strict=True):
        lengths = part_lengths(part, len(queries))
        of_blocks, held = [], []
        for block in part.blocks:
            vectors = np.zeros((len(queries), block.dimension), np.float32)
            factors = (share * inverses(lengths[block.rows])).tolist()
            # Row by row: in float64, rounded once, and never all at once.
            for row, vector, factor in zip(block.rows.tolist(), block.source[:], factors, strict=True):
                np.multiply(vector, factor, out=vectors[row], dtype=np.float64, casting="same_kind")
            of_blocks.append(vectors)
            held.append(np.isin(np.arange(len(queries)), block.rows))
        directions.append(tuple(of_blocks))
        there.append(tuple(held))
    return _Prepared(queries, tuple(directions), tuple(there))


def _similarities(asked: _Prepared, vectors: JointVectors) -> NDArray[np.float32]:
    """Return the cosine of each row with each query (r, q) float32, wrong by :func:`_error` at most."""
    missing = asked.queries.shares * [part.missing for part in vectors.parts]
    similarity = np.full((len(vectors), len(asked.queries)), missing.sum(), np.float32)
    for part, counted, of_blocks, there in zip(
        vectors.parts, missing, asked.directions, asked.there, strict=True
    ):
        for block, directions, held in zip(part.blocks, of_blocks, there, strict=True):
            assert block.lengths is not None
            if not len(block.rows) or not held.any():
                continue
            cosines = _product(np.asarray(block.source), block.lengths, directions)
            cosines -= (counted * held).astype(np.float32)
            if len(block.rows) == len(vectors):
                similarity += cosines
            else:
                similarity[block.rows] += cosines
    return similarity


def _product(
    vectors: NDArray[np.float32], lengths: NDArray[np.float64], directions: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the products (m, q) of unit vectors and directions; the vectors are copied only to be scaled."""
    known = lengths[lengths > 0]
    if len(known) and not (known.min() > _SHORTEST and known.max() < _LONGEST):
        vectors, lengths = (vectors * inverses(lengths)[:, None]).astype(np.float32), np.ones(len(vectors))
    products: NDArray[np.float32] = np.matmul(vectors, directions.T)
    products *= inverses(lengths).astype(np.float32)[:, None]
    return products


def _error(vectors: JointVectors) -> float:
    """Return how much a similarity may be wrong.

    A product of d numbers of unit vectors errs by at most d u / (1 - d u), u the unit roundoff (Higham,
    Accuracy and Stability of Numerical Algorithms, 3.1). The 16 are for rounding the directions, a vector
    that is scaled, its length and the quotient; each sum of parts, which are at most 3 in all, rounds thrice.
    """
    error = 0.0
    for part, share in zip(vectors.parts, vectors.shares.tolist(), strict=True):
        for block in part.blocks:
            units = (block.dimension + 16) * _UNIT
            error += share * units / (1 - units) + 9 * _UNIT
    return error + 9 * _UNIT
