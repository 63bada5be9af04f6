"""Search in one space of a store: opened once, for many queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError, QueryError
from objectspace.neighbors import (
    METRICS,
    NO_NEIGHBOR,
    ExactIndex,
    JointIndex,
    JointVectors,
    Neighbors,
    StreamedIndex,
)
from objectspace.neighbors.joint_vectors import combine, share_blocks
from objectspace.objects.records import no_objects
from objectspace.places import Place
from objectspace.search.answers import Answer, AnswerParts, Approximation, Queries
from objectspace.search.approximate import ApproximateIndex, approximate_index
from objectspace.search.approximate_joint import ApproximateJointIndex, approximate_joint_index
from objectspace.search.default_space import default_space
from objectspace.search.filters import (
    IMAGE,
    SearchFilters,
    common_value,
    of_source,
    shared_values,
)
from objectspace.search.space_objects import SpaceObjects
from objectspace.store import Store, StoredJointVectors, StoredSpace, as_store


class Index(Protocol):
    """What searches a space: in memory, on disk, part by part, or by an index."""

    def grouped(self, groups: NDArray[Any], /) -> Index:
        """Return an index of the same vectors in other groups."""
        ...

    def nearest(
        self,
        queries: Any,
        *,
        k: int,
        allowed: NDArray[np.bool_] | None = None,
        query_groups: NDArray[Any] | None = None,
    ) -> Neighbors:
        """Return the k nearest of each query."""
        ...


#: Vectors of more bytes than this (2 GiB) are not read into memory but searched on disk, block by block.
IN_MEMORY = 1 << 31

#: The same for one question (64 MiB), which reads all vectors once in any case.
ONE_QUESTION = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class ExcludedGroups:
    """The groups of a search in which no object is a neighbor of a query of its own group.

    groups: the group of each object of the space (n,); own: that of each object that the queries were made
        of (m,), NO_NEIGHBOR where no object of the space is in it
    index: searches the space by these groups
    """

    groups: NDArray[np.int64]
    own: NDArray[np.int64]
    index: Index


@dataclass(frozen=True, slots=True, eq=False)
class _Hits:
    """The result of one query: rows of the space (k,) and their distances, nearest first."""

    rows: NDArray[np.int64]
    distance: NDArray[np.float64]


class SpaceSearch:
    """Search one space of a store; every answer is exact unless ``approximate``.

    The space is the store's default one where none is named. The metric is cosine by default, which is purer
    in every space that was measured (docs/search.md).

    Opening it reads the vectors and the ids of the space; vectors of more bytes than ``in_memory`` (2 GiB by
    default) stay on disk, with the same answers. With ``approximate`` nothing is read before a search: the
    space's index proposes the neighbors, their distances are still the true ones, and each answer has the
    recall. What is known of the objects is read for those of an answer; a filter reads the column that it is
    of.

    Raises QueryError for an unknown space or metric, and where ``approximate`` finds no index of the metric.

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> chairs = search.stored(osp.choose_targets(search, 2, label="chair"))
    >>> [answer.neighbors.label[0] for answer in search.nearest(chairs, k=3)]
    ['chair', 'chair']
    """

    @typed
    def __init__(
        self,
        store: Store | Place | str,
        space: str | None = None,
        *,
        metric: str = "cosine",
        approximate: bool = False,
        in_memory: int | None = None,
    ) -> None:
        if metric not in METRICS:
            raise QueryError(f"metric {metric!r} is not known, expected {' or '.join(METRICS)}")
        store = as_store(store)
        self.store, self.metric = store, metric
        stored = store.stored_space(default_space(store) if space is None else space)
        self.space: Space | StoredSpace = stored
        if not approximate and stored.vectors.nbytes <= (IN_MEMORY if in_memory is None else in_memory):
            if isinstance(stored.vectors, StoredJointVectors):
                self.space = replace(stored, vectors=stored.vectors.read())
            else:
                self.space = store.space(stored.name)
        #: The objects of the space, row for row with its vectors.
        self.objects = SpaceObjects(store, stored)
        self._index = _open_index(self.space, metric, approximate)
        # By column: the group of each object, and the index that leaves groups out.
        self._grouped: dict[str, tuple[NDArray[np.int64], Index]] = {}
        self.approximate: Approximation | None = None
        if isinstance(self._index, ApproximateIndex | ApproximateJointIndex):
            self.approximate = Approximation(self._index.index, self._index.unindexed)

    def __len__(self) -> int:
        return len(self.space)

    def __repr__(self) -> str:
        kind = "exact" if self.approximate is None else "approximate"
        return (
            f"SpaceSearch({self.space.name!r}, {len(self)} x {self.space.dimension}, {self.metric}, {kind})"
        )

    @typed
    def stored(self, object_ids: Sequence[str] | str) -> Queries:
        """Return objects of the space as queries, one or several. Raises QueryError for an id not in it."""
        object_ids = [object_ids] if isinstance(object_ids, str) else object_ids
        dtype: Any = getattr(object_ids, "dtype", None)  # an array is a sequence, too
        if dtype is not None and dtype.kind not in "UO":
            raise InputError(
                f"object_ids is an array of {dtype}, expected ids; for the neighbors of vectors "
                "give them to ExactIndex(space.vectors, space.object_id).nearest"
            )
        rows = self.objects.rows_of(object_ids)
        objects = self.objects.take(rows)
        return Queries(objects, self.space.vectors[rows], self.objects.images(objects), stored=True)

    @typed
    def mean(self, queries: Queries) -> Queries:
        """Return all queries as one: the mean of their vectors; for cosine of their vectors of length one.

        Its distances rank objects by their mean squared euclidean distance, or mean cosine, to the queries;
        in a joint space each part has its own mean, of unit length again.
        Raises QueryError where there is none, and where a vector of length zero has no direction.
        """
        if not len(queries):
            raise QueryError("a mean needs at least one query")
        rows = (tuple(made_of for row in range(len(queries)) for made_of in queries.made_of(row)),)
        if isinstance(queries.vectors, JointVectors):
            count = len(queries)
            mean = combine([(queries.vectors, np.full((1, count), 1 / count))])
            return replace(queries, vectors=mean, rows=rows)
        vector = self._directed(queries.vectors).mean(axis=0, keepdims=True)
        return replace(queries, vectors=vector.astype(np.float32), rows=rows)

    @typed
    def unlike(self, queries: Queries, object_ids: Sequence[str] | str) -> Queries:
        """Return the queries moved away from stored objects, which are no answers themselves.

        With a the query and b the mean of the objects to be unlike (for cosine: of their vectors of length
        one), 2 a - b is searched for: Rocchio's formula with the weights that vector databases take for
        "positive" and "negative" examples. By cosine it ranks an object x by 2 cos(x, a) minus the mean
        cosine to the others, by euclidean distance by 2 |x - a|^2 - |x - b|^2: to be near the query counts
        twice as much as to be far from the others.

        Source: Rocchio 1971, "Relevance feedback in information retrieval"; docs/search.md measures it.
        Raises QueryError for texts, whose vectors are not among those of images, for an id that is not in
        the space, and for one that is asked for as well.
        """
        if queries.texts:
            raise QueryError("unlike moves the query of an object, not of a text; say it in the text itself")
        object_ids = [object_ids] if isinstance(object_ids, str) else object_ids
        rows = self.objects.rows_of(object_ids)
        others = self.objects.take(rows)
        if both := set(others.object_id.tolist()) & set(queries.objects.object_id.tolist()):
            raise QueryError(f"object {min(both)} is to be like and unlike; name it once")
        if isinstance(queries.vectors, JointVectors):
            count = len(queries)
            terms: list[tuple[Any, NDArray[np.float64]]] = [
                (queries.vectors, 2 * np.eye(count)),
                (self.space.vectors[rows], np.full((count, len(rows)), -1 / len(rows))),
            ]
            return replace(queries, vectors=combine(terms), unlike=others)
        away = self._directed(np.asarray(self.space.vectors[rows])).mean(axis=0)
        moved = 2 * self._directed(queries.vectors) - away
        return replace(queries, vectors=moved.astype(np.float32), unlike=others)

    @typed
    def nearest(
        self,
        queries: Queries | Sequence[str] | str,
        *,
        k: int = 10,
        label: str | None = None,
        source: str | None = None,
        same_image: bool = False,
        exclude_same: str | None = None,
        within: float | None = None,
        selection: str | None = None,
        among: NDArray[np.bool_] | None = None,
    ) -> list[Answer]:
        """Return the k nearest objects of other images of each query, or as many as are left.

        Equal distances come by object id.

        queries: as :meth:`stored` and the queries from outside give them, or ids of stored objects

        A stored object is never its own neighbor, nor that of a query that it is a part of.
        ``label`` keeps only answers of that label, ``source`` of that finder (``name@digest``, or ``name``
        alone), ``selection`` of that named selection of the store, ``within`` only those at most that far,
        ``among`` (n,) only these rows of the space.

        ``same_image`` takes the objects of the query's own images, too. ``exclude_same`` names a factor, such
        as a clip or a burst, in the image's place: no neighbor shares the query's value of it. What is
        unknown is shared with nothing. A text has no value; nor has an object from outside, unless its image
        is in the store and the image's objects have one value.

        Raises QueryError for a label that no object of the space has, for an unknown column or two of them,
        for a distance that is negative or not finite, for vectors of another length, and for texts where the
        metric is not cosine.
        """
        if same_image and exclude_same is not None:
            raise QueryError(f"give same_image= or exclude_same={exclude_same!r}, one of them")
        if not isinstance(queries, Queries):
            queries = self.stored(queries)
        other = exclude_same or (None if same_image or queries.texts else IMAGE)
        filters = SearchFilters(k, label, other, within, source, selection)
        if queries.texts and self.metric != "cosine":
            raise QueryError(
                f"a text is compared with images by cosine, not by {self.metric}: only directions agree"
            )
        allowed = None if label is None else self.objects.labeled(label)
        if selection is not None:
            held = np.zeros(len(self), np.bool_)
            held[self.store.selection(selection).rows(self.space.object_id, f"space {self.space.name}")] = (
                True
            )
            allowed = held if allowed is None else allowed & held
        if source is not None:
            found = of_source(self.objects.column("source"), source)
            allowed = found if allowed is None else allowed & found
        if among is not None:
            allowed = among if allowed is None else allowed & among
        excluded = None if filters.exclude_same is None else self._excluded(queries, filters.exclude_same)
        if queries.rows is None and queries.unlike is None:
            hits = self._hits_of_each(queries, filters, allowed, excluded)
        else:
            hits = [
                self._hits_of_one(queries, row, filters, allowed, excluded) for row in range(len(queries))
            ]
        return self._answers(queries, filters, [_near_enough(one, filters) for one in hits])

    @typed
    def nearest_rows(
        self, rows: NDArray[np.int64], *, k: int, groups: NDArray[np.int64]
    ) -> list[NDArray[np.int64]]:
        """Return the rows (at most k) of other groups (n,) that are nearest to each of some rows (m,)."""
        vectors, index = self.space.vectors[rows], self._index.grouped(groups)
        found = index.nearest(vectors, k=k, query_groups=groups[rows])
        return [near[near != NO_NEIGHBOR] for near in found.index]

    def _hits_of_each(
        self,
        queries: Queries,
        filters: SearchFilters,
        allowed: NDArray[np.bool_] | None,
        excluded: ExcludedGroups | None,
    ) -> list[_Hits]:
        """Return what is found for queries that are an object (or a text) each."""
        index, own = self._index, None
        if excluded is not None and not queries.texts:
            index, own = excluded.index, excluded.own
        # One more than asked for, as a stored object finds itself first, or among its equals.
        k = min(filters.k + queries.stored, max(len(self), 1))
        found = index.nearest(queries.vectors, k=k, allowed=allowed, query_groups=own)
        keep = found.index != NO_NEIGHBOR
        if queries.stored:
            keep &= found.index != self.objects.rows_of(queries.objects.object_id)[:, None]
        return [
            _Hits(found.index[row][keep[row]], found.distance[row][keep[row]]) for row in range(len(queries))
        ]

    def _hits_of_one(
        self,
        queries: Queries,
        row: int,
        filters: SearchFilters,
        allowed: NDArray[np.bool_] | None,
        excluded: ExcludedGroups | None,
    ) -> _Hits:
        """Return the hits of a query made of several objects, without these objects."""
        allowed = np.ones(len(self), np.bool_) if allowed is None else allowed.copy()
        parts = [] if queries.texts else list(queries.made_of(row))
        if queries.stored:
            allowed[self.objects.rows_of(queries.objects.object_id[parts])] = False
        if queries.unlike is not None:
            allowed[self.objects.rows_of(queries.unlike.object_id)] = False
        if excluded is not None:
            allowed &= ~np.isin(excluded.groups, excluded.own[parts])
        k = min(filters.k, max(len(self), 1))
        found = self._index.nearest(queries.vectors[row : row + 1], k=k, allowed=allowed)
        keep = found.index[0] != NO_NEIGHBOR
        return _Hits(found.index[0][keep], found.distance[0][keep])

    def _excluded(self, queries: Queries, column: str) -> ExcludedGroups:
        if column not in self._grouped:
            groups = self.objects.groups_of(column)
            self._grouped[column] = groups, self._index.grouped(groups)
        groups, index = self._grouped[column]
        if queries.stored:
            return ExcludedGroups(groups, groups[self.objects.rows_of(queries.objects.object_id)], index)
        return ExcludedGroups(groups, self._groups_of_images(queries.objects.image_id, column, groups), index)

    def _groups_of_images(
        self, image_id: NDArray[np.str_], column: str, groups: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the group of objects from outside (m,), by what is known of their images in the store."""
        own = np.full(len(image_id), NO_NEIGHBOR)
        # The image may have no object in this space, and a value all the same.
        known = self.store.objects_of_images(image_id)
        for image in set(image_id.tolist()):
            value = common_value(shared_values(known.take(known.image_id == image), column))
            if value is not None and (same := self.objects.column(column) == value).any():
                own[image_id == image] = groups[same][0]
        return own

    def _answers(self, queries: Queries, filters: SearchFilters, hits: Sequence[_Hits]) -> list[Answer]:
        """Return an answer for each query; the objects of all of them are read at once."""
        rows = np.unique(np.concatenate([np.empty(0, np.int64), *(one.rows for one in hits)]))
        objects = self.objects.take(rows)
        images = np.array([*self.objects.images(objects), None], object)
        unlike = no_objects() if queries.unlike is None else queries.unlike
        unlike_images = self.objects.images(unlike)
        answers = []
        for number, one in enumerate(hits):
            places, made_of = np.searchsorted(rows, one.rows), queries.made_of(number)
            of_objects = () if queries.texts else made_of
            answers.append(
                Answer(
                    space=self.space.name,
                    metric=self.metric,
                    query=queries.objects.take(of_objects),
                    query_images=tuple(queries.images[part] for part in of_objects),
                    stored=queries.stored,
                    neighbors=objects.take(places),
                    images=tuple(images[places]),
                    distance=one.distance,
                    query_thumbnails=tuple(
                        queries.thumbnails[part] for part in of_objects if queries.thumbnails
                    ),
                    texts=tuple(queries.texts[part] for part in made_of if queries.texts),
                    unlike=unlike,
                    unlike_images=unlike_images,
                    point=queries.point,
                    box=queries.box,
                    approximate=self.approximate,
                    filters=filters,
                    parts=self._parts(queries, number, one.rows),
                    other_spaces=tuple(name for name in self.store.space_names if name != self.space.name),
                    default_space=self.store.default_space,
                )
            )
        return answers

    def _parts(self, queries: Queries, number: int, rows: NDArray[np.int64]) -> AnswerParts | None:
        """Return what each part contributes to the similarity of a query and rows; None in a plain space."""
        vectors, index = queries.vectors, self._index
        if not isinstance(vectors, JointVectors):
            return None
        assert isinstance(index, JointIndex | ApproximateJointIndex)
        query, stored = np.full(len(rows), number), self.space.vectors
        assert isinstance(stored, JointVectors)
        names = tuple(part.name for part in vectors.parts)
        assumed = ~share_blocks(vectors, query, stored, rows)
        return AnswerParts(names, vectors.shares, index.cosines(vectors, query, rows), assumed)

    def _directed(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the vectors (n, d) as they are averaged: for cosine of length one, otherwise unchanged."""
        exact = vectors.astype(np.float64)
        if self.metric == "euclidean":
            return exact
        lengths = np.linalg.norm(exact, axis=1, keepdims=True)
        if not lengths.all():
            raise QueryError("a vector of length zero has no direction to average by cosine")
        directions: NDArray[np.float64] = exact / lengths
        return directions


def _near_enough(hits: _Hits, filters: SearchFilters) -> _Hits:
    """Return the first k hits, as far as they are near enough."""
    count = filters.k
    if filters.within is not None:
        count = min(count, int(np.searchsorted(hits.distance, filters.within, side="right")))
    return _Hits(hits.rows[:count], hits.distance[:count])


def _open_index(space: Space | StoredSpace, metric: str, approximate: bool) -> Index:
    """Return what searches the space: in memory, on disk, or by its index."""
    if isinstance(space, Space):
        return ExactIndex(space.vectors, space.object_id, metric=metric)
    if approximate and isinstance(space.vectors, StoredJointVectors):
        return approximate_joint_index(space, space.vectors, metric=metric)
    if approximate:
        return approximate_index(space, metric=metric)
    if isinstance(space.vectors, JointVectors):
        return JointIndex(space.vectors, space.object_id, metric=metric)
    return StreamedIndex(space.vectors, space.object_id, metric=metric)
