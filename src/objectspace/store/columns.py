"""Values ⇄ Arrow tables: every column of every table, in one place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from objectspace.embeddings.spaces import CELL_COLUMNS, Recipe, SpaceRows
from objectspace.errors import InputError
from objectspace.images import Failure
from objectspace.objects.records import RESERVED_NAMES, UNKNOWN, Mask, Objects, Provenance, can_be_column
from objectspace.store.store_records import ImageRow

_MASK = pa.struct([("height", pa.int32()), ("width", pa.int32()), ("counts", pa.binary())])
_CELL_NAMES = ("head", "stride", "cell_x", "cell_y", "anchor")
_CORNERS = ("x1", "y1", "x2", "y2")

IMAGES = pa.schema(
    [("image_id", pa.string()), ("path", pa.string()), ("width", pa.int32()), ("height", pa.int32())]
)
INDEXED = pa.schema([("image_id", pa.string()), ("job", pa.string()), ("objects", pa.string())])
#: What removing objects needs to know of them; Lance gives each row its id.
OUTDATED = pa.schema([("object_id", pa.string()), ("image_id", pa.string()), ("_rowid", pa.uint64())])
#: The same of the finished images.
FINISHED = INDEXED.append(pa.field("_rowid", pa.uint64()))
FAILURES = pa.schema([("path", pa.string()), ("reason", pa.string())])

#: Columns of the objects table; a user's factors stand after them.
OBJECTS = pa.schema(
    [
        ("object_id", pa.string()),
        ("image_id", pa.string()),
        ("label", pa.string()),
        ("score", pa.float32()),
        *((corner, pa.float32()) for corner in _CORNERS),
        ("source", pa.string()),
        ("mask", _MASK),
        *((name, pa.int32()) for name in _CELL_NAMES),
        ("objectness", pa.float32()),
        ("thumbnail", pa.binary()),
    ]
)


def storable(text: str) -> str:
    """Return text that UTF-8 can hold; stray bytes of an undecodable file name become ``\\udcff`` escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def storable_failure(failure: Failure) -> Failure:
    """Return a failure as the table holds it."""
    return Failure(storable(failure.path), storable(failure.reason))


def images_table(rows: Sequence[ImageRow]) -> pa.Table:
    """Return images as rows of ``images``."""
    return pa.table(
        {
            "image_id": [row.image_id for row in rows],
            "path": [storable(row.path) for row in rows],
            "width": [row.width for row in rows],
            "height": [row.height for row in rows],
        },
        schema=IMAGES,
    )


def indexed_table(finished: Sequence[tuple[str, str, str]]) -> pa.Table:
    """Return finished images as rows of ``indexed``: image id, what was done, digest of the objects found."""
    values = zip(*finished, strict=True) if finished else ((), (), ())
    return pa.table(dict(zip(INDEXED.names, map(list, values), strict=True)), schema=INDEXED)


def indexed_keys(rows: pa.Table, names: Sequence[str] = INDEXED.names) -> pa.ChunkedArray:
    """Return the named columns of each row of ``indexed`` as one text, as ``indexed_key`` joins them."""
    return pc.binary_join_element_wise(*(rows[name] for name in names), " ")


def failures_table(failures: Sequence[Failure]) -> pa.Table:
    """Return failures as rows of ``failures``."""
    columns = {"path": [f.path for f in failures], "reason": [f.reason for f in failures]}
    return pa.table(columns, schema=FAILURES)


def objects_table(
    objects: Objects, thumbnails: Sequence[bytes], factors: Mapping[str, pa.DataType]
) -> pa.Table:
    """Return objects as rows of ``objects``, with the given factor columns in this order; unknown is null."""
    cells = objects.provenance
    columns: dict[str, Any] = {
        "object_id": objects.object_id.tolist(),
        "image_id": objects.image_id.tolist(),
        "label": objects.label.tolist(),
        "score": _known(objects.score),
        **{corner: objects.xyxy[:, number] for number, corner in enumerate(_CORNERS)},
        "source": objects.source.tolist(),
        "mask": [
            mask and {"height": mask.height, "width": mask.width, "counts": mask.counts}
            for mask in objects.mask
        ],
        **{name: _known(getattr(cells, name)) for name in _CELL_NAMES},
        "objectness": _known(cells.objectness),
        "thumbnail": list(thumbnails),
    }
    for name, kind in factors.items():
        values = objects.factors[name].tolist() if name in objects.factors else [None] * len(objects)
        columns[name] = factor_array(values, kind)
    schema = pa.schema([*OBJECTS, *(pa.field(name, kind) for name, kind in factors.items())])
    return pa.table(columns, schema=schema)


def objects_from_table(table: pa.Table) -> Objects:
    """Return the record that :func:`objects_table` wrote, without thumbnails."""
    own = ("object_id", "image_id", "xyxy", "label", "score", "source")
    cells = (*_CELL_NAMES, "objectness")
    return Objects(
        **{name: object_column(table, name) for name in own},
        mask=_object_array([mask and Mask(**mask) for mask in table["mask"].to_pylist()]),
        provenance=Provenance(**{name: object_column(table, name) for name in cells}),
        factors={name: factor_column(table[name]) for name in factor_names(table.schema)},
    )


def factor_names(schema: pa.Schema) -> list[str]:
    """Return the names of the user's own columns of the objects table."""
    return [name for name in schema.names if name not in OBJECTS.names]


