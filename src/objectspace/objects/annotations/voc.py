"""Objects from Pascal VOC: a folder of XML files, or a development kit with object masks.

The format is that of http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf; ``attributes`` in an
object is CVAT's.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from objectspace.errors import AnnotationError, counted
from objectspace.files import printable_path, recipe_digest
from objectspace.images import Image
from objectspace.objects.annotations.annotation_reader import (
    Annotated,
    AnnotationSet,
    Coverage,
    FormError,
    Problem,
    ShapeError,
    check_near,
    entry_of,
    file_digest,
    inside,
    shared_images,
)
from objectspace.objects.annotations.attributes import attribute_columns
from objectspace.objects.annotations.shapes import Shape, objects_of_shapes
from objectspace.objects.annotations.voc_masks import read_classes, read_object_masks
from objectspace.objects.annotations.voc_xml import VocFile, VocObject, read_voc_file
from objectspace.objects.labels import coco_spelling
from objectspace.objects.masks import mask_box
from objectspace.objects.records import Mask, no_objects

#: The folders of a development kit.
_XML, _OBJECTS, _CLASSES, _IMAGES = "Annotations", "SegmentationObject", "SegmentationClass", "JPEGImages"


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """The files of one image: its XML file, read or broken, and its masks.

    ``path`` is the XML file, or the mask of the objects where there is none.
    """

    path: Path
    file: VocFile | None = None
    broken: str | None = None
    objects: Path | None = None
    classes: Path | None = None

    @property
    def name(self) -> str:
        """The image, as well as it is known."""
        return self.file.image if self.file is not None and self.file.image else printable_path(self.path)

    @property
    def listed(self) -> Sequence[VocObject]:
        """The objects of the XML file."""
        return () if self.file is None else self.file.objects


@dataclass(frozen=True, slots=True, eq=False)
class VocAnnotations(AnnotationSet):
    """The annotations below one folder, their XML files read when it was opened.

    An image's file has the image's name and is in the folders that the image's path ends with, apart from
    ``Annotations`` and ``JPEGImages``; or else it names the image in ``folder`` and ``filename``. An
    image without one has no objects. VOC's corners are pixels counted from 1, both inclusive: a box's edges
    are ``xmin - 1``, ``ymin - 1``, ``xmax``, ``ymax``. What reaches over the image's border is cut off, up to
    one width or height away.

    An object's mask is the pixels with its number (its index in the file, from 1) in the image of
    ``SegmentationObject``, which also gives the box where the file has none. Objects of that image that are
    not in the file have the label of ``SegmentationClass``.

    by_path, by_image: the images' entries, by the path of their file and by the image that it names
    attributes: factor columns of the objects, name -> whether they are numbers
    """

    folder: Path
    by_path: Mapping[str, _Entry]
    by_image: Mapping[str, _Entry]
    attributes: Mapping[str, bool]

    def __repr__(self) -> str:
        return f"VocAnnotations({str(self.folder)!r}: {counted(len(self.by_path), 'image')})"

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The format, and the origin of its corners."""
        return {"format": "voc", "corners": "from 1, inclusive"}

    @property
    def factor_names(self) -> Collection[str]:
        """The names of all attributes."""
        return self.attributes.keys()

    def contents(self, image_path: Path | str) -> str:
        """Return a digest of the image's file as it was when the folder was opened, and of its masks."""
        entry = self._entry(image_path)
        if entry is None:
            return recipe_digest({"file": None})
        masks = [file_digest(path) for path in (entry.objects, entry.classes)]
        return recipe_digest({"file": entry.file, "broken": entry.broken, "masks": masks})

    def files(self, image_path: Path | str) -> Sequence[Path]:
        """Return the image's XML file and its masks, where there are any."""
        entry = self._entry(image_path)
        paths = () if entry is None else (entry.path, entry.objects, entry.classes)
        return tuple(path for path in paths if path is not None)

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the annotated images and the job's images without a counterpart."""
        found = ((str(image_path), self._entry(image_path)) for image_path in image_paths)
        claims = {image_path: None if entry is None else entry.path for image_path, entry in found}
        claimed = set(claims.values())
        missing = (entry.name for entry in self.by_path.values() if entry.path not in claimed)
        unnamed = (image_path for image_path, path in claims.items() if path is None)
        return Coverage(tuple(missing), tuple(unnamed), shared=shared_images(claims))

    def objects_of(self, image: Image) -> Annotated:
        """Return the image's objects in the order of their numbers, duplicates once."""
        entry = self._entry(image.path)
        if entry is None:
            return Annotated(no_objects())
        if reason := entry.broken or _frame_problem(entry, image):
            return Annotated(no_objects(), (Problem(printable_path(entry.path), reason),))
        masks, problems = _masks(entry, (image.width, image.height))
        shapes: list[Shape] = []
        for number, listed, mask in masks:
            try:
                shape = _shape(listed, mask, (image.width, image.height))
                if _mask_is_elsewhere(shape):
                    reason = f"object {number}: the mask of this number in {_OBJECTS} is outside its box"
                    problems.append(Problem(printable_path(entry.path), reason))
                    shape = shape._replace(mask=None)
                shapes.append(shape)
            except ShapeError as error:
                problems.append(Problem(printable_path(entry.path), f"object {number}: {error}"))
        objects = objects_of_shapes(image.image_id, self.source, shapes, self.attributes)
        return Annotated(objects, tuple(problems))

    def _entry(self, image_path: Path | str) -> _Entry | None:
        place = entry_of(_key(Path(image_path).absolute()), self.by_path)
        return place if place is not None else entry_of(image_path, self.by_image)


