"""The vectors of a space on disk: read when asked for, or proposed by the space's index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from objectspace.embeddings.spaces import ReadObjects, Recipe, Space
from objectspace.errors import StoreError
from objectspace.neighbors import JointVectors, Part
from objectspace.store import tables
from objectspace.store.columns import text_array
from objectspace.store.float16 import widen
from objectspace.store.indexes import SpaceIndex
from objectspace.store.pins import Pin
from objectspace.store.vector_cache import VectorCache

#: Vectors of more bytes than this (512 MiB) are not read into memory to be measured, but block by block.
MEASURED_IN_MEMORY = 1 << 29


class StoredVectors:
    """The vectors (n, d) float32 of one space, row for row with ``Store.members``; none is kept in memory.

    ``vectors[slice]`` and ``vectors[rows]`` read rows, in any order.

    pin: what keeps the table's version on disk, as long as the vectors are held
    cache: a copy that is read in the table's place, and made by the first reading
    """

    def __init__(
        self, table: Any, dimension: int, pin: Pin | None = None, cache: VectorCache | None = None
    ) -> None:
        self._table, self._pin, self._cache = table, pin, cache
        self.shape: tuple[int, int] = (int(table.count_rows()), dimension)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"StoredVectors({self.shape[0]} x {self.shape[1]}, on disk)"

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        if self._cache is not None:
            return self._of_copy(self._copy[rows if isinstance(rows, slice) else np.asarray(rows, np.int64)])
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._filled(
                    tables.read_slice(self._table, "vector", start, stop), max(0, stop - start)
                )
            rows = np.arange(start, stop, step)
        if not len(rows):
            return np.empty((0, self.shape[1]), np.float32)
        taken = tables.take_rows(self._table, np.asarray(rows, np.int64).tolist(), ["vector"])
        return self._filled(taken.to_batches(), len(rows))

    @cached_property
    def _copy(self) -> NDArray[Any]:
        """The cached vectors (n, d), as they are kept."""
        assert self._cache is not None
        return self._cache.mapped(StoredVectors(self._table, self.shape[1]))

    def _of_copy(self, kept: NDArray[Any]) -> NDArray[np.float32]:
        if kept.dtype == np.float32:
            return np.asarray(kept)
        vectors = np.empty(kept.shape, np.float32)
        widen(np.ascontiguousarray(kept), vectors)
        return vectors

    def _filled(self, batches: Any, count: int) -> NDArray[np.float32]:
        vectors = np.empty((count, self.shape[1]), np.float32)
        start = 0
        for batch in batches:
            read_vectors(batch, vectors[start : start + len(batch)], self._table.uri)
            start += len(batch)
        return vectors

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors in memory."""
        return 4 * self.shape[0] * self.shape[1]

    def read(self) -> NDArray[np.float32]:
        """Return the vectors in memory."""
        return self[:]

    @property
    def unindexed(self) -> int:
        """The number of vectors added after the index was built, which are compared one by one."""
        return max(0, len(self) - tables.indexed_rows(self._table))

    def propose(
        self,
        queries: NDArray[np.float32],
        count: int,
        index: SpaceIndex,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return what the index proposes as the ``count`` nearest of each query, in no promised order.

        The query (m,), the row (m,) and the vector (m, d) of each; m is at most q * count.
        allowed: (n,) bool, the rows that may be proposed; None for all
        """
        found = self._nearest_rows(queries, count, index, allowed, ["vector"])
        query, place = self._places_of(found)
        return query, place, self._filled(found.select(["vector"]).to_batches(), len(found))

    def propose_rows(
        self,
        queries: NDArray[np.float32],
        count: int,
        index: SpaceIndex,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return query and row (m,) of what :meth:`propose` returns; no vector is read."""
        return self._places_of(self._nearest_rows(queries, count, index, allowed, []))

    def _nearest_rows(
        self,
        queries: NDArray[np.float32],
        count: int,
        index: SpaceIndex,
        allowed: NDArray[np.bool_] | None,
        columns: Sequence[str],
    ) -> pa.Table:
        only, without = None, None
        # Lance takes the smaller of the two.
        if allowed is not None and allowed.sum() <= len(self) // 2:
            only = self._row_ids[allowed]
        elif allowed is not None:
            without = self._row_ids[~allowed]
        return tables.nearest_rows(
            self._table,
            queries,
            count,
            columns,
            metric=index.metric,
            probes=index.settings["probes"],
            only=only,
            without=without,
        )

    def _places_of(self, found: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        query = found["query_index"].to_numpy().astype(np.int64)
        return query, self._rows_at(found["_rowid"].to_numpy())

    def object_ids(self, rows: Sequence[int] | NDArray[np.int64] | None = None) -> NDArray[np.str_]:
        """Return the object id of each of some rows, or of all."""
        if rows is None:
            return text_array(tables.read_rows(self._table, ["object_id"])["object_id"])
        taken = tables.take_rows(self._table, np.asarray(rows, np.int64).tolist(), ["object_id"])
        return text_array(taken["object_id"])

    def rows(self, object_ids: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Return the row of each object (m,), -1 for one that has no vector here."""
        wanted = pa.array(np.asarray(object_ids, np.str_).tolist(), pa.string())
        found = tables.find_rows(self._table, "object_id", wanted.to_pylist(), ["object_id", "_rowid"])
        if not len(found):
            return np.full(len(wanted), -1)
        at = pc.index_in(wanted, value_set=found["object_id"].combine_chunks()).fill_null(-1).to_numpy()
        rows = self._rows_at(found["_rowid"].to_numpy())[at]
        return np.where(at < 0, -1, rows)

    def _rows_at(self, row_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the rows that have these of Lance's own numbers."""
        order, sorted_ids = self._row_order
        return order[np.searchsorted(sorted_ids, row_ids)]

    @cached_property
    def _row_ids(self) -> NDArray[np.uint64]:
        """Lance's own number of each row (n,): its fragment and its place in it."""
        ids: NDArray[np.uint64] = tables.read_rows(self._table, ["_rowid"])["_rowid"].to_numpy()
        return ids

    @cached_property
    def _row_order(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """The rows in the order of Lance's numbers, and these numbers."""
        order = np.argsort(self._row_ids, kind="stable")
        return order, self._row_ids[order]


def read_vectors(batch: Any, vectors: NDArray[np.float32], place: Any) -> None:
    """Write the vectors of a batch of rows into ``vectors`` (n, d), which is contiguous.

    Raises StoreError where one is missing or not finite.
    """
    if batch["vector"].null_count:
        raise StoreError(
            f"the store at {place} is damaged: it has rows without a vector; objectspace check lists them"
        )
    numbers = batch["vector"].flatten()
    block = numbers.to_numpy(zero_copy_only=False).reshape(vectors.shape)
    if block.dtype == np.float16:
        finite = widen(block, vectors)
    else:
        vectors[:] = block
        finite = bool(np.isfinite(block).all())
    if numbers.null_count or not finite:
        raise StoreError(
            f"the store at {place} is damaged: it has vectors with a NaN or an infinity; objectspace check "
            f"lists them"
        )


class StoredJointVectors(JointVectors):
    """The vectors of a joint space, row for row with the objects of the store.

    indexes: the approximate index of each block, None where its space has none
    """

    def __init__(
        self, parts: Sequence[Part], objects: StoredVectors, indexes: Sequence[SpaceIndex | None]
    ) -> None:
        super().__init__(parts, len(objects))
        self._objects, self.indexes = objects, tuple(indexes)

    def read(self) -> StoredJointVectors:
        """Return the vectors in memory."""
        return StoredJointVectors(self[:].parts, self._objects, self.indexes)

    @property
    def unindexed(self) -> int:
        """The number of objects whose vectors in one part were added after their index was built."""
        indexes = iter(self.indexes)
        return max(
            sum(_unindexed(block.source) for block in part.blocks if next(indexes) is not None)
            for part in self.parts
        )

    def object_ids(self, rows: Sequence[int] | NDArray[np.int64] | None = None) -> NDArray[np.str_]:
        """Return the object id of each of some rows, or of all."""
        return self._objects.object_ids(rows)

    def rows(self, object_ids: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Return the row of each object (m,), -1 for one that is not in the store."""
        return self._objects.rows(object_ids)


def _unindexed(source: Any) -> int:
    count: int = source.unindexed
    return count


@dataclass(frozen=True, eq=False)
class StoredSpace:
    """A space that stays on disk; otherwise as :class:`objectspace.embeddings.spaces.Space`.

    ``vectors.rows(ids)`` and ``vectors.object_ids(rows)`` read a few; ``object_id`` reads all, once.

    vectors: of a joint space its parts, as ``Store.joint_vectors`` gives them
    index: its approximate index, None where none was built
    read_objects: as a Space has it

    >>> stored = store.stored_space("demo-crop")
    >>> stored.vectors[[0, 1]].shape
    (2, 256)
    """

    name: str
    recipe: Recipe
    vectors: StoredVectors | StoredJointVectors
    index: SpaceIndex | None = None
    read_objects: ReadObjects | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        index = "no index" if self.index is None else self.index.kind
        return f"StoredSpace({self.name!r}, {len(self)} x {self.dimension} vectors on disk, {index})"

    @cached_property
    def object_id(self) -> NDArray[np.str_]:
        """The object of each vector (n,)."""
        return self.vectors.object_ids()

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return self.vectors.shape[1]

    def to_space(self, most: int = MEASURED_IN_MEMORY) -> Space:
        """Return the space with its vectors in memory, or, of more bytes than ``most``, where they are."""
        vectors = self.vectors.read() if self.vectors.nbytes <= most else self.vectors
        return Space(self.name, self.recipe, self.object_id, vectors, self.read_objects)
