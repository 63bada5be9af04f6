"""From the options of a command to what it works with: the parts of a job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from objectspace.cli.options import Route
from objectspace.cli.output import warn
from objectspace.errors import InputError

if TYPE_CHECKING:
    from objectspace.jobs import Job
    from objectspace.objects.annotations import AnnotationSet, Coverage
    from objectspace.objects.factors import FactorTable
    from objectspace.objects.prompts import Prompter


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
            warn(f"{count} of {len(photos)} photos have no factors, such as {first}")
    if len(parts) == 2:
        return merge_factors(*parts)
    return parts[0] if parts else None


def annotation_reader(
    annotations: Path | None,
    annotation_format: str,
    names: Path | None,
    masks: Path | None,
    mask_pattern: str,
    mask_label: str,
    factors: FactorTable | None,
    photos: Sequence[Path],
) -> AnnotationSet | None:
    """Where the objects are looked up: --annotations or --masks; None where they are to be detected."""
    from objectspace.objects.annotations import open_annotations
    from objectspace.objects.labels import COCO_NAMES, read_names
    from objectspace.objects.mask_images import open_mask_images

    if annotations is not None and masks is not None:
        misuse("give --annotations or --masks, one of them")
    if masks is not None:
        reader = open_mask_images(masks, pattern=mask_pattern, label=mask_label, factors=factors)
        _tell_coverage(masks, reader.coverage(photos), photos)
        return reader
    if factors is not None and "label" in factors.columns:
        raise InputError("factors: column 'label' names the objects of --masks only; rename it")
    if annotations is None:
        if annotation_format != "yolo":
            misuse(f"--annotation-format {annotation_format} needs --annotations PATH")
        return None
    labels = COCO_NAMES if names is None else read_names(names)
    reader = open_annotations(annotations, names=labels, format=annotation_format)
    _tell_coverage(annotations, reader.coverage(photos), photos)
    return reader


def _tell_coverage(path: Path, coverage: Coverage, photos: Sequence[Path]) -> None:
    """Warn of what annotations and photos do not share. Raises InputError where that is everything."""
    if len(coverage.unnamed) == len(photos):
        first = f", such as {coverage.missing[0]}" if coverage.missing else ""
        raise InputError(f"{path}: none of its images is among the photos{first}")
    counts: tuple[tuple[int, str, tuple[str, ...]], ...] = (
        (len(coverage.missing), "images are not among the photos", coverage.missing[:1]),
        (len(coverage.unnamed), "photos are not annotated there", coverage.unnamed[:1]),
        (len(coverage.shared), "photos have the annotations of another of that name", coverage.shared[:1]),
        (coverage.crowds, "annotations are of crowds (iscrowd) and left out", ()),
        (coverage.strays, "annotations are of images that it does not name", ()),
    )
    for count, what, example in counts:
        if count:
            warn(f"{path}: {count} {what}" + "".join(f", such as {name}" for name in example))


def pools_of(windows: Sequence[int] | None, pools: Sequence[str] | None) -> tuple[str, ...]:
    """The poolings of --window and --pool; windows of three cells where neither is given."""
    return (*(f"window{size}" for size in windows or ()), *(pools or ())) or ("window3",)


def prompter_of(
    prompt: str | None,
    model: dict[str, Any],
    thresholds: dict[str, float | None],
    reader: AnnotationSet | None,
    device: str,
) -> Prompter | None:
    """What finds the words of --prompt; None where there is none."""
    from objectspace.objects.prompts import load_prompter

    given = {name: value for name, value in {**model, **thresholds}.items() if value is not None}
    if prompt is None:
        if given:
            misuse("a prompt model, its weights and thresholds need words to find: give --prompt")
        return None
    if reader is not None:
        misuse("give --prompt or --annotations (--masks), one of them")
    return load_prompter(prompt, **given, device=device)


def make_job(
    reader: AnnotationSet | None,
    factors: FactorTable | None,
    route: Route,
    *,
    detector: dict[str, Any],
    encoder: dict[str, Any],
    networks: dict[str, Any],
    settings: dict[str, Any],
    crop: dict[str, Any],
    prompts: Prompter | None = None,
) -> Job:
    """The job of the options, its networks loaded.

    Annotations or words alone make crops only; where nothing finds the objects, or windows are asked for by
    name, the detector is yolov3.
    """
    from objectspace.embeddings.crops import CropPolicy
    from objectspace.embeddings.encoders import load_encoder
    from objectspace.embeddings.encoders.maps import load_encoder_map
    from objectspace.jobs import Job
    from objectspace.objects.detectors import load_detector

    policy = CropPolicy(**crop)
    detects = reader is None and prompts is None
    if detector["name_or_cfg"] is None and (detects or route is Route.window):
        detector["name_or_cfg"] = "yolov3"
    maps_of_detector = route in (Route.both, Route.window)
    wanted = detector["name_or_cfg"] is not None and (detects or maps_of_detector)
    if route is Route.crop:
        settings["pools"] = ()
    return Job(
        detector=load_detector(**detector, **networks) if wanted else None,
        encoder=load_encoder(**encoder, **networks) if route in (Route.both, Route.crop) else None,
        encoder_map=load_encoder_map(**encoder, **networks) if route is Route.map else None,
        annotations=reader,
        prompts=prompts,
        factors=factors,
        crop=policy,
        **settings,
    )


def misuse(text: str) -> NoReturn:
    """End as wrong usage does, with exit 2."""
    raise typer.BadParameter(text)
