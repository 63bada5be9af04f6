"""Vectors on disk that are compared with each other: a panel of them in memory, and one run after another."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.neighbors.distances import squared_lengths
from objectspace.neighbors.normalization import (
    ComparedVectors,
    Normalization,
    check_finite,
    float32_sums,
    sample_rows,
)
from objectspace.neighbors.sources import BlockSource

# Bytes of vectors that pass by together, and how many times as much is held: vectors are read half as often
# as there are panels.
_RUN, _HELD = 128 << 20, 4
# Bytes that are read at once, as in a search of one block after another.
_READ = 30 << 20


@dataclass(frozen=True, slots=True, eq=False)
class PagedRows:
    """Those rows of vectors (n, d) that are in memory.

    numbers: (m, d) float32; place: (n,) int32, where in them each row is, -1 for those on disk alone
    """

    numbers: NDArray[np.float32]
    place: NDArray[np.int32]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape (n, d)."""
        return len(self.place), self.numbers.shape[1]

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        some: NDArray[np.float32] = self.numbers[self.place[rows]]
        return some


class Pages:
    """Room in memory for a panel of vectors on disk, which is held, and for a run of others that passes by.

    normalization: by which vectors are copied to be compared; None where they are compared as they are
    """

    def __init__(self, source: BlockSource, normalization: Normalization | None) -> None:
        self._source, self._normalization = source, normalization
        count, dimension = source.shape
        self._run = _rows_of(_RUN // (1 if normalization is None else 2), dimension)
        numbers = np.empty((min(count, (_HELD + 1) * self._run), dimension), np.float32)
        self.place = np.full(count, -1, np.int32)
        self.vectors = self.values = PagedRows(numbers, self.place)
        if normalization is not None:
            self.values = PagedRows(np.empty_like(numbers), self.place)
        self._held = self._passing = np.empty(0, np.int64)

    def panels(self, queries: int) -> list[list[NDArray[np.int64]]]:
        """Return the runs of each panel: their rows, which many queries in a block divide where they can."""
        count = len(self.place)
        size = max(self._run // queries * queries, min(self._run, queries))
        runs = [np.arange(start, min(start + size, count)) for start in range(0, count, size)]
        return [runs[start : start + _HELD] for start in range(0, len(runs), _HELD)]

    def hold(self, rows: NDArray[np.int64]) -> None:
        """Read the rows of a panel, in the order in which they are kept, in the place of all others."""
        self.place[:] = -1
        self._held, self._passing = rows, rows[:0]
        self._read(rows, 0)

    def pass_by(self, rows: NDArray[np.int64]) -> None:
        """Read the rows of a run, in the order in which they are kept, in the place of the run before."""
        self.place[self._passing] = -1
        self._passing = rows
        self._read(rows, len(self._held))

    def _read(self, rows: NDArray[np.int64], first: int) -> None:
        self.place[rows] = np.arange(first, first + len(rows))
        if not len(rows):
            return
        for part, vectors in _blocks(self._source, int(rows.min()), int(rows.max()) + 1):
            self.vectors.numbers[self.place[part]] = vectors
            if self._normalization is not None:
                lengths = np.sqrt(squared_lengths(vectors))
                self.values.numbers[self.place[part]] = self._normalization.apply(vectors, lengths)


class PagedVectors(ComparedVectors):
    """Vectors (n, d) on disk: see :class:`ComparedVectors`.

    They are read once to know their lengths, and once more where they are scaled or centered. To be compared
    they are in memory by turns (:meth:`in_turns`).

    Raises InputError for a vector that is not finite.
    """

    def __init__(self, source: BlockSource, metric: str, ids: NDArray[Any]) -> None:
        self._source = source
        count = source.shape[0]
        squares = np.empty(count)
        for part, vectors in _blocks(source, 0, count):
            squares[part] = float32_sums(vectors)
        check_finite(squares, ids)
        super().__init__(np.asarray(source[sample_rows(count)], np.float32), squares, metric)
        if self.are_copied:
            for part, vectors in _blocks(source, 0, count):
                values = self.normalization.apply(vectors, np.sqrt(squared_lengths(vectors)))
                squares[part] = squared_lengths(values)
            self._bound_copies(squares)

    def pages(self) -> Pages:
        """Return room for the vectors, and for what they are compared as."""
        return Pages(self._source, self.normalization if self.are_copied else None)

    def in_turns(self, pages: Pages) -> PagedVectors:
        """Return the same vectors as they come into memory."""
        paged = copy.copy(self)
        paged._pages, paged.vectors, paged.values = pages, pages.vectors, pages.values
        return paged

    _pages: Pages

    def panels(self, queries: int) -> list[list[NDArray[np.int64]]]:
        """Return the runs of each panel."""
        return self._pages.panels(queries)

    def hold(self, blocks: Sequence[NDArray[np.int64]]) -> None:
        """Read a panel."""
        self._pages.hold(np.concatenate([np.empty(0, np.int64), *blocks]))

    def pass_by(self, blocks: Sequence[NDArray[np.int64]]) -> None:
        """Read a run."""
        self._pages.pass_by(np.concatenate(blocks))

    def block(self, rows: NDArray[np.int64], room: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values (r, d) of a block without a copy, as they are in its order."""
        first = self._pages.place[rows[0]]
        return self._pages.values.numbers[first : first + len(rows)]

    def in_memory(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether each of some rows (r,) has been read and is kept."""
        kept: NDArray[np.bool_] = self._pages.place[rows] >= 0
        return kept


def _rows_of(size: int, dimension: int) -> int:
    """Return how many vectors take so many bytes, one at least."""
    return max(1, size // (4 * max(1, dimension)))


def _blocks(source: BlockSource, first: int, last: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield rows from the first to before the last, and their vectors, a block at a time."""
    size = _rows_of(_READ, source.shape[1])
    for start in range(first, last, size):
        part = slice(start, min(start + size, last))
        yield part, np.asarray(source[part], np.float32)
