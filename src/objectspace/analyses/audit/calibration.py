"""Calibration: how much of what is known to be there a list finds, measured on planted cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from objectspace.analyses.groups import codes
from objectspace.analyses.statistics import finite

Float64 = NDArray[np.float64]

#: The shares of a list in which planted cases are counted.
FIRST = (0.01, 0.05, 0.10)

#: The share of planted-like cases for which a threshold errs least.
ASSUMED_SHARE = 0.1

#: The share of the unplanted that may be real cases, at most: of more, nothing is left to tell them from.
MOST_REAL = 0.5

#: The name under which all planted cases are counted together.
ALL = "all"


@dataclass(frozen=True, slots=True)
class Share:
    """A share of ``n`` cases with a 95 % interval over groups.

    >>> share_of(np.array([True] * 9 + [False]), np.arange(10))
    Share(0.900, 95 % 0.530 to 0.998, n 10)
    """

    value: float
    low: float
    high: float
    n: int

    def __repr__(self) -> str:
        return f"Share({self.value:.3f}, 95 % {self.low:.3f} to {self.high:.3f}, n {self.n})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        interval = {name: finite(getattr(self, name)) for name in ("value", "low", "high")}
        return {**interval, "n": self.n}


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """Known cases that were put in: m of them.

    kind: (m,) str; suspicion: (m,) float64, larger is more suspicious, -inf for one that has no vector
    group: (m,) what is resampled together; place: (m,) float64 in [0, 1], the share of the list before it
    """

    kind: NDArray[np.object_]
    suspicion: Float64
    group: NDArray[Any]
    place: Float64

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, slots=True, eq=False)
class PlantedKind:
    """What became of one kind of planted cases.

    found: the share within the threshold; first: the share in the first part of the list, by that part
    Their intervals hold what another planting of as many cases finds, 19 times in 20.
    """

    kind: str
    found: Share
    first: Mapping[float, Share]

    def __repr__(self) -> str:
        return f"PlantedKind({self.kind!r}, found {self.found.value:.3f} of {self.found.n})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        first = {f"{part:g}": share.to_json() for part, share in self.first.items()}
        return {"kind": self.kind, "found": self.found.to_json(), "first": first}


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How good a list is, by the cases that were planted.

    kinds: all cases together, then each kind; false_alarms: the share of unplanted objects within the
        threshold, real cases among them
    planted: how the cases were made, a sentence; threshold_from: where the threshold came from, a sentence
    """

    kinds: tuple[PlantedKind, ...]
    false_alarms: Share
    planted: str
    threshold_from: str

    def __repr__(self) -> str:
        return f"Calibration({self.kinds[0]!r}, false alarms {self.false_alarms.value:.3f})"

    def kind(self, name: str = ALL) -> PlantedKind:
        """Return one kind of planted cases, by default all together."""
        return next(one for one in self.kinds if one.kind == name)

    @property
    def text(self) -> str:
        """What the list finds of the planted cases, in a line: within its threshold, in its first parts."""
        whole = self.kinds[0]
        first = ", ".join(f"{share.value:.0%} in the first {part:.0%}" for part, share in whole.first.items())
        kinds = ", ".join(f"{kind.kind} {kind.found.value:.0%}" for kind in self.kinds[1:])
        return (
            f"of {whole.found.n} planted cases {whole.found.value:.0%} are listed ({kinds}), {first}; "
            f"of unplanted objects {self.false_alarms.value:.1%}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "planted": self.planted,
            "threshold_from": self.threshold_from,
            "kinds": [one.to_json() for one in self.kinds],
            "false_alarms": self.false_alarms.to_json(),
        }


def calibrate(
    planted: Planted, alarms: NDArray[np.bool_], group: NDArray[Any], threshold: float, *, how: Sequence[str]
) -> Calibration:
    """Count the planted cases within a threshold and in the first parts of a list, by kind.

    alarms: (n,) which unplanted objects are within the threshold; group: (n,) of these
    how: how the cases were planted, and where the threshold came from
    """
    found = planted.suspicion >= threshold
    kinds = []
    for name in (ALL, *dict.fromkeys(planted.kind.tolist())):
        here = np.ones(len(planted), bool) if name == ALL else planted.kind == name
        of = planted.group[here]
        first = {part: share_of(planted.place[here] < part, of, again=True) for part in FIRST}
        kinds.append(PlantedKind(name, share_of(found[here], of, again=True), first))
    return Calibration(tuple(kinds), share_of(alarms, group), *how)


