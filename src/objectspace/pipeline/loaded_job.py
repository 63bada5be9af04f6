"""A job in memory: its networks loaded, its annotations and factors read, its spaces named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from objectspace.embeddings.crops import crop_space_name
from objectspace.embeddings.pooling import Pooling, pooled_space_name
from objectspace.embeddings.recipes import crop_recipe, map_recipe, query_recipe, used_heads
from objectspace.embeddings.spaces import Recipe, model_key
from objectspace.errors import InputError
from objectspace.files import recipe_digest
from objectspace.models.detectors import Detector
from objectspace.models.encoders import Encoder
from objectspace.models.maps import Head, MapSource
from objectspace.models.prompts import Prompter
from objectspace.objects.annotations import AnnotationReader
from objectspace.objects.annotations.image_factors import FactorTable
from objectspace.pipeline.job_options import JobOptions
from objectspace.places import Place, RemotePath


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LoadedJob(JobOptions):
    """A job whose networks are in memory and whose files are read; made by :meth:`Job.load`.

    The parts are those of :class:`Job`. Raises InputError where annotations and factor table share a column.

    >>> loaded = osp.Job(detector="demo", encoder="demo", pools=("window1",)).load()
    >>> sorted(loaded.recipes)
    ['demo-crop', 'demo-window1-stride16', 'demo-window1-stride32']
    """

    detector: Detector | None
    encoder: Encoder | None
    encoder_map: MapSource | None
    annotations: AnnotationReader | None
    prompts: Prompter | None
    factors: FactorTable | None

    def __post_init__(self) -> None:
        super().__post_init__()
        annotated = () if self.annotations is None else self.annotations.factor_names
        known = () if self.factors is None else self.factors.columns
        if twice := sorted(set(annotated) & set(known)):
            raise InputError(
                f"factor {', '.join(twice)} comes from the annotations and from the photos' table or "
                "pattern; rename one of them"
            )

    @property
    def map_source(self) -> MapSource | None:
        """Return the network whose maps are read, for any source of objects; None if no maps are."""
        return (self.encoder_map or self.detector) if self.poolings else None

    @property
    def detects(self) -> bool:
        """Return whether the detector finds the objects."""
        return self.annotations is None and self.prompts is None

    @property
    def recipes(self) -> dict[str, Recipe]:
        """Return the recipe of every space that the job can make, by the space's name."""
        spaces: dict[str, Recipe] = {}
        if self.encoder is not None:
            spaces[self.crop_name(self.encoder)] = crop_recipe(self.encoder, self.crop, self.vectors)
        if (source := self.map_source) is None:
            return spaces
        if source.query_dimension:
            spaces[self.query_name(source)] = query_recipe(source, self.vectors)
        for pooling in self.poolings:
            for head in used_heads(source, self.scale):
                recipe = map_recipe(source, head, pooling, self.scale, self.vectors)
                spaces[self.map_name(source, pooling, head)] = recipe
        return spaces

    def crop_name(self, encoder: Encoder) -> str:
        """Return the name of the crop space."""
        return crop_space_name(encoder.name, self.crop) + self.suffix

    def map_name(self, source: MapSource, pooling: Pooling, head: Head) -> str:
        """Return the name of the space of one pooling at one head."""
        if self.scale != "own":
            return pooled_space_name(source.name, pooling, None) + self.suffix
        alike = sum(other.stride == head.stride for other in source.heads) > 1
        tap = f"-{head.tap}" if alike else ""
        return pooled_space_name(source.name, pooling, head.stride) + tap + self.suffix

    def query_name(self, source: MapSource) -> str:
        """Return the name of the space of a detector's object queries."""
        return f"{source.name}-query{self.suffix}"

    @property
    def sources(self) -> dict[str, Mapping[str, Any]]:
        """Return what finds the objects, ``objects.source`` -> its recipe."""
        finder = self.annotations or self.prompts or self.detector
        return {} if finder is None else {finder.source: finder.recipe}

    @property
    def models(self) -> dict[str, Mapping[str, Any]]:
        """Return how to load the job's networks again: :func:`model_key` -> the arguments that did."""
        models: dict[str, Mapping[str, Any]] = {}
        for network in (self.detector, self.encoder_map, self.prompts):
            if network is not None:
                models[model_key(network.name, network.recipe["weights"])] = network.loaded_from
        if self.encoder is not None:
            models[model_key(self.encoder.name, self.encoder.weights)] = self.encoder.loaded_from
        return models

    @property
    def digest(self) -> str:
        """Return a digest of everything that determines the job's result for an image, except annotations."""
        thresholds = {"confidence": self.confidence, "iou": self.iou} if self.detects else {}
        spaces = {name: recipe.digest for name, recipe in self.recipes.items()}
        return recipe_digest({**thresholds, "sources": self.sources, "spaces": spaces})

    def contents(self, image: Place | str) -> str | None:
        """Return a digest of an image's annotations; None where its objects are found otherwise."""
        if self.annotations is None:
            return None
        # Annotations know photos by their names, whatever place they name.
        return self.annotations.contents(str(image) if isinstance(image, RemotePath) else image)
