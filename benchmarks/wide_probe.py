"""What a probe of wide vectors loses by float32: its figures and CPU seconds in either precision.

    python benchmarks/wide_probe.py [--objects 3000] [--dimension 2304] [--permuted 19]

Ten labels and a number, in vectors that are noise and a center of each label; of few directions and half 0
(outputs of a ReLU); that all but lie on a line; and of features that are other than 0 in one object of 700.
One thread of BLAS: set ``OMP_NUM_THREADS=1``.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses import ridge
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.groups import make_groups
from objectspace.analyses.probes import Probe, measure_probe

PER_PHOTO, LABELS = 5, 10
KINDS = ("noise", "few directions", "a line", "rare features")
PRECISIONS = {"float64": 1 << 30, "float32": 0}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=3000)
    parser.add_argument("--dimension", type=int, default=2304)
    parser.add_argument("--permuted", type=int, default=19)
    options = parser.parse_args()
    print("| vectors | probe | precision | value | interval | chance | p | CPU s |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for kind in KINDS:
        random = np.random.default_rng(0)
        label = random.integers(0, LABELS, options.objects)
        vectors = vectors_of(kind, label, options.dimension, random)
        for factor in factors_of(vectors, label, random):
            for precision, single in PRECISIONS.items():
                ridge.SINGLE = single
                start = time.process_time()
                groups = make_groups(np.arange(options.objects) // PER_PHOTO)
                probe = measure_probe(vectors, factor, groups, permuted=options.permuted)
                assert probe is not None
                seconds = time.process_time() - start
                cells = [kind, probe.metric, precision, *figures(probe), f"{seconds:.1f}"]
                print("| " + " | ".join(cells) + " |", flush=True)


def vectors_of(
    kind: str, label: NDArray[np.int64], dimension: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """Return vectors (n, d) of labels (n,)."""
    noise = random.standard_normal((len(label), dimension), np.float32)
    if kind == "noise":
        return noise + 0.25 * random.standard_normal((LABELS, dimension), np.float32)[label]
    if kind == "a line":
        along = random.standard_normal(len(label)) + 0.1 * label
        return (5 * along[:, None] + 3 + 1e-3 * noise).astype(np.float32)
    if kind == "rare features":
        return np.maximum(noise - 3 + 0.3 * (label[:, None] == random.integers(0, LABELS, dimension)), 0)
    count = dimension // 4
    weights = np.arange(1, count + 1, dtype=np.float32) ** -0.7
    few = random.standard_normal((len(label), count), np.float32) * weights
    few[:, :LABELS] += 0.5 * (label[:, None] == np.arange(LABELS))
    return np.maximum(few @ random.standard_normal((count, dimension), np.float32) + 0.02 * noise, 0)


def factors_of(
    vectors: NDArray[np.float32], label: NDArray[np.int64], random: np.random.Generator
) -> list[Factor]:
    """Return the labels, and a sum of some of the vectors' numbers of whose variance a fifth is noise."""
    number = vectors[:, :40] @ random.standard_normal(40)
    number = number / number.std() + 0.5 * random.standard_normal(len(label))
    names = tuple(map(str, range(LABELS)))
    return [Factor("label", "categorical", label * 1.0, categories=names), Factor("x", "linear", number)]


def figures(probe: Probe) -> list[str]:
    """Return a probe's value, interval, chance and p as text."""
    score = probe.score
    interval = f"{score.low:.7f} to {score.high:.7f}"
    return [f"{score.value:.7f}", interval, f"{score.chance:.7f}", f"{score.p:.3f}"]


if __name__ == "__main__":
    main()
