"""The files of a table: checked against what Lance says of them, flushed to the disk, and their checksums.

Lance loses the error of the last write before a data file is closed, so that a full or failing disk leaves a
table that cannot be read. Nothing is named in the manifest before its files have passed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from objectspace.errors import StoreError
from objectspace.files import file_sha256, flush_to_disk
from objectspace.places import Place, RemotePath, as_place
from objectspace.store.tables import FileFacts, check_fragments, file_rows, files_of, reopened, table_path

#: Every file of Lance ends with these bytes, but for deletions.
_MAGIC = b"LANC"

#: Files that are flushed to the disk at a time.
_FLUSHES = 16


def file_checksum(path: Place) -> str:
    """Return the first 16 hex digits of a file's sha256: chance does not find two files of one checksum."""
    return file_sha256(path)[:16]


def checksums(table: Any, known: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    """Return the checksum of each file of the table's version; those not ``known`` are checked first.

    told: checksums of new files by who wrote them, which are checked and need not be read
    Reads from the disk what the version's own metadata say: its rows, each file's size and footer, which rows
    are deleted. Raises OSError, ValueError or RuntimeError where something is not as it was written.
    """
    written = reopened(table)
    folder = as_place(table.uri)
    files = files_of(written)
    fresh = {path: facts for path, facts in files.items() if path not in known}
    for path, facts in fresh.items():
        check_file(folder / path, facts)
    check_fragments(written, {facts.fragment for facts in fresh.values() if facts.is_deletion})
    given = {**known, **told}
    return {path: given.get(path) or file_checksum(folder / path) for path in files}


def check_file(path: Place, facts: FileFacts) -> None:
    """Raise OSError, ValueError or RuntimeError where a file is not of the size or rows that Lance states."""
    size = path.size() if isinstance(path, RemotePath) else path.stat().st_size
    if facts.size is not None and size != facts.size:
        raise ValueError(f"{path.name} has {size} bytes, expected {facts.size}")
    if facts.is_deletion:
        return
    if _end_of(path, size) != _MAGIC:
        raise ValueError(f"{path.name} does not end as a file of Lance does")
    if facts.rows is not None and (rows := file_rows(path)) != facts.rows:
        raise ValueError(f"{path.name} has {rows} rows, expected {facts.rows}")


def _end_of(path: Place, size: int) -> bytes:
    """Return the last bytes of a file, as many as the magic ones."""
    if isinstance(path, RemotePath):
        return path.tail(len(_MAGIC))
    with path.open("rb") as stream:
        stream.seek(-min(size, len(_MAGIC)), os.SEEK_END)
        return stream.read()


def flush_files(folder: Place, new: Mapping[str, Iterable[str]]) -> None:
    """Wait until new files of tables, and their names in the folders above, are on the disk.

    new: table -> paths of files within it; in object storage what was written is there
    """
    if isinstance(folder, RemotePath):
        return
    files = [table_path(folder, name) / path for name, paths in new.items() for path in paths]
    # A folder that was there already costs little: nothing of it is left to be written.
    folders = {above for file in files for above in file.parents if above.is_relative_to(folder)}
    # Side by side, as the file system writes many in one go.
    with ThreadPoolExecutor(_FLUSHES) as pool:
        list(pool.map(flush_to_disk, [*files, *folders]))


def check_replaced(folder: Place, table: str, files: Mapping[str, str]) -> None:
    """Raise StoreError where a file that others replace has changed since it was written.

    What replaces it was made of what it holds now, and would carry the damage on under a good checksum.
    """
    for path, checksum in files.items():
        file = table_path(folder, table) / path
        if _is_there(file) and file_checksum(file) != checksum:
            raise StoreError(
                f"the store at {folder} is damaged: {file.relative_to(folder)} has changed since it was "
                f"written; objectspace check {folder} lists what is lost, "
                f"objectspace check --repair {folder} makes room for it"
            )


def _is_there(file: Place) -> bool:
    return file.is_file() if isinstance(file, RemotePath) else file.exists()
