"""A job's files read, with warnings of what they and the photos do not share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectspace.cli.output import warn
from objectspace.errors import InputError, counted
from objectspace.places import Place

if TYPE_CHECKING:
    from objectspace.objects.annotations import Coverage
    from objectspace.pipeline.job import Job


def read_files(job: Job, photos: Sequence[Place]) -> Job:
    """Read a job's annotations and factor table, and warn of what they and the photos do not share.

    Raises InputError where annotations and photos share nothing.
    """
    from objectspace.objects.annotations.image_factors import FactorTable
    from objectspace.pipeline.specs import AnnotationSpec, MaskSpec

    ready = job.read(photos)
    if isinstance(ready.factors, FactorTable) and (unmatched := ready.factors.unmatched):
        have = "has" if len(unmatched) == 1 else "have"
        many = counted(len(photos), "photo")
        warn(f"{len(unmatched)} of {many} {have} no factors, such as {unmatched[0]}")
    if isinstance(spec := job.annotations, AnnotationSpec | MaskSpec):
        reader: Any = ready.annotations
        place = spec.folder if isinstance(spec, MaskSpec) else spec.path
        _warn_of_coverage(place, reader.coverage(list(map(os.fspath, photos))), photos)
    return ready


def _warn_of_coverage(path: Path | str, coverage: Coverage, photos: Sequence[Place]) -> None:
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
