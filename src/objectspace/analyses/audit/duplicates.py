"""Duplicates: pairs of near copies, the groups they form, and which one of a group is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from objectspace.analyses.groups import Codes

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of rows with their distance, each pair once, the smaller row first.

    first, second: (p,) int64; distance: (p,) float64
    """

    first: Codes
    second: Codes
    distance: Float64

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        return f"Pairs({len(self)})"

    def take(self, rows: NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.first[rows], self.second[rows], self.distance[rows])

    def joined(self, other: Pairs) -> Pairs:
        """Return the pairs of both, each once."""
        return make_pairs(
            np.concatenate([self.first, other.first]),
            np.concatenate([self.second, other.second]),
            np.concatenate([self.distance, other.distance]),
        )


def make_pairs(first: Codes, second: Codes, distance: Float64) -> Pairs:
    """Return pairs given in any order, perhaps from both sides, each once.

    >>> make_pairs(np.array([4, 1]), np.array([1, 4]), np.array([2.0, 2.0])).second.tolist()
    [4]
    """
    ends = np.sort(np.stack([first, second], axis=1).astype(np.int64).reshape(-1, 2), axis=1)
    _, once = np.unique(ends, axis=0, return_index=True)
    return Pairs(ends[once, 0], ends[once, 1], np.asarray(distance, np.float64)[once])


@dataclass(frozen=True, slots=True, eq=False)
class CopyGroups:
    """Groups of copies, a row for each object in one, group by group, the kept one first.

    row: (m,) the object; group: (m,) its group's number; kept: (m,) bool; distance: (m,) to the kept one
    chain: (m,) the connected component of near copies that the group is cut from, as numbers from 0
    """

    row: Codes
    group: Codes
    kept: NDArray[np.bool_]
    distance: Float64
    chain: Codes

    def __len__(self) -> int:
        return len(self.row)

    @property
    def count(self) -> int:
        """The number of groups."""
        return int(self.kept.sum())


def group_copies(pairs: Pairs, preference: Codes) -> CopyGroups:
    """Group near copies so that each is a copy of the one that is kept, and not of a copy of it only.

    Connected components alone would chain: a near b near c, though c is nothing like a. So inside a component
    the most preferred object is kept and takes all that are near *it*; of the rest again the most preferred,
    and so on. An object that nobody is left for is no copy.

    preference: (n,) distinct numbers of those in pairs, the smallest is kept first

    >>> chain = make_pairs(np.array([0, 1]), np.array([1, 2]), np.array([1.0, 1.0]))
    >>> group_copies(chain, np.array([0, 1, 2])).row.tolist()
    [0, 1]
    """
    n = len(preference)
    rows = np.unique(np.concatenate([pairs.first, pairs.second])).astype(np.int64)
    component = connected_components(
        coo_array((np.ones(len(pairs)), (pairs.first, pairs.second)), shape=(n, n)), directed=False
    )[1]
    near: dict[int, list[tuple[int, float]]] = {int(row): [] for row in rows}
    for first, second, distance in zip(
        pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True
    ):
        near[first].append((second, distance))
        near[second].append((first, distance))
    taken: set[int] = set()
    found: list[tuple[int, int, bool, float]] = []
    count = 0
    for row in sorted(near, key=lambda row: int(preference[row])):
        copies = [
            (other, far)
            for other, far in sorted(near[row], key=lambda one: (one[1], one[0]))
            if other not in taken
        ]
        if row in taken or not copies:
            continue
        found.append((row, count, True, 0.0))
        found += [(other, count, False, far) for other, far in copies]
        taken |= {row, *(other for other, _ in copies)}
        count += 1
    columns = list(zip(*found, strict=True)) if found else [(), (), (), ()]
    row_column = np.array(columns[0], np.int64)
    chain = np.unique(component[row_column], return_inverse=True)[1].astype(np.int64).reshape(-1)
    return CopyGroups(
        row_column, np.array(columns[1], np.int64), np.array(columns[2], bool), np.array(columns[3]), chain
    )
