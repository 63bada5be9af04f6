"""NumPy's zip of arrays, without pickled objects: ``numpy.load(path, allow_pickle=False)`` reads it.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import counted
from objectspace.export.selection import Block, Selection, factor_names
from objectspace.store import SpaceInfo

_NO_ARRAYS = ("mask",)

# Bytes that are copied at a time.
_CHUNK = 1 << 20


def write(selection: Selection, path: Path) -> list[str]:
    """Write an array per column, row for row the same objects, and ``vector/SPACE`` (n, d) of each space.

    Text that is unknown is empty; a vector that an object lacks is NaN. Masks and thumbnails have no array.
    """
    notes = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _write_columns(selection, archive, path.parent)
        recipes = np.array(json.dumps(selection.recipes()))
        _write_array(archive, "recipes", recipes.dtype, (), [recipes])
        for space in selection.spaces:
            shape = (len(selection), space.dimension)
            _write_array(
                archive, f"vector/{space.name}", np.dtype(np.float32), shape, _vectors(selection, space)
            )
            if space.count < len(selection):
                notes.append(_missing_note(selection, space))
    return notes


def _missing_note(selection: Selection, space: SpaceInfo) -> str:
    missing = len(selection) - space.count
    have, rows = ("has", "its row") if missing == 1 else ("have", "their rows")
    return (
        f"{missing} of {counted(len(selection), 'object')} {have} no vector in {space.name}: "
        f"{rows} of vector/{space.name} {'is' if missing == 1 else 'are'} NaN"
    )


def _write_columns(selection: Selection, archive: zipfile.ZipFile, folder: Path) -> None:
    """Write every column but the vectors, each a file beside the archive first, as they are read together."""
    types: dict[str, np.dtype[Any]] = {}
    for block in selection.blocks():
        for name, column in _columns(block).items():
            types[name] = np.promote_types(types.get(name, column.dtype), column.dtype)
    shapes = {name: (len(selection), 4) if name == "xyxy" else (len(selection),) for name in types}
    with TemporaryDirectory(dir=folder, prefix=".columns-") as scratch, ExitStack() as opened:
        files = {
            name: opened.enter_context(Path(scratch, str(number)).open("w+b"))
            for number, name in enumerate(types)
        }
        for block in selection.blocks():
            for name, column in _columns(block).items():
                files[name].write(column.astype(types[name]).tobytes())
        for name, file in files.items():
            file.seek(0)
            _write_array(archive, name, types[name], shapes[name], iter(partial(file.read, _CHUNK), b""))


def _columns(block: Block) -> dict[str, NDArray[Any]]:
    """Return the columns of a block's objects under the names of their arrays, the path of the image too."""
    objects = block.objects
    own = {name: column for name, column in objects.columns.items() if name not in objects.factors}
    own = {name: column for name, column in own.items() if name not in _NO_ARRAYS}
    own |= {"path": np.array(block.paths, np.str_)}
    names = factor_names(objects.factors, [*own, "recipes"])
    factors = {names[name]: column for name, column in objects.factors.items()}
    return {name: _plain(column) for name, column in (own | factors).items()}


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """Return a column without objects: text as numpy's own, empty where unknown."""
    if column.dtype != object:
        return column
    return np.array(["" if text is None else text for text in column.tolist()], np.str_)


def _vectors(selection: Selection, space: SpaceInfo) -> Iterator[NDArray[np.float32]]:
    for block in selection.blocks():
        yield selection.vectors(space, block)


def _write_array(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    parts: Iterable[NDArray[Any] | bytes],
) -> None:
    """Write one array of the archive, a part after another."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(part if isinstance(part, bytes) else part.tobytes())
