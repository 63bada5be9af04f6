"""Reading a store: the state of its last commit, whatever a writer is doing meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import QueryError
from objectspace.objects.records import Objects, no_objects
from objectspace.store.columns import objects_from_table, text_array
from objectspace.store.manifest import SPACES, Manifest, read_manifest
from objectspace.store.records import CELL_COLUMNS, Failure, ImageRow, SpaceInfo, StoreInfo
from objectspace.store.tables import open_table, read_batches, read_rows, take_rows
from objectspace.store.vectors import StoredSpace, StoredVectors


def open_store(path: Path | str) -> Store:
    """The store at ``path``, as its last commit left it.

    Raises StoreError where there is no store or it is damaged, StoreVersionError where it was written in
    another version of the format.
    """
    folder = Path(path)
    return Store(folder, read_manifest(folder))


class Store:
    """One state of a store on disk, read when asked for. Later commits do not show; open the store again."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self._manifest = manifest
        self._tables: dict[str, Any] = {}

    @property
    def space_names(self) -> list[str]:
        """The spaces, in the order of their names."""
        return sorted(self._manifest.spaces)

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        """What found the objects: ``objects.source`` -> the recipe behind that name."""
        return {name: dict(recipe) for name, recipe in self._manifest.sources.items()}

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """The arguments that loaded each network, by :func:`objectspace.store.records.model_key`."""
        return {name: dict(arguments) for name, arguments in self._manifest.models.items()}

    def __len__(self) -> int:
        table = self._table("objects")
        return 0 if table is None else int(table.count_rows())

    def info(self) -> StoreInfo:
        """Counts, labels, spaces and failures."""
        images, objects = self._table("images"), self._table("objects")
        labels = Counter[str]()
        if objects is not None:
            for batch in read_batches(objects, ["label"]):
                labels.update(batch["label"].to_pylist())
        return StoreInfo(
            images=0 if images is None else images.count_rows(),
            objects=len(self),
            labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
            spaces=[self._space_info(name) for name in self.space_names],
            failures=self.failures(),
        )

    def images(self) -> list[ImageRow]:
        """Every photo, in the order in which they came, but for those that were moved since."""
        table = self._table("images")
        if table is None:
            return []
        return [ImageRow(**row) for row in read_rows(table, ImageRow._fields).to_pylist()]

    def image_wh(self) -> dict[str, tuple[int, int]]:
        """Return the width and height in pixels of each image, by its id."""
        return {row.image_id: (row.width, row.height) for row in self.images()}

    def failures(self) -> list[Failure]:
        """The photos that could not be used, by path."""
        table = self._table("failures")
        if table is None:
            return []
        return sorted(Failure(**row) for row in read_rows(table, Failure._fields).to_pylist())

    def indexed(self) -> dict[str, set[str]]:
        """The photos that are done: name of what was done -> image ids."""
        finished: dict[str, set[str]] = {}
        if (table := self._table("indexed")) is not None:
            for row in read_rows(table, ["image_id", "job"]).to_pylist():
                finished.setdefault(row["job"], set()).add(row["image_id"])
        return finished

    def objects(self, object_ids: Sequence[str] | NDArray[np.str_] | None = None) -> Objects:
        """All objects, or those of the given ids in their order. Raises QueryError for an unknown id."""
        table = self._table("objects")
        rows = None if object_ids is None else self._rows(object_ids)
        if table is None:
            return no_objects()
        columns = [name for name in table.schema.names if name != "thumbnail"]
        return objects_from_table(
            read_rows(table, columns) if rows is None else take_rows(table, rows, columns)
        )

    def thumbnails(self, object_ids: Sequence[str] | NDArray[np.str_]) -> list[bytes]:
        """The JPEG of each object, in the order of the ids. Raises QueryError for an unknown id."""
        rows = self._rows(object_ids)
        if not rows:
            return []
        pictures: list[bytes] = take_rows(self._table("objects"), rows, ["thumbnail"])[0].to_pylist()
        return pictures

    def space(self, name: str) -> Space:
        """The vectors of a space, n x d float32 in memory. Raises QueryError for an unknown space."""
        table, entry = self._space_table(name), self._manifest.spaces[name]
        vectors = np.empty((table.count_rows(), entry.dimension), np.float32)
        ids: list[str] = []
        for batch in read_batches(table, ["object_id", "vector"]):
            block = batch["vector"].flatten().to_numpy().reshape(-1, entry.dimension)
            vectors[len(ids) : len(ids) + len(block)] = block
            ids += batch["object_id"].to_pylist()
        return Space(name, entry.recipe, np.array(ids, np.str_), vectors)

    def recipe(self, name: str) -> Recipe:
        """The recipe of a space. Raises QueryError for an unknown space."""
        self._space_table(name)
        return self._manifest.spaces[name].recipe

    def members(self, name: str) -> list[str]:
        """Ids of the objects of a space, row for row with :meth:`space`. Raises QueryError likewise."""
        ids: list[str] = read_rows(self._space_table(name), ["object_id"])["object_id"].to_pylist()
        return ids

    def vectors(self, name: str, rows: Sequence[int]) -> NDArray[np.float32]:
        """Some vectors of a space, r x d float32: ``rows`` are places in :meth:`members`, in any order.

        Only these are read from the disk. Raises QueryError for an unknown space.
        """
        table = self._space_table(name)
        return StoredVectors(table, self._manifest.spaces[name].dimension)[rows]

    def stored_space(self, name: str) -> StoredSpace:
        """A space whose vectors stay on disk, with its index. Raises QueryError for an unknown space."""
        table, entry = self._space_table(name), self._manifest.spaces[name]
        ids = np.array(self.members(name), np.str_)
        return StoredSpace(name, entry.recipe, ids, StoredVectors(table, entry.dimension), entry.index)

    def cells(self, name: str) -> dict[str, NDArray[np.int32]]:
        """Where each vector of a space was cut, row for row with :meth:`space`: head, cell_x, cell_y, anchor,
        cells_outside, each (n,) int32, -1 where there is none. Raises QueryError for an unknown space.
        """
        rows = read_rows(self._space_table(name), CELL_COLUMNS)
        return {
            column: rows[column].combine_chunks().fill_null(-1).to_numpy().astype(np.int32)
            for column in CELL_COLUMNS
        }

    def _space_info(self, name: str) -> SpaceInfo:
        entry, table = self._manifest.spaces[name], self._space_table(name)
        unindexed = 0 if entry.index is None else StoredVectors(table, entry.dimension).unindexed
        return SpaceInfo(name, table.count_rows(), entry.dimension, entry.recipe, entry.index, unindexed)

    def _space_table(self, name: str) -> Any:
        if name not in self._manifest.spaces:
            known = ", ".join(self.space_names) or "none yet"
            raise QueryError(f"no space {name} in {self.path}; its spaces: {known}")
        return self._table(SPACES + name)

    def _table(self, name: str) -> Any:
        """The Lance dataset of a table; None where nothing was ever written to it."""
        if name not in self._manifest.tables:
            return None
        if name not in self._tables:
            self._tables[name] = open_table(self.path, name, self._manifest.tables[name])
        return self._tables[name]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        table = self._table("objects")
        if table is None:
            return {}
        ids = read_rows(table, ["object_id"])
        return {name: row for row, name in enumerate(text_array(ids["object_id"]).tolist())}

    def _rows(self, object_ids: Sequence[str] | NDArray[np.str_]) -> list[int]:
        try:
            return [self._row_of[str(name)] for name in object_ids]
        except KeyError as error:
            raise QueryError(
                f"no object {error.args[0]} in {self.path}; objectspace search --image PHOTO tells ids"
            ) from None
