"""Objects from annotations: one file per format, and what they have in common in ``reader``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objectspace.arguments import typed
from objectspace.errors import AnnotationError
from objectspace.objects.annotations.annotation_reader import (
    Annotated,
    AnnotationReader,
    AnnotationSet,
    Coverage,
    Problem,
)
from objectspace.objects.annotations.coco import open_coco
from objectspace.objects.annotations.in_memory import objects_reader
from objectspace.objects.annotations.voc import open_voc
from objectspace.objects.annotations.yolo import open_yolo_folder
from objectspace.objects.annotations.yolo_dataset import open_yolo_dataset

__all__ = [
    "Annotated",
    "AnnotationReader",
    "AnnotationSet",
    "Coverage",
    "Problem",
    "objects_reader",
    "open_annotations",
]


@typed
def open_annotations(
    path: Path | str, *, names: Sequence[str] | None = None, format: str = "yolo"
) -> AnnotationSet:
    """Open the annotations of a format.

    "yolo": a folder of label files, or the ``data.yaml`` of a data set; "coco": a file; "voc": a folder of
    XML files, or a development kit with masks. ``names`` are the classes in order for a folder of YOLO's
    labels, which hold only their numbers: by default those of a list in or beside the folder, else COCO's;
    the other formats have their own. Raises AnnotationError for what is missing or is not of the format, and
    for an unknown format.

    >>> osp.open_annotations("world/annotations.json", format="coco")
    CocoAnnotations('world/annotations.json': 12 images, 8 categories)
    """
    if format == "yolo":
        is_yaml = Path(path).suffix.lower() in (".yaml", ".yml")
        return open_yolo_dataset(path) if is_yaml else open_yolo_folder(path, names=names)
    if format == "coco":
        return open_coco(path)
    if format == "voc":
        return open_voc(path)
    raise AnnotationError(str(path), f"annotation format {format!r} is not known, expected yolo, coco or voc")
