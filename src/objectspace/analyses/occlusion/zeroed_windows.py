"""The windows to zero: every k x k block of a grid, stride 1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError

#: The limit on windows; the first layers of a network have a million.
_MOST = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows (n,) of a grid: the column and row of each one's first cell and its cells a side, int32."""

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    size: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.size)

    def take(self, index: Any) -> Windows:
        """Return the windows that ``index`` (integers, booleans or a slice) selects."""
        return Windows(self.x[index], self.y[index], self.size[index])

    def cover(self, grid_wh: tuple[int, int]) -> NDArray[np.bool_]:
        """Return whether each window covers each cell: (n, rows, columns)."""
        covered: NDArray[np.bool_] = (
            _covers(self.y, self.size, grid_wh[1])[:, :, None]
            & _covers(self.x, self.size, grid_wh[0])[:, None]
        )
        return covered


def every_window(grid_wh: tuple[int, int], sizes: Sequence[int] | None) -> Windows:
    """Return every window of the sizes, smallest first, then row by row; None is every size of the grid.

    Sizes larger than the grid are ignored. Raises InputError for a size below 1, where no size fits, and for
    more than 200,000 windows.

    >>> len(every_window((13, 13), [1, 2]))
    313
    """
    columns, rows = grid_wh
    wanted = range(1, min(grid_wh) + 1) if sizes is None else sorted(set(sizes))
    if any(size < 1 for size in wanted):
        raise InputError(f"windows of {min(wanted)} cells, expected 1 or more")
    fitting = [size for size in wanted if size <= min(grid_wh)]
    if not fitting:
        raise InputError(f"windows of {list(wanted)} cells do not fit a grid of {columns} x {rows} cells")
    count = sum((columns - size + 1) * (rows - size + 1) for size in fitting)
    if count > _MOST:
        raise InputError(
            f"{count:,} windows of a grid of {columns} x {rows} cells, expected at most {_MOST:,}; "
            "ask for fewer sizes or a later tap"
        )
    parts = [np.mgrid[: rows - size + 1, : columns - size + 1].reshape(2, -1) for size in fitting]
    y, x = np.concatenate(parts, axis=1).astype(np.int32)
    size = np.repeat(np.array(fitting, np.int32), [part.shape[1] for part in parts])
    return Windows(x, y, size)


def parse_sizes(text: str) -> tuple[int, ...] | None:
    """Parse sizes such as ``3``, ``1-5``, ``1,2,5-7``, or ``all`` (None). Raises InputError.

    >>> parse_sizes("1,3-5")
    (1, 3, 4, 5)
    """
    if text == "all":
        return None
    sizes: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([1-9][0-9]{0,3})(?:-([1-9][0-9]{0,3}))?", part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InputError(f"windows are {text!r}, expected sizes such as 3, 1-5 or 1,2,4, or the word all")
        sizes += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(sorted(set(sizes)))


def _covers(start: NDArray[np.int32], size: NDArray[np.int32], side: int) -> NDArray[np.bool_]:
    cell = np.arange(side)
    covers: NDArray[np.bool_] = (cell >= start[:, None]) & (cell < (start + size)[:, None])
    return covers
