"""Vectors on disk, as a search reads them: all of them, or some of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# Of the rows between the first and the last of a block, a share above this is read in one go; fewer are
# picked one by one.
DENSE = 0.25


class BlockSource(Protocol):
    """Vectors (n, d) that are read on demand: a ``np.memmap``, or a space in its store."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (n, d)."""
        ...

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        """Return the rows of a slice, or of a sorted (m,) int64 array."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class SomeRows:
    """Some rows (m,) of vectors on disk, in any order, read as those of a :class:`BlockSource` are."""

    source: BlockSource
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (m, d)."""
        return len(self.rows), *self.source.shape[1:]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        wanted = self.rows[rows]
        if not len(wanted):
            return self.source[wanted]
        first, last = int(wanted.min()), int(wanted.max())
        if len(wanted) > DENSE * (last + 1 - first):
            span = self.source[first : last + 1]
            some: NDArray[np.float32] = span[wanted - first]
            return some
        order = np.argsort(wanted, kind="stable")
        read = self.source[wanted[order]]
        some = np.empty_like(read)
        some[order] = read
        return some
