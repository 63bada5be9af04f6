"""The two routes apart and together, and their controls, on indexed stores: docs/both-routes.md's tables.

python tools/both_routes.py labels PHOTOS.osp                crops, windows, both, controls, weights, missing
python tools/both_routes.py planted PHOTOS.osp               planted wrong labels in the first tenth of a list
python tools/both_routes.py factors WORLD.osp label yaw=360  what each part brings of known factors
python tools/both_routes.py redraw OTHER 300 7               the drawn world once more, on other backgrounds
python tools/both_routes.py surroundings WORLD.osp OTHER.osp what changes with the background alone
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.analyses.factors import AlignedSample, FactorSpec, align
from objectspace.analyses.nearest_neighbors import NearestNeighbors
from objectspace.analyses.statistics import mean_interval
from objectspace.embeddings.joint import BOTH, joint_parts
from objectspace.embeddings.spaces import Space
from objectspace.jobs.join import mean_between_images
from objectspace.neighbors import Block, JointIndex, JointVectors, Part
from objectspace.scenes.world import draw_plan, plan_scene
from objectspace.scenes.world.backgrounds import BACKGROUNDS
from objectspace.scenes.world.world_files import write_world
from objectspace.store import Store, open_store

Parts = Mapping[str, tuple[str, ...]]
Values = NDArray[np.float64]

K = 5
LABEL = FactorSpec("label")
LISTED = 20  # labels

# Planted wrong labels: the share of objects that get one, and how often all is drawn anew.
PLANTED, DRAWS = 0.05, 40


def main() -> None:
    """Print the tables of one store, or draw what one of them needs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=["labels", "planted", "factors", "redraw", "surroundings"])
    parser.add_argument("store")
    parser.add_argument("rest", nargs="*")
    parser.add_argument(
        "--categorical", action="append", default=[], metavar="FACTOR", help="numbers as names"
    )
    asked = parser.parse_args()
    if asked.table == "redraw":
        redraw_world(Path(asked.store), *map(int, asked.rest))
        return
    store = open_store(asked.store)
    crop, window = (part.spaces for part in joint_parts(store.recipe(BOTH)))
    both = {"crop": crop, "window": window}
    if asked.table == "labels":
        print_labels(store, both)
    elif asked.table == "planted":
        print_planted(store, both)
    elif asked.table == "surroundings":
        print_surroundings(store, open_store(asked.rest[0]), both)
    else:
        print_factors(store, both, [_spec(text, asked.categorical) for text in asked.rest])


def _spec(text: str, categorical: Sequence[str]) -> FactorSpec:
    name, _, period = text.partition("=")
    return FactorSpec(name, circular=float(period) if period else None, categorical=name in categorical)


# Purity


@dataclass(frozen=True)
class Purity:
    """The agreement of each object's neighbors (n,), with its group and label, and chance."""

    values: Values
    group: NDArray[np.int64]
    labels: NDArray[np.object_]
    chance: float

    @property
    def mean(self) -> float:
        """Purity at 5."""
        return float(self.values.mean())


def _purity(
    store: Store,
    parts: Parts,
    *,
    weights: Mapping[str, float] | None = None,
    missing: float | None = None,
    spec: FactorSpec = LABEL,
) -> Purity:
    sample = _sample(store, parts, weights=weights, missing=missing, spec=spec)
    found = sample.agreement(sample.neighbors(K, "cosine"), permuted=1)
    return Purity(found.values, found.group, sample.labels, found.overall.chance)


def _sample(
    store: Store,
    parts: Parts,
    *,
    weights: Mapping[str, float] | None = None,
    missing: float | None = None,
    spec: FactorSpec = LABEL,
) -> AlignedSample:
    """Return the objects of a joint space of some parts, one part too, of which the store knows nothing."""
    joint = joined(store, parts, weights or {}, missing)
    objects = store.objects()
    space = Space("tried", store.recipe(BOTH), objects.object_id, joint)
    return align(space, objects, spec)