def open_voc(folder: Path | str) -> VocAnnotations:
    """Open a folder of XML files, ``Annotations`` of a development kit, or the whole kit.

    Masks are read where the folder is above ``SegmentationObject``. A file that is broken is a problem of
    its image. Raises AnnotationError for a folder that is missing or holds no annotation, for two files of
    one image, and for attributes that cannot be columns.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AnnotationError(str(folder), "is not a folder, expected the folder of VOC's XML files")
    entries: dict[str, _Entry] = {}
    for entry in (*_files(folder), *_masks_alone(folder)):
        key = _key(entry.path.relative_to(folder)).as_posix()
        if key not in entries:
            entries[key] = entry
        elif entry.path.suffix == ".xml":
            reason = f"annotates {key}, and so does {printable_path(entries[key].path)}"
            raise AnnotationError(printable_path(entry.path), reason)
    if not any(entry.broken is None for entry in entries.values()):
        broken = next((f", such as {e.path.name}, which {e.broken}" for e in entries.values()), "")
        raise AnnotationError(str(folder), f"holds no annotation of Pascal VOC{broken}")
    try:
        attributes = attribute_columns(_attributes(entries.values()), is_number=_is_number)
    except FormError as error:
        raise AnnotationError(str(folder), str(error)) from None
    return VocAnnotations(folder, entries, _by_image(entries.values()), attributes)


def _files(folder: Path) -> Iterator[_Entry]:
    """Yield the entries of all XML files, with the masks of the same name."""
    for path in sorted(folder.rglob("*.xml")):
        objects, classes = (_beside(folder, path, _XML, name) for name in (_OBJECTS, _CLASSES))
        try:
            yield _Entry(path, read_voc_file(path), None, objects, classes)
        except FormError as error:
            yield _Entry(path, None, str(error), objects, classes)
        except AnnotationError as error:
            yield _Entry(path, None, error.reason, objects, classes)


def _masks_alone(folder: Path) -> Iterator[_Entry]:
    """Yield the entries of all images of SegmentationObject, for those that have no XML file."""
    for path in sorted(folder.rglob("*.png")):
        if _OBJECTS in path.relative_to(folder).parts[:-1]:
            yield _Entry(path, objects=path, classes=_beside(folder, path, _OBJECTS, _CLASSES))


def _beside(folder: Path, path: Path, own: str, other: str) -> Path | None:
    """Return the image of the same name in another folder of the kit; None where there is none."""
    parts = path.relative_to(folder).with_suffix(".png").parts
    if own not in parts[:-1]:
        return None
    picture = folder.joinpath(*(other if part == own else part for part in parts))
    return picture if picture.is_file() else None


def _key(path: Path) -> Path:
    """Return the common part of an image's path and its annotation's: no suffix, no folder of the kit."""
    kit = (_XML, _OBJECTS, _IMAGES)
    return Path(*(part for part in path.parts[:-1] if part not in kit), path.stem)


def _by_image(entries: Iterable[_Entry]) -> dict[str, _Entry]:
    """Index entries by ``folder/filename`` and ``filename``; ambiguous names are left out."""
    found: dict[str, list[_Entry]] = {}
    for entry in entries:
        image = "" if entry.file is None else entry.file.image.replace("\\", "/")
        for name in {image, PurePath(image).name} - {""}:
            found.setdefault(name, []).append(entry)
    return {name: same[0] for name, same in found.items() if len(same) == 1}


def _attributes(entries: Iterable[_Entry]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the known attributes of all objects: one that is always unknown is no column."""
    for entry in entries:
        for number, listed in enumerate(entry.listed, start=1):
            known = {name: value for name, value in listed.attributes.items() if value is not None}
            yield f"{printable_path(entry.path)}, object {number}", known


