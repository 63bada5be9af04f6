"""Parquet: one row per object, everything that the store knows of it, for pandas, DuckDB and Arrow.

https://parquet.apache.org/docs/file-format/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from objectspace._version import __version__
from objectspace.export.selection import Block, Selection, factor_names
from objectspace.objects.records import UNKNOWN

#: A mask as pycocotools takes it: ``pycocotools.mask.decode(row["mask"])``.
MASK = pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())])

_CELLS = ("head", "stride", "cell_x", "cell_y", "anchor")


def write(selection: Selection, path: Path) -> list[str]:
    """Write a row group per block: the object's columns, ``vector/SPACE`` of each space, ``thumbnail``."""
    metadata = {"objectspace": json.dumps({"version": __version__, **selection.recipes()})}
    writer: pq.ParquetWriter | None = None
    with path.open("wb") as file:
        try:
            for block in selection.blocks():
                table = pa.table(_columns(selection, block)).replace_schema_metadata(metadata)
                writer = writer or pq.ParquetWriter(file, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    return []


def _columns(selection: Selection, block: Block) -> dict[str, pa.Array]:
    vectors = {
        f"vector/{space.name}": _vector_array(selection.vectors(space, block)) for space in selection.spaces
    }
    return {
        **object_columns(block, taken=["thumbnail"]),
        **vectors,
        "thumbnail": pa.array(block.thumbnails(), pa.binary()),
    }


def object_columns(block: Block, *, taken: list[str]) -> dict[str, pa.Array]:
    """Return the columns of a block's objects but vectors and thumbnails; null where unknown.

    ``taken`` are columns that the caller adds, so that no factor has their names.
    """
    objects = block.objects
    own = {
        "object_id": pa.array(objects.object_id.tolist(), pa.string()),
        "image_id": pa.array(objects.image_id.tolist(), pa.string()),
        "path": pa.array(block.paths, pa.string()),
        "image_width": pa.array([block.images[row].width for row in block.image_row], pa.int32()),
        "image_height": pa.array([block.images[row].height for row in block.image_row], pa.int32()),
        "label": pa.array(objects.label.tolist(), pa.string()),
        "score": known(objects.score),
        **{side: pa.array(objects.xyxy[:, place]) for place, side in enumerate(("x1", "y1", "x2", "y2"))},
        "source": pa.array(objects.source.tolist(), pa.string()),
        **{name: known(getattr(objects.provenance, name)) for name in _CELLS},
        "objectness": known(objects.provenance.objectness),
        "mask": pa.array([_mask(mask) for mask in objects.mask], MASK),
    }
    names = factor_names(objects.factors, [*own, *taken])
    factors = {names[name]: factor_array(column) for name, column in objects.factors.items()}
    return {**own, **factors}


def _vector_array(vectors: NDArray[np.float32]) -> pa.ListArray:
    """Return vectors (n, d) as a column; null where a row is NaN.

    Its lists have no fixed size: with nulls among those, pyarrow before 26 neither writes nor reads the file.
    """
    absent = np.isnan(vectors[:, 0])
    ends = np.cumsum(np.where(absent, 0, vectors.shape[1]), dtype=np.int32)
    return pa.ListArray.from_arrays(
        pa.array(np.concatenate([np.zeros(1, np.int32), ends])),
        pa.array(vectors[~absent].ravel()),
        mask=pa.array(absent),
    )


def known(column: NDArray[Any]) -> pa.Array:
    """Return numbers as a column, null for their unknown value (NaN, -1)."""
    return pa.array(column, mask=np.isnan(column) if column.dtype.kind == "f" else column == UNKNOWN)


def factor_array(column: NDArray[Any]) -> pa.Array:
    """Return a factor as a column: float64 or text, null where unknown."""
    return known(column) if column.dtype.kind == "f" else pa.array(column.tolist(), pa.string())


def _mask(mask: Any) -> Mapping[str, Any] | None:
    return mask and {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")}
