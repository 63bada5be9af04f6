"""The delete-a-group jackknife: how far a figure would be from its mean in stores of new groups.

A figure of neighbors, or of a probe on held-out groups, changes with every group in two ways: by the
group's own objects, and by what these are to the objects of others. So blocks of whole groups are deleted
one at a time, and the figure is made again without them, neighbors and regressions included.

What two groups are to each other is counted twice in the spread of such figures (Efron and Stein, *The
jackknife estimate of variance*, 1981), so intervals are wider than they need be, most of all where the
vectors hold nothing of the factor. They are never narrower than the permutations are spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri, stdtr, stdtrit

from objectspace.analyses.groups import Codes, make_folds
from objectspace.analyses.statistics import LEVEL, Estimate
from objectspace.errors import counted, number_text

Float64 = NDArray[np.float64]

#: Blocks of whole groups that are deleted, one at a time.
BLOCKS = 20
#: Groups below which, and share of the objects in one of them above which, there is no interval.
FEWEST = 5
LARGEST = 0.5

#: Half the width beyond which an interval on the scale without bounds ends at these.
FARTHEST = 50.0
#: Half the width there beyond which a figure with one bound has no interval: its end would be twenty times as
#: far from the bound as the value is, which an error at the value cannot say.
WIDEST = 3.0

#: Points of an ellipse of value and chance among which the extremes of their difference are.
DIRECTIONS = 180

#: How far above the critical value a statistic is on average which is beyond it in 80 % of cases, in errors.
POWER = 0.8416


def make_blocks(group: Codes, *, most: int = BLOCKS, seed: int = 0) -> Codes:
    """Return the block (n,) of each object: its group, or one of ``most`` sets of groups of about equal size.

    >>> make_blocks(np.array([0, 0, 1, 2, 2])).tolist()
    [1, 1, 2, 0, 0]
    """
    return make_folds(group, most, seed=seed)


@dataclass(frozen=True, slots=True)
class Range:
    """The bounds of a figure, and the scale without bounds on which its interval is symmetric.

    The logarithm of the distance to a bound, of the ratio of both distances where there are two.

    >>> purity = Range(0.0, 1.0)
    >>> round(purity.back(purity.scaled(0.8)), 3), round(purity.slope(0.5), 3)
    (0.8, 4.0)
    """

    low: float = -math.inf
    high: float = math.inf

    def inside(self, value: float) -> bool:
        """Return whether the value is between the bounds, and neither of them."""
        return self.low < value < self.high

    def scaled(self, value: float) -> float:
        """Return the value on the scale without bounds."""
        below, above = math.isfinite(self.low), math.isfinite(self.high)
        if below and above:
            return math.log((value - self.low) / (self.high - value))
        if below:
            return math.log(value - self.low)
        return -math.log(self.high - value) if above else value

    def slope(self, value: float) -> float:
        """Return the derivative of :meth:`scaled`."""
        below, above = math.isfinite(self.low), math.isfinite(self.high)
        slope = (1 / (value - self.low) if below else 0.0) + (1 / (self.high - value) if above else 0.0)
        return slope if below or above else 1.0

    def back(self, scaled: float) -> float:
        """Return the value of a number on the scale without bounds."""
        below, above = math.isfinite(self.low), math.isfinite(self.high)
        if below and above:
            return self.low + (self.high - self.low) * float(expit(scaled))
        if below:
            return self.low + math.exp(scaled)
        return self.high - math.exp(-scaled) if above else scaled


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a figure is from its mean in stores of new groups.

    error: the standard error by the jackknife, of so many ``degrees`` of freedom
    least: the standard deviation in permutations, below which it cannot be
    """

    error: float
    degrees: float
    least: float

    @property
    def reach(self) -> float:
        """Return half the width of a 95 % interval."""
        return max(-float(stdtrit(self.degrees, 0.025)) * self.error, -float(ndtri(0.025)) * self.least)

    def p_value(self, distance: float) -> float | None:
        """Return the two-sided p of a distance; None where nothing varies."""
        tails = [float(stdtr(self.degrees, -abs(distance) / self.error))] if self.error > 0 else []
        tails += [float(ndtr(-abs(distance) / self.least))] if self.least > 0 else []
        return 2 * max(tails) if tails else None


def jackknife(without: Float64, block: Codes, *, least: float = 0.0) -> Spread:
    """Return the spread of a figure, from what it is without each block (b,) of groups.

    block: (n,) of each object. There are as many degrees of freedom as blocks of one size that vary as much.
    least: the standard deviation in permutations
    """
    count, size = len(without), np.bincount(block)
    variance = float(((without - without.mean()) ** 2).sum()) * (count - 1) / count
    degrees = max(1.0, size.sum() ** 2 / float((size**2).sum()) - 1)
    return Spread(math.sqrt(variance), degrees, least)


