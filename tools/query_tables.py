"""What a mean and --unlike do on real photos: prints the tables of docs/search.md.

python tools/query_tables.py ../shared/real
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from objectspace.analyses.statistics import mean_interval
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.models.encoders import load_encoder
from objectspace.objects.annotations import open_annotations
from objectspace.objects.labels import read_names
from objectspace.pipeline.job import Job
from objectspace.search import Answer, Queries, SpaceSearch
from objectspace.store import open_store

#: Neighbors that are counted.
K = 10
#: Objects, each of another photo, that are one query together.
TOGETHER = (1, 2, 3, 5)


def main(real: Path) -> None:
    """Index the annotated photos, search, print."""
    weights, photos = real / "weights", real / "photos" / "coco128"
    job = Job(
        encoder=load_encoder("resnet50", weights=weights / "resnet50-imagenet.pth", precision="float32"),
        annotations=open_annotations(photos / "labels", names=read_names(weights / "coco.names")),
    )
    with tempfile.TemporaryDirectory() as folder:
        index(find_images([photos]), Path(folder) / "s.osp", job)
        store = open_store(Path(folder) / "s.osp")
        searches = [SpaceSearch(store, "resnet50-crop", metric=metric) for metric in ("euclidean", "cosine")]
    print("| metric | query | share of a's label | share of b's label | n |")
    print("| --- | --- | ---: | ---: | ---: |")
    for search in searches:
        print_unlike(search)
    print("\n| metric | objects in the query | share of their label | more than of one | n |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for search in searches:
        print_means(search)


def print_unlike(search: SpaceSearch) -> None:
    """Shares of both labels before and after the nearest object of another label is to be unlike."""
    ids = search.space.object_id.tolist()
    label = dict(zip(ids, search.objects.column("label").tolist(), strict=True))
    shares: dict[str, list[tuple[float, float]]] = {"a": [], "2 a - b": [], "a - b": []}
    photos = []
    for answer in search.nearest(search.stored(ids), k=K + 1):
        liked, near = str(answer.query.object_id[0]), answer.neighbors.object_id.tolist()
        wrong = next((name for name in near[:K] if label[name] != label[liked]), None)
        if wrong is None:
            continue
        one = search.mean(search.stored([liked]))
        moved = search.unlike(one, [wrong])
        plain = replace(moved, vectors=moved.vectors - one.vectors)
        found = {"a": [name for name in near if name != wrong]}
        for name, query in (("2 a - b", moved), ("a - b", plain)):
            (after,) = search.nearest(query, k=K)
            found[name] = after.neighbors.object_id.tolist()
        for name, others in found.items():
            labels = np.array([label[other] for other in others][:K])
            shares[name].append((np.mean(labels == label[liked]), np.mean(labels == label[wrong])))
        photos.append(str(answer.query.image_id[0]))
    for name, values in shares.items():
        own, other = (told(np.array(column), photos) for column in zip(*values, strict=True))
        print(f"| {search.metric} | {name} | {own} | {other} | {len(values)} |")


def print_means(search: SpaceSearch) -> None:
    """The share of their label among the nearest of one to five objects as one query, in the same photos."""
    shares: dict[int, list[float]] = {count: [] for count in TOGETHER}
    photos = []
    for members in fives(search):
        everything = search.stored(members)
        left_out = set(everything.objects.image_id.tolist())
        for count in TOGETHER:
            query: Queries = search.mean(search.stored(members[:count]))
            (answer,) = search.nearest(query, k=len(search), same_image=True)
            shares[count].append(share_of(answer, str(everything.objects.label[0]), left_out))
        photos.append(str(everything.objects.image_id[0]))
    for count, values in shares.items():
        gain = told(np.array(values) - shares[1], photos) if count > 1 else ""
        print(f"| {search.metric} | {count} | {told(np.array(values), photos)} | {gain} | {len(values)} |")


def fives(search: SpaceSearch) -> Iterator[list[str]]:
    """For each object whose label is in five other photos or more: it, and one of four of those photos."""
    objects, rng = search.store.objects(search.space.object_id), np.random.default_rng(0)
    for row in range(len(objects)):
        others = np.flatnonzero(
            (objects.label == objects.label[row]) & (objects.image_id != objects.image_id[row])
        )
        others = rng.permutation(others)
        _, first = np.unique(objects.image_id[others], return_index=True)
        if len(first) >= max(TOGETHER):
            chosen = others[np.sort(first)][: max(TOGETHER) - 1]
            yield objects.object_id[[row, *chosen]].tolist()


def share_of(answer: Answer, label: str, left_out: set[str]) -> float:
    """The share of a label among the nearest objects of photos that are not left out."""
    pairs = zip(answer.neighbors.label.tolist(), answer.neighbors.image_id.tolist(), strict=True)
    kept = [name == label for name, image_id in pairs if image_id not in left_out]
    return float(np.mean(kept[:K]))


def told(values: np.ndarray, photos: Sequence[str]) -> str:
    """The mean with its 95 % interval, a bootstrap over photos."""
    low, high = mean_interval(values, np.unique(photos, return_inverse=True)[1])
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
