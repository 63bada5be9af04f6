"""Verdicts: whether an estimate supports a claim, refutes it, or decides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from objectspace.analyses.statistics import Estimate
from objectspace.errors import counted

Verdict = Literal["holds", "better than chance", "does not hold", "not shown here", "not tested"]

LEVEL = 0.05  # of the two-sided test, so a half of it on each side
FEWEST = 10  # groups: a bootstrap over fewer says little


@dataclass(frozen=True, slots=True)
class Judgment:
    """An estimate and the verdict on it.

    estimate: None where nothing could be measured: *not tested*; ``reason`` says why there is no verdict
    holm: p after Holm's correction over all that were tested beside it; None where not tested
    """

    estimate: Estimate | None
    verdict: Verdict
    reason: str = ""
    holm: float | None = None

    def __repr__(self) -> str:
        return f"Judgment({self.verdict}, {self.reason or self.estimate})"


def judge(estimate: Estimate, better: int, worth: float) -> Judgment:
    """Return the judgment on a claim that the value is above chance (``better`` 1) or below it (-1).

    There is a verdict where the two-sided test is significant (p <= LEVEL) and the interval of value - chance
    is strictly on the same side of 0. On the better side the claim *holds* if the value is at least ``worth``
    from chance, else it is *better than chance*; on the other side it *does not hold*. Fewer than FEWEST
    groups give no verdict.
    """
    if reason := _undecided(estimate):
        return Judgment(estimate, "not shown here", reason)
    lead = better * (estimate.value - estimate.chance)
    if lead < 0:
        return Judgment(estimate, "does not hold")
    return Judgment(estimate, "holds" if lead >= worth else "better than chance")


def _undecided(estimate: Estimate) -> str:
    """Return why an estimate gives no verdict; empty where it gives one."""
    if estimate.groups < FEWEST:
        few = counted(estimate.groups, "photo or group is", "photos or groups are")
        return f"{few} too few"
    low, high = estimate.interval_over_chance()
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"there is no interval: {estimate.no_interval or 'value or chance is not known'}"
    if estimate.p is None:
        return "there is nothing to exchange, so it cannot be tested"
    if estimate.p > LEVEL:
        return "the permutation test finds no difference from chance"
    return "the interval includes chance" if low <= 0 <= high else ""


def correct(judgments: Sequence[Judgment]) -> list[Judgment]:
    """Return the judgments with their p after Holm's correction over all of them that have one.

    Holm, *A simple sequentially rejective multiple test procedure* (1979).

    >>> one, other = (Judgment(Estimate(1, 0, 1, 1, 9, 9, p), "holds") for p in (0.04, 0.01))
    >>> [judged.holm for judged in correct([one, other])]
    [0.04, 0.02]
    """
    tested = [
        (judged.estimate.p, place)
        for place, judged in enumerate(judgments)
        if judged.estimate is not None and judged.estimate.p is not None
    ]
    tested.sort()
    steps = [min(1.0, (len(tested) - rank) * p) for rank, (p, _) in enumerate(tested)]
    adjusted = dict(zip((place for _, place in tested), np.maximum.accumulate(steps).tolist(), strict=True))
    return [replace(judged, holm=adjusted.get(place)) for place, judged in enumerate(judgments)]
