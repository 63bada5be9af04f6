"""Linear probes: how much of a factor a linear map reads off the vectors of objects it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_values import Factor
from objectspace.analyses.groups import Codes, Groups
from objectspace.analyses.ridge import FoldedRidge, Matrix, held_out
from objectspace.analyses.statistics import Estimate, p_value, permutations, ratio_interval

FOLDS = 5
#: Permutations of a probe: as many as keep the targets that are solved for at 400, but at least 9.
FEWEST, MOST, TARGETS = 9, 99, 400

#: Targets (objects x permutations x values) that are solved for at once: 64 MB a matrix of them.
_AT_ONCE = 8_000_000


@dataclass(frozen=True, slots=True)
class Probe:
    """What a linear probe reads, all of it on held-out groups.

    metric: "R2" (linear factor), "accuracy" (categorical) or "angular error" (circular, in the factor's unit)
    score: its value; chance is the mean of ``permutations`` in which all is done again with exchanged values
    baseline: what a probe without vectors gets (the training folds' mean, commonest value or mean direction)
    """

    metric: str
    score: Estimate
    baseline: float
    permutations: int


@dataclass(frozen=True, slots=True)
class _Losses:
    """What each object (n) adds to the metric, for each of r runs: the score is the ratio of the sums.

    better: 1 where a larger score is better, -1 where a smaller one is
    complement: whether the score is one less the ratio (R2)
    """

    over: Matrix
    under: Matrix
    baseline: Matrix
    better: int
    complement: bool = False

    def scores(self) -> Matrix:
        """(r,) the score of each run."""
        return self._score(self.over)

    def baselines(self) -> Matrix:
        """(r,) the score of each run's probe without vectors."""
        return self._score(self.baseline)

    def _score(self, over: Matrix) -> Matrix:
        ratio: Matrix = over.sum(0) / np.maximum(self.under.sum(0), np.finfo(float).tiny)
        return 1 - ratio if self.complement else ratio


def measure_probe(
    vectors: NDArray[np.float32], factor: Factor, groups: Groups, *, seed: int = 0
) -> Probe | None:
    """Ridge regression from standardised vectors (n, d) to the factor; None with fewer than three groups.

    Whole groups are held out, in five folds. Features are centred and scaled by the training folds alone;
    the penalty of a fold is the best on two of its training folds, each predicted from the other three.
    Targets are the values of a linear factor (R2 against the training folds' mean), sine and cosine of a
    circular one, and an indicator for each value of a categorical one (the largest wins: a ridge classifier,
    whose closed form lets the whole procedure be repeated for each permutation, which logistic regression is
    too slow for). With a control, features and targets are centred at each of its levels, so only what goes
    beyond the level counts.
    """
    if groups.count < 3:
        return None
    size = _targets(factor).shape[1]
    count = max(FEWEST, min(MOST, TARGETS // size - 1))
    # The values as they are, then as often exchanged.
    drawn = permutations(groups, count, values=factor.values, seed=seed)
    rows = chain([np.arange(len(groups))], drawn)
    runs = _runs(vectors, factor, groups, rows, seed)
    first = next(runs)
    scores, baselines = zip(*((run.scores(), run.baselines()) for run in chain([first], runs)), strict=True)
    return _summary(factor, first, np.concatenate(scores), np.concatenate(baselines), groups, seed)


def _runs(
    vectors: NDArray[np.float32], factor: Factor, groups: Groups, rows: Iterator[Codes], seed: int
) -> Iterator[_Losses]:
    """The probe of each permutation in ``rows`` (n,), as many at once as :data:`_AT_ONCE` allows, or one.

    Blocks change a score by rounding at most.
    """
    targets = _targets(factor)
    fold = make_folds(groups.group, FOLDS, seed=seed)
    while block := list(islice(rows, max(1, _AT_ONCE // targets.size))):
        drawn = np.stack(block, axis=1)
        ridge = FoldedRidge(vectors, targets[drawn].reshape(len(drawn), -1), fold, groups.level)
        predicted, baseline = (part.reshape(*drawn.shape, -1) for part in held_out(ridge, targets.shape[1]))
        yield _losses(factor, factor.values[drawn], predicted, baseline)


def make_folds(group: Codes, folds: int, *, seed: int = 0) -> Codes:
    """(n,) the fold of each object: whole groups, the largest first, each to the smallest fold so far."""
    size = np.bincount(group)
    order = np.random.default_rng([seed, 2]).permutation(len(size))
    order = order[np.argsort(-size[order], kind="stable")]
    fold = np.empty(len(size), np.int64)
    filled = np.zeros(min(folds, len(size)), np.int64)
    for one in order:
        fold[one] = np.argmin(filled)
        filled[fold[one]] += size[one]
    return fold[group]


def _targets(factor: Factor) -> Matrix:
    """(n, t) what the ridge regression is fitted to."""
    if factor.kind == "categorical":
        return np.eye(len(factor.categories))[factor.values.astype(np.int64)]
    if factor.kind == "circular":
        angle = 2 * np.pi * factor.values / factor.period
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _standardised(factor, factor.values)[:, None]


def _standardised(factor: Factor, values: Matrix) -> Matrix:
    """Values of a linear factor around 0, of variance 1, whatever their unit."""
    around: Matrix = (values - factor.values.mean()) / (factor.values.std() or 1.0)
    return around


def _losses(factor: Factor, values: Matrix, predicted: Matrix, baseline: Matrix) -> _Losses:
    """Of values (n, r), predictions and baselines (n, r, t)."""
    ones = np.ones(values.shape)
    if factor.kind == "categorical":
        right, common = ((part.argmax(2) == values).astype(np.float64) for part in (predicted, baseline))
        return _Losses(right, ones, common, better=1)
    if factor.kind == "circular":
        errors, common = (
            factor.compare(_angles(part, factor.period), values) for part in (predicted, baseline)
        )
        return _Losses(errors, ones, common, better=-1)
    target = _standardised(factor, values)
    errors, common = ((part[:, :, 0] - target) ** 2 for part in (predicted, baseline))
    return _Losses(errors, common, common, better=1, complement=True)


def _angles(pairs: Matrix, period: float) -> Matrix:
    """The angles of (cosine, sine), in [0, period)."""
    turn = np.arctan2(pairs[..., 1], pairs[..., 0]) / (2 * np.pi)
    angle: Matrix = np.mod(turn, 1) * period
    return np.where(angle < period, angle, 0.0)


def _summary(
    factor: Factor, losses: _Losses, scores: Matrix, baselines: Matrix, groups: Groups, seed: int
) -> Probe:
    """Of the first run's losses, and of the scores (r,) of all runs."""
    gains = losses.better * (scores - baselines)
    low, high = ratio_interval(losses.over[:, 0], losses.under[:, 0], groups.group, seed=seed)
    if losses.complement:
        low, high = 1 - high, 1 - low
    chance = float(baselines[0] + losses.better * gains[1:].mean())
    estimate = Estimate(
        float(scores[0]),
        chance,
        low,
        high,
        len(groups),
        groups.count,
        p_value(float(gains[0]), gains[1:]),
    )
    names = {"categorical": "accuracy", "circular": "angular error", "linear": "R2"}
    return Probe(names[factor.kind], estimate, float(baselines[0]), len(gains) - 1)
