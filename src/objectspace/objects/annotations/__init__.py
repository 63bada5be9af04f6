"""Objects from annotations: one file per format, and what they have in common in ``reader``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objectspace.errors import AnnotationError
from objectspace.objects.annotations.coco import open_coco
from objectspace.objects.annotations.reader import (
    Annotated,
    AnnotationReader,
    Problem,
    companion,
    folder_contents,
)
from objectspace.objects.annotations.yolo import open_yolo
from objectspace.objects.labels import COCO_NAMES

__all__ = ["Annotated", "AnnotationReader", "Problem", "companion", "folder_contents", "open_annotations"]


def open_annotations(
    path: Path | str, *, names: Sequence[str] = COCO_NAMES, format: str = "yolo"
) -> AnnotationReader:
    """The annotations of a format: "yolo", a folder of label files, or "coco", one file.

    ``names`` are the classes in order for YOLO's labels, which hold only their numbers; a COCO file has its
    own. Raises AnnotationError for what is missing or is not of the format, and for an unknown format.
    """
    if format == "yolo":
        return open_yolo(path, names=names)
    if format == "coco":
        return open_coco(path)
    raise AnnotationError(str(path), f"annotation format {format!r} is not known, expected yolo or coco")
