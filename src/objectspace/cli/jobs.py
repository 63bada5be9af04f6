"""From the options of a command to the specification of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from objectspace.cli.options import Precision, Resize, Route
from objectspace.cli.output import warn
from objectspace.errors import InputError, counted

if TYPE_CHECKING:
    from objectspace.images import PhotoSearch
    from objectspace.objects.annotations import Coverage
    from objectspace.pipeline.job import Job
    from objectspace.pipeline.specs import AnnotationSpec, FactorTableSpec, MaskSpec, PromptSpec


def photos_of(paths: Sequence[Path], exclude: Sequence[str] = ()) -> PhotoSearch:
    """The photos that files and folders name; pictures that cannot be read are told of at once."""
    from objectspace.images import passed_over_text, search_photos

    search = search_photos(paths, exclude=exclude)
    if search.passed_over:
        warn(passed_over_text(search.passed_over))
    return search


def factor_spec(pattern: str | None, table: Path | None) -> FactorTableSpec | None:
    """Return what --pattern and --factors say of each photo; None where neither is given."""
    from objectspace.pipeline.specs import FactorTableSpec

    return None if pattern is None and table is None else FactorTableSpec(pattern, table)


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """--detector, --detector-weights, --names and --resize."""

    name_or_cfg: str | None
    weights: Path | None
    names: Path | None
    resize: Resize | None


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """--encoder and --encoder-weights."""

    name: str
    weights: Path | None


@dataclass(frozen=True, slots=True)
class Machine:
    """--device and --precision."""

    device: str
    precision: Precision


def choose_machine(device: str | None, precision: Precision) -> Machine:
    """The processor where no device is named, with a word of the GPU that could be asked for.

    It is not taken unasked: on a GPU --precision auto means bfloat16, so that a store begun on a processor
    would refuse to go on where there happens to be a GPU.
    """
    from objectspace.models.precision import resolve_device, resolve_precision

    if device is None and (gpu := resolve_device("auto")).type == "cuda":
        half = precision is Precision.auto and resolve_precision("auto", gpu) == "bfloat16"
        numbers = ", in bfloat16 unless --precision float32" if half else ""
        warn(f"a CUDA GPU is here; --device auto uses it{numbers}")
    return Machine(device or "cpu", precision)


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """--annotations with its format and --names, or --masks with their pattern and label."""

    annotations: Path | None
    format: str
    names: Path | None
    masks: Path | None
    mask_pattern: str
    mask_label: str


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """--prompt, --prompt-model, --prompt-weights and the thresholds."""

    words: str | None
    model: str | None
    weights: Path | None
    box_threshold: float | None
    text_threshold: float | None


def annotation_spec(labels: LabelOptions) -> AnnotationSpec | MaskSpec | None:
    """Return where --annotations or --masks say the objects are; None where they are to be detected."""
    from objectspace.pipeline.specs import AnnotationSpec, MaskSpec

    if labels.annotations is not None and labels.masks is not None:
        misuse("give --annotations or --masks, one of them")
    if labels.masks is not None:
        return MaskSpec(labels.masks, labels.mask_pattern, labels.mask_label)
    if labels.annotations is not None:
        return AnnotationSpec(labels.annotations, labels.format, labels.names)
    if labels.format != "yolo":
        misuse(f"--annotation-format {labels.format} needs --annotations PATH")
    return None


def read_files(job: Job, photos: Sequence[Path]) -> Job:
    """Read a job's annotations and factor table, and warn of what they and the photos do not share.

    Raises InputError where annotations and photos share nothing.
    """
    from objectspace.objects.annotations.photo_factors import FactorTable
    from objectspace.pipeline.specs import AnnotationSpec, MaskSpec

    ready = job.read(photos)
    if isinstance(ready.factors, FactorTable) and (unmatched := ready.factors.unmatched):
        have = "has" if len(unmatched) == 1 else "have"
        many = counted(len(photos), "photo")
        warn(f"{len(unmatched)} of {many} {have} no factors, such as {unmatched[0]}")
    if isinstance(spec := job.annotations, AnnotationSpec | MaskSpec):
        reader: Any = ready.annotations
        place = spec.folder if isinstance(spec, MaskSpec) else spec.path
        _warn_of_coverage(place, reader.coverage(photos), photos)
    return ready


def _warn_of_coverage(path: Path | str, coverage: Coverage, photos: Sequence[Path]) -> None:
    """Warn of what annotations and photos do not share. Raises InputError where that is everything."""
    if len(coverage.unnamed) == len(photos):
        first = f", such as {coverage.missing[0]}" if coverage.missing else ""
        told = "".join(f"; {note}" for note in coverage.notes[:1])
        raise InputError(f"{path}: none of its images is among the photos{first}{told}")
    images, marks = ("image is", "images are"), ("annotation is", "annotations are")
    photos_are, photos_have = ("photo is", "photos are"), ("photo has", "photos have")
    counts: tuple[tuple[int, tuple[str, str], str, tuple[str, ...]], ...] = (
        (len(coverage.missing), images, "not among the photos", coverage.missing[:1]),
        (len(coverage.unnamed), photos_are, "not annotated there", coverage.unnamed[:1]),
        (len(coverage.shared), photos_have, "the annotations of another of that name", coverage.shared[:1]),
        (
            len(coverage.alike),
            photos_are,
            "found by name, in folders that are named otherwise there",
            coverage.alike[:1],
        ),
        (coverage.crowds, marks, "of a crowd (iscrowd) and left out", ()),
        (coverage.strays, marks, "of an image that it does not name", ()),
    )
    for count, subject, what, example in counts:
        if count:
            such = "".join(f", such as {name}" for name in example)
            warn(f"{path}: {counted(count, *subject)} {what}{such}")
    for note in coverage.notes:
        warn(f"{path}: {note}")


def pools_of(windows: Sequence[int] | None, pools: Sequence[str] | None) -> tuple[str, ...]:
    """The poolings of --window and --pool; windows of three cells where neither is given."""
    return (*(f"window{size}" for size in windows or ()), *(pools or ())) or ("window3",)


def prompt_spec(options: PromptOptions, annotated: bool) -> PromptSpec | None:
    """Return the words of --prompt and what is to find them; None where there is none."""
    from objectspace.pipeline.specs import PromptSpec

    given = (options.model, options.weights, options.box_threshold, options.text_threshold)
    if options.words is None:
        if any(value is not None for value in given):
            misuse("a prompt model, its weights and thresholds need words to find: give --prompt")
        return None
    if annotated:
        misuse("give --prompt or --annotations (--masks), one of them")
    return PromptSpec(options.words, *given)


def network_specs(
    route: Route, detector: DetectorOptions, encoder: EncoderOptions, machine: Machine, *, detects: bool
) -> dict[str, Any]:
    """Return the networks that a route needs and where they run, as arguments of a job.

    detects: whether neither annotations nor words find the objects. Where one of them does, crops alone are
        made; else, and where windows are asked for by name, the detector is yolov3
    """
    from objectspace.pipeline.specs import DetectorSpec, EncoderSpec

    specs: dict[str, Any] = {"device": machine.device, "precision": machine.precision.value}
    name = detector.name_or_cfg
    if name is None and (detects or route is Route.window):
        name = "yolov3"
    if name is not None and (detects or route in (Route.both, Route.window)):
        specs["detector"] = DetectorSpec(name, detector.weights, detector.names, detector.resize)
    if route in (Route.both, Route.crop):
        specs["encoder"] = EncoderSpec(encoder.name, encoder.weights)
    if route is Route.map:
        specs["encoder_map"] = EncoderSpec(encoder.name, encoder.weights)
    return specs


def check_exclusion(exclude_same_image: bool, exclude_same: str | None) -> None:
    """End as wrong usage does where neighbors are to be left out by two columns."""
    if exclude_same_image and exclude_same not in (None, "image"):
        misuse(f"give --exclude-same-image or --exclude-same {exclude_same}, one of them")


def misuse(text: str) -> NoReturn:
    """End as wrong usage does, with exit 2."""
    raise typer.BadParameter(text)
