"""Declare joint spaces: several spaces of a store that are read as one, of which no vector is copied."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from objectspace.arguments import typed
from objectspace.embeddings.joint import BOTH, JOINT, JointPart, joint_parts, joint_recipe
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError, QueryError
from objectspace.jobs.default_space import settle_default
from objectspace.neighbors.distances import inverses, squared_lengths
from objectspace.places import Place
from objectspace.store import Store, Writer, open_store, open_writer

if TYPE_CHECKING:  # a job loads networks, and joining spaces needs none
    from objectspace.pipeline.loaded_job import LoadedJob

# Vectors that are read at once: 38 MB of the longest of the paper (9216 numbers).
_AT_ONCE = 1024

#: Digits of the cosine that counts for a missing part: float sums in another order give the same recipe.
_DIGITS = 4


@typed
def join_spaces(
    path: Place | str, parts: Sequence[str], *, name: str, weights: Mapping[str, float] | None = None
) -> Recipe:
    """Declare the joint space ``name`` of some parts of the store at ``path``; return its recipe.

    parts: names of spaces; or the beginning that spaces of one network at several strides share
        (``yolov3-tiny-window3``), of which an object has a vector in one
    weights: of some parts, by the name given in ``parts``; 1 for the others

    The cosine of two objects is the mean of their parts' cosines by weight. Where they have no vectors in one
    space of a part, that part's mean cosine between images counts (docs/both-routes.md); it is kept in the
    recipe. Declaring the same again changes nothing.

    Raises QueryError for a part that the store does not hold, InputError for parts that cannot be joined and
    for a weight that is not positive, RecipeError where ``name`` is another space, StoreError where there is
    no store, StoreBusyError where another process writes.

    >>> parts = ["demo-crop", "demo-window3-deepest"]
    >>> osp.join_spaces("photos.osp", parts, name="mine", weights={"demo-crop": 2}).route
    'joint'
    """
    given = dict(weights or {})
    if unknown := sorted(set(given) - set(parts)):
        raise InputError(f"weights names {unknown[0]}, which is no part; the parts: {', '.join(parts)}")
    open_store(path)  # a writer would make a store where there is none
    with open_writer(path) as writer:
        store = open_store(path)
        spaces = {part: _spaces_of(store, part) for part in parts}
        names = _part_names(store, parts, spaces)
        recipe = _recipe(store, [(names[part], spaces[part], given.get(part, 1.0)) for part in parts])
        writer.declare_joint(name, recipe)
        settle_default(writer)
    return recipe


def declare_both(writer: Writer, job: LoadedJob) -> None:
    """Declare the joint space of crops and windows where a job made both; one that is there stays.

    One that lacks a space of the job, as no object had belonged to its stride before, is declared anew.
    """
    if job.encoder is None or job.map_source is None:
        return
    store, made = open_store(writer.path), job.recipes
    crop = job.crop_name(job.encoder)
    window = tuple(sorted(name for name in _first_pooling(job) if name in store.space_names))
    name = BOTH + job.suffix
    if crop not in store.space_names or not window or name in made:
        return
    if name in store.space_names:
        held = [part.spaces for part in joint_parts(store.recipe(name))]
        if store.recipe(name).route != JOINT or held == [(crop,), window]:
            return
    try:
        recipe = _recipe(store, [("crop", (crop,), 1.0), ("window", window, 1.0)])
    except InputError:
        return  # no object has both, which is no failure of the job
    writer.declare_joint(name, recipe, replaces=True)


def _first_pooling(job: LoadedJob) -> list[str]:
    """Return the spaces of the first pooling of a job's maps, one for each stride."""
    first = job.poolings[0]
    return [name for name, recipe in job.recipes.items() if _is_of(recipe, first.kind, first.size)]


def _is_of(recipe: Recipe, kind: str, size: int) -> bool:
    return recipe.route == kind and recipe.window in (None, size)


def _spaces_of(store: Store, part: str) -> tuple[str, ...]:
    """Return the spaces that a part's name stands for. Raises QueryError."""
    if part in store.space_names:
        return (part,)
    pattern = re.compile(re.escape(part) + r"-stride\d+(-.*)?")
    family = tuple(name for name in store.space_names if pattern.fullmatch(name))
    if not family:
        known = ", ".join(store.space_names) or "none yet"
        raise QueryError(f"no space {part} in {store.path}; its spaces: {known}")
    first = store.recipe(family[0])
    for name in family[1:]:
        if keys := set(first.differences(store.recipe(name))) - {"tap", "stride"}:
            differing = ", ".join(sorted(keys))
            raise InputError(
                f"spaces {family[0]} and {name} differ in {differing}, not only in their stride; name one of "
                f"them as the part"
            )
    return family


def _part_names(store: Store, parts: Sequence[str], spaces: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the name of each part in answers: its route where no other part has it, or else as given."""
    routes = [store.recipe(spaces[part][0]).route for part in parts]
    return {
        part: route if routes.count(route) == 1 else part for part, route in zip(parts, routes, strict=True)
    }


def _recipe(store: Store, parts: Sequence[tuple[str, tuple[str, ...], float]]) -> Recipe:
    """Return the recipe of parts: name, spaces, weight. Raises InputError for those that cannot be joined."""
    for name, spaces, weight in parts:
        JointPart(name, spaces, weight)  # raises for a weight before anything is read
        if nested := [space for space in spaces if store.recipe(space).route == JOINT]:
            raise InputError(f"{nested[0]} is a joint space itself; name its parts")
    recipes = {space: store.recipe(space) for _, spaces, _ in parts for space in spaces}
    joint_recipe([JointPart(*part) for part in parts], recipes)
    _check_members(store, parts)
    found = [
        JointPart(name, spaces, weight, mean_between_images(store, spaces)) for name, spaces, weight in parts
    ]
    return joint_recipe(found, recipes)


def _check_members(store: Store, parts: Sequence[tuple[str, tuple[str, ...], float]]) -> None:
    """Raise InputError where an object has two vectors in a part, or no object has two parts."""
    members: list[set[str]] = []
    for name, spaces, _ in parts:
        ids = [object_id for space in spaces for object_id in store.members(space)]
        if len(set(ids)) < len(ids):
            raise InputError(f"part {name}: an object is in two of {', '.join(spaces)}; name one of them")
        members.append(set(ids))
    for (name, _, _), others in zip(parts[1:], members[1:], strict=True):
        if not others & members[0]:
            raise InputError(
                f"parts {parts[0][0]} and {name} have no object in common; join spaces of the same objects"
            )


def mean_between_images(store: Store, spaces: Sequence[str]) -> float:
    """Return the mean cosine of two objects of different images in one of the spaces; 0 without any."""
    total, pairs = 0.0, 0
    for space in spaces:
        image = np.unique(store.object_columns(["image_id"], space)["image_id"], return_inverse=True)[1]
        counts = np.bincount(image)
        stored = store.stored_space(space)
        sums = np.zeros((len(counts), stored.dimension))
        for start in range(0, len(image), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            vectors = np.asarray(stored.vectors[rows])
            lengths = np.sqrt(squared_lengths(vectors))
            units = vectors * inverses(lengths)[:, None]
            np.add.at(sums, image[rows], units)
        whole = sums.sum(axis=0)
        own = float((sums**2).sum())
        total += float(whole @ whole) - own
        pairs += int(len(image) ** 2 - (counts.astype(np.int64) ** 2).sum())
    return round(total / pairs, _DIGITS) if pairs else 0.0
