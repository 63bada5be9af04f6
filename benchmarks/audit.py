"""How well an audit's figures predict what is found of another, independent planting; and its time.

python benchmarks/audit.py STORE… [--space S] [--repeats 50] [--objects 100]
python benchmarks/audit.py --vectors 100000 [--dimension 2048]
"""

from __future__ import annotations

import argparse
import io
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from objectspace.analyses.audit.calibration import FIRST, Planted, Share, best_threshold, places, share_of
from objectspace.analyses.audit.copy_rule import fit_copy_rule, judge_held_out
from objectspace.analyses.audit.label_margins import LabelEvidence, Margins
from objectspace.analyses.audit.label_model import LabelDraw, LabelModel, judge_draws, judge_draws_held_out
from objectspace.analyses.audit.labels import audit_labels, draw_swaps, in_two_groups
from objectspace.analyses.audit.outliers import LocalOutlierFactor
from objectspace.analyses.groups import codes
from objectspace.neighbors import ExactIndex, Neighbors
from objectspace.search import default_space
from objectspace.search.audit.copies import CopyDifferences
from objectspace.search.audit.embedding import PlantEmbedder
from objectspace.search.audit.neighborhood import K, Neighborhood
from objectspace.search.audit.photos import compare_photos, find_photo_copies
from objectspace.search.audit.planting import find_strangers, plant, sample_objects
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


