"""A job: what to make of photos, by which networks, and which photos it has finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from objectspace.embeddings.crops import CropPolicy, crop_space_name
from objectspace.embeddings.encoders import Encoder
from objectspace.embeddings.pooling import Pooling, parse_pooling, pooled_space_name
from objectspace.embeddings.recipes import crop_recipe, map_recipe, query_recipe, used_heads
from objectspace.embeddings.spaces import Recipe
from objectspace.embeddings.windows import Scale
from objectspace.errors import InputError
from objectspace.files import recipe_digest
from objectspace.objects.annotations import AnnotationReader
from objectspace.objects.detectors import Detector
from objectspace.objects.factors import FactorTable
from objectspace.objects.maps import Head, MapSource
from objectspace.objects.prompts import Prompter
from objectspace.store import Writer, indexed_key, model_key


@dataclass(frozen=True, eq=False)
class Job:
    """What to make of photos.

    detector: finds the objects, unless annotations or words do; its maps give vectors
    encoder: gives the crop space; None for none
    encoder_map: an encoder that reads whole photos, whose map gives the vectors instead of the detector's
    annotations: where the objects are looked up instead of being detected
    prompts: finds the objects that words name, instead of the detector
    factors: columns that are known of each photo
    pools: how vectors are taken from maps, a space each: ``"window3"``, ``"cell"``, ``"roi7"``, ``"mask"``
    scale: "own" head of each object, or the "deepest" (the paper)
    crop: how objects are cut out for the encoder
    confidence, iou: the detector's thresholds, in [0, 1]
    suffix: stands behind the names of the job's spaces
    replaces: objects of these photos that the annotations do not hold any more are removed
    """

    detector: Detector | None = None
    encoder: Encoder | None = None
    encoder_map: MapSource | None = None
    annotations: AnnotationReader | None = None
    prompts: Prompter | None = None
    factors: FactorTable | None = None
    pools: tuple[str, ...] = ("window3",)
    scale: Scale = "own"
    crop: CropPolicy = field(default_factory=CropPolicy)
    confidence: float = 0.25
    iou: float = 0.45
    suffix: str = ""
    replaces: bool = False

    def __post_init__(self) -> None:
        if self.detector is None and self.annotations is None and self.prompts is None:
            raise InputError("nothing finds the objects; give a detector, words or annotations")
        if self.annotations is not None and self.prompts is not None:
            raise InputError("objects come from words or from annotations; give one of them")
        if self.encoder is None and self.map_source is None:
            raise InputError("nothing embeds the objects; give an encoder, or a detector and a pooling")
        if self.replaces and self.annotations is None:
            raise InputError("only annotations say that an object is gone, a detector may have missed it")
        annotated = () if self.annotations is None else self.annotations.factor_names
        known = () if self.factors is None else self.factors.columns
        if twice := sorted(set(annotated) & set(known)):
            raise InputError(
                f"factor {', '.join(twice)} comes from the annotations and from the photos' table or "
                "pattern; rename one of them"
            )
        for name in ("confidence", "iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected a number from 0 to 1")

    @property
    def poolings(self) -> tuple[Pooling, ...]:
        """What ``pools`` names, each once. Raises InputError for an unknown name."""
        return tuple(dict.fromkeys(map(parse_pooling, self.pools)))

    @property
    def map_source(self) -> MapSource | None:
        """The network whose maps are read, whatever finds the objects."""
        return (self.encoder_map or self.detector) if self.poolings else None

    @property
    def detects(self) -> bool:
        """Whether the detector finds the objects."""
        return self.annotations is None and self.prompts is None

    def recipes(self) -> dict[str, Recipe]:
        """The recipe of every space that the job can make, by the space's name."""
        spaces: dict[str, Recipe] = {}
        if self.encoder is not None:
            spaces[self.crop_name(self.encoder)] = crop_recipe(self.encoder, self.crop)
        if (source := self.map_source) is None:
            return spaces
        if source.query_dimension:
            spaces[self.query_name(source)] = query_recipe(source)
        for pooling in self.poolings:
            for head in used_heads(source, self.scale):
                spaces[self.map_name(source, pooling, head)] = map_recipe(source, head, pooling, self.scale)
        return spaces

    def crop_name(self, encoder: Encoder) -> str:
        """The name of the crop space."""
        return crop_space_name(encoder.name, self.crop) + self.suffix

    def map_name(self, source: MapSource, pooling: Pooling, head: Head) -> str:
        """The name of the space of one pooling at one head."""
        if self.scale != "own":
            return pooled_space_name(source.name, pooling, None) + self.suffix
        alike = sum(other.stride == head.stride for other in source.heads) > 1
        tap = f"-{head.tap}" if alike else ""
        return pooled_space_name(source.name, pooling, head.stride) + tap + self.suffix

    def query_name(self, source: MapSource) -> str:
        """The name of the space of a detector's object queries."""
        return f"{source.name}-query{self.suffix}"

    def sources(self) -> dict[str, Mapping[str, Any]]:
        """What finds the objects, with its recipe."""
        finder = self.annotations or self.prompts or self.detector
        return {} if finder is None else {finder.source: finder.recipe}

    def models(self) -> dict[str, Mapping[str, Any]]:
        """How to load the job's networks again."""
        models: dict[str, Mapping[str, Any]] = {}
        for network in (self.detector, self.encoder_map, self.prompts):
            if network is not None:
                models[model_key(network.name, network.recipe["weights"])] = network.loaded_from
        if self.encoder is not None:
            models[model_key(self.encoder.name, self.encoder.weights)] = self.encoder.loaded_from
        return models

    def digest(self) -> str:
        """Names all that decides what the job makes of any photo; annotations say more of each."""
        thresholds = {"confidence": self.confidence, "iou": self.iou} if self.detects else {}
        spaces = {name: recipe.digest for name, recipe in self.recipes().items()}
        return recipe_digest({**thresholds, "sources": self.sources(), "spaces": spaces})

    def contents(self, photo: Path | str) -> str | None:
        """A digest of what is annotated of a photo; None where the objects are found otherwise."""
        return None if self.annotations is None else self.annotations.contents(photo)


class Finished:
    """The images that were finished before, each under a name of all that decided what was made of it.

    A job that replaces has finished an image only as long as the store holds exactly the objects that were
    found in it: another job may have added some since.
    """

    def __init__(self, job: Job, writer: Writer) -> None:
        self._settings = job.digest()
        self._before = writer.finished(job.sources() if job.replaces else ())

    def has(self, image_id: str, contents: str | None) -> bool:
        """Return whether the job finished an image before, whose annotations are these."""
        return indexed_key(image_id, self.name(contents)) in self._before

    def name(self, contents: str | None) -> str:
        """Return the name under which the job finishes an image, whose annotations are these."""
        if contents is None:
            return self._settings
        return recipe_digest({"settings": self._settings, "contents": contents})
