"""What the page knows of every object: one Arrow stream of columns, and one of each map's points."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from objectspace.store import Store

#: Columns that every store has; the user's factors follow them.
_OWN = ("label", "score", "source", "xyxy")


def object_columns(store: Store, image: NDArray[np.int64], rows: NDArray[np.int64] | None = None) -> bytes:
    """Return the columns of all objects, in the order of the objects table, as an Arrow stream.

    image: (n,) the number of each object's image; rows: only some rows of that table
    label, source, and factors that are text: dictionaries; score and numeric factors: float32;
    image: int32, its place among the images; x, y: the box's center, size: the root of its area, in pixels
    """
    factors = list(store.factor_names)
    read = store.object_columns([*_OWN, *factors])
    if rows is not None:
        read = {name: column[rows] for name, column in read.items()}
    boxes = np.asarray(read["xyxy"], np.float32).reshape(-1, 4)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    columns = {
        "label": _dictionary(read["label"]),
        "source": _dictionary(read["source"]),
        "score": pa.array(np.asarray(read["score"], np.float32)),
        "image": pa.array(image.astype(np.int32)),
        "x": pa.array((boxes[:, 0] + boxes[:, 2]) / 2),
        "y": pa.array((boxes[:, 1] + boxes[:, 3]) / 2),
        "size": pa.array(np.sqrt(width * height)),
    }
    columns |= {f"factor:{name}": _factor(read[name]) for name in factors}
    return _stream(pa.table(columns))


def map_points(rows: NDArray[np.int64], points: NDArray[np.float32]) -> bytes:
    """Return a space's map (n, 2) as an Arrow stream: row (int32) of the objects table, x and y (float32)."""
    return _stream(
        pa.table(
            {
                "row": pa.array(rows.astype(np.int32)),
                "x": pa.array(np.ascontiguousarray(points[:, 0])),
                "y": pa.array(np.ascontiguousarray(points[:, 1])),
            }
        )
    )


def space_values(values: NDArray[np.floating[Any]]) -> bytes:
    """Return one number for each vector of a space, row for row with its map, as an Arrow stream."""
    return _stream(pa.table({"value": pa.array(np.asarray(values, np.float32))}))


def _dictionary(values: NDArray[Any]) -> pa.DictionaryArray:
    return pa.array(values, pa.string()).dictionary_encode()


def _factor(values: NDArray[Any]) -> pa.Array:
    if values.dtype == object or values.dtype.kind in "US":
        return _dictionary(values)
    return pa.array(values.astype(np.float32))


def _stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()
