"""What a person keeps of a store: named selections, and marks of labels."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.explorer.served_store import StoreState
from objectspace.explorer.views import check_rows, checked_rows
from objectspace.export import export_store
from objectspace.store.marks import Verdict, new_mark, read_marks, save_marks

_CSV = "text/csv; charset=utf-8"
_COLUMNS = (
    *("object_id", "image", "x1", "y1", "x2", "y2", "label", "score", "source"),
    *("verdict", "new_label", "marked"),
)


def selections_json(state: StoreState) -> list[str]:
    """Return the names of the store's selections."""
    return state.store.selection_names


def selected_rows(state: StoreState, name: str) -> dict[str, Any]:
    """Return the rows of the objects table of a selection. Raises QueryError for an unknown one."""
    selection = state.store.selection(name)
    rows = [state.rows_by_id[object_id] for object_id in selection.object_ids.tolist()]
    return {"name": name, "rows": rows, "how": dict(selection.how), "made": selection.made}


def save_rows(state: StoreState, name: str, rows: Any) -> dict[str, Any]:
    """Keep rows of the objects table as a selection; one of the same name is replaced.

    Raises InputError for a name that no file can have and for what is no list of rows.
    """
    places = checked_rows(state, rows)
    ids = state.store.object_columns(["object_id"])["object_id"][places]
    saved = state.store.save_selection(name, ids, how={"by": "explorer"})
    return {"name": name, "objects": len(saved)}


def rows_csv(state: StoreState, rows: Any) -> bytes:
    """Return objects as a table, in the order of their rows. Raises InputError for no list of rows."""
    return _table(state, checked_rows(state, rows))


def marks_json(state: StoreState) -> dict[str, Any]:
    """Return the marks by the row of their object in the objects table, but for objects that are gone."""
    marks = read_marks(state.store.path)
    if not marks:
        return {}
    known = state.rows_by_id
    return {str(known[name]): mark.to_json() for name, mark in marks.items() if name in known}


def set_mark(state: StoreState, document: Any) -> dict[str, Any]:
    """Set, or take away, the mark of one object; return all marks.

    Raises InputError for anything but ``{"row": int, "verdict": str or null, "label": str or none}``.
    """
    if not isinstance(document, dict) or type(document.get("row")) is not int:
        raise InputError("a mark names the row of an object")
    check_rows(state, np.array([document["row"]], np.int64))
    (name,) = state.store.objects_at(np.array([document["row"]])).object_id.tolist()
    verdict, label = document.get("verdict"), document.get("label")
    if verdict is not None and verdict not in get_args(Verdict):
        raise InputError(f"verdict {verdict!r} is not known, expected one of {', '.join(get_args(Verdict))}")
    if label is not None and not isinstance(label, str):
        raise InputError("a label is text")
    save_marks(state.store.path, {name: None if verdict is None else new_mark(verdict, label)})
    return marks_json(state)


def corrected(state: StoreState, format: str) -> tuple[bytes, str]:
    """Return the annotations as the marks correct them, and the type of the file.

    csv: the marked objects, each with its label and what the mark says; coco, yolo (a zip): all objects, as
    ``objectspace export --corrected`` writes them. Raises InputError for another format.
    """
    if format == "csv":
        names = (name for name in read_marks(state.store.path) if name in state.rows_by_id)
        return _table(state, np.array([state.rows_by_id[name] for name in names], np.int64)), _CSV
    if format not in ("coco", "yolo"):
        raise InputError(f"format {format!r} is not known, expected csv, coco or yolo")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "corrected"
        export_store(state.store, out, format, corrected=True)
        if format == "coco":
            return out.read_bytes(), "application/json"
        return Path(shutil.make_archive(str(out), "zip", out)).read_bytes(), "application/zip"


def _table(state: StoreState, rows: NDArray[np.int64]) -> bytes:
    """Return objects, with what their marks say, as a table that no spreadsheet computes."""
    objects, marks = state.store.objects_at(rows), read_marks(state.store.path)
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(_COLUMNS)
    for place, name in enumerate(objects.object_id.tolist()):
        box = [f"{side:g}" for side in objects.xyxy[place].tolist()]
        score = "" if np.isnan(objects.score[place]) else f"{objects.score[place]:.6g}"
        mark = marks.get(name)
        said = ["", "", ""] if mark is None else [mark.verdict, mark.label or "", mark.made]
        path = state.images[state.image_rows[rows[place]]].path
        label, source = str(objects.label[place]), str(objects.source[place])
        writer.writerow([name, _cell(path), *box, _cell(label), score, _cell(source), *map(_cell, said)])
    return sink.getvalue().encode()


def doubtful_json(state: StoreState, space: str) -> dict[str, Any]:
    """Return the most doubtful labels of a space, worst first, with the rows of their objects.

    Raises InputError where labels cannot be judged, and says why.
    """
    found, known = state.doubtful.of(space), state.rows_by_id
    return found | {"objects": [one | {"row": known[one["object_id"]]} for one in found["objects"]]}


def _cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
