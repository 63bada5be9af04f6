"""Cosine against Euclidean distance, space by space: docs/search.md's table.

python tools/metric_table.py COCO.osp:label WORLD.osp:label APPLES.osp:apple APPLES.osp:elevation

Purity at 5 by both, among other photos (an apple may have other views of it for neighbors), and
their paired difference, with a 95 % interval of a bootstrap over photos. Numbers count as names.
"""

from __future__ import annotations

import sys

import numpy as np

from objectspace.analyses.factors import AlignedSample, FactorSpec, align
from objectspace.analyses.statistics import mean_interval
from objectspace.embeddings.joint import JOINT
from objectspace.store import Store, open_store

K = 5


def main() -> None:
    """Print a row for each plain space of each STORE:FACTOR."""
    print("| store | factor | space | Euclidean | cosine | cosine - Euclidean (95 %) | n |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for text in sys.argv[1:]:
        path, _, factor = text.rpartition(":")
        store = open_store(path)
        for name in store.space_names:
            if store.recipe(name).route != JOINT:
                print(f"| {store.path.stem} | {factor} | {name} | {_row(store, name, factor)} |", flush=True)


def _row(store: Store, name: str, factor: str) -> str:
    space = store.space(name)
    sample = align(space, store.objects(space.object_id), FactorSpec(factor, categorical=True))
    far, near = (_purity(sample, metric) for metric in ("euclidean", "cosine"))
    low, high = mean_interval(near - far, sample.groups.group)
    difference = f"{(near - far).mean():+.3f} ({low:+.3f} to {high:+.3f})"
    return f"{far.mean():.3f} | {near.mean():.3f} | {difference} | {len(far)}"


def _purity(sample: AlignedSample, metric: str) -> np.ndarray:
    """Return the share of each object's five nearest that have its value (n,)."""
    return sample.agreement(sample.neighbors(K, metric), permuted=1).values


if __name__ == "__main__":
    main()
