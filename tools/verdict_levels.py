"""How often the report's claims get a verdict where there is nothing: a Markdown table for docs/measures.md.

python tools/verdict_levels.py            # 300 stores of each design: some minutes
python tools/verdict_levels.py --stores 20

A store is 20 photos of geometric size, two labels, styles and angles of each photo or of each object, and
vectors of each photo or of each object that hold none of them. In the design "both alike" vectors hold style
and orientation, and neighbors as much of one as of the other. Maps of zeroed windows are smooth noise, and
maps of moved objects are noise.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from scipy.ndimage import gaussian_filter

from objectspace.analyses import circular_geometry
from objectspace.analyses.grid_positions import PHASES
from objectspace.analyses.projection import Projection
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError
from objectspace.objects.records import Objects, concatenate, make_objects
from objectspace.report.claims import (
    CLAIMS,
    Column,
    Evidence,
    MovedObject,
    SpaceWithObjects,
    ZeroedPhoto,
    chairs,
    judge,
    location,
    neighbors,
    zeroed_cells,
)

PHOTOS, STYLES = 20, ("red", "blue", "green")
THIRDS, EIGHTHS = np.arange(3) * 120.0, np.arange(8) * 45.0
RECIPE = Recipe("window", "noise", "0" * 64, "tap", {}, "float32", "0", window=1)
#: Permutations of a claim's test, whose level does not depend on their number: only the most extreme of 40
#: on each side has p of 0.05.
PERMUTED = 39


def main() -> None:
    """Print a row for each claim and design."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stores", type=int, default=300)
    parser.add_argument("--designs", nargs="+", choices=list(DESIGNS), default=list(DESIGNS))
    given = parser.parse_args()
    for module in (neighbors, zeroed_cells, location, circular_geometry):
        module.PERMUTED = PERMUTED  # type: ignore[attr-defined]
    chairs.PERMUTATIONS = PERMUTED  # type: ignore[attr-defined]
    print("| claim | design | stores | holds or better than chance | does not hold |")
    print("| --- | --- | ---: | ---: | ---: |")
    for design in given.designs:
        verdicts = {claim.key: Counter[str]() for claim in CLAIMS}
        for seed in range(given.stores):
            for key, verdict in verdicts_on(
                DESIGNS[design](np.random.default_rng([seed, len(design)])), seed
            ):
                verdicts[key][verdict] += 1
        for key, count in verdicts.items():
            # Where vectors hold style and orientation, the null hypothesis is true of their order alone.
            if (stores := count.total()) and (design != "both alike" or key == "color first"):
                better = count["holds"] + count["better than chance"]
                shares = (f"{number / stores:.3f}" for number in (better, count["does not hold"]))
                print(f"| {key} | {design} | {stores} | {' | '.join(shares)} |", flush=True)


def verdicts_on(evidence: Evidence, seed: int) -> Iterator[tuple[str, str]]:
    """Yield key and verdict of each claim that the evidence allows to test."""
    for claim in CLAIMS:
        try:
            estimate = claim.estimate(evidence, seed)
        except InputError:
            continue
        yield claim.key, judge(estimate, claim.better, claim.worth).verdict


def objects_of(random: np.random.Generator, *, of_photos: bool, angles: np.ndarray = EIGHTHS) -> Objects:
    """Return the objects of a store: people, chairs and dogs, with style, yaw and company."""
    parts = []
    for number in range(PHOTOS):
        count = min(1 + int(random.geometric(0.25)), 12)
        known = 1 if of_photos else count
        style, yaw = random.choice(STYLES, known), random.choice(angles, known)
        company = random.choice(["on chair", "beside chair", "alone"], known, p=[0.6, 0.3, 0.1])
        repeated = [np.resize(column, count) for column in (style, yaw, company)]
        parts.append(
            make_objects(
                image_id=f"{number:032x}",
                xyxy=np.column_stack([np.zeros((count, 2)), np.full((count, 2), 10.0)]).astype(np.float32)
                + np.arange(count, dtype=np.float32)[:, None],
                label=random.choice(["person", "dog"], count, p=[0.7, 0.3]).tolist(),
                source="annotations",
                factors={
                    "style": repeated[0].astype(object),
                    "yaw": repeated[1].astype(float),
                    "company": repeated[2].astype(object),
                },
            )
        )
    return concatenate(parts)


