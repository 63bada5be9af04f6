"""A store that a stranger has tampered with: every table, column and manifest value, every kind of change."""

from __future__ import annotations

import copy
import io
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

import lance
import numpy as np
import PIL.Image
import pyarrow as pa

from objectspace.files import file_sha256
from objectspace.store.tables import files_of

Change = Callable[[pa.Table], pa.Table]

TABLES = ("images", "objects", "indexed", "failures", "spaces/resnet50-crop", "spaces/yolo-window")


def tamper(pristine: Path, path: Path, table: str, change: Change) -> Path:
    """Copy a store to ``path`` with what ``change`` makes of a table's rows, and the checksums of that."""
    path = _linked(pristine, path)
    folder = path / f"{table}.lance"
    rows = change(lance.dataset(str(folder)).to_table())
    shutil.rmtree(folder)
    written = lance.write_dataset(rows, str(folder))
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["tables"][table] = 1
    manifest["files"][table] = {name: file_sha256(folder / name)[:16] for name in files_of(written)}
    _replace(path / "manifest.json", json.dumps(manifest))
    return path


def rewrite(pristine: Path, path: Path, make: Callable[[], Any]) -> Path:
    """Copy a store to ``path`` with the manifest that is made."""
    path = _linked(pristine, path)
    _replace(path / "manifest.json", json.dumps(make()))
    return path


def _linked(pristine: Path, path: Path) -> Path:
    return Path(shutil.copytree(pristine, path, copy_function=os.link))


def _replace(path: Path, text: str) -> None:
    path.unlink()  # a link to the file of the pristine store
    path.write_text(text)


# ------------------------------------------------------------------------------------------- the columns


def column_changes(pristine: Path) -> Iterator[tuple[str, str, Change]]:
    """Yield (table, what is done, change) for every column and every table as a whole."""
    for table in TABLES:
        schema = lance.dataset(str(pristine / f"{table}.lance")).schema
        for what, change in _OF_TABLES.items():
            yield table, what, change
        for field in schema:
            yield table, f"{field.name} is gone", lambda rows, name=field.name: rows.drop_columns([name])
            for what, values in _values_of(field).items():
                yield table, f"{field.name} {what}", _set(field.name, values)


#: Values that replace a column: its rows → an array of as many.
Values = Callable[[list[Any], pa.DataType], pa.Array]


def _set(name: str, values: Values) -> Change:
    def change(rows: pa.Table) -> pa.Table:
        column = rows[name]
        made = values(column.to_pylist(), column.type)
        return rows.set_column(rows.column_names.index(name), name, made)

    return change


def _first(value: Any) -> Values:
    return lambda old, kind: pa.array([value, *old[1:]], kind)


def _all(value: Any, kind: pa.DataType | None = None) -> Values:
    return lambda old, own: pa.array([value] * len(old), kind or own)


def _values_of(field: pa.Field) -> Mapping[str, Values]:
    kinds = {name: values for name, values in _OTHER_TYPES.items() if name != f"as {field.type}"}
    own: Mapping[str, Values] = {}
    if field.name == "thumbnail":
        own = _THUMBNAILS
    elif field.name == "mask":
        own = _MASKS
    elif field.name == "vector":
        own = _VECTORS
    elif pa.types.is_string(field.type):
        own = _TEXTS
    elif pa.types.is_integer(field.type):
        own = {f"is {value}": _first(value) for value in (-(2**31), -1, 0, 2**31 - 1)}
    elif pa.types.is_floating(field.type):
        own = {f"is {value}": _first(value) for value in (np.nan, np.inf, -np.inf, -1.0, 0.0, 3e38)}
    first = {"is all the first": lambda old, kind: pa.array([old[0]] * len(old), kind)}
    return {"has one null": _first(None), "is all null": _all(None), **first, **kinds, **own}


_OTHER_TYPES: Mapping[str, Values] = {
    "as string": _all("x", pa.string()),
    "as int64": _all(1, pa.int64()),
    "as double": _all(1.5, pa.float64()),
    "as binary": _all(b"x", pa.binary()),
    "as bool": _all(True, pa.bool_()),
    "as list": _all([1.0], pa.list_(pa.float64())),
    "as struct": _all({"a": 1}, pa.struct([("a", pa.int32())])),
    "as timestamp": _all(datetime(2026, 1, 1), pa.timestamp("us")),
    "as decimal": _all(Decimal("1.5"), pa.decimal128(5, 2)),
    "as large string": _all("x", pa.large_string()),
    "as half": _all(np.float16(1), pa.float16()),
}

_TEXTS: Mapping[str, Values] = {
    "is empty text": _first(""),
    "is all empty text": _all(""),
    "is a megabyte": _first("x" * 2**20),
    "has control letters": _first("\x1b[2J\r\n\0\u202e"),
    "is a path up": _first("../../../etc/passwd"),
    "is a device": _first("/dev/zero"),
    "is the root": _first("/"),
    "is no ASCII": _first("é" * 16),
    "is another's": lambda old, kind: pa.array([*old[1:], old[0]], kind),
}


def _mask(height: Any = 480, width: Any = 640, counts: Any = b"0") -> Values:
    return _first({"height": height, "width": width, "counts": counts})


