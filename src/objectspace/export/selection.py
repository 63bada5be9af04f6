"""The selection of a store that is exported, read in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.joint import JOINT
from objectspace.errors import InputError, counted
from objectspace.images import check_thumbnail
from objectspace.objects.masks import object_runs
from objectspace.objects.records import Objects
from objectspace.search import default_space
from objectspace.search.default_space import first_spaces
from objectspace.store import ImageRow, SpaceInfo, Store
from objectspace.store.marks import read_marks

#: Objects and images that are read at once: 38 MB of the longest vectors of the paper (9216 numbers).
BLOCK = 1024


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Block:
    """Some images and all their chosen objects.

    images: also those without objects
    start: the number of the first object in the whole selection
    rows: (n,) where each object is in the objects table of the store
    image_row: (n,) the row in ``images`` of each object is in
    """

    store: Store
    images: Sequence[ImageRow]
    start: int
    rows: NDArray[np.int64]
    objects: Objects
    image_row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.objects)

    def __repr__(self) -> str:
        count = counted(len(self), "object")
        return f"Block({count} from number {self.start} of {counted(len(self.images), 'image')})"

    @property
    def paths(self) -> list[str]:
        """The path of each object's image."""
        return [self.images[row].path for row in self.image_row.tolist()]

    def thumbnails(self) -> list[bytes]:
        """Return the JPEG of each object. Raises ImageError where one is none, or too large."""
        jpegs = self.store.thumbnails_at(self.rows)
        for jpeg in jpegs:
            check_thumbnail(jpeg)
        return jpegs


class Selection:
    """The objects of an export: image after image, those of an image in the store's order.

    In memory are the rows of the images, and for each object a few numbers: its row, its image, its row in
    each space. Everything else is read block by block.

    spaces: those whose vectors are exported; ``len`` is the number of objects
    """

    def __init__(
        self,
        store: Store,
        rows: NDArray[np.int64] | None,
        spaces: Sequence[SpaceInfo],
        relabeled: Mapping[str, str] | None = None,
    ) -> None:
        self.store = store
        #: The labels of objects that have others than the store's, by object id.
        self._relabeled = relabeled or {}
        self.spaces = tuple(spaces)
        self._images = store.images()
        image = store.image_rows()
        rows = np.arange(len(image)) if rows is None else np.sort(rows)
        order = np.argsort(image[rows], kind="stable")
        self._rows = rows[order]
        self._image_row = image[self._rows]
        self._members = {space.name: self._rows_in(space.name, len(image)) for space in self.spaces}

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        spaces = ", ".join(space.name for space in self.spaces) or "no space"
        return f"Selection({counted(len(self), 'object')} of {self.store.path}, vectors of {spaces})"

    @property
    def images(self) -> list[ImageRow]:
        """Every image of the store, in the order of the blocks."""
        return self._images

    def labels(self) -> list[str]:
        """Return the labels of the objects, each once, by name."""
        read = self.store.object_columns(["object_id", "label"])
        return sorted(set(self._labels(read["object_id"][self._rows], read["label"][self._rows]).tolist()))

    def _labels(self, object_id: NDArray[Any], label: NDArray[Any]) -> NDArray[Any]:
        """Return the labels (n,) of some objects, those of the store or others."""
        if not self._relabeled:
            return label
        pairs = zip(object_id.tolist(), label.tolist(), strict=True)
        return np.array([self._relabeled.get(name, own) for name, own in pairs], object)

    def blocks(self) -> Iterator[Block]:
        """Yield all images with their objects, some :data:`BLOCK` at a time; an image is never split.

        Raises InputError for a mask that cannot be decoded.
        """
        counts = np.bincount(self._image_row, minlength=len(self._images))
        ends = np.cumsum(counts)
        # An image counts as one more, so that a block has no more than so many images either.
        number = (ends + np.arange(len(ends))) // BLOCK
        cuts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(ends)]
        for first, last in pairwise(cuts):
            part = slice(int(ends[first] - counts[first]), int(ends[last - 1]))
            rows = self._rows[part]
            objects = self.store.objects_at(rows)
            _check_masks(objects)
            if self._relabeled:
                objects = replace(objects, label=self._labels(objects.object_id, objects.label))
            yield Block(
                store=self.store,
                images=self._images[first:last],
                start=part.start,
                rows=rows,
                objects=objects,
                image_row=self._image_row[part] - first,
            )

    def vectors(self, space: SpaceInfo, block: Block) -> NDArray[np.float32]:
        """Return the vectors (n, d) of a block's objects; NaN where an object has none in the space."""
        rows = self._members[space.name][block.start : block.start + len(block)]
        there = rows >= 0
        vectors = np.full((len(block), space.dimension), np.nan, np.float32)
        vectors[there] = self.store.vectors(space.name, rows[there].tolist())
        return vectors

    def recipes(self) -> dict[str, Any]:
        """Return what made the objects and the vectors, as plain JSON values."""
        return {
            "spaces": {space.name: space.recipe.to_json() for space in self.spaces},
            "sources": self.store.sources,
        }

    def _rows_in(self, space: str, count: int) -> NDArray[np.int64]:
        """Return the row of each object in a space, -1 where it has none; the store has ``count`` objects."""
        members = self.store.object_rows(space)
        row = np.full(count, -1)
        row[members] = np.arange(len(members))
        return row[self._rows]