@dataclass(frozen=True)
class Planting:
    """Cases that were planted at once: kind and group (m,), and what each looks like (m,) or (m, 3)."""

    kind: np.ndarray
    group: np.ndarray
    seen: np.ndarray

    def half(self, random: np.random.Generator) -> Planting:
        """Return the cases of a random half of the groups."""
        groups = np.unique(self.group)
        rows = np.isin(self.group, random.choice(groups, len(groups) // 2, replace=False))
        return Planting(self.kind[rows], self.group[rows], self.seen[rows])


@dataclass(frozen=True)
class LabelPlanting:
    """Labels of objects in groups (m,) that were swapped at once, and the margins of the given ones."""

    draws: list[LabelDraw]
    given: Margins
    group: np.ndarray

    @property
    def kind(self) -> np.ndarray:
        """The ways in which labels were swapped."""
        return np.array([draw.kind for draw in self.draws], object)

    def half(self, random: np.random.Generator) -> LabelPlanting:
        """Return the objects of a random half of the groups."""
        groups = np.unique(self.group)
        rows = np.isin(self.group, random.choice(groups, len(groups) // 2, replace=False))
        draws = [LabelDraw(one.kind, one.margins.take(rows), one.swapped[rows]) for one in self.draws]
        return LabelPlanting(draws, self.given.take(rows), self.group[rows])


#: Of a planting and another one, the cases of both as the first one's list ranks them, and the unplanted.
Judge = Callable[[Any, Any], tuple[Planted, Planted, np.ndarray]]


def check(store: Store, space: str, count: int, repeats: int) -> None:
    """Plant :data:`PLANTINGS` times, and print how often one's intervals hold what another one finds.

    Each planting draws objects, photos and changes anew. Each repetition takes half of the images of two of
    them: what is learned, threshold and intervals are the first half's, and what it finds of the second is
    counted.
    """
    opened = store.stored_space(space)
    image = store.object_columns(["image_id"], space)["image_id"].astype(np.str_)
    ids = np.asarray(opened.object_id, np.str_)
    print(f"{store.path.name}, {space}: {len(ids)} objects of {len(set(image.tolist()))} photos", flush=True)
    seeds = range(101, 101 + PLANTINGS)
    photo = check_photos(store, image, count, repeats, seeds)
    near, embedder = Neighborhood(opened, np.arange(len(ids)), image), PlantEmbedder(store, space)
    row = store.object_rows(space)
    factor, copies = LocalOutlierFactor(near.near), CopyDifferences(store, row, near, photo=photo)
    for name, make in (("copies", copies_of), ("strangers", strangers_of)):
        found = []
        for seed in seeds:
            sample = sample_objects(store, ids, image, count=count, seed=seed)
            planted = plant(embedder, sample, make, seed=seed, progress=lambda photos: None)
            if name == "copies":
                numbers = copies.to_originals(near.nearest(planted.vectors), planted.pictures, planted.row)
                found.append(Planting(planted.kind, image[planted.row], numbers))
            else:
                strangers = find_strangers(near, planted, factor)
                found.append(Planting(strangers.kind, strangers.group, strangers.suspicion))
        judge = by_rule(copies) if name == "copies" else by_score(factor.factors(near.near))
        print_check(name, found, judge, repeats)
    check_labels(store, space, near, repeats, seeds)


def check_photos(
    store: Store, image: np.ndarray, count: int, repeats: int, seeds: Sequence[int]
) -> np.ndarray:
    """Check copies of photos, and return a number for each object's photo (n,), one for all its copies."""
    images = store.images()
    photos = compare_photos(images, lambda photos: None)
    readable = [images[row] for row in photos.rows]
    made = [
        find_photo_copies(readable, photos, count=count, seed=seed, progress=lambda photos: None)
        for seed in seeds
    ]
    found = [Planting(one.planted.kind, one.planted.group, one.planted.suspicion) for one in made]
    print_check("photos", found, by_score(-made[0].photos.difference), repeats)
    return made[0].numbers(image)


def check_labels(store: Store, space: str, near: Neighborhood, repeats: int, seeds: Sequence[int]) -> None:
    """Check wrong labels, where there are two labels or more in two photos each."""
    label = store.object_columns(["label"], space)["label"].astype(str)
    own, photo = codes(label), codes(near.image)
    judged = in_two_groups(own, photo)
    if len(set(own[judged].tolist())) < 2:
        return
    evidence = LabelEvidence(near.vectors, near.near, photo, int(own.max()) + 1)
    given = evidence.margins(own).take(judged)
    found = [
        LabelPlanting(draw_swaps(evidence, own, photo, judged, seed), given, near.image[judged])
        for seed in seeds
    ]
    print_check("labels", found, judge_labels, repeats)


def judge_labels(first: LabelPlanting, second: LabelPlanting) -> tuple[Planted, Planted, np.ndarray]:
    """Judge labels by what the first planting teaches, its own each by its other draws."""
    model = LabelModel(first.draws)
    other = judge_draws(second.draws, [model] * len(second.draws), second.group)
    return judge_draws_held_out(first.draws, first.group), other, model.probability(first.given)


def by_rule(copies: CopyDifferences) -> Judge:
    """Judge copies by the rule that is learned from the first planting, and each of its own held out."""
    strangers = copies.strangers

    def judge(first: Planting, second: Planting) -> tuple[Planted, Planted, np.ndarray]:
        rule = fit_copy_rule(first.seen, strangers)
        own = -judge_held_out(first.seen, first.group, strangers)
        copies.judge_by(rule)
        planted = [
            ranked(one, suspicion, -copies.difference)
            for one, suspicion in ((first, own), (second, -rule.differences(second.seen)))
        ]
        return planted[0], planted[1], -copies.stranger_difference

    return judge


def by_score(unplanted: np.ndarray) -> Judge:
    """Judge cases by a score that nothing is learned for."""

    def judge(first: Planting, second: Planting) -> tuple[Planted, Planted, np.ndarray]:
        return ranked(first, first.seen, unplanted), ranked(second, second.seen, unplanted), unplanted

    return judge


def ranked(planting: Planting, suspicion: np.ndarray, among: np.ndarray) -> Planted:
    """Return planted cases with their places."""
    return Planted(planting.kind, suspicion, planting.group, places(suspicion, among))


def print_check(name: str, found: list[Any], judge: Judge, repeats: int) -> None:
    """Print what the first planting predicts and the second one finds, and how often intervals hold."""
    kinds = ["all", *dict.fromkeys(found[0].kind.tolist())]
    random = np.random.default_rng(0)
    held: dict[str, list[list[bool]]] = {kind: [] for kind in kinds}
    for _ in range(repeats):
        one, other = (found[row].half(random) for row in random.choice(len(found), 2, replace=False))
        for kind, (predicted, seen) in compared(name, judge(one, other), kinds).items():
            held[kind].append([a.low <= b.value <= a.high for a, b in zip(predicted, seen, strict=True)])
    for kind, figures in compared(name, judge(found[0], found[1]), kinds).items():
        pairs = " | ".join(
            f"{predicted.value:.2f} ({predicted.low:.2f} to {predicted.high:.2f}) | {other.value:.2f} | "
            f"{share:.2f}"
            for predicted, other, share in zip(*figures, np.mean(held[kind], axis=0), strict=True)
        )
        print(f"| {f'{name}: all' if kind == 'all' else kind} | {pairs} |", flush=True)


def compared(
    name: str, judged: tuple[Planted, Planted, np.ndarray], kinds: list[str]
) -> dict[str, list[list[Share]]]:
    """Return by kind the shares that the first cases predict and those that the others show."""
    first, second, unplanted = judged
    threshold = best_threshold(first.suspicion, unplanted, often_real=name in ("photos", "copies"))
    return {kind: [shares(one, kind, threshold) for one in (first, second)] for kind in kinds}


def shares(planted: Planted, kind: str, threshold: float) -> list[Share]:
    """Return the share within the threshold and the share in the first tenth."""
    here = np.ones(len(planted), bool) if kind == "all" else planted.kind == kind
    hits = planted.suspicion[here] >= threshold, planted.place[here] < FIRST[-1]
    return [share_of(hit, planted.group[here], again=True) for hit in hits]


def time_steps(count: int, dimension: int) -> None:
    """Print the seconds of the steps and the peak of memory on random vectors and thumbnails of 20 labels."""
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
    near = timed("neighbors", lambda: index.nearest_of_all(k=K))
    timed("outliers", lambda: LocalOutlierFactor(near).factors(near))
    timed("labels", lambda: audit_labels(vectors, near, label.astype(str).astype(object), image))
    row, stored = np.arange(count), RandomThumbnails()
    timed("thumbnails", lambda: stored.thumbnails_at(row))
    timed("thumbnails and copies", lambda: CopyDifferences(stored, row, Found(near, image)))  # type: ignore[arg-type]
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


@dataclass(frozen=True)
class Found:
    """Neighbors (n, k) that were found before, and the image (n,) of each object."""

    near: Neighbors
    image: np.ndarray


class RandomThumbnails:
    """A store of which only thumbnails are asked for: random colors that vary over a fifth of a picture."""

    def thumbnails_at(self, rows: np.ndarray) -> list[bytes]:
        """Return a JPEG of 96 x 96 pixels for each object."""
        made = []
        for row in rows.tolist():
            colors = np.random.default_rng(row).integers(0, 256, (5, 5, 3), np.uint8)
            stream = io.BytesIO()
            PIL.Image.fromarray(colors).resize((96, 96), PIL.Image.Resampling.BICUBIC).save(stream, "JPEG")
            made.append(stream.getvalue())
        return made


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