def _is_number(text: Any) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _frame_problem(entry: _Entry, image: Image) -> str | None:
    """Return why an entry cannot be this image's: its size is another; None where it fits."""
    if entry.file is None:
        return None
    stated = (entry.file.width or image.width, entry.file.height or image.height)
    if stated == (image.width, image.height):
        return None
    return (
        f"is of a photo of {stated[0]} x {stated[1]} pixels, and this one has {image.width} x {image.height}"
    )


_Numbered = tuple[int, VocObject, Mask | None]


def _masks(entry: _Entry, image_wh: tuple[int, int]) -> tuple[list[_Numbered], list[Problem]]:
    """Return each object of an entry with its number and mask; one without XML is named by its class."""
    masks: dict[int, Mask] = {}
    classes: Mapping[int, str] = {}
    problems: list[Problem] = []
    try:
        if entry.objects is not None:
            masks = read_object_masks(entry.objects, image_wh)
            if entry.classes is not None and max(masks, default=0) > len(entry.listed):
                classes = read_classes(entry.objects, entry.classes, image_wh)
    except AnnotationError as error:
        problems.append(Problem(error.path, error.reason))
    numbered: list[_Numbered] = [
        (number, listed, masks.pop(number, None)) for number, listed in enumerate(entry.listed, start=1)
    ]
    for number, mask in masks.items():
        if number in classes:
            numbered.append((number, VocObject(classes[number], None, {}), mask))
        else:
            reason = f"object {number} is in no XML file and of no class in {_CLASSES}"
            problems.append(Problem(printable_path(entry.objects or entry.path), reason))
    return numbered, problems


def _shape(listed: VocObject, mask: Mask | None, image_wh: tuple[int, int]) -> Shape:
    """Return the object of one entry of a file. Raises ShapeError."""
    if not listed.name:
        raise ShapeError("has no name")
    label = coco_spelling(listed.name)
    if listed.corners is None:
        if mask is None:
            raise ShapeError("has neither a bndbox nor a mask")
        return Shape(mask_box(mask), label, mask, listed.attributes)
    left, top, right, bottom = map(_number, listed.corners, ("xmin", "ymin", "xmax", "ymax"))
    check_near(np.array([[left - 1, top - 1], [right, bottom]]), image_wh)
    box = inside(np.array([left - 1, top - 1, right, bottom], np.float32), image_wh)
    return Shape(box, label, mask, listed.attributes)


def _mask_is_elsewhere(shape: Shape) -> bool:
    """Return whether a mask is outside the box of its number: the two are numbered differently."""
    if shape.mask is None:
        return False
    other = mask_box(shape.mask)
    return bool((np.maximum(shape.box[:2], other[:2]) >= np.minimum(shape.box[2:], other[2:])).any())


def _number(text: str, name: str) -> float:
    if not _is_number(text):
        raise ShapeError(f"{name} is {reprlib.repr(text) if text else 'missing'}, expected a number")
    return float(text)
