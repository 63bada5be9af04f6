"""Which exact split of a distance over cells passes the deletion check: ways to share it out, side by side.

python benchmarks/explain.py STORE --space S [--pairs 60] [--strangers]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.explanation import (
    ORDERS,
    cover_orders,
    covered_cells,
    distance_total,
    measure_deletion,
)
from objectspace.analyses.statistics import Estimate
from objectspace.search import Queries, SpaceSearch, choose_targets
from objectspace.search.queries.cell_views import CellView, open_viewer
from objectspace.store import open_store

#: What heat is in proportion to, less what is the same for all cells of an object. The first two are exact
#: sums; the third is no explanation, as it does not know the second object, but a control of one.
SPLITS = ("product", "difference", "length of a cell")

METRICS = ("cosine", "euclidean")


def main() -> None:
    """Print a table: how far above chance each split drives two objects apart, and brings them together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--space", required=True)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument(
        "--strangers", action="store_true", help="random pairs, not an object and its nearest"
    )
    asked = parser.parse_args()
    search = SpaceSearch(open_store(asked.store), asked.space)
    areas: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    images = []
    for image, view, v, w in pairs(search, asked.pairs, asked.strangers):
        images.append(image)
        for name, heat in heats(view, v, w).items():
            for metric, row in curves(view, heat, w).items():
                areas.setdefault((name, metric), []).append(row)
    print(f"{asked.store.name}, {asked.space}, {asked.pairs} pairs", "of strangers" * asked.strangers)
    for (name, metric), rows in areas.items():
        made = measure_deletion(
            np.array(rows), np.array(images), space=asked.space, metric=metric, method="sum"
        )
        print(f"| {name} | {metric} | {above(made.apart)} | {above(made.together)} |", flush=True)


def pairs(
    search: SpaceSearch, count: int, strangers: bool
) -> Iterator[tuple[str, CellView, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield an object's image and view, its vector and that of another object."""
    viewer, random = open_viewer(search.store, search.space.name, "cpu"), np.random.default_rng(0)
    targets = search.stored(choose_targets(search, count))
    near = search.nearest(targets, k=len(search) if strangers else 1)
    for row, answer in enumerate(near):
        one = search.stored([str(targets.objects.object_id[row])])
        other = search.stored([str(answer.neighbors.object_id[random.integers(len(answer.neighbors))])])
        v, w = vector(one), vector(other)
        view = viewer.view(one.images[0], one.objects).made_to(v, search.space.name)
        yield str(one.objects.image_id[0]), view, v.astype(np.float64), w.astype(np.float64)


def vector(query: Queries) -> NDArray[np.float32]:
    """Return the vector (d,) of one object."""
    read: NDArray[np.float32] = np.asarray(query.vectors)[0]
    return read


def heats(view: CellView, v: NDArray[np.float64], w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the heat of the first object by each of SPLITS, for the cosine distance of v and w."""
    assert view.cells is not None
    cells, own, other = view.cells / np.linalg.norm(v), v / np.linalg.norm(v), w / np.linalg.norm(w)
    if view.layout:
        rows, columns, _ = cells.shape
        own, other = (one.reshape(-1, rows, columns).transpose(1, 2, 0) for one in (own, other))
    shares = (-(cells * other).sum(2), (cells * (own - other)).sum(2), -np.linalg.norm(cells, axis=2))
    return dict(zip(SPLITS, shares, strict=True))


def curves(
    view: CellView, heat: NDArray[np.float64], w: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the mean log of total / total uncovered in each of ORDERS, by metric."""
    covered = [covered_cells(order, view.shape) for order in cover_orders(heat, np.random.default_rng(0))]
    vectors = view.embed(np.concatenate([view.pixels[None], view.covered(np.concatenate(covered))]))
    found = {}
    for metric in METRICS:
        totals = distance_total(vectors, w, metric)
        logs = np.log(np.maximum(totals[1:] / totals[0], 1e-6))
        found[metric] = logs.reshape(len(ORDERS), -1).mean(1)
    return found


def above(estimate: Estimate) -> str:
    """Return ``+0.124 (+0.081 to +0.168)``: an estimate less its chance, and the interval of that."""
    low, high = estimate.interval_over_chance()
    return f"{estimate.value - estimate.chance:+.3f} ({low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    main()
