"""Plain copies of spaces' vectors, mapped into memory: read at a fraction of what Lance's tables cost.

A copy is one file, row after row as in the table, and no part of the store: it may be deleted at any time.
Its name has the table's version and a digest of the table's files, so that what has changed is copied anew,
and copies of earlier versions go.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.spaces import VectorType
from objectspace.files import atomic_path, recipe_digest
from objectspace.places import Place, address_of

# Bytes of vectors that are copied at a time.
_COPIED = 1 << 26


class Source(Protocol):
    """Vectors (n, d) float32 that are read by slices."""

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (n, d)."""
        ...

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        """Return the rows of a slice."""
        ...


@dataclass(frozen=True, slots=True)
class VectorCache:
    """The copy of one space's vectors at one version, in a folder of the user's.

    files: those of the table's version, with their checksums
    """

    folder: Path
    store: Place
    space: str
    version: int
    files: Mapping[str, str]
    kept: VectorType

    @property
    def path(self) -> Path:
        """The file. No name of a space has an @ in it."""
        return self.folder / f"{self._stem}-v{self.version}-{recipe_digest(dict(self.files))}.{self.kept}"

    @property
    def _stem(self) -> str:
        return f"{self.space}@{recipe_digest({'store': address_of(self.store)})}"

    def mapped(self, vectors: Source) -> NDArray[Any]:
        """Return the copy (n, d) as it is kept, mapped; what is written into it stays in this process.

        It is made where it is missing or cut short. Raises InputError where the folder cannot be written.
        """
        size = vectors.shape[0] * vectors.shape[1] * np.dtype(self.kept).itemsize
        if not size:
            return np.empty(vectors.shape, self.kept)
        path = self.path
        if not path.is_file() or path.stat().st_size != size:
            self._copy(vectors, path)
            for other in self.folder.glob(f"{self._stem}-v*"):
                if other != path:
                    with suppress(OSError):  # on Windows another process may have it mapped
                        other.unlink()
        return np.memmap(path, self.kept, "c", shape=vectors.shape)

    def _copy(self, vectors: Source, path: Path) -> None:
        step = max(1, _COPIED // (4 * vectors.shape[1]))
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            for start in range(0, vectors.shape[0], step):
                stream.write(vectors[start : start + step].astype(self.kept).tobytes())
