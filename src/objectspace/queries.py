"""Queries from photos: embed what a photo shows by the recipe of a space, as indexing would have done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from objectspace.digests import content_id, recipe_digest
from objectspace.embeddings.crops import CropPolicy
from objectspace.embeddings.encoders import Encoder, load_encoder
from objectspace.embeddings.encoders.maps import load_encoder_map
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import ModelError, ObjectspaceError, QueryError, RecipeError
from objectspace.flow import Finding, decode_photo, encode, find, job_cutter
from objectspace.images import Image, read_file
from objectspace.jobs import Job
from objectspace.objects.annotations import Annotated
from objectspace.objects.boxes import area, clip
from objectspace.objects.detectors import Detector, load_detector
from objectspace.objects.records import make_objects
from objectspace.search import UNLABELLED, Queries
from objectspace.store import Store, model_key

Network = TypeVar("Network")


@dataclass(frozen=True, slots=True)
class BoxReader:
    """Looks up one box, the same in every photo, as if it were annotated."""

    xyxy: tuple[float, float, float, float]

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Only that a user drew it."""
        return {"format": "box of a query"}

    @property
    def source(self) -> str:
        """``box@`` and the recipe's digest."""
        return f"box@{recipe_digest(self.recipe)}"

    def contents(self) -> str:
        """The box itself."""
        return content_id(repr(self.xyxy).encode())

    def objects_of(self, image: Image) -> Annotated:
        """The box, clipped to the photo. Raises QueryError where nothing of it is inside."""
        box: NDArray[np.float32] = clip(np.array([self.xyxy], np.float32), (image.width, image.height))
        if not area(box)[0] > 0:
            sides = ",".join(f"{side:g}" for side in self.xyxy)
            raise QueryError(
                f"box {sides} has no area inside {image.path}, which is {image.width} x {image.height}; "
                "give x1,y1,x2,y2 in its pixels"
            )
        objects = make_objects(image_id=image.image_id, xyxy=box, label=[UNLABELLED], source=self.source)
        return Annotated(objects)


def stored_objects_of(store: Store, photo: Path | str) -> list[str]:
    """Ids of the stored objects of a photo, by its content; none where the photo is not in the store."""
    image_id = content_id(read_file(Path(photo)))
    objects = store.objects()
    return [str(name) for name in objects.object_id[objects.image_id == image_id]]


def query_photo(
    store: Store,
    photo: Path | str,
    space: str,
    *,
    box: tuple[float, float, float, float] | None = None,
    device: str = "cpu",
    confidence: float = 0.25,
) -> Queries:
    """The object in a box of a photo, or every object detected in it, embedded as ``space`` was made.

    Networks are loaded from where the job that made the space found them. Raises ImageError for a photo that
    cannot be read, QueryError where nothing is found, RecipeError where the networks' files have changed.
    """
    job = _job_of(store, space, box, device, confidence)
    opened = decode_photo(read_file(Path(photo)), Path(photo), job)
    finding = next(encode(map(job_cutter(job), find(iter([opened]), job)), job))
    return _queries(finding, job, space, store, photo)


def _queries(finding: Finding, job: Job, space: str, store: Store, photo: Path | str) -> Queries:
    objects = finding.objects
    if not len(objects):
        raise QueryError(f"nothing was detected in {photo}; name the object with --box x1,y1,x2,y2")
    if space not in finding.vectors:
        there = ", ".join(sorted(set(finding.vectors) & set(store.space_names))) or "none of this store"
        raise QueryError(
            f"what {photo} shows has no vector in space {space}, as its size belongs to another head; "
            f"search in {there}"
        )
    rows = finding.vectors[space]
    held = {name: row for row, name in enumerate(np.asarray(rows.object_id).tolist())}
    kept = [row for row, name in enumerate(objects.object_id.tolist()) if name in held]
    vectors = rows.vectors[[held[str(objects.object_id[row])] for row in kept]]
    thumbnails = tuple(finding.thumbnails[row] for row in kept)
    return Queries(objects.take(kept), vectors, (str(photo),) * len(kept), False, thumbnails)


