"""How well an audit's figures predict what is found of another, independent planting; and its time.

python benchmarks/audit.py STORE… [--space S] [--repeats 50] [--objects 100]
python benchmarks/audit.py --vectors 100000 [--dimension 2048]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from objectspace.analyses.audit.calibration import FIRST, Planted, Share, best_threshold, share_of
from objectspace.analyses.audit.labels import audit_labels
from objectspace.analyses.audit.outliers import LocalOutlierFactor
from objectspace.neighbors import ExactIndex
from objectspace.search import default_space
from objectspace.search.audit.copies import CopyDifferences
from objectspace.search.audit.embedding import PlantEmbedder
from objectspace.search.audit.neighborhood import K, Neighborhood
from objectspace.search.audit.planting import find_copies, find_strangers, plant, sample_objects
from objectspace.search.audit.plants import copies_of, strangers_of
from objectspace.store import Store, open_store

#: How often cases are planted in a store, each time anew.
PLANTINGS = 4


def main() -> None:
    """Print a table for each store, or the seconds of each step on random vectors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stores", nargs="*", type=Path)
    parser.add_argument("--space")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--objects", type=int, default=100)
    parser.add_argument("--vectors", type=int)
    parser.add_argument("--dimension", type=int, default=2048)
    asked = parser.parse_args()
    if asked.vectors:
        time_steps(asked.vectors, asked.dimension)
    for path in asked.stores:
        store = open_store(path)
        check(store, asked.space or default_space(store), asked.objects, asked.repeats)


def check(store: Store, space: str, count: int, repeats: int) -> None:
    """Plant :data:`PLANTINGS` times, and print how often one's intervals hold what another one finds.

    Each planting draws objects, photos and changes anew. Each repetition takes half of the images of two of
    them: threshold and intervals are the first half's, and what it finds of the second is counted.
    """
    opened = store.stored_space(space)
    image = store.object_columns(["image_id"], space)["image_id"].astype(np.str_)
    ids = np.asarray(opened.object_id, np.str_)
    near, embedder = Neighborhood(opened, np.arange(len(ids)), image), PlantEmbedder(store, space)
    factor, copies = LocalOutlierFactor(near.near), CopyDifferences(store, ids, near)
    unplanted = {"copies": -copies.difference, "strangers": factor.factors(near.near)}
    print(f"{store.path.name}, {space}: {len(ids)} objects of {len(set(image.tolist()))} photos")
    for name, make in (("copies", copies_of), ("strangers", strangers_of)):
        found = []
        for seed in range(101, 101 + PLANTINGS):
            sample = sample_objects(store, ids, image, count=count, seed=seed)
            planted = plant(embedder, sample, make, seed=seed, progress=lambda photos: None)
            found.append(
                find_copies(near, copies, planted)
                if name == "copies"
                else find_strangers(near, planted, factor)
            )
        print_check(name, found, unplanted[name], repeats)


def print_check(name: str, found: list[Planted], unplanted: np.ndarray, repeats: int) -> None:
    """Print what the first planting predicts and the second one finds, and how often intervals hold."""
    often_real = name == "copies"
    threshold = best_threshold(found[0].suspicion, unplanted, often_real=often_real)
    for kind in ("all", *dict.fromkeys(found[0].kind.tolist())):
        figures = [shares(one, kind, threshold) for one in found[:2]]
        held = repeated(found, unplanted, kind, repeats, often_real)
        pairs = " | ".join(
            f"{predicted.value:.2f} ({predicted.low:.2f} to {predicted.high:.2f}) | {other.value:.2f} | "
            f"{share:.2f}"
            for predicted, other, share in zip(*figures, held, strict=True)
        )
        print(f"| {f'{name}: all' if kind == 'all' else kind} | {pairs} |", flush=True)


def shares(planted: Planted, kind: str, threshold: float) -> list[Share]:
    """Return the share within the threshold and the share in the first tenth."""
    here = np.ones(len(planted), bool) if kind == "all" else planted.kind == kind
    hits = planted.suspicion[here] >= threshold, planted.place[here] < FIRST[-1]
    return [share_of(hit, planted.group[here], again=True) for hit in hits]


def repeated(
    found: list[Planted], unplanted: np.ndarray, kind: str, repeats: int, often_real: bool
) -> np.ndarray:
    """Return how often the interval of half of a planting holds what half of another one finds."""
    random, held = np.random.default_rng(0), []
    for _ in range(repeats):
        first, second = random.choice(len(found), 2, replace=False)
        one, other = half_of(found[first], random), half_of(found[second], random)
        threshold = best_threshold(one.suspicion, unplanted, often_real=often_real)
        pairs = zip(shares(one, kind, threshold), shares(other, kind, threshold), strict=True)
        held.append([predicted.low <= seen.value <= predicted.high for predicted, seen in pairs])
    return np.mean(held, axis=0)


def half_of(planted: Planted, random: np.random.Generator) -> Planted:
    """Return the cases of a random half of the images."""
    images = np.unique(planted.group)
    rows = np.isin(planted.group, random.choice(images, len(images) // 2, replace=False))
    return Planted(planted.kind[rows], planted.suspicion[rows], planted.group[rows], planted.place[rows])


def time_steps(count: int, dimension: int) -> None:
    """Print the seconds of the neighbors and of the labels' list on random vectors of 20 labels."""
    random = np.random.default_rng(0)
    label = random.integers(0, 20, count)
    centers = random.standard_normal((20, dimension)).astype(np.float32)
    vectors = centers[label]
    for start in range(0, count, 8192):
        vectors[start : start + 8192] += 2 * random.standard_normal(
            vectors[start : start + 8192].shape, np.float32
        )
    image = (np.arange(count) // 5).astype(str)
    index = ExactIndex(vectors, np.arange(count), metric="cosine", groups=image)
    near = timed("neighbors", lambda: index.nearest(vectors, k=K, query_groups=image))
    timed("outliers", lambda: LocalOutlierFactor(near).factors(near))
    timed("labels", lambda: audit_labels(vectors, near, label.astype(str).astype(object), image))


def timed(name: str, step: Callable[[], Any]) -> Any:
    """Return what a step gives, and print its seconds by the clock and of all cores."""
    start, used = time.perf_counter(), time.process_time()
    value = step()
    print(
        f"{name}: {time.perf_counter() - start:.1f} s, {time.process_time() - used:.1f} s of cores",
        flush=True,
    )
    return value


if __name__ == "__main__":
    main()
