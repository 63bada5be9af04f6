"""The search of one space: what is made ready once, and each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.spaces import Space
from objectspace.errors import QueryError, guess
from objectspace.neighbors import METRICS, NO_NEIGHBOR, ExactIndex, StreamedIndex
from objectspace.neighbours.approximate import ApproximateIndex, approximate_index
from objectspace.objects.records import Objects, no_objects
from objectspace.search.answers import Answer, Approximation, Queries
from objectspace.search.limits import IMAGE, Limits, common_value, shared_column, value_groups
from objectspace.store import Store, StoredSpace

Index = ExactIndex | StreamedIndex | ApproximateIndex

#: Vectors of more bytes than this (2 GiB) are not read into memory but searched on disk, block by block.
IN_MEMORY = 1 << 31


@dataclass(frozen=True, slots=True, eq=False)
class _LeftOut:
    """What shares a column's value with the queries, which is no answer.

    groups: the group of each object of the space (n,); own: that of each object that the queries were made
        of (m,), NO_NEIGHBOR where no object of the space is of it
    index: searches the space by these groups
    """

    groups: NDArray[np.int64]
    own: NDArray[np.int64]
    index: Index


class SpaceSearch:
    """One space of a store, made ready for many searches; every answer is exact unless ``approximate``.

    The vectors of a space of more than IN_MEMORY bytes stay on disk; its answers are the same. With
    ``approximate`` the space's index proposes the neighbours: their distances are still the true ones, and
    each answer tells the recall.

    Raises QueryError for an unknown space or metric, and where ``approximate`` finds no index of the metric.
    """

    def __init__(
        self, store: Store, space: str, *, metric: str = "euclidean", approximate: bool = False
    ) -> None:
        if metric not in METRICS:
            raise QueryError(f"metric {metric!r} is not known, expected {' or '.join(METRICS)}")
        self.store = store
        self.space: Space | StoredSpace = store.stored_space(space)
        if not approximate and 4 * len(self.space) * self.space.dimension <= IN_MEMORY:
            self.space = store.space(space)
        self.metric = metric
        self.objects = store.objects(self.space.object_id)
        self._paths = {row.image_id: row.path for row in store.images()}
        self._rows = {name: row for row, name in enumerate(self.space.object_id.tolist())}
        self._index = _ready(self.space, metric, approximate)
        # By a column: the group of each object, and the index that leaves groups out.
        self._grouped: dict[str, tuple[NDArray[np.int64], Index]] = {}
        self.approximate: Approximation | None = None
        if isinstance(self._index, ApproximateIndex):
            self.approximate = Approximation(self._index.index, self._index.unindexed)

    def __len__(self) -> int:
        return len(self.space)

    def stored(self, object_ids: Sequence[str]) -> Queries:
        """Objects of the space as queries. Raises QueryError for an id that is not in it."""
        rows = self._rows_of(object_ids)
        objects = self.objects.take(rows)
        return Queries(objects, self.space.vectors[rows], self._images(objects), stored=True)

    def mean(self, queries: Queries) -> Queries:
        """All queries as one: the mean of their vectors; for cosine of their vectors of length one.

        Its distances rank objects by their mean squared euclidean distance, or mean cosine, to the queries.
        Raises QueryError where there is none, and where a vector of length zero has no direction.
        """
        if not len(queries):
            raise QueryError("a mean needs at least one query")
        vector = self._directed(queries.vectors).mean(axis=0, keepdims=True)
        rows = (tuple(made_of for row in range(len(queries)) for made_of in queries.made_of(row)),)
        return replace(queries, vectors=vector.astype(np.float32), rows=rows)

    def unlike(self, queries: Queries, object_ids: Sequence[str]) -> Queries:
        """The queries moved away from stored objects, which are no answers themselves.

        With a the query and b the mean of the objects to be unlike (for cosine: of their vectors of length
        one), 2 a - b is searched for: Rocchio's formula with the weights that vector databases take for
        "positive" and "negative" examples. By cosine it ranks an object x by 2 cos(x, a) minus the mean
        cosine to the others, by euclidean distance by 2 |x - a|^2 - |x - b|^2: to be near the query counts
        twice as much as to be far from the others.

        Source: Rocchio 1971, "Relevance feedback in information retrieval"; docs/search.md measures it.
        Raises QueryError for texts, whose vectors do not lie among those of images, for an id that is not in
        the space, and for one that is asked for as well.
        """
        if queries.texts:
            raise QueryError("unlike moves the query of an object, not of a text; say it in the text itself")
        rows = self._rows_of(object_ids)
        if both := set(object_ids) & set(queries.objects.object_id.tolist()):
            raise QueryError(f"object {min(both)} is to be like and unlike; name it once")
        away = self._directed(self.space.vectors[rows]).mean(axis=0)
        moved = 2 * self._directed(queries.vectors) - away
        return replace(queries, vectors=moved.astype(np.float32), unlike=self.objects.take(rows))

    def nearest(
        self,
        queries: Queries,
        *,
        k: int = 10,
        label: str | None = None,
        exclude_same_image: bool = False,
        exclude_same: str | None = None,
        within: float | None = None,
    ) -> list[Answer]:
        """The k nearest objects of each query, equal distances by object id; fewer where fewer are left.

        A stored object is never its own neighbour, nor that of a query that it is a part of.
        ``label`` keeps only answers of that label; ``within`` only those at most that far.

        ``exclude_same`` names a factor, such as a clip or a burst: no neighbour shares the query's value of
        it. ``exclude_same="image"`` leaves the objects of the query's own photos out, and
        ``exclude_same_image`` is the same. What is unknown is shared with nobody. A text has no value; nor
        has an object from outside, unless its photo is in the store and the photo's objects have one value.

        Raises QueryError for a label that no object of the space has, for a column that there is not or two
        of them, for a distance that is negative or not finite, for vectors of another length, and for texts
        where the metric is not cosine.
        """
        if exclude_same_image and exclude_same not in (None, IMAGE):
            raise QueryError(f"give exclude_same_image or exclude_same={exclude_same!r}, one of them")
        limits = Limits(k, label, IMAGE if exclude_same_image else exclude_same, within)
        if queries.texts and self.metric != "cosine":
            raise QueryError(
                f"a text is compared with images by cosine, not by {self.metric}: only directions agree"
            )
        allowed = None if label is None else self.labelled(label)
        left_out = None if limits.exclude_same is None else self._left_out(queries, limits.exclude_same)
        if queries.rows is None and queries.unlike is None:
            return self._nearest_of_each(queries, limits, allowed, left_out)
        return [self._nearest_of_one(queries, row, limits, allowed, left_out) for row in range(len(queries))]

    def _nearest_of_each(
        self,
        queries: Queries,
        limits: Limits,
        allowed: NDArray[np.bool_] | None,
        left_out: _LeftOut | None,
    ) -> list[Answer]:
        """The answers of queries that are an object (or a text) each."""
        index, own = self._index, None
        if left_out is not None and not queries.texts:
            index, own = left_out.index, left_out.own
        # One more than asked for, as a stored object finds itself first, or among its equals.
        k = min(limits.k + queries.stored, max(len(self), 1))
        found = index.nearest(queries.vectors, k=k, allowed=allowed, query_groups=own)
        answers = []
        for row in range(len(queries)):
            keep = found.index[row] != NO_NEIGHBOR
            if queries.stored:
                keep &= found.index[row] != self._rows[str(queries.objects.object_id[row])]
            answers.append(
                self._answer(queries, row, limits, found.index[row][keep], found.distance[row][keep])
            )
        return answers

    def _nearest_of_one(
        self,
        queries: Queries,
        row: int,
        limits: Limits,
        allowed: NDArray[np.bool_] | None,
        left_out: _LeftOut | None,
    ) -> Answer:
        """The answer of a query that several objects make, none of which is its own neighbour."""
        allowed = np.ones(len(self), np.bool_) if allowed is None else allowed.copy()
        parts = [] if queries.texts else list(queries.made_of(row))
        if queries.stored:
            allowed[self._rows_of(queries.objects.object_id[parts].tolist())] = False
        if queries.unlike is not None:
            allowed[self._rows_of(queries.unlike.object_id.tolist())] = False
        if left_out is not None:
            allowed &= ~np.isin(left_out.groups, left_out.own[parts])
        k = min(limits.k, max(len(self), 1))
        found = self._index.nearest(queries.vectors[row : row + 1], k=k, allowed=allowed)
        keep = found.index[0] != NO_NEIGHBOR
        return self._answer(queries, row, limits, found.index[0][keep], found.distance[0][keep])

    def _left_out(self, queries: Queries, column: str) -> _LeftOut:
        if column not in self._grouped:
            groups = value_groups(shared_column(self.objects, column))
            self._grouped[column] = groups, self._index.grouped(groups)
        groups, index = self._grouped[column]
        if queries.stored:
            return _LeftOut(groups, groups[self._rows_of(queries.objects.object_id.tolist())], index)
        return _LeftOut(groups, self._groups_of_photos(queries.objects.image_id, column, groups), index)

    def _groups_of_photos(
        self, image_id: NDArray[np.str_], column: str, groups: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The group of objects from outside (m,), by what is known of their photos in the store."""
        own = np.full(len(image_id), NO_NEIGHBOR)
        # The photo may have no object in this space, and a value all the same.
        known = self.objects if column == IMAGE or not len(own) else self.store.objects()
        here, there = (shared_column(objects, column) for objects in (self.objects, known))
        for photo in set(image_id.tolist()):
            value = common_value(there[known.image_id == photo])
            if value is not None and (same := here == value).any():
                own[image_id == photo] = groups[same][0]
        return own

    def _answer(
        self,
        queries: Queries,
        row: int,
        limits: Limits,
        index: NDArray[np.int64],
        distance: NDArray[np.float64],
    ) -> Answer:
        """The first k of what was found, as far as they are near enough."""
        count = limits.k
        if limits.within is not None:
            count = min(count, int(np.searchsorted(distance, limits.within, side="right")))
        index, distance = index[:count], distance[:count]
        neighbours, made_of = self.objects.take(index), queries.made_of(row)
        unlike = no_objects() if queries.unlike is None else queries.unlike
        of_objects = () if queries.texts else made_of
        return Answer(
            space=self.space.name,
            metric=self.metric,
            query=queries.objects.take(of_objects),
            query_images=tuple(queries.images[part] for part in of_objects),
            stored=queries.stored,
            neighbours=neighbours,
            images=self._images(neighbours),
            distance=distance,
            query_thumbnails=tuple(queries.thumbnails[part] for part in of_objects if queries.thumbnails),
            texts=tuple(queries.texts[part] for part in made_of if queries.texts),
            unlike=unlike,
            unlike_images=self._images(unlike),
            point=queries.point,
            approximate=self.approximate,
            limits=limits,
        )

    def _rows_of(self, object_ids: Sequence[str]) -> list[int]:
        if missing := [name for name in object_ids if name not in self._rows]:
            raise QueryError(f"object {missing[0]} has no vector in space {self.space.name}")
        return [self._rows[name] for name in object_ids]

    def _directed(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """The vectors (n, d) as they are averaged: of length one for cosine, as they are for euclidean."""
        exact = vectors.astype(np.float64)
        if self.metric == "euclidean":
            return exact
        lengths = np.linalg.norm(exact, axis=1, keepdims=True)
        if not lengths.all():
            raise QueryError("a vector of length zero has no direction to average by cosine")
        directions: NDArray[np.float64] = exact / lengths
        return directions

    def _images(self, objects: Objects) -> tuple[str, ...]:
        return tuple(self._paths[image_id] for image_id in objects.image_id.tolist())

    def labelled(self, label: str) -> NDArray[np.bool_]:
        """Which objects of the space have a label (n,). Raises QueryError where none has."""
        allowed: NDArray[np.bool_] = self.objects.label == label
        if not allowed.any():
            known = sorted(set(self.objects.label))
            hint = guess(label, known, "; objectspace info lists the labels")
            raise QueryError(f"no object of space {self.space.name} has the label {label!r}{hint}")
        return allowed


def _ready(space: Space | StoredSpace, metric: str, approximate: bool) -> Index:
    """What searches the space: in memory, on disk, or by its index."""
    if isinstance(space, Space):
        return ExactIndex(space.vectors, space.object_id, metric=metric)
    if approximate:
        return approximate_index(space, metric=metric)
    return StreamedIndex(space.vectors, space.object_id, metric=metric)