def stored_names(name: str) -> tuple[str, ...]:
    """Return the columns of the objects table that hold a column of :class:`Objects`."""
    return _CORNERS if name == "xyxy" else (name,)


def object_column(table: pa.Table, name: str) -> NDArray[Any]:
    """Return one column of :class:`Objects`, but for the mask, from rows of ``objects``."""
    if name == "xyxy":
        return np.stack([_numbers(table[corner], np.float32, np.nan) for corner in _CORNERS], axis=1)
    if name in ("object_id", "image_id"):
        return text_array(table[name])
    if name in ("score", "objectness"):
        return _numbers(table[name], np.float32, np.nan)
    return _numbers(table[name], np.int32, UNKNOWN) if name in _CELL_NAMES else factor_column(table[name])


def factor_column(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of numbers (n,) float64 or of text (n,) str; NaN or None where a value is unknown."""
    if pa.types.is_floating(column.type):
        return _numbers(column, np.float64, np.nan)
    encoded = column.combine_chunks().dictionary_encode()
    values = _object_array([*encoded.dictionary.to_pylist(), None])
    text: NDArray[np.object_] = values[encoded.indices.fill_null(len(values) - 1).to_numpy()]
    return text


def vector_type(recipe: Recipe, dimension: int) -> pa.DataType:
    """Return the type of the column ``vector`` of a space."""
    return pa.list_(pa.float16() if recipe.vectors == "float16" else pa.float32(), dimension)


def space_schema(name: str, recipe: Recipe, dimension: int) -> pa.Schema:
    """Return the schema of one space; its metadata describe the vectors to a reader without this package."""
    return pa.schema(
        [
            ("object_id", pa.string()),
            ("vector", vector_type(recipe, dimension)),
            *((column, pa.int32()) for column in CELL_COLUMNS),
        ],
        metadata={"space": name, "recipe": json.dumps(recipe.to_json(), sort_keys=True)},
    )


def space_table(name: str, rows: SpaceRows, keep: NDArray[np.intp]) -> pa.Table:
    """Return the vectors at the positions ``keep`` as rows of ``spaces/name``, rounded if it is float16."""
    vectors = np.ascontiguousarray(np.asarray(rows.vectors, np.float32)[keep], rows.recipe.vectors)
    dimension = vectors.shape[1]
    columns = {
        "object_id": np.asarray(rows.object_id)[keep].tolist(),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dimension),
        **{
            column: _known(np.asarray(rows.cells[column])[keep]).cast(pa.int32())
            if column in rows.cells
            else pa.nulls(len(vectors), pa.int32())
            for column in CELL_COLUMNS
        },
    }
    return pa.table(columns, schema=space_schema(name, rows.recipe, dimension))


def check_factor_name(name: str) -> None:
    """Raise InputError for a name that cannot name a factor column."""
    if name in RESERVED_NAMES:
        raise InputError(f"factor {name}: objects have a column of that name already; give it another name")
    if not can_be_column(name):
        raise InputError(f"factor name {name!r}: use letters, digits, spaces, dashes and underscores")


def factor_type(values: Iterable[Any], name: str) -> pa.DataType:
    """Return float64 for numbers, string for text, null for unknown values; a mixture is an InputError."""
    kinds = {_kind(value) for value in values if not _unknown(value)}
    if not kinds:
        return pa.null()
    if len(kinds) > 1 or None in kinds:
        raise InputError(f"factor {name}: expected all numbers or all text, found both")
    return pa.float64() if kinds == {"number"} else pa.string()


def factor_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return the values of one factor, null where unknown."""
    if pa.types.is_floating(kind):
        return pa.array([None if _unknown(value) else float(value) for value in values], kind)
    return pa.array([None if _unknown(value) else storable(value) for value in values], kind)


def text_array(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """Return a column of ids (n,) as numpy text."""
    raw = byte_array(column)
    letters = np.ascontiguousarray(raw).view(np.uint8)
    if not len(letters) or letters.max() > 127:
        return np.strings.decode(raw, "utf-8")
    # A letter of numpy's text is four bytes wide; widening the bytes is twenty times as fast as decoding.
    return letters.astype(np.uint32).view(f"U{raw.itemsize}")


def byte_array(column: pa.ChunkedArray) -> NDArray[np.bytes_]:
    """Return a column of ids (n,) as UTF-8 bytes of one width, a quarter of the size of numpy's text."""
    values = column.combine_chunks()
    if not len(values):
        return np.empty(0, "S1")
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    widths = np.diff(offsets)
    if widths.min() < max(widths.max(), 1):
        return np.array([value.encode() for value in values.to_pylist()], np.bytes_)
    # Ids are 32 bytes each: Arrow's buffer is the array.
    text = np.frombuffer(values.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    ids: NDArray[np.bytes_] = text.view(f"S{widths[0]}")
    return ids


def _kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, (int, float, np.number, np.bool_)) else None


def _unknown(value: Any) -> bool:
    return value is None or value != value


def _numbers(column: pa.ChunkedArray, dtype: Any, unknown: float) -> NDArray[Any]:
    filled = column.combine_chunks().fill_null(unknown)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype)


def _known(column: NDArray[Any]) -> pa.Array:
    """Return a numeric column with null for its unknown value (NaN, -1)."""
    unknown = np.isnan(column) if column.dtype.kind == "f" else column == UNKNOWN
    return pa.array(column, mask=unknown)


def _object_array(values: Sequence[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
