"""The keys of a table in memory: what has been added already is not added again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class Keys:
    """A growing set of keys in a sorted array and a small set, at about their own length in bytes each.

    A Python set of a million ids takes some 150 MB, and the writer holds one for each table.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._sorted: NDArray[np.bytes_] = np.unique(_encoded(keys))
        self._recent: set[str] = set()

    def __contains__(self, key: str) -> bool:
        if key in self._recent:
            return True
        if not len(self._sorted):
            return False
        wanted = np.bytes_(key.encode())
        place = int(np.searchsorted(self._sorted, wanted))
        return place < len(self._sorted) and bool(self._sorted[place] == wanted)

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, keys: Iterable[str]) -> None:
        """Take keys in; those that are there already change nothing."""
        self._recent.update(key for key in keys if key not in self)
        # Merging when the set has grown by a quarter keeps the cost of a key constant on average.
        if len(self._recent) > max(10_000, len(self._sorted) // 4):
            self._sorted = np.sort(np.concatenate([self._sorted, _encoded(self._recent)]))
            self._recent = set()


def _encoded(keys: Iterable[str]) -> NDArray[np.bytes_]:
    return np.array([key.encode() for key in keys], np.bytes_)
