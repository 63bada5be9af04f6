"""The two routes apart and together, and their controls, on indexed stores: docs/both-routes.md's tables.

python tools/both_routes.py labels PHOTOS.osp                crops, windows, both, controls, weights, missing
python tools/both_routes.py factors WORLD.osp label yaw=360  what each part brings of known factors
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factors import FactorSpec, align
from objectspace.analyses.statistics import mean_interval
from objectspace.embeddings.joint import BOTH, joint_parts
from objectspace.embeddings.spaces import Space
from objectspace.jobs.join import mean_between_images
from objectspace.neighbors import Block, JointVectors, Part
from objectspace.store import Store, open_store

Parts = Mapping[str, tuple[str, ...]]

K = 5
LABEL = FactorSpec("label")


def main() -> None:
    """Print the tables of one store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=["labels", "factors"])
    parser.add_argument("store")
    parser.add_argument("factors", nargs="*", metavar="FACTOR[=PERIOD]")
    parser.add_argument(
        "--categorical", action="append", default=[], metavar="FACTOR", help="numbers as names"
    )
    asked = parser.parse_args()
    store = open_store(asked.store)
    crop, window = (part.spaces for part in joint_parts(store.recipe(BOTH)))
    if asked.table == "labels":
        print_labels(store, crop, window)
    else:
        print_factors(store, crop, window, [_spec(text, asked.categorical) for text in asked.factors])


def _spec(text: str, categorical: Sequence[str]) -> FactorSpec:
    name, _, period = text.partition("=")
    return FactorSpec(name, circular=float(period) if period else None, categorical=name in categorical)


