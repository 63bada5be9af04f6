"""Chance and uncertainty: permutations that respect clusters, and the bootstrap over clusters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from objectspace.analyses.clusters import Clusters, Codes, codes

#: Resamples of the bootstrap, and permutations of a quick statistic.
RESAMPLES = 2000
PERMUTATIONS = 999

#: Numbers held at once while resampling.
_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and what it takes to read it.

    value: the figure, over ``n`` objects in ``clusters`` clusters
    chance: what it is on average where the vectors say nothing of the factor
    low, high: 95 % interval, by bootstrap over clusters; NaN with a single cluster
    p: one-sided, how often a permutation is at least as far on the better side of chance; NaN where not
    tested
    """

    value: float
    chance: float
    low: float
    high: float
    n: int
    clusters: int
    p: float = math.nan

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not known is null."""
        names = ("value", "chance", "low", "high", "p", "n", "clusters")
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
    numerator: NDArray[np.float64], denominator: NDArray[np.float64], cluster: Codes, *, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of ``numerator.sum() / denominator.sum()`` (n,), whole clusters drawn with replacement.

    The expanded percentile interval (Hesterberg, *What Teachers Should Know about the Bootstrap*, 2015):
    percentiles are taken as far out as Student's t asks for the number of clusters, as plain ones are too
    narrow with few clusters. NaN with fewer than two clusters.
    """
    own = codes(cluster)
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


def mean_interval(values: NDArray[np.float64], cluster: Codes, *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` (n,), as :func:`ratio_interval`."""
    return ratio_interval(values, np.ones(len(values)), cluster, seed=seed)


def draws(count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """RESAMPLES rows of ``count`` clusters each, drawn with replacement, a block of rows at a time."""
    rng = np.random.default_rng(seed)
    block = max(1, _AT_ONCE // count)
    for start in range(0, RESAMPLES, block):
        yield rng.integers(0, count, (min(block, RESAMPLES - start), count))


def expanded_percentiles(count: int) -> tuple[float, float]:
    """The percentiles of a 95 % interval over ``count`` clusters: 0.025 and 0.975 when there are many."""
    tail = float(ndtr(math.sqrt(count / (count - 1)) * stdtrit(count - 1, 0.025)))
    return tail, 1 - tail


def permutations(clusters: Clusters, count: int, *, seed: int = 0) -> Iterator[Codes]:
    """``count`` times the rows (n,) whose values the objects take under the null hypothesis.

    The hypothesis: what the vectors hold is independent of the factor. What keeps its dependence is kept
    together (block permutation; Winkler et al., *Multi-level block permutation*, 2015):

    - whole clusters exchange their values, so a factor that is constant in each cluster stays so;
    - inside a cluster photos exchange theirs in random order, and objects inside a photo; a factor that is
      constant in each photo stays so;
    - a value never leaves its level of the control, and only clusters with objects at the same levels are
      exchanged.

    Where the receiver is larger than the giver, the giver's values come round again; where it is smaller,
    some are left out. So the test is exact where clusters are of one size or constant, and approximate
    elsewhere; the share of a value may then change, so statistics are compared less their own chance.
    """
    rng = np.random.default_rng([seed, 1])
    tree = _Tree(clusters)
    for _ in range(count):
        yield tree.draw(rng)


class _Tree:
    """Clusters of blocks (a cluster at one level of the control) of photos of objects."""

    def __init__(self, clusters: Clusters) -> None:
        self.block = _pair_codes(clusters.cluster, clusters.level)
        self.photo = _pair_codes(self.block, clusters.image)
        self.photos = _Segments(_parents(self.photo, self.block))
        self.objects = _Segments(self.photo)
        cluster_of_block = _parents(self.block, clusters.cluster)
        self.blocks = _Segments(cluster_of_block)
        self.like = codes_of_sets(cluster_of_block, _parents(self.block, clusters.level))

    def draw(self, rng: np.random.Generator) -> Codes:
        """Each object's giver: from cluster to block to photo to object."""
        giver = np.empty_like(self.like)
        giver[np.argsort(self.like, kind="stable")] = _shuffled(self.like, rng)
        # Clusters that are exchanged have the same levels, in the same order.
        block = self.blocks.start[giver[self.blocks.parent]] + self.blocks.rank
        photo = self.photos.give(block, rng)
        return self.objects.give(photo, rng)


class _Segments:
    """The children of each parent: ``parent`` (children,) is the number of each child's parent."""

    def __init__(self, parent: Codes) -> None:
        self.parent = parent
        self.size = np.bincount(parent)
        self.start = np.cumsum(self.size) - self.size
        self.rank = np.empty_like(parent)
        order = np.argsort(parent, kind="stable")
        self.rank[order] = np.arange(len(parent)) - self.start[parent[order]]

    def give(self, giver: Codes, rng: np.random.Generator) -> Codes:
        """The child that gives to each child, when parent p takes from the children of ``giver[p]``."""
        source = giver[self.parent]
        child: Codes = _shuffled(self.parent, rng)[self.start[source] + self.rank % self.size[source]]
        return child


def _shuffled(parent: Codes, rng: np.random.Generator) -> Codes:
    """Children sorted by parent, in random order within each."""
    return np.argsort(parent + rng.random(len(parent)))


def _pair_codes(first: Codes, second: Codes) -> Codes:
    """Numbers of the pairs, in the order of the first, then the second."""
    return codes(first * (int(second.max(initial=0)) + 1) + second)


def _parents(child: Codes, parent: Codes) -> Codes:
    """The parent of each child number, from the parents of the objects."""
    owner = np.zeros(int(child.max(initial=-1)) + 1, np.int64)
    owner[child] = parent
    return owner


def codes_of_sets(owner: Codes, member: Codes) -> Codes:
    """A number for each owner, the same for owners of the same set of members."""
    sets: list[list[int]] = [[] for _ in range(int(owner.max(initial=-1)) + 1)]
    for one, other in zip(owner.tolist(), member.tolist(), strict=True):
        sets[one].append(other)
    numbers: dict[tuple[int, ...], int] = {}
    return np.array([numbers.setdefault(tuple(sorted(set_)), len(numbers)) for set_ in sets], np.int64)
