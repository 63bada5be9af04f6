"""Load the networks that made a space again, from where its job found them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from objectspace.embeddings.crops import CropPolicy
from objectspace.embeddings.joint import joint_parts
from objectspace.embeddings.spaces import Recipe, model_key
from objectspace.errors import InputError, ModelError, ObjectspaceError, QueryError, RecipeError
from objectspace.models.detectors import Detector, load_detector
from objectspace.models.encoders import Encoder, load_encoder
from objectspace.models.encoders.encoder_maps import load_encoder_map
from objectspace.models.prompts import Prompter, load_prompter
from objectspace.models.weights import cache_folder
from objectspace.objects.annotations import AnnotationReader
from objectspace.pipeline.job import Job
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.search.queries.stored import loading_arguments
from objectspace.store import Store

Network = TypeVar("Network")

#: The arguments that a store may name of each loader, all of them text; it may come from a stranger.
_DETECTOR_ARGUMENTS = ("name_or_cfg", "weights", "names", "resize")
_ENCODER_ARGUMENTS = ("name", "weights")

logger = logging.getLogger("objectspace")


def space_detector(
    store: Store, space: str, *, device: str = "cpu", precision: str | None = None
) -> Detector:
    """Return the detector whose maps a space was taken from, loaded from where its job found it.

    precision: another one than the space's own, as an occlusion needs float32 for vectors of any precision
    Raises ModelError where that fails, QueryError for a space of crops, of an encoder's map or of vectors
    that were handed in.
    """
    recipe = store.recipe(space)
    if recipe.route in ("crop", "external") or _encoder_map_of(store, recipe) is not None:
        raise QueryError(f"space {space} was not cut from a detector's map")
    return _detector_of(store, recipe.model, recipe.weights, precision or recipe.precision, device)


def source_detector(
    store: Store, source: str, *, device: str = "cpu", precision: str | None = None
) -> Detector:
    """Return the detector that found the objects of a source, loaded from where its job found it.

    precision: another one than its own. Raises ModelError where that fails, QueryError for a source of
    annotations or of words.
    """
    recipe = store.sources.get(source, {})
    if "weights" not in recipe or _is_words(recipe):
        raise QueryError(f"the objects of {source} were not found by a detector")
    given = precision or _text_of(store, source, "precision")
    return _detector_of(store, source.split("@")[0], _text_of(store, source, "weights"), given, device)


def space_job(
    store: Store,
    space: str,
    *,
    annotations: AnnotationReader | None = None,
    device: str = "cpu",
    confidence: float = 0.25,
) -> LoadedJob:
    """Return the job that makes vectors by a space's recipe, of annotations or of detected objects.

    Raises ModelError where a network cannot be loaded from where the space's job found it, RecipeError where
    its files have changed, QueryError for a space of erased vectors or of vectors handed in.
    """
    recipe = store.recipe(space)
    given = _job_parts(store, space, recipe, device)
    return _named_as(_job_of(store, given, annotations, device, confidence), space, recipe)


def joint_job(
    store: Store,
    space: str,
    *,
    annotations: AnnotationReader | None = None,
    device: str = "cpu",
    confidence: float = 0.25,
) -> tuple[LoadedJob, dict[str, str]]:
    """Return the one job that makes all parts of a joint space, and the job's name of each of their spaces.

    Raises as :func:`space_job`, and QueryError for parts that take more than one encoder or detector.
    """
    parts = joint_parts(store.recipe(space))
    given: dict[str, Any] = {}
    for part in parts:
        for key, network in _job_parts(store, part.spaces[0], store.recipe(part.spaces[0]), device).items():
            if given.get(key):
                raise QueryError(
                    f"the parts of space {space} are not made in one pass over a photo, as two of them need "
                    f"their own {key}; search it for a stored object"
                )
            given[key] = network
    job = _job_of(store, given, annotations, device, confidence)
    spaces = [name for part in parts for name in part.spaces]
    return job, {name: _made_name(job, name, store.recipe(name)) for name in spaces}


def _job_parts(store: Store, space: str, recipe: Recipe, device: str) -> dict[str, Any]:
    """Return the networks and options, as arguments of a job, that make vectors by a space's recipe."""
    if recipe.route == "external":
        raise QueryError(f"vectors of space {space} were handed in; search it for a stored object")
    if recipe.erasure is not None:
        given = recipe.erasure.get("factors")
        factors = ", ".join(map(str, given)) if isinstance(given, list) and given else "something"
        raise QueryError(
            f"vectors of space {space} had {factors} erased, which is not done to new photos; "
            "search it for a stored object"
        )
    if recipe.route == "crop":
        crop = _crop_of(space, recipe)
        return {"encoder": _encoder_of(store, space, recipe, device), "crop": crop}
    options = {"pools": (_pool_of(recipe),), "scale": recipe.scale or "own"}
    if (arguments := _encoder_map_of(store, recipe)) is not None:
        arguments = _checked(store, recipe.model, arguments, _ENCODER_ARGUMENTS)
        return options | {"encoder_map": _loaded_again(space, load_encoder_map, arguments, recipe, device)}
    return options | {"detector": space_detector(store, space, device=device)}


