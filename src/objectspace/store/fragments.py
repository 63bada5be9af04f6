"""Fragments: files of vectors that workers write into a store's place, part of it once a commit names them.

A worker holds no lock. It checks and flushes what it has written and tells its checksum; the one writer of
the store checks each file's size and rows and names it, or never does: then it is left over, and goes when
the store is cleaned up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from objectspace.embeddings.spaces import SpaceRows, WrittenFragment
from objectspace.files import flush_to_disk
from objectspace.places import Place
from objectspace.store import columns, tables
from objectspace.store.border import check_new
from objectspace.store.checksums import check_file, file_checksum
from objectspace.store.manifest import SPACES


@dataclass(frozen=True, slots=True)
class FragmentWriter:
    """Writes vectors into the place of a store from any process; it pickles.

    folder: which folder of its disk the store is, None in object storage
    """

    path: Place
    folder: int | None

    @classmethod
    def of(cls, path: Place) -> FragmentWriter:
        """Return the writer of fragments of the store at ``path``."""
        place = path.absolute() if isinstance(path, Path) else path
        return cls(place, _folder(place))

    def reaches_store(self) -> bool:
        """Return whether this machine has the store's folder, and not another one of that name."""
        try:
            return _folder(self.path) == self.folder
        except OSError:
            return False

    def write(self, name: str, rows: SpaceRows) -> WrittenFragment:
        """Write vectors of a space as one file, which is on the disk then.

        Raises InputError for values that no store holds, StoreError where writing failed.
        """
        table = columns.space_table(name, rows, np.arange(len(rows.object_id)))
        check_new(SPACES + name, table)
        with tables.plain_errors(self.path):
            metadata = tables.write_fragment(self.path, SPACES + name, table)
            ((inside, facts),) = tables.fragment_files(metadata).items()
            file = tables.table_path(self.path, SPACES + name) / inside
            check_file(file, facts)
            if isinstance(file, Path):
                flush_to_disk(file)
            return WrittenFragment(metadata, len(table), file_checksum(file))


def _folder(path: Place) -> int | None:
    return path.stat().st_ino if isinstance(path, Path) else None


def told_checksums(fragments: Mapping[str, Iterable[WrittenFragment]]) -> dict[str, dict[str, str]]:
    """Return the checksums of fragments' files as their writers told them: table -> path -> checksum."""
    return {
        name: {path: one.checksum for one in written for path in tables.fragment_files(one.metadata)}
        for name, written in fragments.items()
    }
