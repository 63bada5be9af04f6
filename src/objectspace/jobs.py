"""A job: what to make of photos, by which networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from objectspace.digests import recipe_digest
from objectspace.embeddings.crops import CropPolicy, crop_space_name
from objectspace.embeddings.encoders import Encoder
from objectspace.embeddings.recipes import crop_recipe, window_heads, window_recipe
from objectspace.embeddings.spaces import Recipe
from objectspace.embeddings.windows import Scale, window_space_name
from objectspace.errors import InputError
from objectspace.objects.annotations import AnnotationReader
from objectspace.objects.detectors import Detector, Head
from objectspace.objects.factors import FactorTable
from objectspace.store import model_key


@dataclass(frozen=True, eq=False)
class Job:
    """What to make of photos.

    detector: finds the objects, unless there are annotations; its maps give the windows
    encoder: gives the crop space; None for none
    annotations: where the objects are looked up instead of being detected
    factors: columns that are known of each photo
    windows: cells a side of each window space; none of them without a detector
    scale: "own" head of each object, or the "deepest" (the paper)
    crop: how objects are cut out for the encoder
    confidence, iou: the detector's thresholds, in [0, 1]
    suffix: stands behind the names of the job's spaces
    replaces: objects of these photos that the annotations do not hold any more are removed
    """

    detector: Detector | None = None
    encoder: Encoder | None = None
    annotations: AnnotationReader | None = None
    factors: FactorTable | None = None
    windows: tuple[int, ...] = (3,)
    scale: Scale = "own"
    crop: CropPolicy = field(default_factory=CropPolicy)
    confidence: float = 0.25
    iou: float = 0.45
    suffix: str = ""
    replaces: bool = False

    def __post_init__(self) -> None:
        if self.detector is None and self.annotations is None:
            raise InputError("nothing finds the objects; give a detector or annotations")
        if self.encoder is None and (self.detector is None or not self.windows):
            raise InputError("nothing embeds the objects; give an encoder, or a detector and a window size")
        if self.replaces and self.annotations is None:
            raise InputError("only annotations say that an object is gone, a detector may have missed it")
        if wrong := [size for size in self.windows if size < 1]:
            raise InputError(f"window size {wrong[0]} is not a positive number of cells")
        for name in ("confidence", "iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected a number from 0 to 1")

    @property
    def maps_wanted(self) -> bool:
        """Whether the detector's maps are read, whatever finds the objects."""
        return self.detector is not None and bool(self.windows)

    def recipes(self) -> dict[str, Recipe]:
        """The recipe of every space that the job can make, by the space's name."""
        spaces: dict[str, Recipe] = {}
        if self.encoder is not None:
            spaces[self.crop_name(self.encoder)] = crop_recipe(self.encoder, self.crop)
        if self.detector is not None:
            for size in self.windows:
                for head in window_heads(self.detector, self.scale):
                    name = self.window_name(size, head)
                    spaces[name] = window_recipe(self.detector, head, size, self.scale)
        return spaces

    def crop_name(self, encoder: Encoder) -> str:
        """The name of the crop space."""
        return crop_space_name(encoder.name, self.crop) + self.suffix

    def window_name(self, size: int, head: Head) -> str:
        """The name of the space of windows of one size at one head."""
        if self.detector is None:
            raise InputError("a job without a detector has no windows")
        stride = head.stride if self.scale == "own" else None
        return window_space_name(self.detector.name, size, stride) + self.suffix

    def sources(self) -> dict[str, Mapping[str, Any]]:
        """What finds the objects, with its recipe."""
        if self.annotations is not None:
            return {self.annotations.source: self.annotations.recipe}
        return {} if self.detector is None else {self.detector.source: self.detector.recipe}

    def models(self) -> dict[str, Mapping[str, Any]]:
        """How to load the job's networks again."""
        models: dict[str, Mapping[str, Any]] = {}
        if self.detector is not None:
            models[model_key(self.detector.name, self.detector.recipe["weights"])] = self.detector.loaded_from
        if self.encoder is not None:
            models[model_key(self.encoder.name, self.encoder.weights)] = self.encoder.loaded_from
        return models

    def digest(self) -> str:
        """Names all that decides what the job makes of a photo; a photo done under this name is done."""
        thresholds = {} if self.annotations is not None else {"confidence": self.confidence, "iou": self.iou}
        contents = None if self.annotations is None else self.annotations.contents()
        spaces = {name: recipe.digest for name, recipe in self.recipes().items()}
        return recipe_digest(
            {**thresholds, "sources": self.sources(), "contents": contents, "spaces": spaces}
        )
