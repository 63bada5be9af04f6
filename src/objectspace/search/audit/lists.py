"""The lists of an audit: frozen tables of objects, the most suspicious first."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.audit.calibration import Calibration
from objectspace.analyses.statistics import finite
from objectspace.errors import InputError, counted
from objectspace.files import atomic_path
from objectspace.markup import html_table
from objectspace.objects.data_frames import data_frame
from objectspace.search.answers import Approximation

if TYPE_CHECKING:
    import pandas

#: The lists in the order in which they are made.
LISTS = ("photos", "duplicates", "outliers", "labels", "leaks")

# Rows that are made plain values at once.
_BLOCK = 8192


@dataclass(frozen=True, slots=True, eq=False)
class AuditList:
    """Objects of a store, the most suspicious first; of the list ``photos`` photos.

    object_id: (m,) str, all that can be judged; of photos the image id, and ``id_name`` is image_id
    score: (m,) float64, of the kind that ``score_name`` names
    listed: how many of the first are within the threshold; None in a list without a figure
    threshold: on the score; None in a list without a figure
    columns: more about each object (m,), by name; of every list image, the photo's path, and of objects the
        box in it as x1, y1, x2 and y2; of copies and leaks also other_image, the other photo
    left_out: objects or photos that cannot be judged; note: why, a sentence
    calibration: how good the list is; None in a list without a figure

    >>> labels = osp.audit(store, space="demo-crop", only=["labels"]).labels
    >>> list(next(labels.iter_rows()))
    ['object_id', 'probability', 'label', 'proposed', 'image', 'x1', 'y1', 'x2', 'y2']
    """

    name: str
    object_id: NDArray[np.str_]
    score: NDArray[np.float64]
    score_name: str
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    threshold: float | None = None
    listed: int | None = None
    calibration: Calibration | None = None
    left_out: int = 0
    note: str = ""
    id_name: str = "object_id"

    def __len__(self) -> int:
        return len(self.object_id)

    def __repr__(self) -> str:
        figure = "no figure" if self.listed is None else f"{self.listed} listed"
        return f"AuditList({self.name!r}, {counted(len(self), self.noun)}, {figure})"

    @property
    def noun(self) -> str:
        """What is listed: object or photo."""
        return "object" if self.id_name == "object_id" else "photo"

    @property
    def names(self) -> list[str]:
        """The names of what :meth:`iter_rows` has of each object, in its order."""
        return [self.id_name, self.score_name, *self.columns]

    @property
    def first(self) -> NDArray[np.str_]:
        """The objects (l,) within the threshold; without one, the first tenth."""
        return self.object_id[: -(-len(self) // 10) if self.listed is None else self.listed]

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        """Yield each object as a row of plain values: its id, the score, the columns."""
        names, columns = self.names, [self.object_id, self.score, *self.columns.values()]
        for start in range(0, len(self), _BLOCK):
            values = [column[start : start + _BLOCK].tolist() for column in columns]
            values[1] = list(map(finite, values[1]))
            for row in zip(*values, strict=True):
                yield dict(zip(names, row, strict=True))

    def to_pandas(self) -> pandas.DataFrame:
        """Return a row for each object of :meth:`iter_rows`. Raises InputError without pandas."""
        return data_frame({self.id_name: self.object_id, self.score_name: self.score, **self.columns})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, with the objects of :attr:`first`."""
        rows = [row for row, _ in zip(self.iter_rows(), self.first, strict=False)]
        return {
            "n": len(self),
            "listed": self.listed,
            "score": self.score_name,
            "threshold": None if self.threshold is None else finite(self.threshold),
            "left_out": self.left_out,
            "note": self.note or None,
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "objects": rows,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """The lists of one space of a store.

    skipped: a list that was asked for and could not be made -> why, a sentence
    approximate: the index that found the nearest, None where they are the true ones
    byte_copies: beside ``photos``, files in the photos' folders that are copies byte for byte of a photo and
        no image of their own -> that photo's path
    """

    space: str
    n: int
    images: int
    lists: Mapping[str, AuditList]
    skipped: Mapping[str, str] = field(default_factory=dict)
    approximate: Approximation | None = None
    byte_copies: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        made = ", ".join(f"{name} {len(one.first)}" for name, one in self.lists.items()) or "no list"
        return f"Audit({self.space!r}, {counted(self.n, 'object')}: {made})"

    def _repr_html_(self) -> str:
        tables = [
            html_table(
                f"{name}: {'no figure' if one.listed is None else f'{one.listed} of {len(one)} listed'}",
                [one.id_name, one.score_name, *one.columns],
                [list(row.values()) for row, _ in zip(one.iter_rows(), one.first[:8], strict=False)],
            )
            for name, one in self.lists.items()
        ]
        skipped = html_table("not made", ("list", "why"), self.skipped.items()) if self.skipped else ""
        return f"<p>{escape(repr(self))}</p>" + "".join(tables) + skipped

    @property
    def photos(self) -> AuditList:
        """Copies of whole photos. Raises InputError where the list was not made, as the others do."""
        return self._list("photos")

    @property
    def duplicates(self) -> AuditList:
        """Copies of other objects."""
        return self._list("duplicates")

    @property
    def outliers(self) -> AuditList:
        """Objects unlike all others."""
        return self._list("outliers")

    @property
    def labels(self) -> AuditList:
        """Objects whose label is probably wrong."""
        return self._list("labels")

    @property
    def leaks(self) -> AuditList:
        """Objects of one split with a copy in another."""
        return self._list("leaks")

    def _list(self, name: str) -> AuditList:
        if name not in self.lists:
            raise InputError(
                f"this audit has no list of {name}: {self.skipped.get(name, 'it was not asked for')}"
            )
        return self.lists[name]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the shape that ``objectspace audit --json`` prints."""
        return {
            "space": self.space,
            "metric": "cosine",
            "n": self.n,
            "images": self.images,
            **({} if self.approximate is None else {"approximate": self.approximate.to_json()}),
            **{name: one.to_json() for name, one in self.lists.items()},
            "byte_copies": [{"path": path, "of": of} for path, of in self.byte_copies.items()],
            "skipped": dict(self.skipped),
        }


def write_csv(audit: Audit, path: Path) -> None:
    """Write all lists whole, a row for each object of each: list, rank, listed, then the list's columns."""
    names = dict.fromkeys(["list", "rank", "listed"])
    names |= dict.fromkeys(name for one in audit.lists.values() for name in one.names)
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.DictWriter(stream, list(names))
        writer.writeheader()
        for name, one in audit.lists.items():
            for rank, row in enumerate(one.iter_rows(), start=1):
                listed = one.listed is not None and rank <= one.listed
                writer.writerow({"list": name, "rank": rank, "listed": listed, **row})
