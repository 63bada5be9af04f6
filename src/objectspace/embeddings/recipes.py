"""The recipes that an encoder and a detector make vectors by."""

from __future__ import annotations

from objectspace._version import __version__
from objectspace.embeddings.crops import CropPolicy
from objectspace.embeddings.encoders import Encoder
from objectspace.embeddings.spaces import Recipe
from objectspace.embeddings.windows import Scale
from objectspace.objects.detectors import Detector, Head


def crop_recipe(encoder: Encoder, policy: CropPolicy) -> Recipe:
    """The recipe of the crop route through an encoder."""
    return Recipe(
        route="crop",
        model=encoder.name,
        weights=encoder.weights,
        tap=encoder.tap,
        preprocessing=encoder.preprocessing,
        precision=encoder.precision,
        version=__version__,
        crop=policy.to_json(),
    )


def window_recipe(detector: Detector, head: Head, size: int, scale: Scale) -> Recipe:
    """The recipe of windows of one size at one head of a detector."""
    return Recipe(
        route="window",
        model=detector.name,
        weights=detector.recipe["weights"],
        tap=head.tap,
        preprocessing=detector.recipe,
        precision=detector.precision,
        version=__version__,
        window=size,
        scale=scale,
        stride=head.stride,
    )


def window_heads(detector: Detector, scale: Scale) -> list[Head]:
    """The heads at which windows are cut: all of them, or the deepest."""
    if scale == "deepest":
        return [max(detector.heads, key=lambda head: head.stride)]
    return list(detector.heads)