def joined(store: Store, parts: Parts, weights: Mapping[str, float], missing: float | None) -> JointVectors:
    """Return the vectors of a joint space of some parts; ``missing``: None for each part's mean."""
    made = [
        Part(
            name,
            weights.get(name, 1.0),
            _pairs_mean(store, spaces) if missing is None else missing,
            tuple(_block(store, space) for space in spaces),
        )
        for name, spaces in parts.items()
    ]
    return JointVectors(made, len(store))


@cache
def _pairs_mean(store: Store, spaces: tuple[str, ...]) -> float:
    return mean_between_images(store, spaces)


@cache
def _block(store: Store, space: str) -> Block:
    rows = store.object_rows(space)
    order = np.argsort(rows)
    block = Block(store.space(space).vectors[order], rows[order]).take(rows[order])
    return replace(block, rows=rows[order])


def _interval(values: Values, group: NDArray[np.int64], sign: str = "") -> str:
    low, high = mean_interval(values, group)
    return f"{low:{sign}.3f} to {high:{sign}.3f}"


def _gain(one: Purity, other: Purity) -> str:
    """Return what ``other`` gains over one, with its interval paired over photos."""
    gain = other.values - one.values
    return f"{gain.mean():+.3f} ({_interval(gain, one.group, '+')})"


# Labels


def print_labels(store: Store, both: Parts) -> None:
    """Print purity at 5 of the parts, of both and of every control, and the paired gains over photos."""
    base = {name: _purity(store, {name: spaces}) for name, spaces in both.items()}
    together = _purity(store, both)
    print("| space | purity at 5 | 95 % interval | both minus it, paired over photos |")
    print("| --- | ---: | ---: | ---: |")
    for name, one in (*base.items(), ("**both**", together)):
        _print_row(name, one, together)
    for name, parts in _controls(store, both).items():
        _print_row(name, _purity(store, parts), together)
    _print_missing(store, both, together)
    _print_weights(store, both, together)
    _print_sizes(store, both["crop"], base["crop"])
    _print_each_label(base, together)


def _print_row(name: str, one: Purity, together: Purity) -> None:
    gain = "" if one is together else _gain(one, together)
    print(f"| {name} | {one.mean:.3f} | {_interval(one.values, one.group)} | {gain} |")


def _controls(store: Store, both: Parts) -> dict[str, Parts]:
    """Return the controls of which the store has the spaces: crops of boxes, and of another encoder."""
    own = both["crop"][0]
    boxes = tuple(name for name in store.space_names if "-crop-keep" in name)
    others = tuple(name for name in store.space_names if name.endswith("-crop") and name != own)
    found: dict[str, Parts] = {}
    if others:
        found |= {
            f"the other encoder, {others[0]}": {"other": others},
            "the other encoder's crop + window": {"other": others, "window": both["window"]},
            "control: two encoders on one crop": {"crop": both["crop"], "other": others},
            "two encoders on one crop + window": {**both, "other": others},
        }
    if boxes:
        found |= {
            "box crop": {"box": boxes},
            "box crop + window": {"box": boxes, "window": both["window"]},
            "control: mask + box crop, one encoder": {"crop": both["crop"], "box": boxes},
        }
    return found


def _print_missing(store: Store, both: Parts, together: Purity) -> None:
    print("\n| a missing part counts | purity at 5 | mean minus it |\n| --- | ---: | ---: |")
    zero = _purity(store, both, missing=0.0)
    print(f"| 0 | {zero.mean:.3f} | {_gain(zero, together)} |")
    means = ", ".join(f"{name} {_pairs_mean(store, spaces):.3f}" for name, spaces in both.items())
    print(f"| its mean between photos ({means}) | {together.mean:.3f} | |")


def _print_weights(store: Store, both: Parts, together: Purity) -> None:
    print("\n| weight of the window, of 1 | purity at 5 | equal weights minus it |\n| ---: | ---: | ---: |")
    for tenth in range(11):
        weights = {"crop": 1 - tenth / 10, "window": tenth / 10}
        parts = {name: spaces for name, spaces in both.items() if weights[name] > 0}
        one = _purity(store, parts, weights=weights)
        print(f"| {tenth / 10:.1f} | {one.mean:.3f} | {'' if tenth == 5 else _gain(one, together)} |")


