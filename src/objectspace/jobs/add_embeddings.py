"""Add external embeddings: vectors of stored objects that were made elsewhere, as a space of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace._version import __version__
from objectspace.arguments import typed
from objectspace.embeddings.spaces import Recipe, SpaceRows
from objectspace.errors import InputError, RecipeError
from objectspace.jobs.default_space import settle_default
from objectspace.objects.records import no_objects
from objectspace.store import Batch, Store, open_store, open_writer

#: The route of a space whose vectors were made elsewhere.
EXTERNAL = "external"


@typed
def add_embeddings(
    path: Path | str,
    space: str,
    object_ids: Sequence[str] | NDArray[np.str_],
    vectors: NDArray[Any],
    *,
    model: str,
) -> int:
    """Add vectors of stored objects to a space of the store at ``path``; return how many were new.

    object_ids: (n,) ids of objects in the store, in any order, each once
    vectors: (n, d) finite numbers, kept as float32; row i is the vector of ``object_ids[i]``
    model: names what made them, its version too. It is kept in the space's recipe, whose route is "external":
        vectors of another model are refused, and belong in a space of another name

    Adding the same vectors again adds nothing, so a part may be added at a time. All are added, or none.
    Raises InputError for an unknown or repeated id, another shape, and what is no finite number; RecipeError
    where the space has another recipe or length, or another vector of one of the objects; StoreError where
    there is no store, StoreBusyError where another process writes.

    >>> objects = store.objects()
    >>> middles = (objects.xyxy[:, :2] + objects.xyxy[:, 2:]) / 2
    >>> osp.add_embeddings("photos.osp", "middle", objects.object_id, middles, model="middle of the box@1")
    39
    """
    ids = [str(name) for name in object_ids]
    _check_ids(ids)
    recipe = _recipe(model)
    rows = SpaceRows(recipe, ids, _numbers(vectors))
    batch = Batch(images=[], objects=no_objects(), thumbnails=[], job=recipe.digest, vectors={space: rows})
    open_store(path)  # a writer would make a store where there is none
    with open_writer(path) as writer:
        store = open_store(path)
        known = _known(store, space, rows) if space in store.space_names else 0
        writer.commit(batch)
        writer.finish()
        settle_default(writer)
    return len(ids) - known


def _recipe(model: str) -> Recipe:
    """Return the recipe of external vectors: of how they were made only the model's name is known."""
    if not model.strip():
        raise InputError("model is empty; name what made the vectors, so that others are not mixed with them")
    return Recipe(
        route=EXTERNAL,
        model=model,
        weights="",
        tap="",
        preprocessing={},
        precision="float32",
        version=__version__,
    )


def _numbers(vectors: Any) -> NDArray[np.float32]:
    try:
        # A number beyond float32 becomes an infinity, which SpaceRows refuses with its object's name.
        with np.errstate(over="ignore"):
            return np.asarray(vectors).astype(np.float32)
    except (TypeError, ValueError, RuntimeError) as problem:
        reason = str(problem).split("\n")[0]
        raise InputError(f"vectors are no array of numbers, expected one row per object: {reason}") from None


def _check_ids(ids: list[str]) -> None:
    """Raise InputError for an id that is named twice: the second vector would be lost."""
    name, times = Counter(ids).most_common(1)[0] if ids else ("", 0)
    if times > 1:
        raise InputError(f"object {name} is named {times} times; give one vector per object")


def _known(store: Store, space: str, rows: SpaceRows) -> int:
    """Return how many of the vectors the space holds already. Raises RecipeError where it holds others."""
    held = store.recipe(space)
    if held.differences(rows.recipe):
        made_by = f"of {held.model} by route {held.route}" + (", erased" if held.erasure else "")
        raise RecipeError(
            f"space {space} of {store.path} holds vectors {made_by}; name a new space for those of "
            f"{rows.recipe.model}"
        )
    members = {name: row for row, name in enumerate(store.members(space))}
    common = [row for row, name in enumerate(rows.object_id) if name in members]
    there = store.vectors(space, [members[rows.object_id[row]] for row in common])
    if there.shape[1] != rows.vectors.shape[1]:
        raise RecipeError(
            f"space {space} of {store.path} has vectors of {there.shape[1]} numbers, these have "
            f"{rows.vectors.shape[1]}; name a new space for them"
        )
    differing = np.flatnonzero((there != rows.vectors[common]).any(1))
    if len(differing):
        raise RecipeError(
            f"object {rows.object_id[common[differing[0]]]} has another vector in space {space} of "
            f"{store.path}; name a new space for new vectors"
        )
    return len(common)
