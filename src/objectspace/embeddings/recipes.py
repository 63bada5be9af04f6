"""The recipes by which encoders and detectors make vectors."""

from __future__ import annotations

from objectspace._version import __version__
from objectspace.embeddings.crops import CROP_METHOD, CropPolicy
from objectspace.embeddings.pooling import MAP_METHODS, Pooling
from objectspace.embeddings.spaces import Recipe, VectorType
from objectspace.embeddings.windows import Scale
from objectspace.errors import InputError
from objectspace.models.encoders import Encoder
from objectspace.models.maps import QUERY_METHOD, Head, MapSource


def crop_recipe(encoder: Encoder, policy: CropPolicy, vectors: VectorType = "float32") -> Recipe:
    """Return the recipe of the crop route through an encoder."""
    return Recipe(
        route="crop",
        model=encoder.name,
        weights=encoder.weights,
        tap=encoder.tap,
        preprocessing=encoder.preprocessing,
        precision=encoder.precision,
        version=__version__,
        crop=policy.to_json(),
        method=CROP_METHOD,
        vectors=vectors,
    )


#: The most numbers of a vector from a map, a megabyte of them; the paper's have 9,216.
MOST_NUMBERS = 1 << 18


def map_recipe(
    source: MapSource, head: Head, pooling: Pooling, scale: Scale, vectors: VectorType = "float32"
) -> Recipe:
    """Return the recipe of one pooling of the maps of one head of a network.

    Raises InputError where its vectors would have more than MOST_NUMBERS.
    """
    numbers = head.channels * (1 if pooling.kind == "mask" else pooling.size**2)
    if numbers > MOST_NUMBERS:
        raise InputError(
            f"{pooling.name} at stride {head.stride} of {source.name} makes vectors of {numbers:,} numbers, "
            f"expected {MOST_NUMBERS:,} at most; give fewer cells a side"
        )
    return Recipe(
        route=pooling.kind,
        model=source.name,
        weights=source.recipe["weights"],
        tap=head.tap,
        preprocessing=source.recipe,
        precision=source.precision,
        version=__version__,
        window=None if pooling.kind == "mask" else pooling.size,
        scale=scale,
        stride=head.stride,
        method=MAP_METHODS[pooling.kind],
        vectors=vectors,
    )


def query_recipe(source: MapSource, vectors: VectorType = "float32") -> Recipe:
    """Return the recipe of the vectors of a network's object queries."""
    return Recipe(
        route="query",
        model=source.name,
        weights=source.recipe["weights"],
        tap="queries",
        preprocessing=source.recipe,
        precision=source.precision,
        version=__version__,
        method=QUERY_METHOD,
        vectors=vectors,
    )


def used_heads(source: MapSource, scale: Scale) -> list[Head]:
    """Return the heads whose maps are read: all of them, or the deepest."""
    if scale == "deepest":
        return [max(source.heads, key=lambda head: head.stride)]
    return list(source.heads)
