"""How often 95 % intervals hold what they should, and tests reject what is not: simulated stores of photos.

python tools/coverage.py --stores 200 --measure neighbors
python tools/coverage.py --stores 100 --measure probe

A store has photos of geometric sizes, or one that holds as many objects as all others together. Vectors, and
the values of a factor, have a part that is the photo's and a part of the object's own; with effect 0 the
vectors hold nothing of the factor. A Markdown table: coverage of the expected value (the mean of all stores)
by the bootstrap that keeps the store *fixed*, and by the interval that is printed; coverage of the expected
*excess* over chance; share of stores with p at most 0.05; the expected excess, as a multiple of the smallest
one that is found in 80 % of cases (the median of ``detectable``); stores without an interval.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from objectspace.analyses.agreement import measure_agreement
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.groups import Groups, make_groups
from objectspace.analyses.jackknife import make_blocks
from objectspace.analyses.nearest_neighbors import find_neighbors
from objectspace.analyses.probes import measure_probe
from objectspace.analyses.statistics import Estimate, bootstrap, estimate_mean, ratio

Float64 = NDArray[np.float64]

FACTORS = ("labels", "rare", "linear", "skewed", "circular", "photo")
SIZES = ("geometric", "one big")
PHOTOS = (8, 15, 30)
DIMENSION = 6
PERMUTED = 79


@dataclass(frozen=True)
class Scenario:
    """A design of stores.

    effect: how far the factor moves the vectors, by their deviation
    deviation: of the logarithm of a skewed factor
    """

    factor: str
    sizes: str
    photos: int
    effect: float
    deviation: float = 1.2

    def draw(self, seed: int) -> tuple[NDArray[np.float32], Factor, Groups]:
        """Return vectors, factor and groups of one store."""
        rng = np.random.default_rng([seed, 77])
        photo = np.repeat(np.arange(self.photos), _sizes(rng, self.sizes, self.photos))
        count = len(photo)
        own, each = rng.normal(size=self.photos)[photo], rng.normal(size=count)
        factor, target = _factor(rng, self.factor, own, each, self.deviation)
        vectors = (rng.normal(size=(self.photos, DIMENSION))[photo] + rng.normal(size=(count, DIMENSION))) / (
            math.sqrt(2)
        )
        vectors[:, : target.shape[1]] += self.effect * target
        return vectors.astype(np.float32), factor, make_groups(photo)


def _sizes(rng: np.random.Generator, kind: str, photos: int) -> NDArray[np.int64]:
    sizes = rng.geometric(1 / 6, photos)
    if kind == "one big":
        sizes[0] = sizes[1:].sum()
    return sizes


def _factor(
    rng: np.random.Generator, kind: str, own: Float64, each: Float64, deviation: float
) -> tuple[Factor, Float64]:
    """Return a factor with a part that is the photo's, and how it moves the vectors (n, t)."""
    latent = (own + each) / math.sqrt(2)
    if kind == "labels":
        values = np.floor(4 * ndtr(latent)).clip(0, 3)
        return Factor("f", "categorical", values, categories=tuple("abcd")), np.eye(4)[values.astype(int)]
    if kind == "rare":
        values = (latent > 1.3).astype(np.float64)
        return Factor("f", "categorical", values, categories=tuple("ab")), 2 * values[:, None]
    if kind == "circular":
        angle = np.mod(180 * own + 60 * each, 360)
        turn = np.radians(angle)
        return Factor("f", "circular", angle, 360.0), 1.2 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    values = {"linear": latent, "skewed": np.exp(deviation * latent), "photo": own}[kind]
    return Factor("f", "linear", values), (own if kind == "photo" else latent)[:, None]


