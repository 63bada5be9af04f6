"""What a person keeps of a store: named selections, and marks of labels."""

from __future__ import annotations

import csv
import io
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.explorer.served_store import StoreState
from objectspace.explorer.views import check_rows
from objectspace.store.marks import Verdict, new_mark, read_marks, save_marks


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
    places = _checked_rows(state, rows)
    ids = state.store.object_columns(["object_id"])["object_id"][places]
    saved = state.store.save_selection(name, ids, how={"by": "explorer"})
    return {"name": name, "objects": len(saved)}


def rows_csv(state: StoreState, rows: Any) -> bytes:
    """Return objects as a table, in the order of their rows. Raises InputError for no list of rows."""
    places = _checked_rows(state, rows)
    objects = state.store.objects_at(places)
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(["object_id", "image", "x1", "y1", "x2", "y2", "label", "score", "source"])
    for number, place in enumerate(places):
        path = state.images[state.image_rows[place]].path
        box = [f"{side:g}" for side in objects.xyxy[number].tolist()]
        score = "" if np.isnan(objects.score[number]) else f"{objects.score[number]:.6g}"
        label, source = _cell(str(objects.label[number])), _cell(str(objects.source[number]))
        writer.writerow([objects.object_id[number], _cell(path), *box, label, score, source])
    return sink.getvalue().encode()


def _checked_rows(state: StoreState, rows: Any) -> NDArray[np.int64]:
    """Return rows of the objects table as they came in a request. Raises InputError, QueryError."""
    if not isinstance(rows, list) or not all(type(row) is int for row in rows):
        raise InputError("a selection is a list of rows")
    try:
        places = np.array(rows, np.int64)
    except OverflowError:
        raise InputError("a row is at most 64 bits") from None
    check_rows(state, places)
    return places


def marks_json(state: StoreState) -> dict[str, Any]:
    """Return the marks by the row of their object in the objects table, but for objects that are gone."""
    marks = read_marks(state.store.path)
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


def marks_csv(state: StoreState) -> bytes:
    """Return the marked objects as a table: image, box, the label that they have and the one they should."""
    marks = read_marks(state.store.path)
    rows = np.array([state.rows_by_id[name] for name in marks if name in state.rows_by_id], np.int64)
    objects = state.store.objects_at(rows)
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(["object_id", "image", "x1", "y1", "x2", "y2", "label", "verdict", "new_label", "made"])
    for place, name in enumerate(objects.object_id.tolist()):
        mark, path = marks[name], state.images[state.image_rows[rows[place]]].path
        box = [f"{side:g}" for side in objects.xyxy[place].tolist()]
        texts = [objects.label[place], mark.verdict, mark.label or "", mark.made]
        writer.writerow([name, _cell(path), *box, *map(_cell, texts)])
    return sink.getvalue().encode()


def doubtful_json(state: StoreState, space: str, *, count: int = 500) -> dict[str, Any]:
    """Return the most doubtful labels of a space, worst first, and how good the list is.

    Raises InputError where labels cannot be judged, and says why.
    """
    found = state.doubtful_labels(space)
    listed = [row for row, _ in zip(found.rows(), range(count), strict=False)]
    known = state.rows_by_id
    calibration = found.calibration
    return {
        "objects": [
            {
                "row": known[row["object_id"]],
                "label": str(row["label"]),
                "proposed": str(row["proposed"]),
                "score": row[found.score_name],
            }
            for row in listed
        ],
        "score": found.score_name,
        "listed": found.listed,
        "n": len(found),
        "calibration": None if calibration is None else calibration.to_json(),
    }


def _cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
