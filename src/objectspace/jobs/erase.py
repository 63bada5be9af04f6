"""Erase factors from a space of a store, with an eraser fitted to varied images in another store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from objectspace.analyses.erasure import SHRINKAGE, Erased, Eraser, fit_eraser, measure_erasure
from objectspace.analyses.factor_values import Factor
from objectspace.analyses.factors import FactorSpec, measure_neighbors
from objectspace.analyses.grid_positions import GridPositions, grid_positions, numeric_factor
from objectspace.analyses.groups import make_groups
from objectspace.analyses.probes import measure_probe
from objectspace.analyses.statistics import Estimate
from objectspace.arguments import typed
from objectspace.embeddings.joint import JOINT
from objectspace.embeddings.spaces import Recipe, Space, SpaceRows
from objectspace.errors import InputError, RecipeError
from objectspace.files import content_id
from objectspace.jobs.add_embeddings import EXTERNAL
from objectspace.jobs.default_space import settle_default
from objectspace.objects.records import Objects, no_objects
from objectspace.places import Place
from objectspace.store import Batch, Store, open_store, open_writer
from objectspace.store.store_records import check_space_name

#: Characters up to which a message shows both values of a key in which two recipes differ.
BRIEF = 40


@dataclass(frozen=True, slots=True)
class ErasedSpace:
    """A space without some factors, and what the erasure changed.

    space, name: the space that was read, and the one that was written
    n, rank: vectors in it; dimensions that were erased
    change: squared change of the vectors, as a share of their variance
    probes: R2 of probes of each factor in varied images that were held out, before and after
    here: R2 of a linear probe of the space itself, before and after, for the factors that its objects have
    purity: of the labels among the five nearest of other images, before and after; None where all objects
        are of one image or one label
    """

    space: str
    name: str
    factors: tuple[str, ...]
    n: int
    rank: int
    change: float
    probes: Mapping[str, Erased]
    here: Mapping[str, tuple[Estimate, Estimate]]
    purity: tuple[Estimate, Estimate] | None

    def __repr__(self) -> str:
        return f"ErasedSpace({self.name}: {self.space} without {', '.join(self.factors)}, rank {self.rank})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "space": self.space,
            "name": self.name,
            "factors": list(self.factors),
            "n": self.n,
            "rank": self.rank,
            "change": self.change,
            "probes": {name: found.to_json() for name, found in self.probes.items()},
            "here": {name: _pair_json(pair) for name, pair in self.here.items()},
            "purity": None if self.purity is None else _pair_json(self.purity),
        }


def _pair_json(pair: tuple[Estimate, Estimate]) -> dict[str, Any]:
    return {"before": pair[0].to_json(), "after": pair[1].to_json()}


@typed
def erase_space(
    store: Place | str, space: str, *, fit: Path | str, factors: tuple[str, ...], name: str, seed: int = 0
) -> ErasedSpace:
    """Write the vectors of ``space`` without ``factors`` as the space ``name`` of the same store (LEACE).

    fit: a store of varied images in a space of the same recipe, which the eraser is fitted to
    factors: numbers: the user's own columns, x, y, x1, y1 and size, and of windows phase_x and phase_y

    Raises RecipeError where ``fit`` has no space of that recipe or ``name`` is a space of another one,
    QueryError for an unknown space, InputError for an unknown or constant factor, and for a name that no
    space can have or that is ``space``.

    >>> objects = store.objects_of_images([image.image_id])
    >>> network = {"detector": "demo", "precision": "float32", "scale": "deepest"}
    >>> moved = osp.vary_object(image, objects, "position", Path("moved.osp"), **network, steps=8)
    >>> space = "demo-window3-deepest"
    >>> osp.erase_space("photos.osp", space, fit="moved.osp", factors=("x",), name="placeless")
    ErasedSpace(placeless: demo-window3-deepest without x, rank 1)
    """
    check_space_name(name)
    if name == space:
        raise InputError(f"the space without the factors needs another name than {space}, the one with them")
    opened, taught = open_store(store), open_store(fit)
    if opened.recipe(space).route == JOINT:
        raise InputError(f"{space} is a joint space, which holds no vectors; erase from one of its parts")
    real, varied = opened.space(space), taught.space(_same_recipe(taught, opened.recipe(space)))
    objects = taught.objects(varied.object_id)
    positions = grid_positions(varied, objects, taught.cells(varied.name), taught.image_wh())
    values = {factor: numeric_factor(objects, positions, factor) for factor in factors}
    eraser = fit_eraser(varied.vectors, np.column_stack(list(values.values())))
    recipe = _recipe(real, varied, factors, eraser)
    with open_writer(opened.path) as writer:
        writer.check_recipes({name: recipe})  # before the probes, which take the time
    probes = measure_erasure(varied.vectors, values, objects.image_id, seed=seed)
    new = Space(name, recipe, real.object_id, eraser.erase(real.vectors).astype(np.float32))
    _write(opened, new, space)
    here = opened.objects(real.object_id)
    here_positions = grid_positions(real, here, opened.cells(space), opened.image_wh())
    return ErasedSpace(
        space=space,
        name=name,
        factors=factors,
        n=len(new),
        rank=eraser.rank,
        change=_change(real, new),
        probes=probes,
        here=_probed(here, here_positions, factors, real, new, seed),
        purity=_purities(here, real, new, seed),
    )


def _change(before: Space, after: Space) -> float:
    variance = ((before.vectors - before.vectors.mean(0)) ** 2).sum()
    return float(((after.vectors - before.vectors) ** 2).sum() / variance) if variance else 0.0


def _probed(
    objects: Objects,
    positions: GridPositions | None,
    factors: tuple[str, ...],
    before: Space,
    after: Space,
    seed: int,
) -> dict[str, tuple[Estimate, Estimate]]:
    """Return linear probes of the factors that these objects have and that differ between them."""
    groups = make_groups(objects.image_id)
    found = {}
    for name in factors:
        try:
            values = numeric_factor(objects, positions, name)
        except InputError:
            continue
        factor = Factor(name, "linear", values)
        probes = [measure_probe(space.vectors, factor, groups, seed=seed) for space in (before, after)]
        if np.ptp(values) and probes[0] is not None and probes[1] is not None:
            found[name] = (probes[0].score, probes[1].score)
    return found


def _same_recipe(store: Store, recipe: Recipe) -> str:
    """Return the name of a store's space of this recipe, by any release. Raises RecipeError."""
    computed = recipe.computed
    differing = {name: computed.differences(store.recipe(name).computed) for name in store.space_names}
    if not differing:
        raise RecipeError(f"{store.path} has no space; index varied images first")
    name = min(differing, key=lambda name: len(differing[name]))
    if differing[name]:
        pairs = {key: f"{ours}, there {theirs}" for key, (ours, theirs) in differing[name].items()}
        # Checksums and preprocessing would fill a page, and nobody compares them by eye.
        listed = ", ".join(f"{key} ({pair})" if len(pair) <= BRIEF else key for key, pair in pairs.items())
        cure = (
            "add vectors of the same model to it"
            if recipe.route == EXTERNAL
            else "vary with the options that made this one"
        )
        raise RecipeError(
            f"no space of {store.path} has the recipe of this one; {name} is nearest and "
            f"differs in {listed}; {cure}"
        )
    return name


