"""Linear centered kernel alignment (CKA) of two spaces, unbiased and biased."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from objectspace.analyses.groups import Groups
from objectspace.analyses.statistics import Estimate
from objectspace.neighbors import BlockSource, JointVectors

Matrix = NDArray[np.float64]

#: More objects than this are sampled: a kernel matrix has a number for each pair.
MOST_OBJECTS = 4000
#: Parts that the jackknife leaves out in turn.
PARTS = 20


def measure_cka(
    first: NDArray[np.float32] | JointVectors | BlockSource,
    second: NDArray[np.float32] | JointVectors | BlockSource,
    groups: Groups,
    *,
    seed: int = 0,
) -> tuple[Estimate, float]:
    """Return the unbiased linear CKA of two spaces (n, d), (n, e), and the biased one.

    Kornblith et al., *Similarity of Neural Network Representations Revisited* (2019); the unbiased HSIC is
    that of Song et al. (2012, equation 4). The interval is a jackknife over 20 parts of whole groups, as
    objects drawn twice would bias HSIC again; p is of the same error, two-sided. NaN with fewer than four
    objects or without variance.
    """
    rng = np.random.default_rng([seed, 4])
    rows = np.arange(first.shape[0])
    if len(rows) > MOST_OBJECTS:
        rows = np.sort(rng.choice(len(rows), MOST_OBJECTS, replace=False))
    kept = groups.take(rows)
    part = rng.permutation(kept.count)[kept.group] % PARTS
    kernels = _kernel(np.asarray(first[rows])), _kernel(np.asarray(second[rows]))
    whole, without = _alignments(*kernels, part)
    low, high, p = _jackknife(whole, without)
    biased = _biased(*kernels)
    return Estimate(whole, 0.0, low, high, len(rows), kept.count, p, population="groups"), biased


@dataclass(frozen=True, slots=True)
class _Sums:
    """The sums in an unbiased HSIC of m objects: of K * L, and of each row of K and of L."""

    product: float
    rows: tuple[Matrix, Matrix]

    def hsic(self) -> float:
        """Return the unbiased HSIC (Song et al., equation 4); the diagonals of K and L count as 0."""
        first, second = self.rows
        count = len(first)
        mean = first.sum() * second.sum() / ((count - 1) * (count - 2))
        cross = 2 * float(first @ second) / (count - 2)
        return float(self.product + mean - cross) / (count * (count - 3))


def _alignments(first: Matrix, second: Matrix, part: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    """Return the alignment of all objects, and of all but each part in turn."""
    kernels = [kernel - np.diag(np.diag(kernel)) for kernel in (first, second)]
    parts = int(part.max(initial=0)) + 1
    member = np.eye(parts)[part]
    by_part = [kernel @ member for kernel in kernels]
    choices = ((0, 1), (0, 0), (1, 1))
    products = [member.T @ ((kernels[one] * kernels[other]) @ member) for one, other in choices]

    def alignment(kept: NDArray[np.bool_]) -> float:
        here = kept[part]
        if here.sum() < 4:
            return math.nan
        rows = [sums[here] @ kept for sums in by_part]
        terms = [
            _Sums(float(kept @ product @ kept), (rows[one], rows[other])).hsic()
            for product, (one, other) in zip(products, choices, strict=True)
        ]
        return terms[0] / math.sqrt(terms[1] * terms[2]) if min(terms[1:]) > 0 else math.nan

    everything = np.ones(parts, bool)
    without = [alignment(np.arange(parts) != one) for one in range(parts)]
    return alignment(everything), np.array(without)


def _jackknife(whole: float, without: NDArray[np.float64]) -> tuple[float, float, float | None]:
    """Return a 95 % interval and the p of 0 from leave-one-part-out values: Student's t, jackknife error."""
    parts = len(without)
    if parts < 2:
        return math.nan, math.nan, None
    error = math.sqrt((parts - 1) / parts * float(((without - without.mean()) ** 2).sum()))
    reach = float(-stdtrit(parts - 1, 0.025)) * error
    p = 2 * float(stdtr(parts - 1, -abs(whole) / error)) if error > 0 else None
    return whole - reach, whole + reach, p


def _biased(first: Matrix, second: Matrix) -> float:
    product, one, other = ((a * b).sum() for a, b in ((first, second), (first, first), (second, second)))
    return float(product / math.sqrt(one * other)) if one > 0 and other > 0 else math.nan


def _kernel(vectors: NDArray[np.float32]) -> Matrix:
    """Return the inner products of centered vectors of mean square length 1."""
    centered = vectors - vectors.mean(0, dtype=np.float64)
    kernel: Matrix = centered @ centered.T
    return kernel / (np.trace(kernel) / len(kernel) or 1.0)
