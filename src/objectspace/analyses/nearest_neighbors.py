"""The nearest neighbors of every object, and who they would be without some of the groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.groups import Codes, Groups
from objectspace.analyses.statistics import ratio
from objectspace.neighbors import (
    BlockSource,
    ExactIndex,
    JointIndex,
    JointVectors,
    Neighbors,
    StreamedIndex,
    nearest_together,
    no_neighbors,
    select_rows,
)

Vectors = NDArray[np.float32] | JointVectors | BlockSource

#: Lists of so many times k neighbors answer who is next when some are deleted, for most queries.
DEEPER = 4

# Bytes of queries that are searched for at once; vectors on disk are read once for each such block.
_QUERIES = 1 << 26


# A block that is deleted, and the query, neighbor and weight (r,) of who comes in its place: the most that a
# measure of many objects holds, so in 16 bytes a pair.
_Anew = tuple[int, NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class NearestNeighbors:
    """The k nearest neighbors of n objects, as pairs of rows.

    query, neighbor: (p,) int64
    weight: (p,) float64: 1, but where more objects are as far as the k-th than fit among the k, the share of
        the room that each of them has; a query's weights sum to k, or to the number of its candidates
    deletions: what these become without some of the objects; None where not asked for
    asked: (q,) the objects whose neighbors were searched, sorted; None for all

    So nothing depends on how equal distances are ordered.
    """

    count: int
    query: Codes
    neighbor: Codes
    weight: NDArray[np.float64]
    deletions: Deletions | None = None
    asked: Codes | None = None

    def __repr__(self) -> str:
        return f"NearestNeighbors({len(self.query)} pairs, {self.count} objects)"

    @property
    def queries(self) -> Codes:
        """The objects (q,) whose neighbors these are, sorted."""
        return np.arange(self.count) if self.asked is None else self.asked

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the weighted mean (n,) of a value of each pair (p,) over each object's neighbors, or NaN."""
        sums = np.bincount(self.query, self.weight * values, self.count).astype(np.float64)
        return ratio(sums, np.bincount(self.query, self.weight, self.count).astype(np.float64))

    def without(self, block: int) -> NearestNeighbors:
        """Return the neighbors when a block of :class:`Deletions` is deleted; its own objects have none."""
        if self.deletions is None:
            raise ValueError("these neighbors were found without deletions")
        return self.deletions.without(self, block)

    def overlap(self, other: NearestNeighbors, rows: Codes | None = None) -> NDArray[np.float64]:
        """Return the weight (n,) that each object's neighbors have in both.

        rows: (n,) the row of the other that each object is taken for, its own by default
        """
        moved = np.arange(self.count) if rows is None else rows
        own = moved[self.query] * self.count + moved[self.neighbor]
        others = other.query * self.count + other.neighbor
        order = np.argsort(others, kind="stable")
        place = order[np.minimum(np.searchsorted(others, own, sorter=order), len(order) - 1)]
        shared = np.where(others[place] == own, np.minimum(self.weight, other.weight[place]), 0.0)
        weight: NDArray[np.float64] = np.bincount(self.query, shared, self.count).astype(np.float64)
        return weight


@dataclass(frozen=True, slots=True, eq=False)
class Deletions:
    """Neighbors found anew when one block of objects is deleted, of the queries that lose one by it.

    block: (n,) the block of each object, whole groups each, from 0
    query, neighbor, weight: (r,) as of :class:`NearestNeighbors`, ordered by deleted: (r,) the block deleted.
        They are the most that a measure of many objects holds, so these are int32
    """

    block: Codes
    query: NDArray[np.int32]
    neighbor: NDArray[np.int32]
    weight: NDArray[np.float64]
    deleted: NDArray[np.int32]

    def __repr__(self) -> str:
        return f"Deletions({int(self.block.max()) + 1} blocks of {len(self.block)} objects)"

    def without(self, near: NearestNeighbors, block: int) -> NearestNeighbors:
        """Return the neighbors of all objects but those of a block among all but these."""
        changed = self.block == block
        changed[near.query[self.block[near.neighbor] == block]] = True
        kept = ~changed[near.query]
        anew = slice(*np.searchsorted(self.deleted, np.array([block, block + 1], np.int32)))
        return NearestNeighbors(
            near.count,
            np.concatenate([near.query[kept], self.query[anew]]),
            np.concatenate([near.neighbor[kept], self.neighbor[anew]]),
            np.concatenate([near.weight[kept], self.weight[anew]]),
            asked=near.asked,
        )


def find_neighbors(
    vectors: Vectors,
    ids: NDArray[np.str_],
    groups: Groups,
    *,
    k: int,
    metric: str,
    block: Codes | None = None,
    asked: Codes | None = None,
) -> NearestNeighbors:
    """Return each object's exact k nearest in other groups at its level; all where there are fewer.

    block: (n,) blocks of whole groups, for the neighbors without each of them
    asked: (q,) the objects whose neighbors are searched among all, sorted; None for all
    """
    return find_by_metric(vectors, ids, groups, {metric: asked}, k=k, block=block)[metric]