def places(suspicion: Float64, among: Float64) -> Float64:
    """Return the share (m,) of the unplanted ``among`` (n,) that comes before each case put in alone.

    Equally suspicious ones come before it.
    """
    order = np.sort(among)
    before = len(among) - np.searchsorted(order, suspicion, side="left")
    return before / max(1, len(among))


def best_threshold(planted: Float64, unplanted: Float64, *, often_real: bool = False) -> float:
    """Return the suspicion from which on cases are listed.

    It is the one that errs least were :data:`ASSUMED_SHARE` of all objects such cases: where the share of the
    planted above it, less the share of the unplanted by the odds against, is largest. Between neighbors that
    are equally good it is the middle of the widest gap. Infinite where nothing is better than no list.

    often_real: whether many of the unplanted may be such cases, as a store may be full of copies. Then as
        many as look like the planted (:func:`real_share`) are taken out first, :data:`MOST_REAL` at most.

    >>> best_threshold(np.array([5.0, 6.0, 7.0]), np.array([1.0, 2.0, 3.0, 6.5] + [0.0] * 60))
    4.0
    """
    values = _finite_values(planted, unplanted)
    if not len(values) or not len(planted):
        return math.inf
    odds = (1 - ASSUMED_SHARE) / ASSUMED_SHARE
    found, alarms = (_shares_above(one, values) for one in (planted, unplanted))
    if often_real:
        real = min(MOST_REAL, real_share(planted, unplanted))
        alarms = np.maximum(alarms - real * found, 0) / (1 - real)
    gain = found - odds * alarms
    if gain.max() <= 0:
        return math.inf
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    below = np.where(best > 0, values[best - 1], values[best])
    widest = int(np.argmax(values[best] - below))
    return float((values[best][widest] + below[widest]) / 2)


def real_share(planted: Float64, unplanted: Float64) -> float:
    """Return the share of the unplanted that look like the planted, which may be real cases.

    It is the share of the unplanted above a threshold over that of the planted, where it is smallest and half
    of the planted are above: a mixture's largest proportion (Scott, Blanchard and Handy, 2013).

    >>> real_share(np.array([5.0, 6.0, 7.0]), np.array([1.0, 2.0, 6.5, 8.0]))
    0.5
    """
    values = _finite_values(planted, unplanted)
    found, alarms = (_shares_above(one, values) for one in (planted, unplanted))
    half = found >= 0.5
    return float((alarms[half] / found[half]).min()) if half.any() else 0.0


def _finite_values(planted: Float64, unplanted: Float64) -> Float64:
    values: Float64 = np.unique(np.concatenate([planted, unplanted]))
    return values[np.isfinite(values)]


def _shares_above(suspicion: Float64, thresholds: Float64) -> Float64:
    """Return the share of cases that are at least as suspicious as each threshold (t,)."""
    below = np.searchsorted(np.sort(suspicion), thresholds, side="left")
    return 1 - below / max(1, len(suspicion))


def share_of(hit: NDArray[np.bool_], group: NDArray[Any], *, again: bool = False) -> Share:
    """Return the share of cases (m,) that are hit, whole groups (m,) varying together.

    again: the interval is of what another sample of as many cases shows, not of what all would show on
        average. The two samples differ by twice the variance of one, so that it is the interval of half as
        many cases, out to the next shares that n cases can have.

    The interval is Korn and Graubard's (*Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data*, 1998): Clopper and Pearson's for as many independent cases as
    have the same variance, which is estimated between groups. Where all cases agree there is no variance, and
    each group counts as one case. NaN without cases.
    """
    n, own = len(hit), codes(group)
    groups = int(own.max(initial=-1)) + 1
    if groups < 2:
        return Share(float(hit.mean()) if n else math.nan, 0.0 if n else math.nan, 1.0 if n else math.nan, n)
    value = float(hit.mean())
    residual = np.bincount(own, hit - value, groups)
    variance = groups / (groups - 1) * float((residual**2).sum()) / n**2
    effective = float(groups) if variance == 0 else value * (1 - value) / variance
    if variance > 0:
        effective *= float(stdtrit(n - 1, 0.975) / stdtrit(groups - 1, 0.975)) ** 2
    effective = min(effective, float(n)) / (2 if again else 1)
    hits = value * effective
    low = 0.0 if hits == 0 else float(betaincinv(hits, effective - hits + 1, 0.025))
    high = 1.0 if hits >= effective else float(betaincinv(hits + 1, effective - hits, 0.975))
    if again:
        low, high = math.floor(low * n) / n, math.ceil(high * n) / n
    return Share(value, low, high, n)
