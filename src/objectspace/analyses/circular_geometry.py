"""The geometry of a circular factor: the distance of two views by the angle between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from objectspace.analyses.factor_values import Factor
from objectspace.analyses.groups import Codes, Groups, codes
from objectspace.analyses.statistics import (
    Estimate,
    draws,
    estimate_mean,
    expanded_percentiles,
    finite,
    permutations,
    ratio,
)
from objectspace.neighbors import BlockSource, JointVectors
from objectspace.neighbors.joint_vectors import joint_distances

#: Angles are gathered around 0, 1/16, 2/16 … 8/16 of the period: 0, 22.5 … 180 degrees.
BINS = 9
#: More pairs than this are sampled.
MOST_PAIRS = 100_000
PERMUTED = 399
# Numbers of pairs whose distances are computed at a time.
_AT_ONCE = 4_000_000

#: Sums in each bin inside the groups (groups, bins), and between them: a sparse matrix for each bin.
_Table = tuple[NDArray[np.float64], list[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Distance by angle, between two views of one thing.

    angle: (b,) the middle of each bin, from 0 to half the period, in the factor's unit
    distance: (b,) the mean distance of the pairs in each bin, where 1 is the mean of all pairs of the same
        thing (chance in every bin); NaN without pairs
    low, high: (b,) 95 % interval, by bootstrap over groups; NaN where it is not known
    pairs: (b,) int64, their number
    opposite: the share of views whose farthest view is an opposite one, of views that have one (in the last
        bin); chance is the share of opposite ones among their views
    same: the column in which both views of a pair agree: the group's name, or "label"
    """

    angle: NDArray[np.float64]
    distance: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    pairs: NDArray[np.int64]
    opposite: Estimate
    same: str

    def __repr__(self) -> str:
        return f"Geometry({int(self.pairs.sum())} pairs of one {self.same}, opposite {self.opposite!r})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = ("angle", "value", "low", "high")
        columns = zip(self.angle, self.distance, self.low, self.high, strict=True)
        curve = [dict(zip(names, map(finite, row), strict=True)) for row in columns]
        distance = [{**row, "pairs": pairs} for row, pairs in zip(curve, self.pairs.tolist(), strict=True)]
        return {"same": self.same, "opposite": self.opposite.to_json(), "distance": distance}


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs of objects (p,): rows and how far apart they are, 1 on average."""

    first: Codes
    second: Codes
    distance: NDArray[np.float64]


class _Opposite(NamedTuple):
    """Of each object (n,): the share of its farthest views and of all its views that are opposite ones."""

    hit: NDArray[np.float64]
    share: NDArray[np.float64]
    tested: NDArray[np.bool_]
    """Whether it has any opposite view."""


def measure_geometry(
    vectors: NDArray[np.float32] | JointVectors | BlockSource,
    factor: Factor,
    groups: Groups,
    thing: NDArray[np.object_],
    *,
    same: str,
    metric: str = "euclidean",
    seed: int = 0,
) -> Geometry | None:
    """Measure the geometry over pairs of views of one ``thing`` (n,): the user's group, or else the label.

    Both views are at one level of the control, and never in one image. Distances are divided by the mean of
    their thing, so that a thing of wide spread does not outweigh others; beyond 100,000 pairs a sample is
    taken. None where there is no pair, or no opposite one.
    """
    pairs = _make_pairs(vectors, groups, codes(thing.astype(str)), metric, seed)
    if not len(pairs.first):
        return None
    bins = _bins(factor, factor.values, pairs)
    opposite_views = _opposite_of(pairs, len(groups))
    hit, share, tested = opposite_views(bins)
    if not tested.any():
        return None
    counts = np.bincount(bins, minlength=BINS)
    curve, low, high = _intervals(pairs, bins, groups, seed)
    gain = float((hit - share).sum())
    null = []
    for rows in permutations(groups, PERMUTED, values=factor.values, seed=seed):
        drawn_hit, drawn_share, _ = opposite_views(_bins(factor, factor.values[rows], pairs))
        null.append(float((drawn_hit - drawn_share).sum()))
    opposite = estimate_mean(hit[tested], share[tested], groups.group[tested], seed=seed)
    opposite = opposite.tested(gain, np.array(null))
    angle = np.arange(BINS) * factor.period / (2 * (BINS - 1))
    return Geometry(angle, curve, low, high, counts, opposite, same)


def _make_pairs(
    vectors: NDArray[np.float32] | JointVectors | BlockSource,
    groups: Groups,
    thing: Codes,
    metric: str,
    seed: int,
) -> _Pairs:
    """Return all pairs of one thing and level in different photos, or a sample of them."""
    stratum = codes(thing * (int(groups.level.max()) + 1) + groups.level)
    order = np.argsort(stratum, kind="stable")
    size = np.bincount(stratum)
    possible = int((size * (size - 1) // 2).sum())
    if possible <= MOST_PAIRS:
        parts = [
            np.stack(np.triu_indices(count, 1)) + start
            for count, start in zip(size.tolist(), (np.cumsum(size) - size).tolist(), strict=True)
        ]
        first, second = order[np.concatenate(parts, axis=1)]
    else:
        first, second = order[_sampled(size, np.random.default_rng([seed, 3]))]
    apart = groups.image[first] != groups.image[second]
    first, second = first[apart], second[apart]
    distance = _distances(vectors, first, second, metric)
    own = stratum[first]
    mean = np.bincount(own, weights=distance) / np.maximum(np.bincount(own), 1)
    spread = mean[own] > 0
    return _Pairs(first[spread], second[spread], distance[spread] / mean[own[spread]])


def _sampled(size: Codes, rng: np.random.Generator) -> Codes:
    """Draw random pairs (2, p) of rows from objects that are sorted by stratum, ``size`` of each."""
    start = np.cumsum(size) - size
    weight = size * (size - 1.0)
    stratum = rng.choice(len(size), size=MOST_PAIRS, p=weight / weight.sum())
    one = rng.integers(0, size[stratum])
    other = rng.integers(0, size[stratum] - 1)
    other += other >= one
    return np.unique(np.sort(start[stratum] + np.stack([one, other]), axis=0), axis=1)


def _distances(
    vectors: NDArray[np.float32] | JointVectors | BlockSource, first: Codes, second: Codes, metric: str
) -> NDArray[np.float64]:
    """Return the distances (p,) of pairs in float64, computed in blocks."""
    out = np.empty(len(first))
    block = max(1, _AT_ONCE // vectors.shape[1])
    for start in range(0, len(first), block):
        part = slice(start, start + block)
        one, other = vectors[first[part]], vectors[second[part]]
        if isinstance(one, JointVectors) and isinstance(other, JointVectors):
            out[part] = joint_distances(one, other, metric)
        else:
            out[part] = _row_distances(np.asarray(one, np.float64), np.asarray(other, np.float64), metric)
    return out


def _row_distances(one: NDArray[np.float64], other: NDArray[np.float64], metric: str) -> NDArray[np.float64]:
    """Return the distance (p,) of each row (p, d) to the same row of the other vectors."""
    distance: NDArray[np.float64]
    if metric == "cosine":
        both = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        dot = np.einsum("ij,ij->i", one, other)
        distance = 1 - np.divide(dot, both, out=np.zeros_like(dot), where=both > 0)
    else:
        distance = np.linalg.norm(one - other, axis=1)
    return distance


def _bins(factor: Factor, values: NDArray[np.float64], pairs: _Pairs) -> Codes:
    """Return the bin (p,) of each pair's angle."""
    angle = factor.compare(values[pairs.first], values[pairs.second])
    return np.rint(angle / (factor.period / 2) * (BINS - 1)).astype(np.int64)