def find_by_metric(
    vectors: Vectors,
    ids: NDArray[np.str_],
    groups: Groups,
    asked: Mapping[str, Codes | None],
    *,
    k: int,
    block: Codes | None = None,
) -> dict[str, NearestNeighbors]:
    """Return what :func:`find_neighbors` does by each of several metrics, for the objects asked for by it.

    Where the first is asked for all objects, vectors are multiplied once for all metrics.
    """
    found = {metric: _Found(len(ids), k, block, rows) for metric, rows in asked.items()}
    for level in range(int(groups.level.max(initial=-1)) + 1):
        rows = np.flatnonzero(groups.level == level)
        some, group = select_rows(vectors, rows), groups.group[rows]
        # In a function of its own, so that what was searched with is gone before pairs are put together.
        _add_level(found, rows, [_Search(some, ids[rows], group, metric) for metric in found])
    return {metric: one.neighbors() for metric, one in found.items()}


def _add_level(found: Mapping[str, _Found], rows: Codes, searches: Sequence[_Search]) -> None:
    """Add the neighbors of a level's ``rows`` by each metric, which has a search among them."""
    queries = [np.flatnonzero(one.wanted[rows]) for one in found.values()]
    length = max(one.length for one in found.values())
    lists = _search_each(searches, queries, length)
    for one, search, own, longer in zip(found.values(), searches, queries, lists, strict=True):
        one.add(rows, search, own, longer)


class _Found:
    """What is found, level by level, of the neighbors by one metric: of all objects or those asked for.

    wanted: (n,) bool, these; length: of the lists of neighbors that it is found by
    """

    def __init__(self, count: int, k: int, block: Codes | None, asked: Codes | None) -> None:
        self.wanted = np.ones(count, np.bool_)
        if asked is not None:
            self.wanted = np.isin(np.arange(count), asked)
        self.length = k + 1 if block is None else DEEPER * k + 1
        self._count, self._k, self._block, self._asked = count, k, block, asked
        self._parts, self._anew = [np.empty((3, 0))], list[_Anew]()

    def add(self, rows: Codes, search: _Search, queries: Codes, near: Neighbors) -> None:
        """Add the neighbors of some of a level's ``rows``, from lists of them."""
        whole, found = _weighted(queries, near, self._k)
        rest = _nearest_and_tied(search, queries[~whole], self._k, self.length)
        found = np.concatenate([found, rest], axis=1)
        self._parts.append(_of_rows(rows, found))
        if self._block is None:
            return
        for one, instead in _without_each(search, self._block[rows], found, queries, near, self._k):
            own = rows[instead[:2].astype(np.int64)].astype(np.int32)
            self._anew.append((one, own[0], own[1], instead[2].copy()))

    def neighbors(self) -> NearestNeighbors:
        """Return all that was added."""
        query, neighbor, weight = np.concatenate(self._parts, axis=1)
        pairs = query.astype(np.int64), neighbor.astype(np.int64)
        near = NearestNeighbors(self._count, *pairs, weight, asked=self._asked)
        if self._block is None:
            return near
        return replace(near, deletions=_deletions(self._block, self._anew))


def _deletions(block: Codes, anew: list[_Anew]) -> Deletions:
    """Return who comes in the place of each block, in the blocks' order."""
    anew = sorted(anew, key=lambda part: part[0])
    sizes = [len(query) for _, query, *_ in anew]
    deleted = np.repeat(np.array([one for one, *_ in anew], np.int32), sizes)
    query, neighbor = (
        np.concatenate([np.empty(0, np.int32), *(part[place] for part in anew)]) for place in (1, 2)
    )
    weight = np.concatenate([np.empty(0), *(part[3] for part in anew)])
    return Deletions(block, query, neighbor, weight, deleted)


def find_in_other_classes(
    vectors: Vectors,
    ids: NDArray[np.str_],
    groups: Groups,
    label: Codes,
    *,
    k: int,
    metric: str,
) -> NearestNeighbors:
    """Return each object's exact k nearest of other labels (n,) in other groups, if there are any."""
    search = _Search(vectors, ids, groups.group, metric)
    parts = [np.empty((3, 0))]
    for one in np.unique(label):
        others = label != one
        if others.any():
            parts.append(_nearest_and_tied(partial(search, allowed=others), np.flatnonzero(~others), k))
    query, neighbor, weight = np.concatenate(parts, axis=1)
    return NearestNeighbors(len(ids), query.astype(np.int64), neighbor.astype(np.int64), weight)