_MASKS: Mapping[str, Values] = {
    "without height": _mask(height=None),
    "without width": _mask(width=None),
    "without counts": _mask(counts=None),
    "of no rows": _mask(height=0),
    "of negative rows": _mask(height=-480),
    "of two billion rows": _mask(height=2**31 - 1),
    "of two billion squared": _mask(height=2**31 - 1, width=2**31 - 1, counts=b"PPYo1"),
    "of a gigapixel": _mask(height=2**15, width=2**15, counts=b"PPPP2"),
    "of another size": _mask(height=1, width=1, counts=b"1"),
    "with empty counts": _mask(counts=b""),
    "with garbage": _mask(counts=b"\xff\0\x80" * 9),
    "with text": _mask(counts=b"not a mask"),
    "with short counts": _mask(counts=b"5"),
    "with negative counts": _mask(counts=b"O" * 9),
    "with unending counts": _mask(counts=b"o" * 5000),
    "with a megabyte of counts": _mask(counts=b"11" * 2**19),
}


@cache
def _picture(kind: str, width: int, height: int) -> bytes:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (width, height)).save(stream, kind)
    return stream.getvalue()


@cache
def _png(side: int) -> bytes:
    """A black square of one bit a pixel: some kilobytes that unpack to any size."""
    rows = zlib.compress(bytes(side * (1 + side // 8)), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _thumbnail(*picture: Any, cut: int | None = None) -> Values:
    return lambda old, kind: pa.array([_picture(*picture)[:cut], *old[1:]], kind)


_THUMBNAILS: Mapping[str, Values] = {
    "is empty": _first(b""),
    "is garbage": _first(b"\xff\xd8\xff\xe0 no picture"),
    "is cut": _thumbnail("JPEG", 64, 64, cut=300),
    "is a PNG": _thumbnail("PNG", 64, 64),
    "has 129 pixels": _thumbnail("JPEG", 129, 8),
    "has 300 pixels": _thumbnail("JPEG", 300, 300),
    "has 512 pixels": _thumbnail("PNG", 512, 512),
    "has 513 pixels": _thumbnail("PNG", 513, 2),
    "has 178 megapixels": lambda old, kind: pa.array([_png(13376), *old[1:]], kind),
    "has a billion pixels": lambda old, kind: pa.array([_png(2**15), *old[1:]], kind),
    "is a megabyte": _first(b"x" * 2**20),
}


def _vectors(change: Callable[[np.ndarray], Any]) -> Values:
    def values(old: list[Any], kind: pa.DataType) -> pa.Array:
        array = np.array(old, np.float32)
        made = change(array)
        array = array if made is None else made
        return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])

    return values


def _first_number(value: float) -> Values:
    def change(array: np.ndarray) -> None:
        array[0, 0] = value

    return _vectors(change)


_VECTORS: Mapping[str, Values] = {
    "holds a NaN": _first_number(np.nan),
    "holds infinity": _first_number(np.inf),
    "holds a huge number": _first_number(3e38),
    "holds the least number": _first_number(1e-45),
    "is NaN": _vectors(lambda array: array * np.float32(np.nan)),
    "is huge": _vectors(lambda array: np.full_like(array, 3e38)),
    "is zero": _vectors(np.zeros_like),
    "is one vector": _vectors(lambda array: np.ones_like(array)),
    "is shorter": _vectors(lambda array: array[:, 1:].copy()),
    "is longer": _vectors(lambda array: np.hstack([array, array])),
    "is of doubles": _vectors(lambda array: array.astype(np.float64)),
    "is of halves": _vectors(lambda array: array.astype(np.float16)),
    "is a plain list": lambda old, _: pa.array(old, pa.list_(pa.float32())),
    "holds a null": lambda old, kind: pa.array([[None, *old[0][1:]], *old[1:]], kind),
}

_OF_TABLES: Mapping[str, Change] = {
    "without rows": lambda rows: rows.slice(0, 0),
    "of one row": lambda rows: rows.slice(0, 1),
    "without its first row": lambda rows: rows.slice(1),
    "twice": lambda rows: pa.concat_tables([rows, rows]),
    "backwards": lambda rows: rows.take(list(range(len(rows)))[::-1]),
    "columns backwards": lambda rows: rows.select(rows.column_names[::-1]),
    "with a column more": lambda rows: rows.append_column("more", pa.array([1.0] * len(rows))),
    "with a column of the search": lambda rows: rows.append_column("rank", pa.array([1.0] * len(rows))),
    "with a column of no name": lambda rows: rows.append_column("", pa.array(["x"] * len(rows))),
}


# ------------------------------------------------------------------------------------------ the manifest


#: What may stand in the place of a value, by its name.
_JSON: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "a half": 0.5,
    "-1": -1,
    "0": 0,
    "a billion": 2**30,
    "no number": float("nan"),
    "1e308": 1e308,
    "empty text": "",
    "text": "x",
    "a path up": "../../x",
    "a list": [1, {"a": 2}],
    "a mapping": {"a": {"b": [None]}},
    "nested": json.loads("[" * 200 + "]" * 200),
}


def manifest_changes(manifest: dict[str, Any]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield (what is done, what makes the manifest) for every value of one, and its mappings and lists."""
    for place in _places(manifest):
        where = ".".join(map(str, place))
        for what, value in _JSON.items():
            yield f"{where} is {what}", partial(_with, manifest, place, value)
        yield f"{where} is gone", partial(_with, manifest, place, _GONE)
        if isinstance(place[-1], str):
            yield f"{where} has another name", partial(_renamed, manifest, place)


_GONE = object()


def _renamed(manifest: dict[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
    renamed = _with(manifest, place, _GONE)
    _at(renamed, place[:-1])["../" + place[-1]] = _at(manifest, place)
    return renamed


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from _places(part, (*place, name))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for name in place:
        value = value[name]
    return value


def _with(manifest: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(manifest)
    above = _at(changed, place[:-1])
    if value is _GONE:
        del above[place[-1]]
    else:
        above[place[-1]] = value
    return changed