def space_detector(store: Store, space: str, *, device: str = "cpu") -> Detector:
    """The detector whose maps a space was taken from, loaded from where its job found it.

    Raises ModelError where that fails, QueryError for a space of crops or of an encoder's map.
    """
    recipe = store.recipe(space)
    if recipe.route == "crop" or _encoder_map_of(store, recipe) is not None:
        raise QueryError(f"space {space} was not cut from a detector's map")
    return _detector_of(store, recipe.model, recipe.weights, recipe.precision, device)


def _job_of(
    store: Store, space: str, box: tuple[float, float, float, float] | None, device: str, confidence: float
) -> Job:
    """The job that makes vectors by a space's recipe, for one photo."""
    recipe = store.recipe(space)
    if recipe.erasure is not None:
        factors = ", ".join(recipe.erasure["factors"])
        raise QueryError(
            f"vectors of space {space} had {factors} erased, which is not done to new photos; "
            "search it for a stored object"
        )
    annotations = None if box is None else BoxReader(box)
    given: dict[str, Any] = {"annotations": annotations, "confidence": confidence}
    if recipe.route == "crop":
        crop = CropPolicy.from_json(dict(recipe.crop or {}))
        given |= {"encoder": _encoder_of(store, space, recipe, device), "crop": crop, "pools": ()}
    else:
        pool = recipe.route if recipe.route == "mask" else f"{recipe.route}{recipe.window}"
        given |= {"pools": (pool,), "scale": recipe.scale}
        if (arguments := _encoder_map_of(store, recipe)) is not None:
            given["encoder_map"] = _loaded_again(space, load_encoder_map, arguments, recipe, device)
        else:
            given["detector"] = space_detector(store, space, device=device)
    if "detector" not in given and box is None:
        given["detector"] = _finder_of(store, device)
    return _named_as(Job(**given), space, recipe)


def _encoder_map_of(store: Store, recipe: Recipe) -> Mapping[str, Any] | None:
    """How to load the encoder whose map of whole photos a space was taken from; None of a detector's map."""
    arguments = store.models.get(model_key(recipe.model, recipe.weights), {})
    found: Mapping[str, Any] | None = arguments.get("encoder_map")
    return found


def _named_as(job: Job, space: str, recipe: Recipe) -> Job:
    """The job with the suffix of the space's name. Raises RecipeError where it would make other vectors."""
    differing = {
        name: {key: pair for key, pair in recipe.differences(made).items() if key != "version"}
        for name, made in job.recipes().items()
    }
    name = min(differing, key=lambda name: (len(differing[name]), not space.startswith(name)))
    if differing[name] or not space.startswith(name):
        found = "; ".join(f"{key}: {held}, now {now}" for key, (held, now) in differing[name].items())
        raise RecipeError(
            f"vectors like those of space {space} cannot be made any more ({found}); index again"
        )
    return replace(job, suffix=space.removeprefix(name))


def _encoder_of(store: Store, space: str, recipe: Recipe, device: str) -> Encoder:
    arguments = store.models.get(model_key(recipe.model, recipe.weights), {"name": recipe.model})
    return _loaded_again(space, load_encoder, arguments, recipe, device)


def _loaded_again(
    space: str, load: Callable[..., Network], arguments: Mapping[str, Any], recipe: Recipe, device: str
) -> Network:
    try:
        return load(**arguments, device=device, precision=recipe.precision)
    except ObjectspaceError as error:
        raise ModelError(f"the encoder of space {space} cannot be loaded again: {error}") from None


def _finder_of(store: Store, device: str) -> Detector:
    """The detector that found the store's objects."""
    for source, recipe in store.sources.items():
        if "weights" in recipe:
            return _detector_of(store, source.split("@")[0], recipe["weights"], recipe["precision"], device)
    raise QueryError(
        "the objects of this store come from annotations; name the object with --box x1,y1,x2,y2"
    )


def _detector_of(store: Store, name: str, weights: str, precision: str, device: str) -> Detector:
    arguments = store.models.get(model_key(name, weights), {"name_or_cfg": name})
    try:
        return load_detector(**arguments, device=device, precision=precision)
    except ObjectspaceError as error:
        raise ModelError(f"detector {name} of this store cannot be loaded again: {error}") from None
