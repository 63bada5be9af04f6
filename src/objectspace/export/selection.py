"""What an export takes of a store, read in blocks, so that memory does not grow with the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.objects.records import Objects
from objectspace.search import default_space
from objectspace.store import ImageRow, SpaceInfo, Store

#: Objects and photos that are read at once: 38 MB of the longest vectors of the paper (9216 numbers).
BLOCK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some photos and all their chosen objects.

    photos: also those without objects
    start: the number of the first object in the whole selection
    photo: (n,) which of ``photos`` each object is in
    """

    store: Store
    photos: Sequence[ImageRow]
    start: int
    objects: Objects
    photo: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.objects)

    @property
    def paths(self) -> list[str]:
        """The photo's path of each object."""
        return [self.photos[row].path for row in self.photo.tolist()]

    def thumbnails(self) -> list[bytes]:
        """The JPEG of each object."""
        return self.store.thumbnails(self.objects.object_id)


class Selection:
    """The objects of an export: photo after photo, a photo's in the store's order.

    spaces: those whose vectors are exported; ``len`` is the number of objects
    """

    def __init__(self, store: Store, object_ids: NDArray[np.str_], spaces: Sequence[SpaceInfo]) -> None:
        self.store = store
        self.spaces = tuple(spaces)
        self._photos = store.images()
        number = {row.image_id: place for place, row in enumerate(self._photos)}
        image_ids = store.objects(object_ids).image_id.tolist()
        photo = np.array([number[image_id] for image_id in image_ids], np.int64)
        order = np.argsort(photo, kind="stable")
        self._object_ids, self._photo = object_ids[order], photo[order]
        self._members = {space.name: self._rows_of(space.name) for space in self.spaces}

    def __len__(self) -> int:
        return len(self._object_ids)

    @property
    def photos(self) -> list[ImageRow]:
        """Every photo of the store, in the order of the blocks."""
        return self._photos

    def blocks(self) -> Iterator[Block]:
        """All photos with their objects, some :data:`BLOCK` at a time; a photo is never split."""
        counts = np.bincount(self._photo, minlength=len(self._photos))
        ends = np.cumsum(counts)
        # A photo counts as one more, so that a block has no more than so many photos either.
        number = (ends + np.arange(len(ends))) // BLOCK
        cuts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(ends)]
        for first, last in pairwise(cuts):
            rows = slice(int(ends[first] - counts[first]), int(ends[last - 1]))
            yield Block(
                self.store,
                self._photos[first:last],
                rows.start,
                self.store.objects(self._object_ids[rows]),
                self._photo[rows] - first,
            )

    def vectors(self, space: SpaceInfo, block: Block) -> NDArray[np.float32]:
        """The vectors (n, d) of a block's objects; NaN where an object has none in the space."""
        rows = self._members[space.name][block.start : block.start + len(block)]
        there = rows >= 0
        vectors = np.full((len(block), space.dimension), np.nan, np.float32)
        vectors[there] = self.store.vectors(space.name, rows[there].tolist())
        return vectors

    def recipes(self) -> dict[str, Any]:
        """What made the objects and the vectors, as plain JSON values."""
        return {
            "spaces": {space.name: space.recipe.to_json() for space in self.spaces},
            "sources": self.store.sources,
        }

    def _rows_of(self, space: str) -> NDArray[np.int64]:
        """Where each object stands in a space, -1 for nowhere."""
        row = {object_id: place for place, object_id in enumerate(self.store.members(space))}
        return np.array([row.get(object_id, -1) for object_id in self._object_ids.tolist()], np.int64)


def select(store: Store, space: str | None, *, vectors: str) -> Selection:
    """The objects of a space, or all; with the vectors of "all" spaces, of "one" or of "none".

    Raises InputError for a store without objects, QueryError for an unknown space.
    """
    if space is not None:
        store.recipe(space)  # an unknown space says so first
    if not len(store):
        raise InputError(f"{store.path} holds no objects yet; index photos first")
    if space is None and vectors == "one":
        space = default_space(store)
    known = store.info().spaces
    if space is None:
        return Selection(store, store.objects().object_id, known if vectors == "all" else ())
    chosen = [info for info in known if info.name == space and vectors != "none"]
    return Selection(store, np.array(store.members(space), np.str_), chosen)


def factor_names(factors: Iterable[str], taken: Iterable[str]) -> Mapping[str, str]:
    """The factors under the names of their columns: ``factor/`` before one that the format has already."""
    reserved = set(taken)
    return {name: f"factor/{name}" if name in reserved else name for name in factors}
