"""How many photos of people on chairs a verdict needs, from the effect in the drawn world: docs/context.md.

python tools/chair_power.py demo/true.osp --space demo-window3-deepest
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from objectspace.analyses.statistics import Estimate
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects
from objectspace.report.claims import judge
from objectspace.report.claims.chairs import ChairTest, find_people, measure_chairs
from objectspace.store import open_store

POWER, LEVEL = 0.8, 0.05
#: Smaller worlds that are drawn to see how often the claim gets its verdict.
DRAWN = 40


def main() -> None:
    """Print the photos that a normal approximation asks for, and the verdicts of smaller worlds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--space", required=True)
    parser.add_argument("--photos", type=int, nargs="+", default=[10, 15, 20, 30, 40])
    given = parser.parse_args()
    store = open_store(given.store)
    space = store.space(given.space)
    objects = store.objects(space.object_id)
    photos = _photos_on_chairs(objects)
    whole = measure_chairs(space, objects)
    for name, estimate in _claims(whole).items():
        print(f"{name}: {estimate!r}; {len(photos)} photos of people on chairs")
        print(f"  needs {_photos_needed(estimate, len(photos)):.0f} for {POWER:.0%} power")
    print("| photos of people on chairs | " + " | ".join(_claims(whole)) + " |")
    for count in given.photos:
        if count < len(photos):
            rates = _verdict_rates(space, objects, photos, count)
            print(f"| {count} | " + " | ".join(f"{rate:.2f}" for rate in rates) + " |", flush=True)


def _claims(test: ChairTest) -> dict[str, Estimate]:
    found = {"on a chair": test.on, "on, not beside": test.difference}
    return {name: one for name, one in found.items() if one is not None}


def _photos_on_chairs(objects: Objects) -> NDArray[np.object_]:
    people = find_people(objects)
    return np.unique(objects.image_id[people.rows[people.on]])


def _photos_needed(estimate: Estimate, photos: int) -> float:
    """Return the photos at which effect / standard error reaches what the power asks for.

    The standard error is read off the interval of value - chance and falls with the root of the photos.
    """
    low, high = estimate.interval_over_chance()
    error = (high - low) / (2 * norm.ppf(1 - LEVEL / 2))
    wanted = norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER)
    return float(photos * (wanted * error / (estimate.value - estimate.chance)) ** 2)


def _verdict_rates(
    space: Space, objects: Objects, photos: NDArray[np.object_], count: int
) -> Sequence[float]:
    """Return how often each claim is better than chance with ``count`` of the photos, as much of the rest."""
    others = np.setdiff1d(objects.image_id, photos)
    held = []
    for seed in range(DRAWN):
        random = np.random.default_rng([seed, count])
        kept = [
            random.choice(part, round(len(part) * count / len(photos)), replace=False)
            for part in (photos, others)
        ]
        rows = np.flatnonzero(np.isin(objects.image_id, np.concatenate(kept)))
        try:
            test = measure_chairs(space.take(rows), objects.take(rows), seed=seed)
        except InputError:
            held.append([False, False])
            continue
        judged = [one and judge(one, 1, worth=0) for one in (test.on, test.difference)]
        held.append([one is not None and one.verdict == "holds" for one in judged])
    rates: list[float] = np.mean(held, axis=0).tolist()
    return rates


if __name__ == "__main__":
    main()