def _of_rows(rows: Codes, found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pairs (query, neighbor, …) of a level's numbers as pairs of its ``rows``."""
    return np.concatenate([rows[found[:2].astype(np.int64)], found[2:]])


class _Search:
    """The search for the k nearest in other groups of some of the rows, among those that are allowed."""

    def __init__(self, vectors: Vectors, ids: NDArray[np.str_], group: Codes, metric: str) -> None:
        self.index: Any
        if isinstance(vectors, JointVectors):
            self.index = JointIndex(vectors, ids, metric=metric, groups=group)
        elif isinstance(vectors, np.ndarray):
            self.index = ExactIndex(vectors, ids, metric=metric, groups=group)
        else:
            self.index = StreamedIndex(vectors, ids, metric=metric, groups=group)
        self._vectors, self._group = vectors, group
        self._size = max(1, _QUERIES // (4 * vectors.shape[1]))

    def __call__(self, rows: Codes, k: int, *, allowed: NDArray[np.bool_] | None = None) -> Neighbors:
        if self.makes_all_products(rows) and allowed is None:
            return self.index.nearest_of_all(k=k)  # type: ignore[no-any-return]
        found = no_neighbors(len(rows), k)
        for start in range(0, len(rows), self._size):
            part = rows[start : start + self._size]
            own = self._group[part]
            near = self.index.nearest(self._vectors[part], k=k, allowed=allowed, query_groups=own)
            found.index[start : start + self._size] = near.index
            found.distance[start : start + self._size] = near.distance
        return found

    def makes_all_products(self, rows: Codes) -> bool:
        """Return whether a search for the rows multiplies all vectors with each other."""
        return not isinstance(self.index, JointIndex) and len(rows) == len(self.index)


def _search_each(searches: Sequence[_Search], rows: Sequence[Codes], k: int) -> list[Neighbors]:
    """Return the k nearest of some rows by each of several searches of the same vectors."""
    first = searches[0]
    if first.makes_all_products(rows[0]) and all(first.index.has_products_of(one.index) for one in searches):
        return nearest_together([(one.index, own) for one, own in zip(searches, rows, strict=True)], k=k)
    return [search(own, k) for search, own in zip(searches, rows, strict=True)]


def _nearest_and_tied(
    nearest: Callable[[Codes, int], Neighbors], rows: Codes, k: int, looked: int = 0
) -> NDArray[np.float64]:
    """Return query, neighbor and weight (3, p) of the k nearest of rows, and of all as far as the k-th.

    looked: the length of lists that were found too short
    """
    parts, pending, wanted = [np.empty((3, 0))], rows, max(k + 1, 2 * looked)
    while len(pending):
        whole, pairs = _weighted(pending, nearest(pending, wanted), k)
        parts.append(pairs)
        pending, wanted = pending[~whole], 2 * wanted
    return np.concatenate(parts, axis=1)


def _weighted(
    rows: Codes, near: Neighbors, k: int, dropped: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which lists of neighbors hold all that are as far as the k-th, and query, neighbor and weight.

    dropped: (rows, wanted) answers that do not count
    """
    distance, index = near.distance, near.index
    last, exhausted = distance[:, -1:], index[:, -1:] < 0
    if dropped is not None:
        order = np.argsort(dropped, axis=1, kind="stable")
        distance = np.take_along_axis(np.where(dropped, np.inf, distance), order, 1)
        index = np.take_along_axis(np.where(dropped, -1, index), order, 1)
    kth = distance[:, k - 1 : k]
    # All that is as far as the k-th is there where something farther, or nothing more, was found.
    whole = (last > kth) | exhausted
    nearer, tied = distance < kth, (distance == kth) & (index >= 0)
    room = (k - nearer.sum(1, keepdims=True)) / np.maximum(tied.sum(1, keepdims=True), 1)
    row, place = np.nonzero((nearer | tied) & whole)
    weight = np.where(nearer, 1.0, room)[row, place]
    return whole[:, 0], np.stack([rows[row], index[row, place], weight])


def _without_each(
    nearest: _Search, block: Codes, found: NDArray[np.float64], queries: Codes, longer: Neighbors, k: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield blocks, and query, neighbor and weight (3, r): who comes in the place of one that is deleted.

    Of the queries that have a neighbor there; ``longer`` are lists of the queries that answer most of them.
    """
    query, neighbor = found[:2].astype(np.int64)
    loses = np.zeros((int(block.max(initial=-1)) + 1, len(block)), np.bool_)
    loses[block[neighbor], query] = True
    loses[block, np.arange(len(block))] = False
    for one in np.flatnonzero(loses.any(1)):
        rows = np.flatnonzero(loses[one])
        place = np.searchsorted(queries, rows)
        near = Neighbors(longer.index[place], longer.distance[place])
        whole, pairs = _weighted(rows, near, k, (block[near.index] == one) & (near.index >= 0))
        rest = _nearest_and_tied(partial(nearest, allowed=block != one), rows[~whole], k)
        yield int(one), np.concatenate([pairs, rest], axis=1)