def select(
    store: Store, space: str | None, *, vectors: str, named: str | None = None, corrected: bool = False
) -> Selection:
    """Return the objects of a space, or all; with the vectors of "all" spaces, of "one" or of "none".

    named: a named selection of the store; only its objects
    corrected: without objects that are marked wrong, and with the labels that marks give

    A joint space is written out where it is named; among all spaces its parts are enough.

    Raises InputError for a store without objects and a space without vectors, QueryError for an unknown
    space.
    """
    if space is not None:
        store.recipe(space)  # raises for an unknown space
    if not len(store):
        raise InputError(f"{store.path} holds no objects yet; index photos first")
    if space is None and vectors == "one":
        plain = [name for name in first_spaces(store) if store.recipe(name).route != JOINT]
        default = default_space(store)
        space = plain[0] if plain and store.recipe(default).route == JOINT else default
    known = store.info().spaces
    if space is None:
        stored = [info for info in known if info.recipe.route != JOINT]
        rows = _named(store, named, None, f"the store at {store.path}")
        return _selected(store, rows, stored if vectors == "all" else (), corrected)
    rows = store.object_rows(space)
    if not len(rows):
        raise InputError(f"space {space} of {store.path} holds no vectors; index the photos again")
    chosen = [info for info in known if info.name == space and vectors != "none"]
    return _selected(store, _named(store, named, rows, f"space {space}"), chosen, corrected)


def _selected(
    store: Store, rows: NDArray[np.int64] | None, spaces: Sequence[SpaceInfo], corrected: bool
) -> Selection:
    if not corrected:
        return Selection(store, rows, spaces)
    marks = read_marks(store.path)
    ids = store.object_columns(["object_id"])["object_id"]
    wrong = [name for name, mark in marks.items() if mark.verdict == "wrong"]
    kept = np.flatnonzero(~np.isin(ids, wrong))
    kept = kept if rows is None else np.intersect1d(kept, rows)
    if not len(kept):
        raise InputError("every object is marked wrong, none is left to export")
    return Selection(store, kept, spaces, {name: mark.label for name, mark in marks.items() if mark.label})


def _named(
    store: Store, named: str | None, rows: NDArray[np.int64] | None, where: str
) -> NDArray[np.int64] | None:
    """Return those rows of the objects table (None: all) that are in a named selection, if one is named."""
    if named is None:
        return rows
    ids = store.object_columns(["object_id"])["object_id"]
    selection = store.selection(named)
    return selection.rows(ids, where) if rows is None else rows[selection.rows(ids[rows], where)]


def _check_masks(objects: Objects) -> None:
    """Raise InputError for a mask that cannot be decoded; some at a time, as runs take more than masks."""
    masks = [mask for mask in objects.mask if mask is not None]
    for start in range(0, len(masks), 32):
        object_runs(masks[start : start + 32])


def factor_names(factors: Iterable[str], taken: Iterable[str]) -> Mapping[str, str]:
    """Return the column of each factor: its name, after ``factor/`` where the format has that column."""
    reserved = set(taken)
    return {name: f"factor/{name}" if name in reserved else name for name in factors}