def neighbors(vectors: NDArray[np.float32], factor: Factor, groups: Groups) -> tuple[Estimate, Estimate]:
    """Return the agreement of neighbors with the interval of a fixed store, and as it is printed."""
    ids = np.array([f"{row:06d}" for row in range(len(vectors))])
    labels = np.array(["thing"] * len(vectors), object)
    block = make_blocks(groups.group)
    near = find_neighbors(vectors, ids, groups, k=5, metric="euclidean", block=block)
    found = measure_agreement(near, factor, groups, labels, permuted=PERMUTED)
    return estimate_mean(found.values, np.zeros(len(vectors)), groups.group), found.overall


def probe(vectors: NDArray[np.float32], factor: Factor, groups: Groups) -> tuple[Estimate, Estimate] | None:
    """Return a probe's score with the interval that keeps its predictions fixed, and as it is printed."""
    found = measure_probe(vectors, factor, groups, permuted=PERMUTED)
    if found is None:
        return None
    sign = -1 if found.metric == "R2" else 1
    (bounds,) = bootstrap(found.parts, groups.group, lambda sums: (ratio(*sums) * sign)[None] + (sign < 0))
    score = found.score
    return Estimate(score.value, score.chance, *bounds, score.n, score.groups), score


MEASURES = {"neighbors": neighbors, "probe": probe}


@dataclass(frozen=True)
class Coverage:
    """What the intervals and tests of the stores of one scenario did."""

    before: float
    value: float
    excess: float
    rejected: float
    power: float
    stores: int
    without_interval: int


def cover(scenario: Scenario, measure: str, stores: int) -> Coverage:
    """Return the coverage over so many stores; those in which the factor has one value are drawn again."""
    pairs: list[tuple[Estimate, Estimate]] = []
    seed = 0
    while len(pairs) < stores:
        vectors, factor, groups = scenario.draw(seed)
        seed += 1
        if len(np.unique(factor.values)) > 1 and (pair := MEASURES[measure](vectors, factor, groups)):
            pairs.append(pair)
    value = float(np.mean([now.value for _, now in pairs]))
    excess = float(np.mean([now.value - now.chance for _, now in pairs]))
    there = [(old, now) for old, now in pairs if now.excess is not None]
    p = np.array([1.0 if now.p is None else now.p for _, now in pairs])
    detectable = np.array([math.nan if now.detectable is None else now.detectable for _, now in pairs])
    return Coverage(
        float(np.mean([old.low <= value <= old.high for old, _ in pairs])),
        float(np.mean([now.low <= value <= now.high for _, now in there])),
        float(np.mean([now.excess[0] <= excess <= now.excess[1] for _, now in there if now.excess])),
        float(np.mean(p <= 0.05)),
        abs(excess) / float(np.nanmedian(detectable)) if np.isfinite(detectable).any() else math.nan,
        len(pairs),
        len(pairs) - len(there),
    )


def main() -> None:
    """Print a row for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", choices=MEASURES, default="neighbors")
    parser.add_argument("--stores", type=int, default=200)
    parser.add_argument("--photos", type=int, nargs="+", default=PHOTOS)
    parser.add_argument("--factors", nargs="+", default=FACTORS)
    parser.add_argument("--effects", type=float, nargs="+", default=(0.0, 1.0))
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--deviation", type=float, default=1.2, help="of the logarithm of skewed values")
    given = parser.parse_args()
    print(
        "| photos | sizes | effect | factor | fixed | value | excess | p ≤ .05 | excess / detectable | n/a |"
    )
    print("| ---: | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for photos, sizes, effect, factor in product(given.photos, given.sizes, given.effects, given.factors):
        design = Scenario(factor, sizes, photos, effect, given.deviation)
        one = cover(design, given.measure, given.stores)
        numbers = (one.before, one.value, one.excess, one.rejected, one.power)
        cells = " | ".join(f"{number:.2f}" for number in numbers)
        print(
            f"| {photos} | {sizes} | {effect:g} | {factor} | {cells} | {one.without_interval} |", flush=True
        )


if __name__ == "__main__":
    main()
