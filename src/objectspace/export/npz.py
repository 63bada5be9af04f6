"""NumPy's zip of arrays, without pickled objects: ``numpy.load(path, allow_pickle=False)`` reads it.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import counted
from objectspace.export.selection import Selection, factor_names
from objectspace.objects.records import Objects, concatenate
from objectspace.store import SpaceInfo

_NO_ARRAYS = ("mask",)


def write(selection: Selection, path: Path) -> list[str]:
    """An array per column, row for row the same objects, and ``vector/SPACE`` (n, d) of each space.

    Text that is unknown is empty; a vector that an object lacks is NaN. Masks and thumbnails have no array.
    """
    notes = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, column in _columns(selection).items():
            _write_array(archive, name, column.dtype, column.shape, [column])
        for space in selection.spaces:
            shape = (len(selection), space.dimension)
            _write_array(
                archive, f"vector/{space.name}", np.dtype(np.float32), shape, _vectors(selection, space)
            )
            if space.count < len(selection):
                missing = len(selection) - space.count
                have, rows = ("has", "its row") if missing == 1 else ("have", "their rows")
                notes.append(
                    f"{missing} of {counted(len(selection), 'object')} {have} no vector in {space.name}: "
                    f"{rows} of vector/{space.name} {'is' if missing == 1 else 'are'} NaN"
                )
    return notes


def _columns(selection: Selection) -> dict[str, NDArray[Any]]:
    """Every column but the vectors, whole: they are small."""
    parts, paths = [], []
    for block in selection.blocks():
        parts.append(_without_masks(block.objects))
        paths += block.paths
    objects = concatenate(parts)
    own = {name: column for name, column in objects.columns().items() if name not in objects.factors}
    own = {name: column for name, column in own.items() if name not in _NO_ARRAYS}
    own |= {"path": np.array(paths, np.str_), "recipes": np.array(json.dumps(selection.recipes()))}
    names = factor_names(objects.factors, own)
    factors = {names[name]: column for name, column in objects.factors.items()}
    return {name: _plain(column) for name, column in (own | factors).items()}


def _without_masks(objects: Objects) -> Objects:
    return replace(objects, mask=np.full(len(objects), None, object))


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """A column without objects: text as numpy's own, empty where unknown."""
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
    blocks: Iterable[NDArray[Any]],
) -> None:
    """One array of the zip, written block by block."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for block in blocks:
            stream.write(np.ascontiguousarray(block).tobytes())
