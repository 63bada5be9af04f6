"""Search in a store, exact by default: the nearest objects of stored ones, and of vectors from outside."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.spaces import Space
from objectspace.errors import QueryError
from objectspace.neighbours import METRICS, ExactIndex, StreamedIndex
from objectspace.neighbours.approximate import ApproximateIndex, approximate_index
from objectspace.objects.records import Objects, no_objects
from objectspace.store import SpaceIndex, Store, StoredSpace

#: Vectors of more bytes than this (2 GiB) are not read into memory but searched on disk, block by block.
IN_MEMORY = 1 << 31

#: The label of a query that is only a box in a photo.
UNLABELLED = "query"

#: What is told of an object in JSON.
_ROW_KEYS = ("object_id", "image", "label", "score", "xyxy")


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """What is searched for: n vectors, and what each was made of.

    objects: (m) objects that the vectors were made of, none where they were made of texts; images: (m) their
        photos' paths; thumbnails: (m) a JPEG of each, none where the store has them
    vectors: (n, d) float32
    stored: are the objects in the store
    texts: (m) words that the vectors were made of, none where they were made of objects
    rows: (n) which of the objects (or texts) each vector was made of; None where it is one each
    unlike: stored objects that every vector was moved away from; None where it was not
    point: where in the photo the query was pointed at, x, y in its pixels; None for other queries
    """

    objects: Objects
    vectors: NDArray[np.float32]
    images: tuple[str, ...]
    stored: bool
    thumbnails: tuple[bytes, ...] = ()
    texts: tuple[str, ...] = ()
    rows: tuple[tuple[int, ...], ...] | None = None
    unlike: Objects | None = None
    point: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def made_of(self, row: int) -> tuple[int, ...]:
        """Which of the objects (or texts) a vector was made of."""
        return (row,) if self.rows is None else self.rows[row]


@dataclass(frozen=True, slots=True)
class Approximation:
    """The index that an answer came from; ``unindexed`` vectors came after it and are compared one by one."""

    index: SpaceIndex
    unindexed: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: the kind, the recall as measured when the index was built, and ``unindexed``."""
        return {"kind": self.index.kind, **asdict(self.index.recall), "unindexed": self.unindexed}


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The nearest objects of one query, nearest first.

    query: what was searched for: one object; several that are one query; none for a text
    query_images: their photos' paths; query_image: the first of them, empty for a text
    stored: whether the objects are in the store; query_thumbnails: their JPEGs where they are not
    texts: the words searched for; unlike: the objects that the neighbours are to be unlike, none mostly
    point: where in the photo the query was pointed at, x, y in its pixels
    neighbours: (k) objects, ``images`` their photos' paths, ``distance`` (k,) float64
    approximate: the index that they came from, None where they are the true ones
    """

    space: str
    metric: str
    query: Objects
    query_images: tuple[str, ...]
    stored: bool
    neighbours: Objects
    images: tuple[str, ...]
    distance: NDArray[np.float64]
    query_thumbnails: tuple[bytes, ...] = ()
    texts: tuple[str, ...] = ()
    unlike: Objects = field(default_factory=no_objects)
    unlike_images: tuple[str, ...] = ()
    point: tuple[float, float] | None = None
    approximate: Approximation | None = None

    @property
    def query_image(self) -> str:
        """The path of the query's photo, of the first where there are several; empty for a text."""
        return self.query_images[0] if self.query_images else ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the shape that ``objectspace search --json`` prints."""
        return {
            "space": self.space,
            "metric": self.metric,
            **({} if self.approximate is None else {"approximate": self.approximate.to_json()}),
            "query": self._query_json(),
            "neighbours": [
                {
                    "rank": row + 1,
                    **_row_json(self.neighbours, row, image),
                    "distance": float(self.distance[row]),
                }
                for row, image in enumerate(self.images)
            ],
        }

    def _query_json(self) -> dict[str, Any]:
        """One object as in the neighbours; for a text, and for several as one, those keys are null."""
        rows = [_row_json(self.query, row, image) for row, image in enumerate(self.query_images)]
        if not self.stored:
            rows = [row | {"object_id": None} for row in rows]
        query = rows[0] if len(rows) == 1 else dict.fromkeys(_ROW_KEYS)
        if len(rows) > 1:
            query["objects"] = rows
        if self.texts:
            query |= {"text": self.texts[0]} if len(self.texts) == 1 else {"texts": list(self.texts)}
        if len(self.unlike):
            query["unlike"] = [
                _row_json(self.unlike, row, image) for row, image in enumerate(self.unlike_images)
            ]
        if self.point is not None:
            query["point"] = list(self.point)
        return query


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
        self._index = _ready(self.space, self.objects.image_id, metric, approximate)
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
        self, queries: Queries, *, k: int = 10, label: str | None = None, exclude_same_image: bool = False
    ) -> list[Answer]:
        """The k nearest objects of each query, equal distances by object id; fewer where fewer are left.

        A stored object is never its own neighbour, nor that of a query that it is a part of.
        ``label`` keeps only answers of that label; ``exclude_same_image`` leaves the objects of the query's
        own photos out. Raises QueryError for a label that no object of the space has, for vectors of another
        length, and for texts where the metric is not cosine.
        """
        if k < 1:
            raise QueryError(f"k is {k}, expected 1 or more")
        if queries.texts and self.metric != "cosine":
            raise QueryError(
                f"a text is compared with images by cosine, not by {self.metric}: only directions agree"
            )
        allowed = None if label is None else self.labelled(label)
        if queries.rows is None and queries.unlike is None:
            return self._nearest_of_each(queries, k, allowed, exclude_same_image)
        return [
            self._nearest_of_one(queries, row, k, allowed, exclude_same_image) for row in range(len(queries))
        ]

    def _nearest_of_each(
        self, queries: Queries, k: int, allowed: NDArray[np.bool_] | None, exclude_same_image: bool
    ) -> list[Answer]:
        """The answers of queries that are an object (or a text) each."""
        groups = queries.objects.image_id if exclude_same_image and not queries.texts else None
        # One more than asked for, as a stored object finds itself first, or among its equals.
        found = self._index.nearest(
            queries.vectors,
            k=min(k + queries.stored, max(len(self), 1)),
            allowed=allowed,
            query_groups=groups,
        )
        answers = []
        for row in range(len(queries)):
            keep = found.index[row] >= 0
            if queries.stored:
                keep &= found.index[row] != self._rows[str(queries.objects.object_id[row])]
            answers.append(
                self._answer(queries, row, found.index[row][keep][:k], found.distance[row][keep][:k])
            )
        return answers

    def _nearest_of_one(
        self,
        queries: Queries,
        row: int,
        k: int,
        allowed: NDArray[np.bool_] | None,
        exclude_same_image: bool,
    ) -> Answer:
        """The answer of a query that several objects make, none of which is its own neighbour."""
        allowed = np.ones(len(self), np.bool_) if allowed is None else allowed.copy()
        made_of = queries.objects.take([] if queries.texts else queries.made_of(row))
        if queries.stored:
            allowed[self._rows_of(made_of.object_id.tolist())] = False
        if queries.unlike is not None:
            allowed[self._rows_of(queries.unlike.object_id.tolist())] = False
        if exclude_same_image:
            allowed &= ~np.isin(self.objects.image_id, made_of.image_id)
        found = self._index.nearest(
            queries.vectors[row : row + 1], k=min(k, max(len(self), 1)), allowed=allowed
        )
        keep = found.index[0] >= 0
        return self._answer(queries, row, found.index[0][keep], found.distance[0][keep])

    def _answer(
        self, queries: Queries, row: int, index: NDArray[np.int64], distance: NDArray[np.float64]
    ) -> Answer:
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
            near = difflib.get_close_matches(label, known, n=1)
            guess = f"; did you mean {near[0]}?" if near else "; objectspace info lists the labels"
            raise QueryError(f"no object of space {self.space.name} has the label {label!r}{guess}")
        return allowed


def _ready(
    space: Space | StoredSpace, groups: NDArray[np.str_], metric: str, approximate: bool
) -> ExactIndex | StreamedIndex | ApproximateIndex:
    """What searches the space: in memory, on disk, or by its index."""
    if isinstance(space, Space):
        return ExactIndex(space.vectors, space.object_id, metric=metric, groups=groups)
    if approximate:
        return approximate_index(space, metric=metric, groups=groups)
    return StreamedIndex(space.vectors, space.object_id, metric=metric, groups=groups)


def default_space(store: Store, object_id: str | None = None) -> str:
    """The space to search where none is named: the first crop space, else the first by name.

    A space from which something was erased must be named. With ``object_id`` only spaces that hold that
    object count. Raises QueryError where there is none.
    """
    whole = (space for space in store.info().spaces if space.recipe.erasure is None)
    spaces = sorted(whole, key=lambda space: (space.recipe.route != "crop", space.name))
    for space in spaces:
        if object_id is None or object_id in set(store.members(space.name)):
            return space.name
    if object_id is not None and spaces:
        store.objects([object_id])  # an unknown id says so itself
        raise QueryError(f"object {object_id} has no vector in any space of {store.path}")
    raise QueryError(f"no space in {store.path} yet; index photos first")


def distance_text(distance: float) -> str:
    """Four digits, for people: 0.03210, 5.200, 5204."""
    return f"{distance:#.4g}".removesuffix(".")


def choose_targets(objects: Objects, count: int, *, label: str | None = None) -> list[str]:
    """Ids of ``count`` objects for a sheet: label after label, the most frequent first, and round again.

    Within a label objects come in the order of their ids, which are hashes: a fixed but arbitrary choice.
    """
    by_label: dict[str, list[str]] = {}
    for name, object_id in sorted(zip(objects.label.tolist(), objects.object_id.tolist(), strict=True)):
        if label is None or name == label:
            by_label.setdefault(name, []).append(object_id)
    queues = sorted(by_label.values(), key=len, reverse=True)
    rounds = max(map(len, queues), default=0)
    chosen = [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]
    return chosen[:count]


def _row_json(objects: Objects, row: int, image: str) -> dict[str, Any]:
    score = float(objects.score[row])
    return {
        "object_id": str(objects.object_id[row]),
        "image": image,
        "label": objects.label[row],
        "score": None if math.isnan(score) else score,
        "xyxy": [float(side) for side in objects.xyxy[row]],
    }
