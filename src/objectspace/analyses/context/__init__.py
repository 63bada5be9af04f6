"""Context: the shares of an embedding that the object and its surroundings explain.

Three crop spaces of the same objects: the object alone (black or mean background), both (keep), the
surroundings alone (only). The paper compared pairs of pictures and saw context at work (section IV); here it
is a share of the variance and a share of each neighbor pair.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.context.pairs import PairShares, measure_pairs
from objectspace.analyses.context.shares import VarianceShares, measure_shares
from objectspace.analyses.groups import make_groups
from objectspace.arguments import typed
from objectspace.embeddings.spaces import Space
from objectspace.errors import InputError, counted
from objectspace.objects.records import Objects

__all__ = [
    "Context",
    "PairShares",
    "VarianceShares",
    "Views",
    "measure_context",
    "measure_pairs",
    "measure_shares",
    "view_objects",
]

steps = logging.getLogger("objectspace.steps")

#: Above this many objects a sample is drawn, whole photos at a time: two n x n matrices are held in memory.
MOST_OBJECTS = 2000

#: The backgrounds that each view's crops may have.
BACKGROUNDS = {"alone": ("black", "mean"), "both": ("keep",), "around": ("only",)}


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The same n objects in three spaces, row for row: alone, with surroundings, the surroundings alone.

    >>> space = store.space("demo-crop")
    >>> objects = space.objects
    >>> osp.Views(space, space, space, objects).take(np.array([0, 1]))
    Views(demo-crop, demo-crop, demo-crop: 2 objects)
    """

    alone: Space
    both: Space
    around: Space
    objects: Objects

    def __repr__(self) -> str:
        names = ", ".join(space.name for space in (self.alone, self.both, self.around))
        return f"Views({names}: {counted(len(self.objects), 'object')})"

    def take(self, rows: NDArray[Any]) -> Views:
        """Return the views of some of the objects."""
        alone, both, around = (_taken(space, rows) for space in (self.alone, self.both, self.around))
        return Views(alone, both, around, self.objects.take(rows))


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Context shares of an embedding and of its neighbor pairs.

    spaces: names, by "alone", "both", "around"
    n: objects measured, of ``photos`` photos; left_out: objects beyond 2,000, whole photos left out at random
    masked: how many of the n have a mask; for the others the box counts as the object
    shares: of the embedding; pairs: of each neighbor pair
    object_id: (n,) the objects to which the rows in ``pairs`` refer
    """

    spaces: Mapping[str, str]
    n: int
    photos: int
    left_out: int
    masked: int
    k: int
    metric: str
    shares: VarianceShares
    pairs: PairShares
    object_id: NDArray[np.str_]

    def __repr__(self) -> str:
        return f"Context({', '.join(self.spaces.values())}: {self.n} objects of {self.photos} photos)"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, the shape that ``objectspace context --json`` prints."""
        pairs = zip(
            self.object_id[self.pairs.query].tolist(),
            self.object_id[self.pairs.neighbor].tolist(),
            self.pairs.object_rank.tolist(),
            self.pairs.surroundings_rank.tolist(),
            self.pairs.share.tolist(),
            strict=True,
        )
        columns = ("object_id", "neighbor_id", "object_rank", "surroundings_rank", "share")
        return {
            "spaces": dict(self.spaces),
            "n": self.n,
            "photos": self.photos,
            "left_out": self.left_out,
            "masked": self.masked,
            "k": self.k,
            "metric": self.metric,
            "shares": self.shares.to_json(),
            "pairs": {
                **self.pairs.to_json(),
                "each": [dict(zip(columns, pair, strict=True)) for pair in pairs],
            },
        }


@typed
def view_objects(alone: Space, both: Space, around: Space, objects: Objects) -> Views:
    """Return three spaces as views of the same objects; ``objects`` are those of ``alone``, row for row.

    Raises InputError for a space of another background, for spaces whose recipes differ in more than the
    background, and for spaces of different objects.

    >>> names = ("demo-crop-margin0.5", "demo-crop-keep-margin0.5", "demo-crop-only-margin0.5")
    >>> alone, both, around = (store.space(name) for name in names)
    >>> osp.view_objects(alone, both, around, store.objects(alone.object_id))
    Views(demo-crop-margin0.5, demo-crop-keep-margin0.5, demo-crop-only-margin0.5: 39 objects)
    """
    spaces = {"alone": alone, "both": both, "around": around}
    for view, space in spaces.items():
        _check_background(space, view)
    for space in (both, around):
        _check_alike(alone, space)
        if different := set(alone.object_id.tolist()) ^ set(space.object_id.tolist()):
            raise InputError(
                f"spaces {alone.name} and {space.name} must hold the same objects, {len(different)} are in "
                "one of them only; index the same photos for both"
            )
    if objects.object_id.tolist() != alone.object_id.tolist():
        raise InputError(f"space {alone.name}: its vectors and the objects are not in the same order")
    place = {name: row for row, name in enumerate(alone.object_id.tolist())}
    ordered = [
        _taken(space, np.argsort([place[name] for name in space.object_id.tolist()]))
        for space in (both, around)
    ]
    return Views(alone, ordered[0], ordered[1], objects)


