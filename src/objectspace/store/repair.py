"""Drop what is damaged from a store, so that the same job run again makes exactly that again."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from objectspace.places import Place, as_place
from objectspace.store import tables
from objectspace.store.checksums import checksums, flush_files
from objectspace.store.examination import READ_ERRORS, Examination, Losses, examine_store
from objectspace.store.manifest import (
    SPACES,
    Manifest,
    SpaceEntry,
    read_manifest,
    read_tagged_manifest,
    write_manifest,
)
from objectspace.store.writer import write_lock

#: Keys that one deletion names.
_AT_ONCE = 4096

#: The column by which rows of a table are deleted.
_KEYS = {"images": "image_id", "objects": "object_id", "indexed": "image_id", "failures": "path"}


def repair_store(path: os.PathLike[str] | str) -> Examination:
    """Drop what is damaged, with all that belongs to it; return what was wrong.

    What is lost is then as if it had never been made: its images are not finished, and the ``index`` command
    that made them makes them again; vectors that were handed in or erased have to be given again. The store
    changes in one step, as by a commit. Raises StoreBusyError where another process writes, and as
    :func:`objectspace.store.examination.examine_store`.
    """
    folder = as_place(path)
    read_manifest(folder)  # no lock is left in a folder that is no store
    lock = write_lock(folder)
    try:
        _, tag = read_tagged_manifest(folder)
        found = examine_store(folder)
        if not found.whole:
            with tables.plain_errors(folder):
                write_manifest(folder, _without_losses(folder, found), tag)
    finally:
        lock.release()
    return found


def _without_losses(folder: Place, found: Examination) -> Manifest:
    """Write versions of the damaged tables that lack what is lost; return the manifest that names them."""
    before = found.manifest
    versions, files = dict(before.tables), {name: dict(known) for name, known in before.files.items()}
    fresh: dict[str, set[str]] = {}
    for name, losses in found.losses.items():
        if name not in versions:
            continue
        table = None if losses.whole else _repaired(folder, name, versions[name], losses)
        if table is None:
            # The next writer removes what the manifest does not name.
            del versions[name], files[name]
            continue
        known, versions[name] = before.files[name], int(table.version)
        files[name] = checksums(table, known, {})
        fresh[name] = files[name].keys() - known.keys()
    flush_files(folder, fresh)
    spaces = {
        name: _without_index(entry, found.losses.get(SPACES + name))
        for name, entry in before.spaces.items()
        if SPACES + name in versions
    }
    # Of no object there are no parts; joining them, or the index job, declares the space again.
    joints = before.joint_spaces if "objects" in versions else {}
    left = {*spaces, *joints}
    default = before.default_space if before.default_space in left else None
    return replace(
        before,
        tables=versions,
        files=files,
        spaces=spaces,
        joint_spaces=joints,
        default_space=default,
        purities={name: purity for name, purity in before.purities.items() if name in left},
    )


def _repaired(folder: Place, name: str, version: int, losses: Losses) -> Any:
    """Return a table without what is lost; None where that cannot be written."""
    try:
        table = tables.open_table(folder, name, version)
        # One more version than any, of metadata that are written anew.
        table.restore()
        for index in losses.indices:
            tables.drop_index(table, index)
        if losses.fragments:
            table = tables.drop_fragments(table, losses.fragments)
        keys = sorted(losses.keys)
        for start in range(0, len(keys), _AT_ONCE):
            column = _KEYS.get(name, "object_id")
            tables.delete_rows(table, column, keys[start : start + _AT_ONCE])
        table.delete(f"{_KEYS.get(name, 'object_id')} IS NULL")
    except READ_ERRORS:
        return None
    return table


def _without_index(entry: SpaceEntry, losses: Losses | None) -> SpaceEntry:
    return replace(entry, index=None) if losses is not None and losses.indices else entry
