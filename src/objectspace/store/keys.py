"""The keys of a table in memory: what has been added already is not added again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

# Keys that came or went are merged into the sorted array when they exceed this number, and a quarter of it.
_MERGE_AT = 10_000


class Keys:
    """A set of text keys in a sorted array and two small sets, at about their own length in bytes each.

    A Python set of a million ids takes some 150 MB, and the writer holds one for each table.
    """

    def __init__(self, keys: Iterable[str] | NDArray[np.bytes_] = ()) -> None:
        self._sorted = _distinct(keys if isinstance(keys, np.ndarray) else _encoded(keys))
        self._added: set[str] = set()
        self._removed: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self.holds([key])[0]

    def __len__(self) -> int:
        return len(self._sorted) + len(self._added) - len(self._removed)

    def __repr__(self) -> str:
        return f"Keys({len(self)} keys)"

    def holds(self, keys: Sequence[str]) -> list[bool]:
        """Return whether each of some keys is there; many at once take a fraction of one by one."""
        return [
            key in self._added or (there and key not in self._removed)
            for key, there in zip(keys, self._in_sorted(keys), strict=True)
        ]

    def add(self, keys: Iterable[str]) -> None:
        """Add keys; those that are there already change nothing."""
        wanted = list(keys)
        for key, there in zip(wanted, self._in_sorted(wanted), strict=True):
            if there:
                self._removed.discard(key)
            else:
                self._added.add(key)
        self._merge()

    def discard(self, keys: Iterable[str]) -> None:
        """Remove keys; those that are not there change nothing."""
        wanted = list(keys)
        for key, there in zip(wanted, self._in_sorted(wanted), strict=True):
            self._added.discard(key)
            if there:
                self._removed.add(key)
        self._merge()

    def _in_sorted(self, keys: Sequence[str]) -> list[bool]:
        if not len(self._sorted):
            return [False] * len(keys)
        width, encoded = self._sorted.itemsize, [key.encode() for key in keys]
        # A longer key would have numpy copy the whole array to its width.
        wanted = np.array([key if len(key) <= width else b"" for key in encoded], self._sorted.dtype)
        places = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        found = (self._sorted[places] == wanted).tolist()
        return [there and len(key) <= width for key, there in zip(encoded, found, strict=True)]

    def _merge(self) -> None:
        """Merge the sets when they are a quarter of all, so that a key costs the same on average."""
        if len(self._added) + len(self._removed) <= max(_MERGE_AT, len(self._sorted) // 4):
            return
        kept = self._sorted
        if self._removed:
            kept = np.delete(kept, np.searchsorted(kept, np.sort(_encoded(self._removed))))
        self._sorted = np.sort(np.concatenate([kept, _encoded(self._added)]))
        self._added, self._removed = set(), set()


def _distinct(keys: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """Return the keys sorted, each once (``np.unique`` takes five times as long)."""
    ordered = np.sort(keys)
    first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    distinct: NDArray[np.bytes_] = ordered[first]
    return distinct


def _encoded(keys: Iterable[str]) -> NDArray[np.bytes_]:
    return np.array([key.encode() for key in keys], np.bytes_)
