"""Queries and answers of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import ImageError, counted
from objectspace.images import encode_thumbnail, read_image
from objectspace.markup import html_pictures, html_table
from objectspace.neighbors import JointVectors
from objectspace.objects.data_frames import data_frame
from objectspace.objects.records import Objects, no_objects
from objectspace.search.filters import SearchFilters
from objectspace.store import SpaceIndex

if TYPE_CHECKING:
    import pandas

#: The label of a query that is only a box in an image.
UNLABELED = "query"

#: Neighbors whose photos are read to show an answer in a notebook.
SHOWN = 12

#: The keys of an object in JSON.
_ROW_KEYS = ("object_id", "image", "label", "score", "xyxy")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Queries:
    """The vectors (n, d) of queries, and the source of each.

    objects: (m) objects that the vectors were made of, none where they were made of texts; images: (m) the
        paths of their images; thumbnails: (m) a JPEG of each, none where the store has them
    vectors: (n, d) float32; of a joint space part by part
    stored: whether the objects are in the store
    texts: (m) words that the vectors were made of, none where they were made of objects
    rows: (n) which of the objects (or texts) each vector was made of; None where it is one each
    unlike: stored objects that every vector was moved away from; None where it was not
    point, box: where in the image the query was made, x, y or x1, y1, x2, y2 in its pixels; None for others.
        Where ``stored``, it is a stored object that lies there

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> queries = search.stored(osp.choose_targets(search, 2))
    >>> search.mean(queries)
    Queries(1 vector of 2 objects, stored=True)
    """

    objects: Objects
    vectors: NDArray[np.float32] | JointVectors
    images: tuple[str, ...]
    stored: bool
    thumbnails: tuple[bytes, ...] = ()
    texts: tuple[str, ...] = ()
    rows: tuple[tuple[int, ...], ...] | None = None
    unlike: Objects | None = None
    point: tuple[float, float] | None = None
    box: tuple[float, float, float, float] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        made_of = counted(len(self.texts), "text") if self.texts else counted(len(self.objects), "object")
        return f"Queries({counted(len(self), 'vector')} of {made_of}, stored={self.stored})"

    def made_of(self, row: int) -> tuple[int, ...]:
        """Return which of the objects (or texts) a vector was made of."""
        return (row,) if self.rows is None else self.rows[row]


@dataclass(frozen=True, slots=True)
class Approximation:
    """The index of an answer; ``unindexed`` vectors came after it and are compared one by one."""

    index: SpaceIndex
    unindexed: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: kind, recall as measured when the index was built, ``unindexed``."""
        return {"kind": self.index.kind, **asdict(self.index.recall), "unindexed": self.unindexed}


