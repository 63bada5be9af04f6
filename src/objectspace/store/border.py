"""The border of a store: what its tables may hold, checked where it is read, as a stranger may have made it.

A schema is checked once for each table that is opened, and values where they are read; past that, nobody
checks them again. Each check raises one StoreError that names the table, what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from objectspace.embeddings.spaces import CELL_COLUMNS
from objectspace.errors import InputError, StoreError
from objectspace.objects.records import can_be_column
from objectspace.places import Place
from objectspace.store.columns import FAILURES, IMAGES, INDEXED, OBJECTS, vector_type
from objectspace.store.manifest import SPACES, SpaceEntry

#: Bytes of a thumbnail: an uncompressed picture of 128 x 128 pixels has fewer.
THUMBNAIL_LIMIT = 1 << 16

#: Pixels of a mask; photos have fewer.
MASK_LIMIT = 1 << 30

_SCHEMAS = {"images": IMAGES, "objects": OBJECTS, "indexed": INDEXED, "failures": FAILURES}
_FACTORS = (pa.float64(), pa.string())

#: Rows (n,) that are wrong, and why, given a column.
Test = Callable[[pa.Array], pa.Array]


def damaged(folder: Place, table: str, what: str) -> StoreError:
    """Return the error for a table that does not hold what a store holds."""
    return StoreError(
        f"the store at {folder} is damaged: table {table} {what}; objectspace check {folder} lists what is "
        f"lost, or index the photos into a new store"
    )


def schema_problem(table: str, schema: pa.Schema, entry: SpaceEntry | None) -> str | None:
    """Return what is wrong with the columns of a table, ``entry`` that of a space; None for nothing."""
    expected = {field.name: field.type for field in _SCHEMAS.get(table, ())}
    if entry is not None and table.startswith(SPACES):
        expected = {
            "object_id": pa.string(),
            "vector": vector_type(entry.recipe, entry.dimension),
            **dict.fromkeys(CELL_COLUMNS, pa.int32()),
        }
    for name, kind in expected.items():
        if name not in schema.names:
            return f"lacks the column {name}"
        if schema.field(name).type != kind:
            return f"has {_type_text(schema.field(name).type)} as column {name}, expected {_type_text(kind)}"
    for field in schema:
        if field.name in expected:
            continue
        if table != "objects":
            return f"has a column {field.name[:40]!r}, which none has"
        if field.type not in _FACTORS or not can_be_column(field.name):
            return (
                f"has {_type_text(field.type)} as factor {field.name[:40]!r}, expected double or string, and "
                f"a name of letters, digits, spaces, dashes and underscores"
            )
    return None


def _type_text(kind: pa.DataType) -> str:
    return str(kind).replace(" not null", "")[:60]


def check_schema(folder: Place, table: str, schema: pa.Schema, entry: SpaceEntry | None) -> None:
    """Raise StoreError where a table has other columns than those of docs/store-format.md."""
    if (problem := schema_problem(table, schema, entry)) is not None:
        raise damaged(folder, table, problem)


def bad_rows(table: str, rows: pa.Table) -> dict[str, NDArray[np.bool_]]:
    """Return the rows (n,) that no store holds, by what is wrong with them; of the columns that are there.

    Masks and thumbnails are checked by their sizes only; reading them checks the rest.
    """
    tests = _SPACE if table.startswith(SPACES) else _TESTS[table]
    found: dict[str, NDArray[np.bool_]] = {}
    for name in rows.column_names:
        column = rows[name]
        of_others = _FACTOR if pa.types.is_float64(column.type) else {}
        for what, test in tests.get(name, of_others).items():
            if test is pc.is_null and not column.null_count:
                continue  # the count is known: nothing is read, and no vectors are joined to be
            wrong = test(column.combine_chunks())
            if wrong.true_count:
                found[f"{name} {what}"] = wrong.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def checked(folder: Place, table: str, rows: pa.Table, *, key: str | None = None) -> pa.Table:
    """Return rows of a table as they are. Raises StoreError where some are such that no store holds them.

    key: a column no value of which may come twice, where the rows are all of the table
    """
    for what, wrong in bad_rows(table, rows).items():
        raise damaged(folder, table, f"has {_count(int(wrong.sum()))} whose {what}")
    if key is not None and (twice := len(rows) - pc.count_distinct(rows[key]).as_py()):
        raise damaged(folder, table, f"has {_count(twice)} whose {key} another row has")
    return rows


def check_new(table: str, rows: pa.Table) -> None:
    """Raise InputError for new rows of a table some of which are such that no store holds them."""
    for what, wrong in bad_rows(table, rows).items():
        raise InputError(
            f"{_count(int(wrong.sum()))} for table {table}, whose {what}; expected what docs/store-format.md "
            f"says of its columns, and nothing was written"
        )


def _count(rows: int) -> str:
    return f"{rows} row" if rows == 1 else f"{rows} rows"


def _outside(low: float, high: float) -> Test:
    """Return a test for known numbers that are not in [low, high], NaN among them."""
    return lambda column: pc.invert(pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high)))


def _longer(limit: int) -> Test:
    return lambda column: pc.greater(pc.binary_length(column), limit)


def _has_bad_mask(column: pa.StructArray) -> pa.Array:
    """Return masks without sides or counts, with too many pixels, more runs than pixels or other letters."""
    height, width = (column.field(side).cast(pa.int64()) for side in ("height", "width"))
    counts = pc.binary_length(column.field("counts")).cast(pa.int64())
    pixels = pc.multiply(height, width)
    good = pc.and_(pc.and_(pc.greater(height, 0), pc.greater(width, 0)), pc.less_equal(pixels, MASK_LIMIT))
    # A run takes at most seven characters; the first may be empty.
    good = pc.and_(good, pc.less_equal(counts, pc.multiply(pc.add(pixels, 1), 7)))
    good = pc.and_(good, pc.match_substring_regex(column.field("counts"), r"\A[0-o]+\z"))
    return pc.and_(column.is_valid(), pc.invert(good.fill_null(False)))


_Tests = Mapping[str, Mapping[str, Test]]

_NULL: Mapping[str, Test] = {"is missing": pc.is_null}
_PATH: Mapping[str, Test] = {
    **_NULL,
    "names no file": lambda column: pc.match_substring_regex(column, r"\A(\.?/)*\.?\z"),
}
_SIDE: Mapping[str, Test] = {**_NULL, "is no number of pixels": _outside(1, 2**31 - 1)}
_SHARE: Mapping[str, Test] = {"is outside 0 to 1": _outside(0, 1)}
_FACTOR: Mapping[str, Test] = {"is infinite": pc.is_inf}
_SPACE: _Tests = {"object_id": _NULL, "vector": _NULL}
_TESTS: Mapping[str, _Tests] = {
    "images": {"image_id": _NULL, "path": _PATH, "width": _SIDE, "height": _SIDE},
    "objects": {
        **dict.fromkeys(("object_id", "image_id", "label", "source", "x1", "y1", "x2", "y2"), _NULL),
        "score": _SHARE,
        "objectness": _SHARE,
        "mask": {"has no sides, no counts or too many pixels": _has_bad_mask},
        "thumbnail": {**_NULL, f"has more than {THUMBNAIL_LIMIT} bytes": _longer(THUMBNAIL_LIMIT)},
    },
    "indexed": dict.fromkeys(INDEXED.names, _NULL),
    "failures": dict.fromkeys(FAILURES.names, _NULL),
}