def _print_sizes(store: Store, crop: tuple[str, ...], alone: Purity) -> None:
    print("\n| window | alone | both | both minus the window | both minus the crop |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for size in (1, 2, 3, 5):
        spaces = tuple(name for name in store.space_names if f"-window{size}-stride" in name)
        if spaces:
            one, two = (_purity(store, parts) for parts in ({"w": spaces}, {"crop": crop, "w": spaces}))
            figures = f"{one.mean:.3f} | {two.mean:.3f} | {_gain(one, two)} | {_gain(alone, two)}"
            print(f"| {size} x {size} | {figures} |")


def _print_each_label(base: Mapping[str, Purity], together: Purity) -> None:
    print("\n| label | objects | crop | window | both | both minus the better part |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    labels, counts = np.unique(together.labels.astype(str), return_counts=True)
    gains = {}
    for label, count in sorted(zip(labels.tolist(), counts.tolist(), strict=True), key=lambda one: -one[1]):
        rows = together.labels == label
        own = [replace(one, values=one.values[rows], group=one.group[rows]) for one in base.values()]
        better, both = max(own, key=lambda one: one.mean), together.values[rows]
        gains[label] = float(both.mean() - better.mean)
        if len(gains) <= LISTED:
            figures = " | ".join(f"{mean:.3f}" for mean in (*(one.mean for one in own), both.mean()))
            gain = _gain(better, replace(better, values=both))
            print(f"| {label} | {count} | {figures} | {gain} |")
    above, below = (sum(sign * gain > 0 for gain in gains.values()) for sign in (1, -1))
    print(f"\nof {len(gains)} labels both is above the better part in {above}, below it in {below}")


# Planted wrong labels


def print_planted(store: Store, both: Parts) -> None:
    """Print the share of planted wrong labels in the first tenth of a list by the neighbors' labels."""
    spaces: dict[str, Parts] = {name: {name: one} for name, one in both.items()}
    spaces |= {"**both**": both, **_controls(store, both)}
    found = {}
    for name, parts in spaces.items():
        sample = _sample(store, parts)
        near = sample.neighbors(K, "cosine")
        hits = []
        for labels, wrong in _plantings(sample):
            hits.append(_first_tenth(_confidence(near, labels))[wrong])
        group = np.concatenate([sample.groups.group[wrong] for _, wrong in _plantings(sample)])
        found[name] = Purity(np.concatenate(hits), group, sample.labels, 0.1)
    together = found["**both**"]
    print(f"{DRAWS} draws, {len(together.values) // DRAWS} wrong labels each")
    print("| space | found in the first tenth | 95 % interval | both minus it, paired over photos |")
    print("| --- | ---: | ---: | ---: |")
    for name, one in found.items():
        _print_row(name, one, together)


def _confidence(near: NearestNeighbors, labels: NDArray[np.int64]) -> Values:
    """Return each object's share of neighbors of its label, less the largest share of another one (n,)."""
    names = int(labels.max()) + 1
    place = near.query * names + labels[near.neighbor]
    votes = np.bincount(place, near.weight, near.count * names).reshape(near.count, names)
    rows = np.arange(near.count)
    own = votes[rows, labels]
    votes[rows, labels] = 0
    confidence: Values = own - votes.max(axis=1)
    return confidence


def _plantings(sample: AlignedSample) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return labels (n,) of which some are wrong, and the rows of these, as often as DRAWS."""
    names, true = np.unique(sample.labels.astype(str), return_inverse=True)
    share = np.bincount(true) / len(true)
    drawn = []
    for seed in range(DRAWS):
        random = np.random.default_rng(seed)
        wrong = random.choice(len(true), round(PLANTED * len(true)), replace=False)
        labels = true.copy()
        for row in wrong:
            others = np.where(np.arange(len(names)) == true[row], 0, share)
            labels[row] = random.choice(len(names), p=others / others.sum())
        drawn.append((labels, wrong))
    return drawn


def _first_tenth(agreement: Values) -> Values:
    """Return how far each row (n,) is in the first tenth by agreement; equal ones at its end share it."""
    room = round(len(agreement) / 10)
    last = np.sort(agreement)[room - 1]
    tied = agreement == last
    inside: Values = (agreement < last).astype(np.float64)
    inside[tied] = (room - inside.sum()) / tied.sum()
    return inside


# The drawn world


def print_factors(store: Store, both: Parts, specs: Sequence[FactorSpec]) -> None:
    """Print each factor's agreement of neighbors in the parts and in both, and what both gains over them."""
    print("| factor | chance | crop | window | both | both minus crop | both minus window |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    spaces: dict[str, Parts] = {name: {name: one} for name, one in both.items()} | {"both": both}
    for spec in specs:
        found = {name: _purity(store, parts, spec=spec) for name, parts in spaces.items()}
        figures = " | ".join(f"{one.mean:.3f}" for one in found.values())
        gains = " | ".join(_gain(found[name], found["both"]) for name in both)
        print(f"| {spec.factor} | {found['both'].chance:.3f} | {figures} | {gains} |")


def redraw_world(folder: Path, count: int, seed: int) -> None:
    """Draw the world of ``seed`` with each picture's objects before another kind of background."""
    write_world(folder, count=count, seed=seed)
    kinds = {}
    for index in range(count):
        plan = plan_scene(seed, index)
        place = (BACKGROUNDS.index(plan.background) + 1 + index % (len(BACKGROUNDS) - 1)) % len(BACKGROUNDS)
        other = replace(plan, background=BACKGROUNDS[place], background_seed=(seed, index, 2))
        kinds[index + 1] = other.background
        PIL.Image.fromarray(draw_plan(other).pixels).save(folder / "images" / f"{index:06d}.png")
    document = json.loads((folder / "annotations.json").read_text())
    for entry in document["annotations"]:
        entry["attributes"]["background"] = kinds[entry["image_id"]]
    (folder / "annotations.json").write_text(json.dumps(document))


def print_surroundings(store: Store, other: Store, both: Parts) -> None:
    """Print what changes when nothing but the background does: similarity, neighbors and their labels.

    ``other`` has the windows alone: objects on black are the same pixels on any background.
    """
    rows = _same_objects(store, other)
    ids, group, labels = store.objects().object_id, store.image_rows(), store.objects().label
    crop, window = joined(store, both, {}, None).parts
    moved = joined(other, {"window": both["window"]}, {}, window.missing)[rows].parts[0]
    spaces = {
        "crop": ([crop], [crop]),
        "window": ([window], [moved]),
        "both": ([crop, window], [crop, moved]),
    }
    print(
        "| space | cosine to itself | moved, of what distinguishes objects | neighbors kept | purity lost |"
    )
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, parts in spaces.items():
        before, after = (JointVectors(part, len(ids)) for part in parts)
        index, all_rows = JointIndex(before, ids, groups=group), np.arange(len(ids))
        own = index.cosines(after, all_rows, all_rows) @ before.shares
        common = float(before.shares @ [part.missing for part in before.parts])
        first, second = (index.nearest(queries, k=K, query_groups=group).index for queries in (before, after))
        kept = (first[:, :, None] == second[:, None, :]).any(axis=2).mean(axis=1)
        pure, then = ((labels[near] == labels[:, None]).mean(axis=1) for near in (first, second))
        figures = (own, (1 - own) / (1 - common), kept, pure - then)
        cells = [f"{values.mean():.3f} ({_interval(values, group)})" for values in figures]
        print(f"| {name} | {' | '.join(cells)} |")


def _same_objects(store: Store, other: Store) -> NDArray[np.int64]:
    """Return the row in ``other`` of each object: of the picture of that name, with that box."""
    keys = []
    for one in (store, other):
        names = {image.image_id: Path(image.path).name for image in one.images()}
        objects = one.objects()
        boxes = zip(objects.image_id.tolist(), objects.xyxy.tolist(), objects.label.tolist(), strict=True)
        keys.append([(names[image], *box, label) for image, box, label in boxes])
    place = {key: row for row, key in enumerate(keys[1])}
    return np.array([place[key] for key in keys[0]])


if __name__ == "__main__":
    main()