@typed
def measure_context(views: Views, *, k: int = 5, metric: str = "euclidean", seed: int = 0) -> Context:
    """Return the context shares of the embedding and of each neighbor pair.

    The same seed gives the same figures. Raises InputError with fewer than ten objects or three photos, and
    for a space whose vectors are all equal.

    >>> names = ("demo-crop-margin0.5", "demo-crop-keep-margin0.5", "demo-crop-only-margin0.5")
    >>> alone, both, around = (store.space(name) for name in names)
    >>> views = osp.view_objects(alone, both, around, store.objects(alone.object_id))
    >>> osp.measure_context(views).n
    39
    """
    chosen = _sampled(views, seed)
    _check_measurable(chosen)
    groups = make_groups(chosen.objects.image_id)
    vectors = (chosen.alone.vectors, chosen.both.vectors, chosen.around.vectors)
    steps.info("shares of neighbor pairs of %s", counted(len(chosen.objects), "object"))
    pairs = measure_pairs(*vectors, chosen.both.object_id, groups, k=k, metric=metric, seed=seed)
    steps.info("shares of the embedding's variance")
    shares = measure_shares(*vectors, groups, seed=seed)
    return Context(
        spaces={view: getattr(views, view).name for view in BACKGROUNDS},
        n=len(chosen.objects),
        photos=groups.count,
        left_out=len(views.objects) - len(chosen.objects),
        masked=sum(mask is not None for mask in chosen.objects.mask),
        k=k,
        metric=metric,
        shares=shares,
        pairs=pairs,
        object_id=chosen.both.object_id,
    )


def _sampled(views: Views, seed: int) -> Views:
    """Return the views, or a random sample of whole photos with at most MOST_OBJECTS objects."""
    if len(views.objects) <= MOST_OBJECTS:
        return views
    images, image = np.unique(views.objects.image_id, return_inverse=True)
    order = np.random.default_rng([seed, 4]).permutation(len(images))
    filled = np.cumsum(np.bincount(image)[order])
    kept = np.isin(image, order[filled <= MOST_OBJECTS])
    return views.take(kept)


def _taken(space: Space, rows: NDArray[Any]) -> Space:
    return Space(space.name, space.recipe, space.object_id[rows], space.vectors[rows])


def _check_background(space: Space, view: str) -> None:
    wanted = BACKGROUNDS[view]
    crop = space.recipe.crop
    if crop is None or crop.get("background") not in wanted:
        came = f"vectors of route {space.recipe.route}" if crop is None else f"crops on {crop['background']}"
        raise InputError(
            f"{view}= needs a space of crops on background {' or '.join(wanted)}, {space.name} holds "
            f"{came}; index crops on background {wanted[0]}"
        )


def _check_alike(first: Space, second: Space) -> None:
    """Raise InputError for recipes that differ in more than the crop's background."""
    differing = set(first.recipe.differences(second.recipe)) - {"crop"}
    one, other = dict(first.recipe.crop or {}), dict(second.recipe.crop or {})
    differing |= {key for key in one | other if one.get(key) != other.get(key)} - {"background"}
    if differing:
        raise InputError(
            f"spaces {first.name} and {second.name} may differ in their background only, they differ in "
            f"{', '.join(sorted(differing))}; index with the same encoder, margin and fit"
        )


def _check_measurable(views: Views) -> None:
    count, photos = len(views.objects), len(set(views.objects.image_id.tolist()))
    if count < 10 or photos < 3:
        raise InputError(
            f"context is measured over ten objects of three photos at least, there are {count} of {photos}"
        )
    for space in (views.alone, views.both, views.around):
        if not np.ptp(space.vectors, axis=0).any():
            raise InputError(
                f"the vectors of space {space.name} are all equal, so there is nothing to measure"
            )
