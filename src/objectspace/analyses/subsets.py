"""Choose few objects that stand for many: k-center greedy, facility location, and balance by label.

All compare directions, vectors of unit length, so that a space's scale does not matter.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, counted

Rows = NDArray[np.int64]

#: What a choice can be by.
CHOICES = ("diversity", "density", "label")

#: Random choices of the same size, whose mean coverage stands beside that of a choice.
DRAWS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """Some of n rows, in the order in which they were chosen.

    rows: (k,) int64; by: one of :data:`CHOICES`
    coverage: by "density" the mean cosine of a row and its nearest chosen one, more is better; else the
        radius, the largest distance (of unit vectors) of a row from its nearest chosen one, less is better
    random: the same of random choices of the same size, the mean of :data:`DRAWS`
    """

    rows: Rows
    by: str
    coverage: float
    random: float

    def __repr__(self) -> str:
        return f"Subset({len(self.rows)} by {self.by}, {self.coverage:.3f}, random {self.random:.3f})"


def choose_subset(
    vectors: NDArray[np.float32],
    count: int,
    by: str,
    *,
    labels: NDArray[np.str_] | None = None,
    already: Rows | None = None,
    seed: int = 0,
) -> Subset:
    """Return ``count`` rows of vectors (n, d) that stand for all.

    by: "diversity", k-center greedy (Gonzalez 1985), whose radius is at most twice the least there is;
        "density", facility location greedy (Nemhauser, Wolsey and Fisher 1978), whose sum of (1 + cos) / 2
        to the nearest chosen row is at least 1 - 1/e of the greatest; "label", as many of each of the labels
        (n,), or all that there are, by diversity within a label, with no guarantee
    already: rows that are chosen before, and cover others; they are not chosen again
    Raises InputError for an unknown ``by``, without labels for "label", and for more rows than are left.
    """
    already = np.empty(0, np.int64) if already is None else np.unique(already)
    free = np.setdiff1d(np.arange(len(vectors)), already)
    if by not in CHOICES:
        raise InputError(f"by is {by!r}, expected {', '.join(CHOICES)}")
    if not 1 <= count <= len(free):
        raise InputError(f"{count} to choose of {counted(len(free), 'object')}; give a number from 1 to that")
    unit = _unit(vectors)
    if by == "density":
        rows = _facilities(unit, count, already)
    elif by == "diversity":
        rows = _centers(unit, count, already)
    elif labels is None:
        raise InputError("a choice by label needs labels; give those of the objects")
    else:
        rows = _balanced(unit, count, labels, already)
    coverage = _nearness if by == "density" else _radius
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(free, count, replace=False) for _ in range(DRAWS)]
    random = float(np.mean([_covered(unit, one, already, coverage) for one in drawn]))
    return Subset(rows, by, _covered(unit, rows, already, coverage), random)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _cosines(unit: NDArray[np.float32], rows: Rows) -> NDArray[np.float32]:
    """Return the greatest cosine of each row (n,) with some rows; -1 where there are none."""
    best = np.full(len(unit), -1, np.float32)
    for row in rows:
        np.maximum(best, unit @ unit[row], out=best)
    return best


def _centers(unit: NDArray[np.float32], count: int, already: Rows) -> Rows:
    """Return rows each of which is the farthest from those before; the first is nearest the mean."""
    chosen: list[int] = []
    best = _cosines(unit, already)
    if not len(already):
        chosen.append(int(np.argmax(unit @ unit.mean(0))))
        best = unit @ unit[chosen[0]]
    # Rows that are chosen count as covered however rounding falls, so that equal vectors are no trouble.
    best[already] = best[chosen] = np.inf
    while len(chosen) < count:
        farthest = int(np.argmin(best))
        chosen.append(farthest)
        np.maximum(best, unit @ unit[farthest], out=best)
        best[farthest] = np.inf
    return np.array(chosen, np.int64)


def _facilities(unit: NDArray[np.float32], count: int, already: Rows) -> Rows:
    """Return rows each of which adds most to the sum of the best cosines.

    A row's gain never grows, so that one whose gain is computed anew and still the largest is taken without
    looking at the others (Minoux 1978).
    """
    best = _cosines(unit, already)
    whole = unit @ unit.sum(0, dtype=np.float64) + len(unit)
    waiting = [(-float(gain), row, 0) for row, gain in enumerate(whole.tolist()) if row not in set(already)]
    heapq.heapify(waiting)
    chosen: list[int] = []
    # Of nothing chosen the first gains are exact; after that each is computed before it counts.
    turn = 0 if not len(already) else 1
    while len(chosen) < count:
        _, row, computed = heapq.heappop(waiting)
        cosines = unit @ unit[row]
        if computed < turn:
            gain = float(np.maximum(cosines - best, 0).sum(dtype=np.float64))
            heapq.heappush(waiting, (-gain, row, turn))
            continue
        chosen.append(row)
        np.maximum(best, cosines, out=best)
        turn += 1
    return np.array(chosen, np.int64)


def _balanced(unit: NDArray[np.float32], count: int, labels: NDArray[np.str_], already: Rows) -> Rows:
    """Return rows of each label in turn, by diversity within a label."""
    taken = set(already.tolist())
    queues = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        before = np.flatnonzero(np.isin(own, already))
        left = min(count, len(own) - len(before))
        if left:
            queues.append(own[_centers(unit[own], left, before)].tolist())
    rows = [queue[turn] for turn in range(count) for queue in queues if turn < len(queue)]
    assert not taken & set(rows)
    return np.array(rows[:count], np.int64)


def _covered(
    unit: NDArray[np.float32],
    rows: Rows,
    already: Rows,
    coverage: Callable[[NDArray[np.float32]], float],
) -> float:
    """Return the coverage of rows together with those that were chosen before."""
    return coverage(_cosines(unit, np.concatenate([already, rows])))


def _radius(best: NDArray[np.float32]) -> float:
    return float(np.sqrt(max(2 - 2 * float(best.min()), 0.0)))


def _nearness(best: NDArray[np.float32]) -> float:
    return float(best.mean(dtype=np.float64))