def _job_of(
    store: Store,
    given: Mapping[str, Any],
    annotations: AnnotationReader | None,
    device: str,
    confidence: float,
) -> LoadedJob:
    """Return the job of these parts, which detects as the store's did where there are no annotations."""
    whole = {"annotations": annotations, "confidence": confidence, "pools": (), **given}
    if annotations is None and ("detector" not in given or _found_by_words(store)):
        whole |= _detecting_network(store, device)
    return Job(**whole).load()


def _encoder_map_of(store: Store, recipe: Recipe) -> Mapping[str, Any] | None:
    """Return how to load the encoder whose map a space was taken from; None where a detector made the map."""
    found: Any = loading_arguments(store, recipe).get("encoder_map")
    if not isinstance(found, Mapping | None):
        raise ModelError(
            f"the store at {store.path} says nothing of how {recipe.model} is loaded; index again"
        )
    return found


def _crop_of(space: str, recipe: Recipe) -> CropPolicy:
    try:
        return CropPolicy.from_json(dict(recipe.crop or {}))
    except (TypeError, ValueError, InputError) as error:
        raise ModelError(f"the recipe of space {space} says no way to cut objects out: {error}") from None


def _checked(store: Store, key: str, arguments: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Return arguments that a store names for a loader, after telling which files they open.

    known: the loader's, the one that names the network first
    Raises ModelError for arguments that the loader has not, values that are no text, and no network's name.
    """
    for name, value in arguments.items():
        if name not in known or not isinstance(value, str | None):
            raise ModelError(
                f"the store at {store.path} says that {key} is loaded with {name[:40]}={str(value)[:60]!r}, "
                f"expected text for {', '.join(known)}; index the photos again"
            )
    if not arguments.get(known[0]):
        raise ModelError(
            f"the store at {store.path} does not say what {key} is loaded from ({known[0]}); index the "
            f"photos again"
        )
    for value in filter(None, arguments.values()):
        if Path(value).exists() and not Path(value).is_relative_to(cache_folder()):
            logger.warning("loading %s, as the store at %s names it", value, store.path)
    return dict(arguments)


def _pool_of(recipe: Recipe) -> str:
    """Return the pooling of a recipe; a detector's own vectors of its queries come with any."""
    if recipe.route == "query":
        return "cell"
    return recipe.route if recipe.route == "mask" else f"{recipe.route}{recipe.window}"


def _named_as(job: LoadedJob, space: str, recipe: Recipe) -> LoadedJob:
    """Return the job with the suffix of the space's name.

    Raises RecipeError where it would make other vectors.
    """
    name = _made_name(job, space, recipe)
    if not space.startswith(name):
        raise RecipeError(
            f"space {space} has another name than {name}, which its recipe has now; index again"
        )
    return replace(job, suffix=space.removeprefix(name))


def _made_name(job: LoadedJob, space: str, recipe: Recipe) -> str:
    """Return the job's name of the vectors of a recipe. Raises RecipeError where it would make others."""
    computed = recipe.computed
    differing = {name: computed.differences(made) for name, made in job.recipes.items()}
    name = min(differing, key=lambda name: (len(differing[name]), not space.startswith(name)))
    if differing[name]:
        found = "; ".join(f"{key}: {held}, now {now}" for key, (held, now) in differing[name].items())
        raise RecipeError(
            f"vectors like those of space {space} cannot be made any more ({found}); index again"
        )
    return name


def _encoder_of(store: Store, space: str, recipe: Recipe, device: str) -> Encoder:
    arguments = loading_arguments(store, recipe) or {"name": recipe.model}
    arguments = _checked(store, recipe.model, arguments, _ENCODER_ARGUMENTS)
    return _loaded_again(space, load_encoder, arguments, recipe, device)


def _loaded_again(
    space: str, load: Callable[..., Network], arguments: Mapping[str, Any], recipe: Recipe, device: str
) -> Network:
    try:
        return load(**arguments, device=device, precision=recipe.precision)
    except ObjectspaceError as error:
        raise ModelError(f"the encoder of space {space} cannot be loaded again: {error}") from None


def _found_by_words(store: Store) -> bool:
    """Return whether words found the store's objects, and not a detector."""
    return next((_is_words(recipe) for recipe in store.sources.values() if "weights" in recipe), False)


def _is_words(source: Mapping[str, Any]) -> bool:
    return bool(source.get("family") == "words")


def _detecting_network(store: Store, device: str) -> dict[str, Any]:
    """Return the network that found the store's objects, as the argument of a job."""
    for source, recipe in store.sources.items():
        if _is_words(recipe):
            return {"prompts": _prompter_of(store, source, device)}
        if "weights" in recipe:
            return {"detector": source_detector(store, source, device=device)}
    raise QueryError(
        "the objects of this store come from annotations; give the object's x1, y1, x2, y2 as box="
    )


def _text_of(store: Store, source: str, key: str) -> str:
    """Return a text of a source's recipe. Raises ModelError where it has none."""
    value = store.sources[source].get(key)
    if not isinstance(value, str):
        raise ModelError(f"the recipe of {source} in the store at {store.path} has no {key}; index again")
    return value


def _prompter_of(store: Store, source: str, device: str) -> Prompter:
    recipe = store.sources[source]
    model, weights = _text_of(store, source, "model"), _text_of(store, source, "weights")
    arguments = store.models.get(model_key(model, weights), {"name": model})
    arguments = _checked(store, model, arguments, _ENCODER_ARGUMENTS)
    words = recipe.get("words")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ModelError(f"the recipe of {source} in the store at {store.path} has no words; index again")
    thresholds = {name: recipe[name] for name in ("box_threshold", "text_threshold") if name in recipe}
    if not all(isinstance(value, int | float | None) for value in thresholds.values()):
        raise ModelError(f"a threshold of {source} in the store at {store.path} is no number; index again")
    try:
        prompter = load_prompter(words, **arguments, **thresholds, device=device)
    except ObjectspaceError as error:
        raise ModelError(f"what found the words of this store cannot be loaded again: {error}") from None
    if prompter.source != source:
        raise RecipeError(f"{source} found the words of this store and has changed since; index again")
    return prompter


def _detector_of(store: Store, name: str, weights: str, precision: str, device: str) -> Detector:
    arguments = store.models.get(model_key(name, weights), {"name_or_cfg": name})
    arguments = _checked(store, name, arguments, _DETECTOR_ARGUMENTS)
    try:
        return load_detector(**arguments, device=device, precision=precision)
    except ObjectspaceError as error:
        raise ModelError(f"detector {name} of this store cannot be loaded again: {error}") from None
