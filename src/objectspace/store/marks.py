"""Marks: what a person says of stored objects, in one small JSON file beside the tables.

They are the sidecar ``marks.json`` and change no label.
``docs/store-format.md`` has its keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from objectspace.errors import InputError
from objectspace.places import Place
from objectspace.store.sidecars import damaged_sidecar, read_sidecar, write_sidecar

MARKS = "marks.json"
FORMAT = "objectspace-marks"
FORMAT_VERSION = 1

Verdict = Literal["right", "wrong", "relabeled", "skipped"]

#: Letters of a label that a person gives.
_LONGEST_LABEL = 200


@dataclass(frozen=True, slots=True)
class ObjectMark:
    """What a person says of an object's label.

    verdict: ``right``; ``wrong``: there is no such object, or its label is not known; ``relabeled``: it is
        ``label``; ``skipped``: seen, and not decided
    made: when, as ISO 8601 in UTC

    Raises InputError for another verdict, and for a label without ``relabeled`` or the other way round.
    """

    verdict: Verdict
    label: str | None = None
    made: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise InputError(
                f"verdict {self.verdict!r} is not known, expected one of {', '.join(get_args(Verdict))}"
            )
        if (self.verdict == "relabeled") != (self.label is not None):
            raise InputError("a label is given with the verdict relabeled, and only with it")
        if self.label is not None and not 0 < len(self.label.strip()) <= _LONGEST_LABEL:
            raise InputError(f"a label has 1 to {_LONGEST_LABEL} letters")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        label = {} if self.label is None else {"label": self.label}
        return {"verdict": self.verdict, **label, "made": self.made}


def new_mark(verdict: Verdict, label: str | None = None) -> ObjectMark:
    """Return a mark that is made now. Raises InputError as ObjectMark does."""
    return ObjectMark(verdict, label, datetime.now(UTC).isoformat(timespec="seconds"))


def read_marks(folder: Place) -> dict[str, ObjectMark]:
    """Return the marks of the store at ``folder``, by object id. Raises StoreError for a damaged file."""
    path = folder / MARKS
    value = read_sidecar(path, FORMAT)
    if value is None:
        return {}
    marks = value.get("marks")
    if not isinstance(marks, dict):
        raise damaged_sidecar(path, "it has no marks")
    try:
        return {name: ObjectMark(**mark) for name, mark in marks.items()}
    except (TypeError, InputError) as error:
        raise damaged_sidecar(path, str(error)) from None


def save_marks(folder: Place, changes: Mapping[str, ObjectMark | None]) -> dict[str, ObjectMark]:
    """Add, replace or (None) take away marks of the store at ``folder``; return all that there are then.

    Two processes that save at the same moment may lose the changes of one.
    """
    marks = read_marks(folder)
    for name, mark in changes.items():
        if mark is None:
            marks.pop(name, None)
        else:
            marks[name] = mark
    document = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "marks": {name: mark.to_json() for name, mark in sorted(marks.items())},
    }
    write_sidecar(folder / MARKS, document, "the marks")
    return marks
