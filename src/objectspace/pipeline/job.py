"""A job: a specification of what to compute from images, which can be pickled and written as JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from objectspace.embeddings.crops import CropPolicy
from objectspace.errors import DownloadError, InputError, ObjectspaceError
from objectspace.models.detectors import Detector
from objectspace.models.encoders import Encoder
from objectspace.models.maps import MapSource
from objectspace.models.prompts import Prompter
from objectspace.objects.annotations import AnnotationReader
from objectspace.objects.annotations.image_factors import LABEL, FactorTable
from objectspace.pipeline.job_options import JobOptions
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.specs import (
    AnnotationSpec,
    DetectorSpec,
    EncoderSpec,
    FactorTableSpec,
    MaskSpec,
    PromptSpec,
    Spec,
)
from objectspace.places import Place

#: What each part of a job may be, in JSON the first kind whose fields fit.
_SPECS: Mapping[str, tuple[type, ...]] = {
    "detector": (DetectorSpec,),
    "encoder": (EncoderSpec,),
    "encoder_map": (EncoderSpec,),
    "annotations": (AnnotationSpec, MaskSpec),
    "prompts": (PromptSpec,),
    "factors": (FactorTableSpec,),
}


# What no part of a job is, as it can do nothing.
_PLAIN_TYPES = (bool, int, float, bytes, list, tuple, dict, set)


@dataclass(frozen=True, kw_only=True, repr=False)
class Job(JobOptions):
    """A specification of a job: its parts by name, and the options of :class:`JobOptions`.

    Each part is a specification, or an object of your own that does the same; of a job with an object
    nothing can be pickled or written as JSON.

    detector: finds the objects, unless annotations or words do; its maps give vectors. A name, such as
        ``"yolov3"``, is a specification too
    encoder: embeds crops; None for no crop space; a name will do
    encoder_map: reads whole images, its map gives the vectors instead of the detector's; a name will do
    annotations: where the objects are looked up instead of being detected; a path is one of YOLO's labels
    prompts: the words that name the objects, instead of the detector; a text will do
    factors: columns that are known of each image; a path is that of a table
    device, precision: of the networks that the job loads

    Raises InputError where nothing finds or nothing embeds the objects, and for options out of range.

    >>> job = Job(detector="yolov3", encoder=EncoderSpec("resnet50"), pools=("window1",))
    >>> Job.from_json(job.to_json()) == job
    True
    """

    detector: DetectorSpec | Detector | Path | str | None = None
    encoder: EncoderSpec | Encoder | Path | str | None = None
    encoder_map: EncoderSpec | MapSource | Path | str | None = None
    annotations: AnnotationSpec | MaskSpec | AnnotationReader | Path | str | None = None
    prompts: PromptSpec | Prompter | str | None = None
    factors: FactorTableSpec | FactorTable | Path | str | None = None
    device: str = "cpu"
    precision: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in _SPECS:
            if isinstance(value := getattr(self, part), _PLAIN_TYPES):
                kinds = " or ".join(kind.__name__ for kind in _SPECS[part])
                raise InputError(
                    f"{part} is {value!r} of type {type(value).__name__}, expected a name, a path, a {kinds} "
                    "or an object that does the same"
                )
        if self.detector is None and self.annotations is None and self.prompts is None:
            raise InputError("nothing finds the objects; give a detector, words or annotations")
        if self.annotations is not None and self.prompts is not None:
            raise InputError("objects come from words or from annotations; give one of them")
        has_maps = bool(self.poolings) and not (self.detector is None and self.encoder_map is None)
        if self.encoder is None and not has_maps:
            raise InputError("nothing embeds the objects; give an encoder, or a detector and a pooling")
        if self.replaces and self.annotations is None:
            raise InputError("only annotations say that an object is gone, a detector may have missed it")

    def read(self, images: Sequence[Place] = ()) -> Job:
        """Return the job with its factor table and annotations read, its networks as they are.

        images: those of the job, which a factor table is joined to
        Raises AnnotationError and InputError for files that cannot be used.
        """
        factors, annotations = self.factors, self.annotations
        if isinstance(annotations, str | os.PathLike):
            annotations = AnnotationSpec(annotations)
        if isinstance(factors, str | os.PathLike):
            factors = FactorTableSpec(None, Path(factors))
        if isinstance(factors, FactorTableSpec):
            factors = factors.read(images)
        if isinstance(annotations, MaskSpec):
            annotations = annotations.read(factors)
        elif factors is not None and LABEL in factors.columns and not isinstance(self.factors, FactorTable):
            raise InputError(f"factors: column {LABEL!r} names the objects of mask images only; rename it")
        if isinstance(annotations, AnnotationSpec):
            annotations = annotations.read()
        return replace(self, factors=factors, annotations=annotations)

    def load(self, images: Sequence[Place] = ()) -> LoadedJob:
        """Return the job with everything in memory: files read as by :meth:`read`, networks loaded.

        Raises InputError, AnnotationError, ModelError and its subclasses.
        """
        ready, where = self.read(images), (self.device, self.precision)
        _check_all(
            _named(self.detector, DetectorSpec),
            _named(self.encoder, EncoderSpec),
            _named(self.encoder_map, EncoderSpec),
        )
        networks = _load_all(
            prompts=lambda: _loaded(self.prompts, PromptSpec, lambda spec: spec.load(self.device)),
            detector=lambda: _loaded(self.detector, DetectorSpec, lambda spec: spec.load(*where)),
            encoder=lambda: _loaded(self.encoder, EncoderSpec, lambda spec: spec.load(*where)),
            encoder_map=lambda: _loaded(self.encoder_map, EncoderSpec, lambda spec: spec.load_map(*where)),
        )
        assert not isinstance(ready.annotations, AnnotationSpec | MaskSpec | Path | str)
        assert not isinstance(ready.factors, FactorTableSpec | Path | str)
        return LoadedJob(
            **networks,
            annotations=ready.annotations,
            factors=ready.factors,
            **{option.name: getattr(self, option.name) for option in fields(JobOptions)},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the job as plain JSON values, paths as they were given.

        Raises InputError, which names the part, for a job with an object that is no specification.
        """
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: _plain(name, value) for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Job:
        """Return the job that :meth:`to_json` wrote. Raises InputError for keys that no job has."""
        known = {part.name for part in fields(cls)}
        if unknown := sorted(set(value) - known):
            raise InputError(f"job: unknown keys {', '.join(unknown)}; it was written by a newer objectspace")
        given = dict(value)
        for name, kinds in _SPECS.items():
            if isinstance(given.get(name), Mapping):
                given[name] = _spec_from_json(name, given[name], kinds)
        if "pools" in given:
            given["pools"] = tuple(given["pools"])
        if "crop" in given:
            given["crop"] = CropPolicy.from_json(given["crop"])
        return cls(**given)

    def __reduce__(self) -> tuple[Callable[[Mapping[str, Any]], Job], tuple[dict[str, Any]]]:
        # Through JSON, so that what cannot be pickled is refused by name, and networks are never copied.
        return Job.from_json, (self.to_json(),)