def _opposite_of(pairs: _Pairs, count: int) -> Callable[[Codes], _Opposite]:
    """Return a function: bins (p,) → for each object (n,), as in :class:`_Opposite`.

    Which views are farthest is the same for any bins, such as permuted ones, and is found once.
    """
    view = np.concatenate([pairs.first, pairs.second])
    distance = np.concatenate([pairs.distance, pairs.distance])
    total = np.maximum(np.bincount(view, minlength=count), 1)
    farthest = np.zeros(count)
    np.maximum.at(farthest, view, distance)
    # Of views equally far, each counts for its part.
    last = np.flatnonzero(distance == farthest[view])
    of_last = view[last]
    ties = np.maximum(np.bincount(of_last, minlength=count), 1)

    def opposite(bins: Codes) -> _Opposite:
        there = np.tile(bins == BINS - 1, 2)
        among = np.bincount(view, weights=there, minlength=count)
        hits = np.bincount(of_last, weights=there[last], minlength=count)
        return _Opposite(hits / ties, among / total, among > 0)

    return opposite


def _intervals(
    pairs: _Pairs, bins: Codes, groups: Groups, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the curve with its interval.

    Groups are drawn with replacement; a pair counts as often as its group, or as the product of its two.
    """
    tables = [_by_group(pairs, bins, part, groups) for part in (pairs.distance, np.ones(len(bins)))]

    def curves(weight: NDArray[np.float64]) -> NDArray[np.float64]:
        return ratio(*(_weighted(table, weight) for table in tables))

    curve: NDArray[np.float64] = curves(np.ones((1, groups.count)))[0]
    if groups.count < 2:
        return curve, np.full(BINS, math.nan), np.full(BINS, math.nan)
    samples = np.concatenate([curves(_weights(drawn, groups.count)) for drawn in draws(groups.count, seed)])
    low, high = (_percentile(samples, tail) for tail in expanded_percentiles(groups.count))
    return curve, low, high


def _by_group(pairs: _Pairs, bins: Codes, values: NDArray[np.float64], groups: Groups) -> _Table:
    """Return sums of the pairs' values in each bin: inside each group, and between each two."""
    one, other = groups.group[pairs.first], groups.group[pairs.second]
    inside = one == other
    within = np.zeros((groups.count, BINS))
    np.add.at(within, (one[inside], bins[inside]), values[inside])
    between = []
    for number in range(BINS):
        here = ~inside & (bins == number)
        shape = (groups.count, groups.count)
        between.append(coo_array((values[here], (one[here], other[here])), shape=shape).tocsr())
    return within, between


def _weighted(table: _Table, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums (rows, bins) when groups are weighted by each row of ``weight``."""
    within, between = table
    sums = np.stack([(weight * (weight @ sums)).sum(1) for sums in between], axis=1)
    total: NDArray[np.float64] = weight @ within + sums
    return total


def _weights(drawn: Codes, count: int) -> NDArray[np.float64]:
    """Return how often each group was drawn (rows, groups)."""
    place = drawn + count * np.arange(len(drawn))[:, None]
    counted = np.bincount(place.reshape(-1), minlength=count * len(drawn))
    return counted.reshape(len(drawn), count).astype(np.float64)


def _percentile(samples: NDArray[np.float64], tail: float) -> NDArray[np.float64]:
    """Return the percentile of each column without its NaN; NaN for a column of NaN only."""
    known = [column[np.isfinite(column)] for column in samples.T]
    return np.array([np.quantile(column, tail) if len(column) else math.nan for column in known])
