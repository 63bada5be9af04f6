"""The options of a job, the same for all parts: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from objectspace.arguments import check_fields
from objectspace.embeddings.crops import CropPolicy
from objectspace.embeddings.pooling import Pooling, parse_pooling
from objectspace.embeddings.windows import Scale
from objectspace.errors import InputError


@dataclass(frozen=True, kw_only=True, repr=False)
class JobOptions:
    """Options of finding and embedding objects, the same for all networks.

    pools: how vectors are taken from maps, a space each: ``"window3"``, ``"cell"``, ``"roi7"``, ``"mask"``
    scale: "own" head of each object, or the "deepest" (the paper)
    crop: how objects are cut out for the encoder
    confidence, iou: the detector's thresholds, in [0, 1]
    suffix: ends the names of the job's spaces
    replaces: objects of these images that the annotations do not hold any more are removed
    """

    pools: tuple[str, ...] = ("window3",)
    scale: Scale = "own"
    crop: CropPolicy = field(default_factory=CropPolicy)
    confidence: float = 0.25
    iou: float = 0.45
    suffix: str = ""
    replaces: bool = False

    def __repr__(self) -> str:
        """Show what differs from the defaults."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        usual = {field.name: field.default for field in fields(self)} | {"crop": CropPolicy()}
        shown = [f"{name}={value!r}" for name, value in given.items() if value not in (None, usual[name])]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __post_init__(self) -> None:
        check_fields(self, JobOptions)
        for name in ("confidence", "iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected a number from 0 to 1")

    @property
    def poolings(self) -> tuple[Pooling, ...]:
        """The poolings that ``pools`` names, each once. Raises InputError for an unknown name."""
        return tuple(dict.fromkeys(map(parse_pooling, self.pools)))
