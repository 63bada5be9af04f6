"""Chance and uncertainty: permutations that respect groups, and the bootstrap over groups."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from objectspace.analyses.groups import Codes, Groups, codes

#: Resamples of the bootstrap, and permutations of a quick statistic.
RESAMPLES = 2000
PERMUTATIONS = 999

#: Numbers held at once while resampling.
_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and what it takes to read it.

    value: the figure, over ``n`` objects in ``groups`` groups
    chance: what it is on average where the vectors say nothing of the factor
    low, high: 95 % interval, by bootstrap over groups; NaN with a single group
    p: one-sided, how often a permutation is at least as far on the better side of chance; NaN where not
    tested
    """

    value: float
    chance: float
    low: float
    high: float
    n: int
    groups: int
    p: float = math.nan

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not known is null."""
        names = ("value", "chance", "low", "high", "p", "n", "groups")
        return {name: finite(getattr(self, name)) for name in names}


def finite(number: float) -> float | None:
    """The number, or None where it is NaN or infinite, as JSON has neither."""
    return number if math.isfinite(number) else None


def p_value(observed: float, permuted: NDArray[np.float64]) -> float:
    """(1 + permutations at least as large) / (1 + permutations), which is never 0 and keeps its level.

    Phipson and Smyth, *Permutation p-values should never be zero* (2010). Values that differ only by rounding
    count as equal.
    """
    slack = 1e-9 * max(1.0, abs(observed))
    return float((1 + np.count_nonzero(permuted >= observed - slack)) / (1 + len(permuted)))


def ratio_interval(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64], group: Codes, *, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of ``numerator.sum() / denominator.sum()`` (n,), whole groups drawn with replacement.

    The expanded percentile interval (Hesterberg, *What Teachers Should Know about the Bootstrap*, 2015):
    percentiles are taken as far out as Student's t asks for the number of groups, as plain ones are too
    narrow with few groups. NaN with fewer than two groups.
    """
    own = codes(group)
    count = int(own.max(initial=-1)) + 1
    if count < 2:
        return math.nan, math.nan
    over, under = (np.bincount(own, weights=part, minlength=count) for part in (numerator, denominator))
    ratios = np.concatenate(
        [
            over[drawn].sum(1) / np.maximum(under[drawn].sum(1), np.finfo(float).tiny)
            for drawn in draws(count, seed)
        ]
    )
    low, high = np.quantile(ratios, expanded_percentiles(count))
    return float(low), float(high)


