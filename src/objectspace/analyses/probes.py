"""Linear probes: how much of a factor a linear map predicts from the vectors of held-out objects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_values import Factor
from objectspace.analyses.features import Matrix
from objectspace.analyses.groups import (
    MOST_OBJECTS,
    Codes,
    Groups,
    codes,
    comparable,
    draw_groups,
    make_folds,
)
from objectspace.analyses.jackknife import FEWEST, Range, jackknifed, make_blocks
from objectspace.analyses.ridge import FoldedRidge, Held, Permuted
from objectspace.analyses.statistics import Estimate, permutations, ratio
from objectspace.errors import counted
from objectspace.neighbors import BlockSource, JointVectors

FOLDS = 5
#: Permutations of a probe: p goes down to 2 / 200, for any number of values.
PERMUTED = 199

#: Blocks of groups without which all is fitted again, for the interval, at the penalties of the whole.
BLOCKS = 10
#: Where a factor has one value in each group, and groups are so many, of so many objects at most, the
#: penalties rest on few values: there are so many blocks, and without each of them penalties are chosen anew.
#: Of fewer groups an interval would be too wide, of more it holds enough as it is (docs/measures.md).
FEW_GROUPS, FEW_OBJECTS, FEW_BLOCKS = range(21, 51), 1000, 20

#: Targets of one run beyond which its penalties are chosen by this many sums of them.
GUIDES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The score of a linear probe on held-out groups.

    metric: "R2" (linear factor), "accuracy" (categorical) or "angular error" (circular, in the factor's unit)
    score: its value; chance is that of ``permutations`` in which all is done again with exchanged values
    baseline: the score of a probe without vectors (the training folds' mean, commonest value or direction)
    parts: (m, 2) each object's part of the score, a ratio of two sums (of R2: one less that ratio)
    rows: (m,) the objects that it was fitted on, sorted: all n, or whole groups drawn at random
    of: n
    """

    metric: str
    score: Estimate
    baseline: float
    permutations: int
    parts: Matrix
    rows: Codes
    of: int

    def __repr__(self) -> str:
        return f"Probe({self.metric}, {self.score!r}, baseline {self.baseline:.3f})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        figures = {"baseline": self.baseline, "permutations": self.permutations, "drawn_of": self.of}
        return {"metric": self.metric, **self.score.to_json(), **figures}


@dataclass(frozen=True, slots=True)
class _Metric:
    """A score made of sums over objects: a ratio, or one less it."""

    name: str
    complement: bool = False

    def score(self, over: Matrix, under: Matrix) -> Matrix:
        return 1 - ratio(over, under) if self.complement else ratio(over, under)

    def score_and_baseline(self, sums: Matrix) -> tuple[float, float]:
        """Return the score and the baseline's, from sums (3,) of the parts of :func:`_losses`."""
        return float(self.score(sums[0], sums[1])), float(self.score(sums[2], sums[1]))

    def above_baseline(self, sums: Matrix) -> Matrix:
        """Return the score (r,) less the baseline's, from sums (3, r) of the parts of :func:`_losses`."""
        return self.score(sums[0], sums[1]) - self.score(sums[2], sums[1])


_METRICS = {
    "categorical": _Metric("accuracy"),
    "circular": _Metric("angular error"),
    "linear": _Metric("R2", complement=True),
}


