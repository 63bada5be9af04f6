"""Plant known cases in a store's own photos, and measure which of them are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.audit.calibration import Planted, places
from objectspace.analyses.audit.copy_rule import fit_copy_rule, judge_held_out
from objectspace.analyses.audit.outliers import LocalOutlierFactor
from objectspace.errors import ImageError, InputError
from objectspace.images import read_image
from objectspace.neighbors import JointVectors, Neighbors
from objectspace.objects.records import Objects
from objectspace.search.audit.copies import CopyDifferences
from objectspace.search.audit.neighborhood import Neighborhood
from objectspace.search.audit.plants import (
    NO_OBJECT,
    PlantedPicture,
    drawn_strangers,
)
from objectspace.search.audit.small_pictures import Pictures, thumbnail_pictures
from objectspace.store import Store

if TYPE_CHECKING:
    # It imports torch, which an audit of labels need not have.
    from objectspace.search.audit.embedding import PlantEmbedder

#: Objects that cases are made of, of one image at most so many, and objects of the drawn world.
OBJECTS, OF_AN_IMAGE, DRAWN = 200, 3, 100


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Objects of which cases are made: rows of the space (m,), image by image; image id -> its photo."""

    rows: NDArray[np.int64]
    objects: Objects
    paths: dict[str, str]


def sample_objects(
    store: Store, object_id: NDArray[np.str_], image: NDArray[np.str_], *, count: int, seed: int
) -> Sample:
    """Draw objects of a space to plant: at most three of an image, from images whose photo is there.

    Raises InputError where no photo is.
    """
    random = np.random.default_rng([seed, 11])
    images = store.images_by_id(np.unique(image).tolist())
    order = random.permutation(len(image))
    rows: list[int] = []
    paths: dict[str, str] = {}
    refused: dict[str, str] = {}
    taken: dict[str, int] = {}
    for row in order.tolist():
        name = str(image[row])
        if len(rows) == count or taken.get(name, 0) == OF_AN_IMAGE or name in refused:
            continue
        if name not in paths:
            try:
                read_image(images[name].path, image_id=name)
            except ImageError as error:
                refused[name] = str(error)
                continue
            paths[name] = images[name].path
        rows.append(row)
        taken[name] = taken.get(name, 0) + 1
    if not rows:
        why = next(iter(refused.values()), "it holds no object")
        raise InputError(
            f"no cases can be planted, as no photo of the store at {store.path} can be read ({why}); put the "
            "photos back, or give uncalibrated= for lists without a figure"
        )
    chosen = np.array(sorted(rows, key=lambda row: (str(image[row]), row)), np.int64)
    return Sample(chosen, store.objects(object_id[chosen]), paths)


Maker = Callable[..., Iterator[PlantedPicture]]


@dataclass(frozen=True, slots=True, eq=False)
class PlantedVectors:
    """Planted objects with their vectors.

    kind: (m,); row: (m,) of the object that each is made of, or -1; pictures: of their thumbnails
    """

    kind: NDArray[np.object_]
    row: NDArray[np.int64]
    vectors: NDArray[np.float32] | JointVectors
    pictures: Pictures


def plant(
    embedder: PlantEmbedder,
    sample: Sample,
    make: Maker,
    *,
    drawn: int = 0,
    seed: int,
    progress: Callable[[int], None],
) -> PlantedVectors:
    """Make cases of a sample and give them vectors by the space's recipe.

    make: :func:`copies_of` or :func:`strangers_of`; drawn: objects of the drawn world beside them
    """
    pictures = planted_pictures(sample, make, drawn=drawn, seed=seed, progress=progress)
    kinds, rows, vectors, thumbnails = embedder.embed(pictures)
    return PlantedVectors(
        np.array([*kinds, None], object)[:-1], rows, vectors, thumbnail_pictures(thumbnails)
    )


def planted_pictures(
    sample: Sample, make: Maker, *, drawn: int, seed: int, progress: Callable[[int], None]
) -> Iterator[PlantedPicture]:
    """Yield the pictures that :func:`plant` embeds."""
    for number, (image_id, path) in enumerate(sample.paths.items()):
        here = np.flatnonzero(sample.objects.image_id == image_id)
        image = read_image(path, image_id=image_id)
        random = np.random.default_rng([seed, 12, number])
        yield from make(image, sample.objects.take(here), sample.rows[here], random)
        progress(1)
    if drawn:
        yield from drawn_strangers(drawn, seed + 1)


def find_copies(
    near: Neighborhood, copies: CopyDifferences, planted: PlantedVectors, *, seed: int
) -> Planted:
    """Return how suspicious planted copies are: minus the difference to the object that each is a copy of.

    One whose object is not among those that it is compared to is not found. ``copies`` judges by what was
    learned from all of them from here on; each of them is judged by what was learned from other images.
    """
    numbers = copies.to_originals(near.nearest(planted.vectors), planted.pictures, planted.row)
    image, strangers = near.image[planted.row], copies.strangers
    suspicion = -judge_held_out(numbers, image, strangers, seed=seed)
    copies.judge_by(fit_copy_rule(numbers, strangers))
    return Planted(planted.kind, suspicion, image, places(suspicion, -copies.difference))


def find_strangers(near: Neighborhood, planted: PlantedVectors, factor: LocalOutlierFactor) -> Planted:
    """Return how suspicious planted strangers are: their local outlier factor among other images' objects."""
    of_store = planted.row != NO_OBJECT
    image = np.where(of_store, near.image[planted.row], "")
    found: Neighbors = near.nearest(planted.vectors, image)
    factors = factor.factors(found)
    # A drawn picture has a few objects; each is a group of its own here.
    group = np.where(of_store, image, np.arange(len(image)).astype(str))
    return Planted(planted.kind, factors, group, places(factors, factor.factors(near.near)))
