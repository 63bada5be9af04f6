"""Chance and uncertainty: permutations that respect groups, and the bootstrap over groups.

One convention for all thresholds: p is significant where ``p <= level``, and an interval [low, high] contains
its bounds, so a figure differs from chance only where chance is strictly outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from objectspace.analyses.groups import Codes, Groups, codes, pair_codes

Float64 = NDArray[np.float64]

#: Resamples of the bootstrap, and permutations of a quick statistic.
RESAMPLES = 2000
PERMUTATIONS = 999
#: Permutations of a quick statistic of many objects, whose spread they give as well: p goes down to 2 / 200.
PERMUTATIONS_OF_MANY = 199

#: A p is significant where it is at most this.
LEVEL = 0.05

#: Numbers held at once while resampling.
_AT_ONCE = 4_000_000

# Objects of permutations that are drawn at once: few have less to do than there is to call.
_DRAWN = 1 << 15


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its chance level, interval, sample size and test.

    value: the figure, over ``n`` objects in ``groups`` groups
    chance: what it is on average where the vectors hold nothing of the factor
    low, high: 95 % interval of the value; NaN where there is none
    p: two-sided, by permutation: twice the share of permutations at least as far out on the value's side of
        them; None where not tested or not known. ``direction`` says on which side of chance the value is
    least_p: the smallest p that the permutations allow: 2 / (1 + permutations), and more where few groups
        have few different arrangements; None where p is
    population: what the intervals speak of: "groups", stores of new groups (images, or values of the group
        column), by :mod:`~objectspace.analyses.jackknife`; "queries", new objects that are compared with this
        same store, by :func:`bootstrap` over groups
    no_interval: why there is none; "" where there is
    detectable: the smallest distance from chance that the test finds (p at most 0.05) in 80 % of stores like
        this one; None where not known, or where the test cannot find anything
    excess: 95 % interval of value - chance, both computed on the same resamples; None where chance is no
        estimate but a constant

    >>> Estimate(value=0.8, chance=0.5, low=0.7, high=0.9, n=100, groups=40, p=0.001)
    Estimate(0.800, 95 % 0.700 to 0.900, chance 0.500, p 0.001 above, n 100 in 40 groups)
    """

    value: float
    chance: float
    low: float
    high: float
    n: int
    groups: int
    p: float | None = None
    excess: tuple[float, float] | None = None
    least_p: float | None = None
    population: Literal["groups", "queries"] = "queries"
    no_interval: str = ""
    detectable: float | None = None

    def __repr__(self) -> str:
        interval = f"95 % {self.low:.3f} to {self.high:.3f}, chance {self.chance:.3f}"
        p = "" if self.p is None else f", p {self.p:.3f} {self.direction or ''}".rstrip()
        return f"Estimate({self.value:.3f}, {interval}{p}, n {self.n} in {self.groups} groups)"

    @property
    def direction(self) -> Literal["above", "below"] | None:
        """Return the side of chance that the value is on; None where they are equal or one is not known."""
        if math.isnan(self.value) or math.isnan(self.chance) or self.value == self.chance:
            return None
        return "above" if self.value > self.chance else "below"

    @property
    def note(self) -> str:
        """Return why there is no interval, or why p is large where one excludes chance; or ""."""
        if self.no_interval:
            return f"no interval: {self.no_interval}"
        low, high = self.interval_over_chance()
        if self.p is None or self.p <= LEVEL or not (low > 0 or high < 0):
            return ""
        if self.least_p is not None and self.least_p > LEVEL:
            return f"so few groups or permutations allow no p below {self.least_p:.3f}"
        return "p decides: the interval excludes chance, the permutations do not"

    def stands(self, better: Literal["above", "below"]) -> Literal["better", "worse", "not shown"] | None:
        """Return how the value stands to chance, where this side of it is the better; None where not tested.

        It is "not shown" unless p is at most 0.05 and the interval, where there is one, excludes chance.
        """
        if self.p is None:
            return None
        low, high = self.interval_over_chance()
        if self.p > LEVEL or self.direction is None or low <= 0 <= high:
            return "not shown"
        return "better" if self.direction == better else "worse"

    def interval_over_chance(self) -> tuple[float, float]:
        """Return the 95 % interval of value - chance: ``excess``, or low and high less a constant chance."""
        return self.excess or (self.low - self.chance, self.high - self.chance)

    def without_interval(self, reason: str) -> Estimate:
        """Return the estimate without its intervals, and why."""
        return replace(self, low=math.nan, high=math.nan, excess=None, detectable=None, no_interval=reason)

    def tested(self, observed: float, permuted: Float64) -> Estimate:
        """Return the estimate with the p of a statistic among its permutations, and the least p of these."""
        return replace(self, p=p_value(observed, permuted), least_p=least_p_value(observed, permuted))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; what is not known is null."""
        names = ("value", "chance", "low", "high", "n", "groups")
        excess = None if self.excess is None else [finite(bound) for bound in self.excess]
        others = ("p", "least_p", "direction", "detectable", "population")
        return {
            **{name: finite(getattr(self, name)) for name in names},
            **{name: getattr(self, name) for name in others},
            "excess": excess,
            "no_interval": self.no_interval or None,
        }


def finite(number: float) -> float | None:
    """Return the number, or None where it is NaN or infinite, as JSON has neither."""
    return number if math.isfinite(number) else None


def p_value(observed: float, permuted: Float64) -> float | None:
    """Return the two-sided p: twice the smaller of both sides' (1 + at least as far) / (1 + permutations).

    Each side's is never 0 and keeps half the level (Phipson and Smyth, *Permutation p-values should never be
    zero*, 2010). Values that differ only by rounding count as equal; a permuted NaN counts as far out on both
    sides. None where ``observed`` is NaN or nothing was permuted.

    >>> p_value(9.0, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    if math.isnan(observed) or not len(permuted):
        return None
    slack = 1e-9 * max(1.0, abs(observed))
    above = int(np.count_nonzero(~(permuted < observed - slack)))
    below = int(np.count_nonzero(~(permuted > observed + slack)))
    return min(1.0, 2 * (1 + min(above, below)) / (1 + len(permuted)))


def least_p_value(observed: float, permuted: Float64) -> float | None:
    """Return the smallest p that :func:`p_value` could have given, for the most extreme of all arrangements.

    Above 2 / (1 + permutations) where the same arrangements come again, as with a few groups.

    >>> least_p_value(3.0, np.array([1.0, 1.0, 2.0]))
    0.5
    """
    if math.isnan(observed) or not len(permuted):
        return None
    every = np.append(permuted[~np.isnan(permuted)], observed)
    slack = 1e-9 * max(1.0, float(np.abs(every).max()))
    ends = (every >= every.max() - slack, every <= every.min() + slack)
    return min(1.0, 2 * min(int(np.count_nonzero(end)) for end in ends) / len(every))


def estimate_mean(
    values: Float64,
    chance: Float64,
    group: Codes,
    *,
    p: float | None = None,
    seed: int = 0,
) -> Estimate:
    """Return the mean of ``values`` (n,) beside that of ``chance`` (n,), each object's own chance level.

    Value and excess are resampled together, whole groups (n,) at a time. A chance level that is not known is
    NaN and left out of their mean.

    >>> one = estimate_mean(np.array([1.0, 1.0, 0.0, 1.0]), np.full(4, 0.5), np.arange(4))
    >>> one.value, one.chance, one.groups
    (0.75, 0.5, 4)
    """
    known = ~np.isnan(chance)
    columns = [values, np.where(known, chance, 0), np.ones(len(values))]
    if not known.all():
        columns.append(known.astype(np.float64))

    def statistics(sums: Float64) -> Float64:
        value = sums[0] / sums[2]
        return np.stack([value, value - ratio(sums[1], sums[-1])])

    (low, high), excess = bootstrap(np.stack(columns, axis=1), group, statistics, seed=seed)
    level = float(chance[known].mean()) if known.any() else math.nan
    return Estimate(float(values.mean()), level, low, high, len(values), len(np.unique(group)), p, excess)


def ratio(over: Float64, under: Float64) -> Float64:
    """Return ``over / under``, element by element; NaN where nothing is counted."""
    empty = np.full(np.shape(over), np.nan)
    quotient: Float64 = np.divide(over, under, out=empty, where=np.asarray(under) > 0)
    return quotient


def ratio_interval(
    numerator: Float64, denominator: Float64, group: Codes, *, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of ``numerator.sum() / denominator.sum()`` (n,), as :func:`bootstrap`."""
    (interval,) = bootstrap(
        np.stack([numerator, denominator], axis=1), group, lambda sums: ratio(*sums)[None], seed=seed
    )
    return interval


def mean_interval(values: Float64, group: Codes, *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the mean of ``values`` (n,), as :func:`bootstrap`."""
    return ratio_interval(values, np.ones(len(values)), group, seed=seed)


def bootstrap(
    columns: Float64, group: Codes, statistics: Callable[[Float64], Float64], *, seed: int = 0
) -> list[tuple[float, float]]:
    """Return 95 % intervals of statistics of column sums, whole groups (n,) drawn with replacement.

    ``statistics`` maps the sums of ``columns`` (n, c) in r resamples, (c, r), to s statistics (s, r); a
    resample in which one is NaN is left out of it.
    The expanded percentile interval (Hesterberg, *What Teachers Should Know about the Bootstrap*, 2015):
    percentiles are taken as far out as Student's t asks for the number of groups, as plain ones are too
    narrow with few groups. NaN with fewer than two groups.

    >>> columns = np.stack([np.arange(10.0), np.ones(10)], axis=1)
    >>> [(low, high)] = bootstrap(columns, np.arange(10), lambda sums: sums[:1] / sums[1])
    >>> 1 < low < 4.5 < high < 8
    True
    """
    own = codes(group)
    count = int(own.max(initial=-1)) + 1
    if count < 2:
        size = len(statistics(columns.sum(0)[:, None]))
        return [(math.nan, math.nan)] * size
    parts = [np.bincount(own, weights=column, minlength=count) for column in columns.T]
    samples = np.concatenate(
        [statistics(np.stack([part[drawn].sum(1) for part in parts])) for drawn in draws(count, seed)],
        axis=1,
    )
    tails = expanded_percentiles(count)
    return [_quantiles(row[~np.isnan(row)], tails) for row in samples]


def _quantiles(samples: Float64, tails: tuple[float, float]) -> tuple[float, float]:
    if not len(samples):
        return math.nan, math.nan
    low, high = np.quantile(samples, tails)
    return float(low), float(high)


def draws(count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield RESAMPLES rows of ``count`` groups each, drawn with replacement, a block of rows at a time."""
    rng = np.random.default_rng(seed)
    block = max(1, _AT_ONCE // count)
    for start in range(0, RESAMPLES, block):
        yield rng.integers(0, count, (min(block, RESAMPLES - start), count))


def expanded_percentiles(count: int) -> tuple[float, float]:
    """Return the percentiles of a 95 % interval over ``count`` groups: 0.025 and 0.975 for many."""
    tail = float(ndtr(math.sqrt(count / (count - 1)) * stdtrit(count - 1, 0.025)))
    return tail, 1 - tail


def skewness(values: NDArray[Any]) -> float:
    """Return the third moment of values (n,) about their mean, by the cube of their deviation; 0 if equal.

    >>> skewness(np.array([0.0, 0.0, 0.0, 4.0])) > 1
    True
    """
    if values.min() == values.max():
        return 0.0
    apart = values - values.mean()
    # By hand, as scipy.stats takes most of a second to import.
    return float((apart**3).mean() / (apart**2).mean() ** 1.5)


def permutation_count(objects: int, most: int | None) -> int:
    """Return how often a quick statistic of so many objects is permuted: less where they are more than most.

    >>> permutation_count(500, 20_000), permutation_count(50_000, 20_000), permutation_count(50_000, None)
    (999, 199, 999)
    """
    return PERMUTATIONS if most is None or objects <= most else PERMUTATIONS_OF_MANY


def permutations(
    groups: Groups, count: int, *, values: Float64 | None = None, seed: int = 0
) -> Iterator[Codes]:
    """Yield ``count`` times the rows (n,) whose values the objects take under the null hypothesis.

    The hypothesis: at one level of the control, vectors and factor are independent. Objects that are
    dependent are kept together (block permutation; Winkler et al., *Multi-level block permutation*, 2015):

    - whole groups exchange their values, so a factor that is constant in each group stays so;
    - inside a group images exchange theirs in random order, and objects inside an image; a factor that is
      constant in each image stays so;
    - a value never leaves its level of the control.

    With a control the unit is the block, a group's objects at one level, and at each level every
    arrangement of its blocks is equally likely. Where all groups are at the same levels they exchange the
    blocks of all levels together. Where they are not, a giver lacks levels that the receiver has. Then
    groups are put in the order of ``values`` (n,), the factor's own, by their mean rank within levels, and
    the receivers at each level take its blocks in the order in which they would have taken whole groups. So
    a group with high values at one level has high ones at the others too; were each level permuted on its
    own, a factor and vectors that are both constant in each group would look related too often. Without
    ``values`` the order of the groups is arbitrary.

    Where the receiver is larger than the giver, the giver's values are repeated; where it is smaller,
    some are left out. So the test is exact where blocks are of one size or constant and groups are at the
    same levels, and approximate elsewhere; the share of a value may then change, so statistics are compared
    less their own chance. A level of a single group exchanges nothing:
    :func:`~objectspace.analyses.groups.comparable` leaves it out.
    """
    rng = np.random.default_rng([seed, 1])
    tree = _Tree(groups, np.zeros(len(groups)) if values is None else values)
    at_once = max(1, _DRAWN // max(1, len(groups)))
    for start in range(0, count, at_once):
        yield from tree.draw(rng, min(at_once, count - start))


class _Tree:
    """The tree of groups, blocks (a group at one level of the control), images and objects."""

    def __init__(self, groups: Groups, values: Float64) -> None:
        block = pair_codes(groups.group, groups.level)
        image_code = pair_codes(block, groups.image)
        self.group, self.level = (_parents(block, one) for one in (groups.group, groups.level))
        self.images, self.objects = _Segments(_parents(image_code, block)), _Segments(image_code)
        # An image at several levels is several of ``photos``.
        self.same_image = _parents(image_code, pair_codes(groups.group, groups.image))
        self.photos = int(self.same_image.max(initial=-1)) + 1
        self.position = _positions(groups, values)
        self.in_order = self._order(self.position[None])[0]

    def draw(self, rng: np.random.Generator, count: int) -> Codes:
        """Draw the rows (count, n) that objects' values come from: group, block, image and object in turn.

        The random numbers of a draw follow one another, so that it is the same among any others.
        """
        parts = (len(self.position), self.photos, len(self.objects.parent))
        of_groups, of_photos, of_objects = np.split(
            rng.random((count, sum(parts))), np.cumsum(parts)[:-1], axis=1
        )
        giver = np.argsort(of_groups, axis=1)
        block = np.empty((count, len(self.level)), np.int64)
        np.put_along_axis(block, self._order(self.position[giver]), self.in_order[None], axis=1)
        image_code = self.images.give(block, of_photos[:, self.same_image])
        return self.objects.give(image_code, of_objects)

    def _order(self, position: Codes) -> Codes:
        """Return blocks by level, and at each level by the position (count, groups) of their group."""
        return np.argsort(self.level * len(self.position) + position[:, self.group], axis=1)


def _positions(groups: Groups, values: Float64) -> Codes:
    """Return the position (groups,) of each group in the order of its values' mean rank within levels."""
    pair = pair_codes(groups.level, codes(values))
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

    def give(self, giver: Codes, key: Float64) -> Codes:
        """Return the child that gives to each child (count, children), when parent p takes from ``giver[p]``.

        The giver's children come in the order of ``key`` (count, children), random numbers in [0, 1).
        """
        source = giver[:, self.parent]
        given = np.argsort(self.parent + key, axis=1)
        return np.take_along_axis(given, self.start[source] + self.rank % self.size[source], axis=1)


def _parents(child: Codes, parent: Codes) -> Codes:
    """Return the parent of each child number, from the parents of the objects."""
    owner = np.zeros(int(child.max(initial=-1)) + 1, np.int64)
    owner[child] = parent
    return owner