def jackknifed(
    estimate: Estimate,
    without: Float64,
    block: Codes,
    group: Codes,
    null: Float64 | None = None,
    *,
    bounds: Range | None = None,
    chance_bounds: Range | None = None,
) -> Estimate:
    """Return the estimate with the intervals of a store of new groups, or with the reason why there are none.

    without: (b, 2) value and chance without each block; NaN where nothing is left
    block, group: (n,) of each object of the figure
    null: (p,) value - chance in permutations, as far as they go; ``detectable`` follows from them
    bounds, chance_bounds: of the value, and of chance where its error is on another scale
    """
    estimate = replace(estimate, population="groups")
    if reason := no_interval(without[:, 0], group):
        return estimate.without_interval(reason)
    bounds = bounds or Range()
    least = 0.0 if null is None else float(np.nanstd(null)) * _stretch(estimate, bounds)
    of_value = jackknife(without[:, 0], block, least=least)
    if reason := _too_wide(estimate.value, without[:, 0], of_value, bounds):
        return estimate.without_interval(reason)
    of_chance = jackknife(without[:, 1], block)
    of_excess = jackknife(without[:, 0] - without[:, 1], block, least=least)
    low, high = _interval(estimate.value, of_value.reach, bounds)
    reaches = of_value.reach, of_chance.reach, of_excess.reach
    excess = _interval_of_excess(estimate.value, estimate.chance, reaches, (bounds, chance_bounds or bounds))
    error = max(of_excess.error, of_excess.least)
    detectable = None if null is None else _detectable(estimate, null, error, bounds)
    return replace(estimate, low=low, high=high, excess=excess, detectable=detectable)


def no_interval(without: Float64, group: Codes) -> str:
    """Return why a figure of these groups (n,) has no interval; "" where it has one."""
    size = np.bincount(group)
    size = size[size > 0]
    if len(size) < FEWEST:
        return f"{counted(len(size), 'group')}, {FEWEST} are needed"
    if size.max() > LARGEST * size.sum():
        return f"one group holds {size.max() / size.sum():.0%} of the objects"
    if np.isnan(without).any():
        return "without some groups nothing is left to compare with"
    return ""


def _too_wide(value: float, without: Float64, spread: Spread, bounds: Range) -> str:
    """Return why a figure with one bound varies too much for an interval; "" where it does not.

    Without the bound's other side nothing keeps such an interval from ending at any number.
    """
    if math.isfinite(bounds.low) == math.isfinite(bounds.high) or not bounds.inside(value):
        return ""
    if spread.reach * bounds.slope(value) <= WIDEST:
        return ""
    if spread.reach > -float(ndtri(0.025)) * spread.least:
        farthest = float(without[np.abs(without - value).argmax()])
        return f"it rests on single groups, {number_text(farthest)} without some"
    return f"permutations vary too much, by {number_text(spread.least)} at this value"


def _stretch(estimate: Estimate, bounds: Range) -> float:
    """Return how much wider a unit is at the value than at chance, on the scale without bounds."""
    if not (bounds.inside(estimate.value) and bounds.inside(estimate.chance)):
        return 1.0
    return min(1.0, bounds.slope(estimate.chance) / bounds.slope(estimate.value))


def _interval(value: float, reach: float, bounds: Range) -> tuple[float, float]:
    """Return the interval of a value, symmetric on the scale without bounds where it is inside them."""
    return _moved(value, -reach, bounds), _moved(value, reach, bounds)


def _moved(value: float, step: float, bounds: Range) -> float:
    """Return the value moved by a step, as long as it is at the value, on the scale without bounds."""
    if not bounds.inside(value):
        return min(bounds.high, max(bounds.low, value + step))
    scaled = step * bounds.slope(value)
    return bounds.back(bounds.scaled(value) + min(FARTHEST, max(-FARTHEST, scaled)))


def _interval_of_excess(
    value: float, chance: float, reaches: tuple[float, float, float], bounds: tuple[Range, Range]
) -> tuple[float, float]:
    """Return the interval of value - chance, from half the widths of value, chance and their difference.

    Chance varies with the groups as the value does, both with how frequent or how spread the values of the
    factor are: so the smaller the excess of a store, the smaller its error. Therefore both are moved on the
    scale without bounds, by their own error and correlation: to the extremes of their difference on the
    ellipse of both. Only where they are bounded on both sides: of a difference without an upper bound a store
    may lack the tail, and then shows value and chance closer together than they are. There each side is made
    of the limits of both (MOVER: Zou and Donner, *Construction of confidence limits about effect measures*,
    2008), which is wider.
    """
    first, second, apart = reaches
    both = 2 * first * second
    together = min(1.0, max(-1.0, (first**2 + second**2 - apart**2) / both)) if both > 0 else 0.0
    of_value, of_chance = bounds
    if math.isfinite(of_value.low) == math.isfinite(of_value.high):
        lag = math.acos(together)
        excess = [
            _moved(value, first * math.cos(turn), of_value)
            - _moved(chance, second * math.cos(turn - lag), of_chance)
            for turn in np.linspace(0, 2 * math.pi, DIRECTIONS + 1).tolist()
        ]
        return min(excess), max(excess)
    low, high = _interval(value, first, of_value)
    least, most = _interval(chance, second, of_chance)
    below = _apart(value - low, most - chance, together)
    return value - chance - below, value - chance + _apart(high - value, chance - least, together)


def _apart(first: float, second: float, correlation: float) -> float:
    """Return the error of the difference of two figures of this correlation, from the error of each."""
    return math.sqrt(max(0.0, first**2 + second**2 - 2 * correlation * first * second))


def _detectable(estimate: Estimate, null: Float64, error: float, bounds: Range) -> float | None:
    """Return the smallest distance from chance that the test finds in 80 % of stores like this one.

    None where the test finds nothing, or no bound of the figure is as far from chance.
    """
    if estimate.least_p is None or estimate.least_p > LEVEL:
        return None
    known = null[~np.isnan(null)]
    critical = float(np.quantile(np.abs(known - known.mean()), 1 - LEVEL))
    distance = critical + POWER * error
    room = [abs(bound - estimate.chance) for bound in (bounds.low, bounds.high) if math.isfinite(bound)]
    return None if room and distance > max(room) else distance