def measure_probe(
    vectors: NDArray[np.float32] | JointVectors | BlockSource,
    factor: Factor,
    groups: Groups,
    *,
    most: int | None = MOST_OBJECTS,
    permuted: int = PERMUTED,
    seed: int = 0,
) -> Probe | None:
    """Fit ridge regressions from standardized vectors (n, d) to a factor; None with fewer than three groups.

    Of more than ``most`` objects whole groups are drawn, as :func:`~objectspace.analyses.groups.draw_groups`
    does, and the score is that of as many objects: its interval and p rest on the groups that were drawn, so
    they cover the draw. None fits all of them.

    Whole groups are held out, in five folds. Features are centered and scaled by the training folds alone;
    the penalty of a fold is the best on two of its training folds, each predicted from the other three.
    Targets are the values of a linear factor (R2 against the training folds' mean), sine and cosine of a
    circular one, and an indicator for each value of a categorical one (the largest wins: a ridge classifier,
    whose closed form lets the whole procedure be repeated for each permutation, which logistic regression is
    too slow for). With a control, features and targets are centered at each of its levels, so only what goes
    beyond the level counts.

    p compares the scores less their baselines. For a factor of more than four values, the penalties of all
    runs that p compares, the observed one included, are chosen by four sums of the targets.

    >>> from objectspace.analyses.groups import make_groups
    >>> angle = np.arange(0, 360, 5.0)
    >>> vectors = np.stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))], axis=1)
    >>> probe = measure_probe(vectors, Factor("yaw", "circular", angle, 360.0), make_groups(np.arange(72)))
    >>> probe.metric, probe.score.value < 1, probe.score.p <= 0.01
    ('angular error', True, True)
    """
    count, rows = len(groups), draw_groups(groups.group, most, seed=seed)
    groups = groups.take(rows)
    kept = comparable(groups)
    rows, groups = rows[kept], groups.take(kept)
    if groups.count < 3:
        return None
    factor = factor.take(rows)
    sample = _Sample(vectors, rows, factor, groups, make_folds(groups.group, FOLDS, seed=seed))
    ridge, order, targets = sample.ridge(), sample.orders(permuted, seed=seed), _targets(factor)
    observed = Permuted(targets, order[:, :1])
    guided, chosen = ridge.choose([Permuted(_guides(targets, seed), order), observed])
    sums = _sums_of_runs(ridge, factor, Permuted(targets, order), guided)
    few = sample.has_few_values()
    block = make_blocks(groups.group, most=FEW_BLOCKS if few else BLOCKS, seed=seed)
    if few:
        own, without = sample.losses(), sample.without_each(block)
    else:
        own, without = _without_each(ridge, factor, observed, chosen, block)
    score, baseline = _score(factor, groups, own, without, block, sums)
    return Probe(_METRICS[factor.kind].name, score, baseline, permuted, own[:2].T, rows, count)