def _check_all(*parts: Any) -> None:
    """Raise for networks that cannot be, before one is fetched or loaded; several are named in one error."""
    problems: list[ObjectspaceError] = []
    for part in parts:
        if isinstance(part, DetectorSpec | EncoderSpec):
            try:
                part.check()
            except ObjectspaceError as problem:
                problems.append(problem)
    if len(problems) > 1:
        raise InputError("; ".join(map(str, problems)))
    if problems:
        raise problems[0]


def _load_all(**parts: Callable[[], Any]) -> dict[str, Any]:
    """Return what each part loads; all weights that cannot be had are named in one DownloadError."""
    networks: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, load in parts.items():
        try:
            networks[name] = load()
        except DownloadError as error:
            missing[name] = str(error)
    if missing:
        told = list(missing.values())
        if "detector" in missing:
            told.append("Objects that are annotated already need no detector: give annotations=")
        raise DownloadError(". ".join(told))
    return networks


def _loaded(part: Any, kind: type, load: Callable[[Any], Any]) -> Any:
    """Return what a name or a specification loads to, and an object as it is."""
    part = _named(part, kind)
    return load(part) if isinstance(part, kind) else part


def _named(part: Any, kind: type) -> Any:
    """Return the specification of a name, and anything else as it is."""
    return kind(os.fspath(part)) if isinstance(part, str | os.PathLike) else part


def _plain(name: str, value: Any) -> Any:
    """Return a part or an option as plain JSON values. Raises InputError for an object."""
    if isinstance(value, Spec | CropPolicy):
        return {key: _plain(name, field) for key, field in asdict(value).items()}
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Path):
        return os.fspath(value)
    if not isinstance(value, str | float | int | None):
        kinds = " or ".join(kind.__name__ for kind in _SPECS[name])
        raise InputError(
            f"job: {name} is an object of {type(value).__name__}, which cannot be written or sent to another "
            f"process; give it as {kinds}"
        )
    return value


def _spec_from_json(name: str, value: Mapping[str, Any], kinds: Sequence[type]) -> Any:
    """Return the specification whose fields these are. Raises InputError."""
    given = {key: tuple(part) if isinstance(part, list) else part for key, part in value.items()}
    for kind in kinds:
        try:
            return kind(**given)
        except TypeError:
            continue
    raise InputError(
        f"job: {name} has the keys {', '.join(given)}; "
        f"expected {' or '.join(', '.join(part.name for part in fields(kind)) for kind in kinds)}"
    )
