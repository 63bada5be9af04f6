"""CSV: one row per object, what the store knows of it but masks and vectors, for spreadsheets and scripts.

https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from objectspace.export.parquet import object_columns
from objectspace.export.selection import Selection


def write(selection: Selection, path: Path) -> list[str]:
    """Write the columns of parquet but ``mask``, ``thumbnail`` and vectors; empty where unknown."""
    writer: pyarrow.csv.CSVWriter | None = None
    masked = 0
    with path.open("wb") as file:
        try:
            for block in selection.blocks():
                columns = object_columns(block, taken=["thumbnail"])
                mask = columns.pop("mask")
                masked += len(mask) - mask.null_count
                table = pa.table(columns)
                writer = writer or pyarrow.csv.CSVWriter(file, table.schema)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    return [f"{masked} masks are left out; coco and parquet have them"] if masked else []