def _score(
    factor: Factor, groups: Groups, own: Matrix, without: Matrix, block: Codes, sums: Matrix
) -> tuple[Estimate, float]:
    """Return the score with its interval and p, and its baseline.

    own: (3, n) losses; without: (b, 2) score and baseline without each block (n,) of groups; sums: (3, r)
    of the losses of the observed run and the permuted ones
    """
    metric = _METRICS[factor.kind]
    gains = metric.above_baseline(sums)
    null = gains[1:]
    value, baseline = metric.score_and_baseline(own.sum(1))
    above = float(metric.above_baseline(sums[:, 1:].sum(1)))
    score = Estimate(value, baseline + above, math.nan, math.nan, len(groups), groups.count)
    score = jackknifed(
        score.tested(float(gains[0]), null),
        without + np.array([0.0, above]),
        block,
        groups.group,
        null=null,
        bounds=factor.bounds if factor.kind != "linear" else Range(high=1.0),
        # The score of the commonest value jumps where that changes, which log odds near 0 would magnify.
        chance_bounds=Range(),
    )
    telling = len(np.unique(groups.group[own[0] != own[2]]))
    if telling < FEWEST and not score.no_interval:
        where = counted(telling, "group")
        score = score.without_interval(f"vectors change predictions in {where}, {FEWEST} are needed")
    return score, baseline


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Rows (n,) of the vectors on which a probe is fitted, with their values, groups and folds (n,)."""

    vectors: NDArray[np.float32] | JointVectors | BlockSource
    rows: Codes
    factor: Factor
    groups: Groups
    fold: Codes

    def ridge(self) -> FoldedRidge:
        return FoldedRidge(self.vectors, codes(self.fold), self.groups.level, rows=self.rows)

    def orders(self, permuted: int, *, seed: int) -> NDArray[np.int32]:
        """Return the rows whose values each has (n, 1 + permuted): first its own, then exchanged ones."""
        drawn = permutations(self.groups, permuted, values=self.factor.values, seed=seed)
        order = np.empty((len(self.groups), 1 + permuted), np.int32)
        order[:, 0] = np.arange(len(self.groups))
        for run, exchanged in enumerate(drawn, start=1):
            order[:, run] = exchanged
        return order

    def has_few_values(self) -> bool:
        """Return whether the factor has one value in each of a few groups, and objects are few as well."""
        few = self.groups.count in FEW_GROUPS and len(self.rows) <= FEW_OBJECTS
        pairs = self.groups.group + 1j * self.factor.values
        return few and len(np.unique(pairs)) == self.groups.count

    def losses(self) -> Matrix:
        """Return the losses (3, n) of the observed values, as of :func:`_losses`."""
        values, ridge = _targets(self.factor), self.ridge()
        observed = Permuted(values, np.arange(len(values), dtype=np.int32)[:, None])
        losses = np.empty((3, len(values)))
        for held in ridge.predictions(observed, ridge.choose([observed])[0]):
            losses[:, held.rows] = _losses_of(self.factor, observed, held)[:, :, 0]
        return losses

    def without_each(self, block: Codes) -> Matrix:
        """Return score and baseline (b, 2) without each block of groups (n,), all of it done anew."""
        metric = _METRICS[self.factor.kind]
        kept = [np.flatnonzero(block != one) for one in range(int(block.max()) + 1)]
        return np.array([metric.score_and_baseline(self._take(rows).losses().sum(1)) for rows in kept])

    def _take(self, kept: Codes) -> _Sample:
        factor, groups = self.factor.take(kept), self.groups.take(kept)
        return _Sample(self.vectors, self.rows[kept], factor, groups, self.fold[kept])


def _sums_of_runs(ridge: FoldedRidge, factor: Factor, targets: Permuted, chosen: Codes) -> Matrix:
    """Return the sums (3, r) over all objects of the losses of permutations."""
    sums = np.zeros((3, targets.runs))
    for held in ridge.predictions(targets, chosen):
        sums[:, held.runs] += _losses_of(factor, targets, held).sum(1)
    return sums


def _without_each(
    ridge: FoldedRidge, factor: Factor, targets: Permuted, chosen: Codes, block: Codes
) -> tuple[Matrix, Matrix]:
    """Return the losses (3, n), and score and baseline (b, 2) without each block of groups (n,).

    The regressions without a block have the same penalties, and cost little beside the whole one.
    """
    metric = _METRICS[factor.kind]
    own, sums = np.zeros((3, len(block))), np.zeros((int(block.max()) + 1, 3))
    for one, held in ridge.predictions_without(targets, chosen, block):
        losses = _losses_of(factor, targets, held)[:, :, 0]
        if one is None:
            own[:, held.rows] = losses
        else:
            sums[one] += losses.sum(1)
    return own, np.array([metric.score_and_baseline(one) for one in sums])


def _losses_of(factor: Factor, targets: Permuted, held: Held) -> Matrix:
    """Return the losses (3, m, r) of the predictions of some rows in some runs."""
    values = factor.values[targets.order[np.ix_(held.rows, held.runs)]]
    runs = len(held.runs)
    predicted, baseline = (part.reshape(len(part), runs, -1) for part in (held.predicted, held.baseline))
    return _losses(factor, values, predicted, baseline)


def _guides(targets: Matrix, seed: int) -> Matrix:
    """Return the columns (n, g) that choose a penalty: the targets, or a few sums with random signs.

    A regression is linear in its targets, so the squared error of such a sum is, on average over the signs,
    that of all targets together (Hutchinson, *A stochastic estimator of the trace*, 1989).
    """
    size = targets.shape[1]
    if size <= GUIDES:
        return targets
    sums: Matrix = targets @ np.random.default_rng([seed, 5]).choice((-1.0, 1.0), (size, GUIDES))
    return sums


def _targets(factor: Factor) -> Matrix:
    """Return the targets (n, t) of the ridge regression."""
    if factor.kind == "categorical":
        return np.eye(len(factor.categories))[factor.values.astype(np.int64)]
    if factor.kind == "circular":
        angle = 2 * np.pi * factor.values / factor.period
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _standardized(factor, factor.values)[:, None]


def _standardized(factor: Factor, values: Matrix) -> Matrix:
    """Return values of a linear factor, centered and of variance 1, for any unit."""
    around: Matrix = (values - factor.values.mean()) / (factor.values.std() or 1.0)
    return around


def _losses(factor: Factor, values: Matrix, predicted: Matrix, baseline: Matrix) -> Matrix:
    """Return numerator, denominator and the baseline's numerator of each object's score: (3, n, r).

    Of values (n, r), predictions (n, r, t) and baselines of as many or of one row.
    """
    if factor.kind == "linear":
        target = _standardized(factor, values)
        errors, spread = ((part[:, :, 0] - target) ** 2 for part in (predicted, baseline))
        return np.stack([errors, spread, spread])
    if factor.kind == "categorical":
        own, common = ((part.argmax(2) == values).astype(np.float64) for part in (predicted, baseline))
    else:
        own, common = (factor.compare(_angles(part, factor.period), values) for part in (predicted, baseline))
    return np.stack([own, np.ones(values.shape), common])


def _angles(pairs: Matrix, period: float) -> Matrix:
    """Return the angles of (cosine, sine), in [0, period)."""
    turn = np.arctan2(pairs[..., 1], pairs[..., 0]) / (2 * np.pi)
    angle: Matrix = np.mod(turn, 1) * period
    return np.where(angle < period, angle, 0.0)
