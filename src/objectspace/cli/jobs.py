"""From the options of a command to what it works with: the parts of a job."""

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
    from objectspace.embeddings.encoders import Encoder
    from objectspace.images import PhotoSearch
    from objectspace.objects.annotations import AnnotationSet, Coverage
    from objectspace.objects.detectors import Detector
    from objectspace.objects.factors import FactorTable
    from objectspace.objects.maps import MapSource
    from objectspace.objects.prompts import Prompter


def photos_of(paths: Sequence[Path]) -> PhotoSearch:
    """The photos that files and folders name; pictures that cannot be read are told of at once."""
    from objectspace.images import passed_over_text, search_photos

    search = search_photos(paths)
    if search.passed_over:
        warn(passed_over_text(search.passed_over))
    return search


def factor_table(pattern: str | None, table: Path | None, photos: Sequence[Path]) -> FactorTable | None:
    """The factors of --pattern and --factors together; None where neither is given."""
    from objectspace.objects.factors import factors_from_csv, factors_from_pattern, merge_factors

    parts = []
    if pattern is not None:
        parts.append(factors_from_pattern(pattern, photos))
    if table is not None:
        parts.append(factors_from_csv(table, photos))
    for part in parts:
        if part.unmatched:
            count, first = len(part.unmatched), part.unmatched[0]
            have = "has" if count == 1 else "have"
            warn(f"{count} of {counted(len(photos), 'photo')} {have} no factors, such as {first}")
    if len(parts) == 2:
        return merge_factors(*parts)
    return parts[0] if parts else None


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
    from objectspace.networks.precision import resolve_device, resolve_precision

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


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of a job, loaded; None for those that it does not need."""

    detector: Detector | None
    encoder: Encoder | None
    encoder_map: MapSource | None


def annotation_reader(
    labels: LabelOptions, factors: FactorTable | None, photos: Sequence[Path]
) -> AnnotationSet | None:
    """Where the objects are looked up: --annotations or --masks; None where they are to be detected."""
    from objectspace.objects.annotations import open_annotations
    from objectspace.objects.labels import COCO_NAMES, read_names
    from objectspace.objects.mask_images import open_mask_images

    if labels.annotations is not None and labels.masks is not None:
        misuse("give --annotations or --masks, one of them")
    if labels.masks is not None:
        reader = open_mask_images(
            labels.masks, pattern=labels.mask_pattern, label=labels.mask_label, factors=factors
        )
        _tell_coverage(labels.masks, reader.coverage(photos), photos)
        return reader
    if factors is not None and "label" in factors.columns:
        raise InputError("factors: column 'label' names the objects of --masks only; rename it")
    if labels.annotations is None:
        if labels.format != "yolo":
            misuse(f"--annotation-format {labels.format} needs --annotations PATH")
        return None
    names = COCO_NAMES if labels.names is None else read_names(labels.names)
    reader = open_annotations(labels.annotations, names=names, format=labels.format)
    _tell_coverage(labels.annotations, reader.coverage(photos), photos)
    return reader


def _tell_coverage(path: Path, coverage: Coverage, photos: Sequence[Path]) -> None:
    """Warn of what annotations and photos do not share. Raises InputError where that is everything."""
    if len(coverage.unnamed) == len(photos):
        first = f", such as {coverage.missing[0]}" if coverage.missing else ""
        raise InputError(f"{path}: none of its images is among the photos{first}")
    images, marks = ("image is", "images are"), ("annotation is", "annotations are")
    photos_are, photos_have = ("photo is", "photos are"), ("photo has", "photos have")
    counts: tuple[tuple[int, tuple[str, str], str, tuple[str, ...]], ...] = (
        (len(coverage.missing), images, "not among the photos", coverage.missing[:1]),
        (len(coverage.unnamed), photos_are, "not annotated there", coverage.unnamed[:1]),
        (len(coverage.shared), photos_have, "the annotations of another of that name", coverage.shared[:1]),
        (coverage.crowds, marks, "of a crowd (iscrowd) and left out", ()),
        (coverage.strays, marks, "of an image that it does not name", ()),
    )
    for count, subject, what, example in counts:
        if count:
            such = "".join(f", such as {name}" for name in example)
            warn(f"{path}: {counted(count, *subject)} {what}{such}")


def pools_of(windows: Sequence[int] | None, pools: Sequence[str] | None) -> tuple[str, ...]:
    """The poolings of --window and --pool; windows of three cells where neither is given."""
    return (*(f"window{size}" for size in windows or ()), *(pools or ())) or ("window3",)


def prompter_of(options: PromptOptions, reader: AnnotationSet | None, device: str) -> Prompter | None:
    """What finds the words of --prompt; None where there is none."""
    from objectspace.objects.prompts import load_prompter

    named = {"name": options.model, "weights": options.weights}
    thresholds = {"box_threshold": options.box_threshold, "text_threshold": options.text_threshold}
    given: dict[str, Any] = {name: value for name, value in (named | thresholds).items() if value is not None}
    if options.words is None:
        if given:
            misuse("a prompt model, its weights and thresholds need words to find: give --prompt")
        return None
    if reader is not None:
        misuse("give --prompt or --annotations (--masks), one of them")
    return load_prompter(options.words, **given, device=device)


def load_networks(
    route: Route, detector: DetectorOptions, encoder: EncoderOptions, machine: Machine, *, detects: bool
) -> Networks:
    """The networks that a route needs; ``detects`` where neither annotations nor words find the objects.

    Annotations or words alone make crops only; where nothing finds the objects, or windows are asked for by
    name, the detector is yolov3.
    """
    from objectspace.embeddings.encoders import load_encoder
    from objectspace.embeddings.encoders.maps import load_encoder_map
    from objectspace.objects.detectors import load_detector

    device, precision = machine.device, machine.precision.value
    name = detector.name_or_cfg
    if name is None and (detects or route is Route.window):
        name = "yolov3"
    finder = looker = mapper = None
    if name is not None and (detects or route in (Route.both, Route.window)):
        finder = load_detector(
            name,
            weights=detector.weights,
            names=detector.names,
            resize=detector.resize,
            device=device,
            precision=precision,
        )
    if route in (Route.both, Route.crop):
        looker = load_encoder(encoder.name, weights=encoder.weights, device=device, precision=precision)
    if route is Route.map:
        mapper = load_encoder_map(encoder.name, weights=encoder.weights, device=device, precision=precision)
    return Networks(finder, looker, mapper)


def check_exclusion(exclude_same_image: bool, exclude_same: str | None) -> None:
    """End as wrong usage does where neighbours are to be left out by two columns."""
    if exclude_same_image and exclude_same not in (None, "image"):
        misuse(f"give --exclude-same-image or --exclude-same {exclude_same}, one of them")


def misuse(text: str) -> NoReturn:
    """End as wrong usage does, with exit 2."""
    raise typer.BadParameter(text)