def print_labels(store: Store, crop: tuple[str, ...], window: tuple[str, ...]) -> None:
    """Print purity at 5 of the parts, of both and of every control, and the paired gains over photos."""
    both = {"crop": crop, "window": window}
    base = {name: _purity(store, {name: spaces}) for name, spaces in both.items()}
    together = _purity(store, both)
    print("| space | purity at 5 | 95 % interval | both minus it | 95 % interval, paired over photos |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, one in (*base.items(), ("**both**", together)):
        _print_row(name, one, together)
    for name, parts in _controls(store, crop, window).items():
        _print_row(name, _purity(store, parts), together)
    print(
        "\n| a missing part counts | purity at 5 | mean minus it | 95 % interval |"
        "\n| --- | ---: | ---: | ---: |"
    )
    zero = _purity(store, both, missing=0.0)
    print(f"| 0 | {zero.values.mean():.3f} | {_gain(zero, together)} |")
    print(f"| its mean between photos | {together.values.mean():.3f} | | |")
    print("\n| weight of the window, of 1 | purity at 5 |\n| ---: | ---: |")
    for tenth in range(11):
        weights = {"crop": 1 - tenth / 10, "window": tenth / 10}
        parts = {name: spaces for name, spaces in both.items() if weights[name] > 0}
        print(f"| {tenth / 10:.1f} | {_purity(store, parts, weights=weights).values.mean():.3f} |")
    print("\n| window | alone | both |\n| ---: | ---: | ---: |")
    for size in (1, 2, 3, 5):
        spaces = tuple(n for n in store.space_names if f"-window{size}-stride" in n)
        if spaces:
            alone, joined = (_purity(store, p) for p in ({"w": spaces}, {"crop": crop, "w": spaces}))
            print(f"| {size} x {size} | {alone.values.mean():.3f} | {joined.values.mean():.3f} |")
    print("\n| label | objects | crop | window | both |\n| --- | ---: | ---: | ---: | ---: |")
    labels, counts = np.unique(together.labels.astype(str), return_counts=True)
    for label, count in sorted(zip(labels.tolist(), counts.tolist(), strict=True), key=lambda one: -one[1])[
        :20
    ]:
        rows = together.labels == label
        figures = [one.values[rows].mean() for one in (*base.values(), together)]
        print(f"| {label} | {count} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |")
    gains = [_mean_gain(base, together, label) for label in labels]
    print(f"\nof {len(labels)} labels both is above the better part in {sum(g > 0 for g in gains)}, ", end="")
    print(f"below it in {sum(g < 0 for g in gains)}")


def _controls(store: Store, crop: tuple[str, ...], window: tuple[str, ...]) -> dict[str, Parts]:
    """Return the box's crop alone, beside the window, and beside the mask's, where the store has it."""
    boxes = tuple(n for n in store.space_names if "-crop-keep" in n)
    if not boxes:
        return {}
    return {
        "box crop": {"box": boxes},
        "box crop + window": {"box": boxes, "window": window},
        "control: mask + box crop, one encoder": {"crop": crop, "box": boxes},
    }


class Purity:
    """The agreement of each object's neighbors (n,), with its group and label, and chance."""

    def __init__(
        self,
        values: NDArray[np.float64],
        group: NDArray[np.int64],
        labels: NDArray[np.object_],
        chance: float,
    ) -> None:
        self.values, self.group, self.labels, self.chance = values, group, labels, chance


def _purity(
    store: Store,
    parts: Parts,
    *,
    weights: Mapping[str, float] | None = None,
    missing: float | None = None,
    spec: FactorSpec = LABEL,
) -> Purity:
    space = joined(store, parts, weights or {}, missing)
    sample = align(space, store.objects(space.object_id), spec)
    found = sample.agreement(sample.neighbors(K, "cosine"), permuted=1)
    return Purity(found.values, found.group, sample.labels, found.overall.chance)


def joined(store: Store, parts: Parts, weights: Mapping[str, float], missing: float | None) -> Space:
    """Return the joint space of some parts, one part too, of which the store knows nothing."""
    made = [
        Part(
            name,
            weights.get(name, 1.0),
            _pairs_mean(store, spaces) if missing is None else missing,
            tuple(_block(store, space) for space in spaces),
        )
        for name, spaces in parts.items()
    ]
    joint = JointVectors(made, len(store))
    recipe = store.recipe(BOTH)
    return Space("tried", recipe, store.objects().object_id, np.zeros((len(store), 1), np.float32), joint)


@cache
def _pairs_mean(store: Store, spaces: tuple[str, ...]) -> float:
    return mean_between_images(store, spaces)


@cache
def _block(store: Store, space: str) -> Block:
    rows = store.object_rows(space)
    order = np.argsort(rows)
    block = Block(store.space(space).vectors[order], rows[order]).take(rows[order])
    return replace(block, rows=rows[order])


def _print_row(name: str, one: Purity, together: Purity) -> None:
    low, high = mean_interval(one.values, one.group)
    row = f"| {name} | {one.values.mean():.3f} | {low:.3f} to {high:.3f} |"
    print(row + (f" {_gain(one, together)} |" if one is not together else " | |"))


def _gain(one: Purity, other: Purity) -> str:
    gain = other.values - one.values
    low, high = mean_interval(gain, one.group)
    return f"{gain.mean():+.3f} | {low:+.3f} to {high:+.3f}"


def _mean_gain(base: dict[str, Purity], together: Purity, label: str) -> float:
    rows = together.labels == label
    return float(together.values[rows].mean() - max(one.values[rows].mean() for one in base.values()))


def print_factors(
    store: Store, crop: tuple[str, ...], window: tuple[str, ...], specs: Sequence[FactorSpec]
) -> None:
    """Print each factor's agreement of neighbors in the parts and in both, and what both gains over them."""
    print("| factor | chance | crop | window | both | both minus crop | both minus window |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    kinds: dict[str, dict[str, tuple[str, ...]]] = {
        "crop": {"crop": crop},
        "window": {"window": window},
        "both": {"crop": crop, "window": window},
    }
    for spec in specs:
        found = {name: _purity(store, parts, spec=spec) for name, parts in kinds.items()}
        figures = " | ".join(f"{one.values.mean():.3f}" for one in found.values())
        gains = " | ".join(
            _gain(found[name], found["both"]).replace(" | ", " (") + ")" for name in ("crop", "window")
        )
        print(f"| {spec.factor} | {found['both'].chance:.3f} | {figures} | {gains} |")


if __name__ == "__main__":
    main()