def noise(random: np.random.Generator, objects: Objects, *, of_photos: float) -> np.ndarray:
    """Return vectors (n, 8) of noise, with this standard deviation between photos and 1 between objects."""
    photo = np.unique(objects.image_id, return_inverse=True)[1]
    own = random.normal(size=(len(objects), 8))
    vectors: np.ndarray = own + of_photos * random.normal(size=(PHOTOS, 8))[photo]
    return vectors


def held(objects: Objects, vectors: np.ndarray) -> SpaceWithObjects:
    """Return a space of the vectors."""
    return SpaceWithObjects(Space("noise", RECIPE, objects.object_id, vectors.astype(np.float32)), objects)


def evidence(random: np.random.Generator, objects: Objects, vectors: np.ndarray) -> Evidence:
    """Return the evidence of a store whose objects have these vectors."""
    space = held(objects, vectors)
    return Evidence(crop=space, window=space, orientation=Column("yaw", 360.0), style=Column("style"))


def of_objects(random: np.random.Generator) -> Evidence:
    """Factors and vectors are of each object."""
    objects = objects_of(random, of_photos=False)
    return evidence(random, objects, noise(random, objects, of_photos=0.0))


def of_photos(random: np.random.Generator) -> Evidence:
    """Factors are of each photo, and vectors mostly."""
    objects = objects_of(random, of_photos=True)
    return evidence(random, objects, noise(random, objects, of_photos=2.0))


def both_alike(random: np.random.Generator) -> Evidence:
    """Vectors hold style and orientation, each three points at equal distances, and neighbors both alike."""
    objects = objects_of(random, of_photos=False, angles=THIRDS)
    parts = [np.eye(3)[np.unique(objects.factors[name], return_inverse=True)[1]] for name in ("style", "yaw")]
    vectors = np.hstack([noise(random, objects, of_photos=0.5) * 0.5, *parts])
    return evidence(random, objects, vectors)


def zeroed_and_moved(random: np.random.Generator) -> Evidence:
    """Predictions fall under windows anywhere, and moved objects have vectors of noise."""
    photos = [_zeroed(random) for _ in range(PHOTOS)]
    return Evidence(occlusions=photos, moved=[_moved(random) for _ in range(12)])


def _zeroed(random: np.random.Generator) -> ZeroedPhoto:
    """Return a photo of one to six predictions, two of three alike, which fall in patches of the map."""
    count = int(random.integers(1, 7))
    fields = random.normal(size=(11, 11, count)) + 1.5 * random.normal(size=(11, 11, 1))
    smooth = gaussian_filter(fields, (1.5, 1.5, 0), mode="wrap")
    gone = smooth > np.quantile(smooth, 0.8)
    return ZeroedPhoto(gone, random.integers(0, 13, (count, 2)), 3, own_cell_only=False)


def _moved(random: np.random.Generator, steps: int = 8) -> MovedObject:
    """Return an object at places in an even grid, with maps that hold nothing of them."""
    grid = np.stack(np.meshgrid(np.arange(steps), np.arange(steps)), axis=2).reshape(-1, 2) * 40.0
    place = grid + random.uniform(0, 40, grid.shape)
    phase = place / 32 - np.floor(place / 32) - 0.5
    factors = dict(zip(("x1", "y1", *PHASES), (*place.T, *phase.T), strict=True))
    rows = np.arange(steps**2)
    pca, tsne = (
        Projection(
            "noise", method, random.normal(size=(steps**2, 2)), np.empty(0), None, factors, {}, None, rows
        )
        for method in ("pca", "tsne")
    )
    return MovedObject("thing", pca, tsne)


DESIGNS: dict[str, Callable[[np.random.Generator], Evidence]] = {
    "factors of objects": of_objects,
    "factors and vectors of photos": of_photos,
    "both alike": both_alike,
    "nothing in maps and places": zeroed_and_moved,
}


if __name__ == "__main__":
    main()
