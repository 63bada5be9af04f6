"""Selections: named sets of a store's objects, one small JSON file each beside the tables.

Each is the sidecar ``selections/NAME.json``, and a copy of it is a copy of the selection.
``docs/store-format.md`` has its keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, QueryError, counted, guess
from objectspace.files import names_in, plain_json
from objectspace.places import Place
from objectspace.store.sidecars import damaged_sidecar, read_sidecar, write_sidecar

SELECTIONS = "selections"
FORMAT = "objectspace-selection"
FORMAT_VERSION = 1

# It becomes a file's name: no separators, nothing hidden.
_NAME = re.compile(r"\w[\w .-]{0,99}")


@dataclass(frozen=True, slots=True, eq=False)
class NamedSelection:
    """Objects of a store under a name, in the order in which they were chosen.

    object_ids: (n,) str, each once
    how: what chose them, plain JSON values: the command and its arguments
    made: when, as ISO 8601 in UTC

    >>> chosen = store.save_selection("two of them", store.objects().object_id[:2], how={"by": "hand"})
    >>> len(chosen), store.selection("two of them").how
    (2, {'by': 'hand'})
    """

    name: str
    object_ids: NDArray[np.str_]
    how: Mapping[str, Any] = field(default_factory=dict)
    made: str = ""

    def __len__(self) -> int:
        return len(self.object_ids)

    def __repr__(self) -> str:
        return f"NamedSelection({self.name!r}, {counted(len(self), 'object')}, made {self.made})"

    def rows(self, object_id: NDArray[np.str_], where: str) -> NDArray[np.int64]:
        """Return the rows of objects (n,) that are in the selection, in the order of these rows.

        where: what holds the objects, for the message. Raises QueryError where it holds none of them.
        """
        rows = np.flatnonzero(np.isin(object_id, self.object_ids))
        if not len(rows):
            raise QueryError(
                f"{where} holds none of the {counted(len(self), 'object')} of selection {self.name}; choose "
                "a space that does, or another selection"
            )
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as in the file."""
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "name": self.name,
            "made": self.made,
            "how": dict(self.how),
            "object_ids": self.object_ids.tolist(),
        }


def check_selection_name(name: str) -> str:
    """Return the name if it can name a selection. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"selection name {name!r}: use letters, digits, spaces, dots, dashes and underscores, 100 at "
            "most, a letter or digit first"
        )
    return name


def selection_names(folder: Place) -> list[str]:
    """Return the names of a store's selections, in order."""
    return sorted(
        name.removesuffix(".json") for name in names_in(folder / SELECTIONS) if name.endswith(".json")
    )


def save_selection(
    folder: Place, name: str, object_ids: Sequence[str] | NDArray[np.str_], how: Mapping[str, Any]
) -> NamedSelection:
    """Write a selection beside the tables of the store at ``folder``; one of the same name is replaced.

    Raises InputError for a name that cannot be a file's, for no objects, and for a ``how`` that JSON cannot
    hold.
    """
    ids = list(dict.fromkeys(map(str, object_ids)))
    if not ids:
        raise InputError(f"selection {name} would hold no objects; choose one or more")
    made = datetime.now(UTC).isoformat(timespec="seconds")
    how = plain_json(dict(how), f"the origin of selection {name}")
    selection = NamedSelection(check_selection_name(name), np.array(ids, np.str_), how, made)
    write_sidecar(_path(folder, name), selection.to_json(), f"selection {name}")
    return selection


def read_selection(folder: Place, name: str) -> NamedSelection:
    """Return a selection of the store at ``folder``.

    Raises QueryError for an unknown name, StoreError where its file is damaged.
    """
    path = _path(folder, check_selection_name(name))
    value = read_sidecar(path, FORMAT)
    if value is None:
        known = selection_names(folder)
        named = f"; its selections: {', '.join(known)}" if known else "; it has none"
        raise QueryError(f"no selection {name!r} in {folder}{guess(name, known, named)}")
    ids, how = value.get("object_ids"), value.get("how")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise damaged_sidecar(path, "it lists no object_ids")
    if not isinstance(how, dict):
        raise damaged_sidecar(path, "it has no how")
    return NamedSelection(name, np.array(ids, np.str_), how, str(value.get("made", "")))


def _path(folder: Place, name: str) -> Place:
    return folder / SELECTIONS / f"{name}.json"
