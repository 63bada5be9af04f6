"""Exact search in a store: the nearest objects of stored ones, and of vectors from outside."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.spaces import Space
from objectspace.errors import QueryError
from objectspace.neighbours import METRICS, ExactIndex
from objectspace.objects.records import Objects
from objectspace.store import Store

#: The label of a query that is only a box in a photo.
UNLABELLED = "query"


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """What is searched for: objects (n), vectors (n, d), the photos' paths (n).

    stored: are they in the store; thumbnails: a JPEG of each (n), none where the store has them
    """

    objects: Objects
    vectors: NDArray[np.float32]
    images: tuple[str, ...]
    stored: bool
    thumbnails: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The nearest objects of one query, nearest first.

    query: the one object searched for; query_image: its photo's path; stored: whether it is in the store
    query_thumbnail: its JPEG where it is not stored; the store has the others
    neighbours: (k) objects, ``images`` their photos' paths, ``distance`` (k,) float64
    """

    space: str
    metric: str
    query: Objects
    query_image: str
    stored: bool
    neighbours: Objects
    images: tuple[str, ...]
    distance: NDArray[np.float64]
    query_thumbnail: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the shape that ``objectspace search --json`` prints."""
        query = _row_json(self.query, 0, self.query_image)
        if not self.stored:
            query["object_id"] = None
        return {
            "space": self.space,
            "metric": self.metric,
            "query": query,
            "neighbours": [
                {
                    "rank": row + 1,
                    **_row_json(self.neighbours, row, image),
                    "distance": float(self.distance[row]),
                }
                for row, image in enumerate(self.images)
            ],
        }


class SpaceSearch:
    """One space of a store, made ready for many searches; every answer is exact.

    Raises QueryError for an unknown space or metric.
    """

    def __init__(self, store: Store, space: str, *, metric: str = "euclidean") -> None:
        if metric not in METRICS:
            raise QueryError(f"metric {metric!r} is not known, expected {' or '.join(METRICS)}")
        self.space: Space = store.space(space)
        self.metric = metric
        self.objects = store.objects(self.space.object_id)
        self._paths = {row.image_id: row.path for row in store.images()}
        self._rows = {name: row for row, name in enumerate(self.space.object_id.tolist())}
        self._index = ExactIndex(
            self.space.vectors, self.space.object_id, metric=metric, groups=self.objects.image_id
        )

    def __len__(self) -> int:
        return len(self.space)

    def stored(self, object_ids: Sequence[str]) -> Queries:
        """Objects of the space as queries. Raises QueryError for an id that is not in it."""
        if missing := [name for name in object_ids if name not in self._rows]:
            raise QueryError(f"object {missing[0]} has no vector in space {self.space.name}")
        objects = self.objects.take([self._rows[name] for name in object_ids])
        vectors = self.space.vectors[[self._rows[name] for name in object_ids]]
        return Queries(objects, vectors, self._images(objects), stored=True)

    def nearest(
        self, queries: Queries, *, k: int = 10, label: str | None = None, exclude_same_image: bool = False
    ) -> list[Answer]:
        """The k nearest objects of each query, equal distances by object id; fewer where fewer are left.

        A stored object is never its own neighbour. ``label`` keeps only answers of that label;
        ``exclude_same_image`` leaves the objects of the query's own photo out. Raises QueryError for a label
        that no object of the space has, and for vectors of another length.
        """
        if k < 1:
            raise QueryError(f"k is {k}, expected 1 or more")
        allowed = None if label is None else self._labelled(label)
        groups = queries.objects.image_id if exclude_same_image else None
        # One more than asked for, as a stored object finds itself first, or among its equals.
        found = self._index.nearest(
            queries.vectors,
            k=min(k + queries.stored, max(len(self), 1)),
            allowed=allowed,
            query_groups=groups,
        )
        answers = []
        for row, object_id in enumerate(queries.objects.object_id):
            keep = found.index[row] >= 0
            if queries.stored:
                keep &= found.index[row] != self._rows[str(object_id)]
            answers.append(
                self._answer(queries, row, found.index[row][keep][:k], found.distance[row][keep][:k])
            )
        return answers

    def _answer(
        self, queries: Queries, row: int, index: NDArray[np.int64], distance: NDArray[np.float64]
    ) -> Answer:
        neighbours = self.objects.take(index)
        return Answer(
            space=self.space.name,
            metric=self.metric,
            query=queries.objects.take([row]),
            query_image=queries.images[row],
            stored=queries.stored,
            neighbours=neighbours,
            images=self._images(neighbours),
            distance=distance,
            query_thumbnail=queries.thumbnails[row] if queries.thumbnails else None,
        )

    def _images(self, objects: Objects) -> tuple[str, ...]:
        return tuple(self._paths[image_id] for image_id in objects.image_id.tolist())

    def _labelled(self, label: str) -> NDArray[np.bool_]:
        allowed: NDArray[np.bool_] = self.objects.label == label
        if not allowed.any():
            known = sorted(set(self.objects.label))
            near = difflib.get_close_matches(label, known, n=1)
            guess = f"; did you mean {near[0]}?" if near else ""
            raise QueryError(f"no object of space {self.space.name} has the label {label!r}{guess}")
        return allowed


def default_space(store: Store, object_id: str | None = None) -> str:
    """The space to search where none is named: the first crop space, else the first by name.

    With ``object_id`` only spaces that hold that object count. Raises QueryError where there is none.
    """
    spaces = sorted(store.info().spaces, key=lambda space: (space.recipe.route != "crop", space.name))
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
