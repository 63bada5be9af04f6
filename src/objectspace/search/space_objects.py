"""The objects of one space, read from the store row by row or column by column as they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import QueryError, guess
from objectspace.objects.records import Objects
from objectspace.search.filters import IMAGE, value_groups
from objectspace.store import Store, StoredSpace


class SpaceObjects:
    """Look up the objects of a space's rows, and rows of objects.

    Only what is asked for is read: the rows of some objects, or one column of all of them.
    """

    def __init__(self, store: Store, space: StoredSpace) -> None:
        self._store, self._space = store, space
        self._rows: dict[str, int] = {}
        self._columns: dict[str, NDArray[Any]] = {}

    def rows_of(self, object_ids: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Return the rows (m,) of some objects. Raises QueryError for one that has no vector in the space.

        The first digits of an id are enough, as ``Store.whole_ids`` says.
        """
        names = [str(name) for name in object_ids]
        unknown = [name for name in names if name not in self._rows]
        rows = self._space.vectors.rows(unknown)
        if (rows < 0).any():
            whole = self._store.whole_ids(unknown)
            rows = self._space.vectors.rows(whole)
            if (rows < 0).any():
                missing = whole[int(np.argmin(rows))]
                raise QueryError(no_vector_text(self._store, missing, self._space.name))
        self._rows.update(zip(unknown, rows.tolist(), strict=True))
        return np.array([self._rows[name] for name in names], np.int64)

    def take(self, rows: NDArray[np.int64]) -> Objects:
        """Return the objects of some rows, in their order."""
        return self._store.objects(self._space.vectors.object_ids(rows))

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the objects, row for row (n,): ``label``, ``image`` (ids) or a factor."""
        if name not in self._columns:
            stored = "image_id" if name == IMAGE else name
            self._columns[name] = self._store.object_columns([stored], self._space.name)[stored]
        return self._columns[name]

    def groups_of(self, name: str) -> NDArray[np.int64]:
        """Return a number for each object (n,), the same for those that share a value of a column.

        Raises QueryError for a column that is neither ``image`` nor a factor.
        """
        if name != IMAGE:
            return value_groups(self.group_column(name))
        # Images by their rows: a million ids as text are many times as slow to tell apart.
        groups: NDArray[np.int64] = self._store.image_rows()[self._store.object_rows(self._space.name)]
        return groups

    def group_column(self, name: str) -> NDArray[Any]:
        """Return a column (n,) to group objects by, ``image`` or a factor. Raises QueryError for others."""
        known = [IMAGE, *sorted(self._store.factor_names)]
        if name not in known:
            raise QueryError(
                f"no column {name!r} that objects may share, expected one of {', '.join(known)}"
                f"{guess(name, known)}"
            )
        return self.column(name)

    def labeled(self, label: str) -> NDArray[np.bool_]:
        """Return which rows have a label (n,). Raises QueryError where none has."""
        labels = self.column("label")
        mask: NDArray[np.bool_] = labels == label
        if not mask.any():
            hint = guess(label, sorted(set(labels)), "; objectspace info lists the labels")
            raise QueryError(f"no object of space {self._space.name} has the label {label!r}{hint}")
        return mask

    def images(self, objects: Objects) -> tuple[str, ...]:
        """Return the path of each object's image."""
        return tuple(image.path for image in self._store.images_of(objects))


def spaces_of(store: Store, object_id: str) -> list[str]:
    """Return the names of the spaces that hold a vector of an object; none for an unknown id."""
    return [name for name in store.space_names if store.stored_space(name).vectors.rows([object_id])[0] >= 0]


def no_vector_text(store: Store, object_id: str, space: str) -> str:
    """Return that an object has no vector in a space, and the spaces in which it has one."""
    where = spaces_of(store, object_id)
    there = f"; search in {', '.join(where)}" if where else ""
    return f"object {object_id} has no vector in space {space}{there}"