@dataclass(frozen=True, slots=True, eq=False)
class AnswerParts:
    """What each part of a joint space contributes to the similarities of an answer.

    names: (p) of the parts; shares: (p,) their weights as shares of 1
    cosines: (k, p) of the query and each neighbor in each part
    assumed: (k, p) whether a cosine is what counts where the two have no vectors in one space of a part
    """

    names: tuple[str, ...]
    shares: NDArray[np.float64]
    cosines: NDArray[np.float64]
    assumed: NDArray[np.bool_]

    @property
    def similarities(self) -> NDArray[np.float64]:
        """The contribution of each part (k, p), which sum to the neighbor's cosine similarity."""
        return self.cosines * self.shares

    def to_json(self, row: int) -> dict[str, Any]:
        """Return the parts of one neighbor as plain JSON values, by name."""
        values = (self.cosines[row].tolist(), self.similarities[row].tolist(), self.assumed[row].tolist())
        return {
            name: {"cosine": cosine, "similarity": part, "assumed": assumed}
            for name, cosine, part, assumed in zip(self.names, *values, strict=True)
        }


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Answer:
    """The nearest objects of one query, nearest first.

    query: what was searched for: one object; several that are one query; none for a text
    query_images: the paths of their images; query_image: the first of them, empty for a text
    stored: whether the objects are in the store; query_thumbnails: their JPEGs where they are not
    texts: the words searched for; unlike: the objects that the neighbors are to be unlike, mostly none
    point, box: where in the image the query was made, as in :class:`Queries`
    neighbors: (k) objects, ``images`` the paths of their images, ``distance`` (k,) float64
    approximate: the index that proposed them, None where they are the true ones
    filters: which neighbors were asked for
    parts: in a joint space, how much of each similarity came from which part; otherwise None
    other_spaces: the other spaces of the store; default_space: that which is searched where none is named

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> (answer,) = search.nearest(search.stored(osp.choose_targets(search, 1)), k=3)
    >>> len(answer.neighbors), answer.metric, answer.approximate
    (3, 'cosine', None)
    """

    space: str
    metric: str
    query: Objects
    query_images: tuple[str, ...]
    stored: bool
    neighbors: Objects
    images: tuple[str, ...]
    distance: NDArray[np.float64]
    query_thumbnails: tuple[bytes, ...] = ()
    texts: tuple[str, ...] = ()
    unlike: Objects = field(default_factory=no_objects)
    unlike_images: tuple[str, ...] = ()
    point: tuple[float, float] | None = None
    box: tuple[float, float, float, float] | None = None
    approximate: Approximation | None = None
    filters: SearchFilters = field(default_factory=SearchFilters)
    parts: AnswerParts | None = None
    other_spaces: tuple[str, ...] = ()
    default_space: str | None = None

    def __repr__(self) -> str:
        query = " · ".join(self.texts or map(str, self.query.label))
        near = f", nearest at {distance_text(self.distance[0])}" if len(self.images) else ""
        found = counted(len(self.images), "neighbor")
        return f"Answer({query!r} in {self.space!r}, {self.metric}: {found}{near})"

    def _repr_html_(self) -> str:
        query = " · ".join(self.texts or map(str, self.query.label))
        shown = [(_crop(self.query, self.query_images, row), "query") for row in range(len(self.query))]
        for row in range(min(SHOWN, len(self.images))):
            text = f"{self.neighbors.label[row]} {distance_text(self.distance[row])}"
            shown.append((_crop(self.neighbors, self.images, row), text))
        exact = "exact" if self.approximate is None else "approximate"
        about = html_table(
            f"nearest to {query}",
            ("space", "metric", "", "neighbors"),
            [(self.space, self.metric, exact, len(self.images))],
        )
        return about + html_pictures(shown)

    @property
    def query_image(self) -> str:
        """The path of the query's image, of the first where there are several; empty for a text."""
        return self.query_images[0] if self.query_images else ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the shape that ``objectspace search --json`` prints."""
        return {
            "space": self.space,
            "metric": self.metric,
            "default_space": self.default_space,
            "other_spaces": list(self.other_spaces),
            **({} if self.approximate is None else {"approximate": self.approximate.to_json()}),
            **self.filters.to_json(),
            "query": self._query_json(),
            "neighbors": [
                {
                    "rank": row + 1,
                    **object_json(self.neighbors, row, image),
                    "distance": float(self.distance[row]),
                    **({} if self.parts is None else {"parts": self.parts.to_json(row)}),
                }
                for row, image in enumerate(self.images)
            ],
        }

    def to_pandas(self) -> pandas.DataFrame:
        """Return a row for each neighbor: rank, object_id, image, label, score, x1 to y2, distance.

        Raises InputError without pandas.
        """
        objects = self.neighbors
        return data_frame(
            {
                "rank": np.arange(1, len(objects) + 1),
                "object_id": objects.object_id,
                "image": np.array([*self.images, None], object)[:-1],
                "label": objects.label,
                "score": objects.score,
                "xyxy": objects.xyxy,
                "distance": self.distance,
            }
        )

    def _query_json(self) -> dict[str, Any]:
        """Return one object as in the neighbors; for a text, and for several as one, those keys are null."""
        rows = [object_json(self.query, row, image) for row, image in enumerate(self.query_images)]
        if not self.stored:
            rows = [row | {"object_id": None} for row in rows]
        query = rows[0] if len(rows) == 1 else dict.fromkeys(_ROW_KEYS)
        if len(rows) > 1:
            query["objects"] = rows
        if self.texts:
            query |= {"text": self.texts[0]} if len(self.texts) == 1 else {"texts": list(self.texts)}
        if len(self.unlike):
            query["unlike"] = [
                object_json(self.unlike, row, image) for row, image in enumerate(self.unlike_images)
            ]
        for name, place in (("point", self.point), ("box", self.box)):
            if place is not None:
                query |= {name: list(place), "stored": self.stored}
        return query


def distance_text(distance: float) -> str:
    """Return a distance in four digits.

    >>> distance_text(0.0321), distance_text(5.2), distance_text(5204)
    ('0.03210', '5.200', '5204')
    """
    return f"{distance:#.4g}".removesuffix(".")


def object_json(objects: Objects, row: int, image: str) -> dict[str, Any]:
    """Return one object as plain JSON values, with the path of its image."""
    score = float(objects.score[row])
    return {
        "object_id": str(objects.object_id[row]),
        "image": image,
        "label": objects.label[row],
        "score": None if math.isnan(score) else score,
        "xyxy": [float(side) for side in objects.xyxy[row]],
    }


def _crop(objects: Objects, images: Sequence[str], row: int) -> bytes | None:
    """Return an object's box of its photo as a JPEG, None where the photo is not there any more."""
    try:
        image = read_image(images[row], image_id=str(objects.image_id[row]))
    except (ImageError, IndexError):
        return None
    x1, y1, x2, y2 = (round(float(side)) for side in objects.xyxy[row])
    left, top = max(x1, 0), max(y1, 0)
    return encode_thumbnail(image.pixels[top : max(y2, top + 1), left : max(x2, left + 1)])