def mean_interval(values: NDArray[np.float64], group: Codes, *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` (n,), as :func:`ratio_interval`."""
    return ratio_interval(values, np.ones(len(values)), group, seed=seed)


def draws(count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """RESAMPLES rows of ``count`` groups each, drawn with replacement, a block of rows at a time."""
    rng = np.random.default_rng(seed)
    block = max(1, _AT_ONCE // count)
    for start in range(0, RESAMPLES, block):
        yield rng.integers(0, count, (min(block, RESAMPLES - start), count))


def expanded_percentiles(count: int) -> tuple[float, float]:
    """The percentiles of a 95 % interval over ``count`` groups: 0.025 and 0.975 when there are many."""
    tail = float(ndtr(math.sqrt(count / (count - 1)) * stdtrit(count - 1, 0.025)))
    return tail, 1 - tail


def permutations(
    groups: Groups, count: int, *, values: NDArray[np.float64] | None = None, seed: int = 0
) -> Iterator[Codes]:
    """``count`` times the rows (n,) whose values the objects take under the null hypothesis.

    The hypothesis: at one level of the control, what the vectors hold is independent of the factor. What
    keeps its dependence is kept together (block permutation; Winkler et al., *Multi-level block
    permutation*, 2015):

    - whole groups exchange their values, so a factor that is constant in each group stays so;
    - inside a group photos exchange theirs in random order, and objects inside a photo; a factor that is
      constant in each photo stays so;
    - a value never leaves its level of the control.

    With a control the unit is the block, a group's objects at one level, and at each level every
    arrangement of its blocks is equally likely. Where all groups are at the same levels they exchange the
    blocks of all levels together. Where they are not, a giver lacks levels that the receiver has. Then
    groups are put in the order of ``values`` (n,), the factor's own, by their mean rank within levels, and
    the receivers at each level take its blocks in the order in which they would have taken whole groups. So
    a group with high values at one level has high ones at the others too; were each level permuted on its
    own, a factor and vectors that are both constant in each group would look related too often. Without
    ``values`` the order of the groups is arbitrary.

    Where the receiver is larger than the giver, the giver's values come round again; where it is smaller,
    some are left out. So the test is exact where blocks are of one size or constant and groups are at the
    same levels, and approximate elsewhere; the share of a value may then change, so statistics are compared
    less their own chance. A level of a single group exchanges nothing:
    :func:`~objectspace.analyses.groups.comparable` leaves it out.
    """
    rng = np.random.default_rng([seed, 1])
    tree = _Tree(groups, np.zeros(len(groups)) if values is None else values)
    for _ in range(count):
        yield tree.draw(rng)


class _Tree:
    """Groups of blocks (a group at one level of the control) of photos of objects."""

    def __init__(self, groups: Groups, values: NDArray[np.float64]) -> None:
        block = _pair_codes(groups.group, groups.level)
        photo = _pair_codes(block, groups.image)
        self.group, self.level = (_parents(block, one) for one in (groups.group, groups.level))
        self.photos, self.objects = _Segments(_parents(photo, block)), _Segments(photo)
        # The same photo at several levels is several of ``photos``.
        self.same_photo = _parents(photo, _pair_codes(groups.group, groups.image))
        self.place = _places(groups, values)
        self.in_order = self._order(self.place)

    def draw(self, rng: np.random.Generator) -> Codes:
        """Each object's giver: from group to block to photo to object."""
        giver = np.argsort(rng.random(len(self.place)))
        block = np.empty_like(self.in_order)
        block[self._order(self.place[giver])] = self.in_order
        photo = self.photos.give(block, rng.random(int(self.same_photo.max()) + 1)[self.same_photo])
        return self.objects.give(photo, rng.random(len(self.objects.parent)))

    def _order(self, place: Codes) -> Codes:
        """Blocks by level, and at each level by the place (groups,) of their group."""
        return np.lexsort((place[self.group], self.level))


def _places(groups: Groups, values: NDArray[np.float64]) -> Codes:
    """(groups,) the place of each in the order of the mean rank of its values within their levels."""
    pair = _pair_codes(groups.level, codes(values))
    size, of_level = np.bincount(pair), np.bincount(groups.level)
    # Equal values share the middle of their ranks.
    middle = (np.cumsum(size) - size / 2)[pair] - (np.cumsum(of_level) - of_level)[groups.level]
    share = middle / of_level[groups.level]
    mean = np.bincount(groups.group, weights=share) / np.bincount(groups.group)
    return np.argsort(np.argsort(mean, kind="stable"))


class _Segments:
    """The children of each parent: ``parent`` (children,) is the number of each child's parent."""

    def __init__(self, parent: Codes) -> None:
        self.parent = parent
        self.size = np.bincount(parent)
        self.start = np.cumsum(self.size) - self.size
        self.rank = np.empty_like(parent)
        order = np.argsort(parent, kind="stable")
        self.rank[order] = np.arange(len(parent)) - self.start[parent[order]]

    def give(self, giver: Codes, key: NDArray[np.float64]) -> Codes:
        """The child that gives to each child, when parent p takes from the children of ``giver[p]``.

        The giver's children come in the order of ``key`` (children,), random numbers in [0, 1).
        """
        source = giver[self.parent]
        given = np.argsort(self.parent + key)
        child: Codes = given[self.start[source] + self.rank % self.size[source]]
        return child


def _pair_codes(first: Codes, second: Codes) -> Codes:
    """Numbers of the pairs, in the order of the first, then the second."""
    return codes(first * (int(second.max(initial=0)) + 1) + second)


def _parents(child: Codes, parent: Codes) -> Codes:
    """The parent of each child number, from the parents of the objects."""
    owner = np.zeros(int(child.max(initial=-1)) + 1, np.int64)
    owner[child] = parent
    return owner