def _recipe(real: Space, varied: Space, factors: tuple[str, ...], eraser: Eraser) -> Recipe:
    """Return the recipe with the erasure, which the images and factors that it was fitted to determine."""
    pictures = content_id("\n".join([varied.recipe.digest, *varied.object_id.tolist()]).encode())
    erasure = {
        "method": "LEACE",
        "factors": list(factors),
        "shrinkage": SHRINKAGE,
        "rank": eraser.rank,
        "fitted_to": {"objects": len(varied), "digest": pictures},
        "erased_before": real.recipe.erasure,
    }
    return replace(real.recipe, erasure=erasure)


def _write(store: Store, space: Space, origin: str) -> None:
    cells = {} if space.recipe.route in ("crop", "query", EXTERNAL) else store.cells(origin)
    rows = SpaceRows(space.recipe, space.object_id, space.vectors, cells)
    batch = Batch(
        images=[], objects=no_objects(), thumbnails=[], job=space.recipe.digest, vectors={space.name: rows}
    )
    with open_writer(store.path) as writer:
        writer.commit(batch)
        writer.finish()
        settle_default(writer)


def _purities(objects: Objects, before: Space, after: Space, seed: int) -> tuple[Estimate, Estimate] | None:
    if min(len(set(column.tolist())) for column in (objects.image_id, objects.label)) < 2:
        return None
    first, second = (
        measure_neighbors(space, objects, FactorSpec("label"), seed=seed).overall for space in (before, after)
    )
    return first, second
