"""Objects from Pascal VOC: a folder of XML files, or a development kit with object masks.

The format is that of http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf; ``attributes`` in an
object is CVAT's.
"""

from __future__ import annotations

import math
import reprlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import AnnotationError, counted
from objectspace.files import guess_path, printable_path, recipe_digest
from objectspace.images import Image
from objectspace.objects.annotations.annotation_reader import (
    Annotated,
    AnnotationSet,
    Coverage,
    FormError,
    Problem,
    ShapeError,
    check_near,
    file_digest,
    frame_problem,
    inside,
    shared_images,
)
from objectspace.objects.annotations.attributes import AttributeColumns, attribute_columns
from objectspace.objects.annotations.matching import ImageNames
from objectspace.objects.annotations.shapes import Shape, objects_of_shapes, outline, turned_corners
from objectspace.objects.annotations.values import as_number
from objectspace.objects.annotations.voc_masks import read_classes, read_object_masks
from objectspace.objects.annotations.voc_xml import VocFile, VocObject, read_voc_file
from objectspace.objects.labels import coco_spelling, spelled_apart
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
    ``Annotations`` and ``JPEGImages``; or else it names the image in ``folder`` and ``filename``, as
    :class:`ImageNames` finds it. An image without one has no objects. VOC's corners are pixels counted from
    1, both inclusive: a box's edges are ``xmin - 1``, ``ymin - 1``, ``xmax``, ``ymax``. What reaches over the
    image's border is cut off, up to one width or height away.

    An object's mask is the pixels with its number (its index in the file, from 1) in the image of
    ``SegmentationObject``, which also gives the box where the file has none. Objects of that image that are
    not in the file have the label of ``SegmentationClass``.

    entries: of all images; by_path, by_image: the same, by the path of their file and by the image it names
    attributes: factor columns of the objects; labels: names of classes -> how they are spelled
    notes: what is left out or read otherwise than written
    """

    folder: Path
    entries: Sequence[_Entry]
    by_path: ImageNames[_Entry]
    by_image: ImageNames[_Entry]
    attributes: AttributeColumns
    labels: Mapping[str, str]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"VocAnnotations({str(self.folder)!r}: {counted(len(self.entries), 'image')})"

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The format, and the origin of its corners."""
        return {"format": "voc", "corners": "from 1, inclusive"}

    @property
    def factor_names(self) -> Collection[str]:
        """The names of all attributes."""
        return self.attributes.numeric.keys()

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
        missing = (entry.name for entry in self.entries if entry.path not in claimed)
        unnamed = (image_path for image_path, path in claims.items() if path is None)
        alike = (
            f"{image_path} ({entry.name})"
            for image_path, entry in self.by_image.alike(image_paths)
            if self.by_path.named(_key(Path(image_path).absolute())) is None
        )
        return Coverage(
            tuple(missing),
            tuple(unnamed),
            shared=shared_images(claims),
            alike=tuple(alike),
            notes=self.notes,
        )

    def objects_of(self, image: Image) -> Annotated:
        """Return the image's objects in the order of their numbers, duplicates once."""
        entry = self._entry(image.path)
        if entry is None:
            return Annotated(no_objects())
        here = printable_path(entry.path)
        if reason := entry.broken or _frame_problem(entry, image):
            return Annotated(no_objects(), (Problem(here, reason),))
        size = (image.width, image.height)
        masks, problems = _masks(entry, size)
        shapes: list[Shape] = []
        for number, listed, mask in masks:
            try:
                shape, faults = self._shape(listed, mask, size)
                problems += [Problem(here, f"object {number}: {fault}") for fault in faults]
                if _mask_is_elsewhere(shape):
                    reason = f"object {number}: the mask of this number in {_OBJECTS} is outside its box"
                    problems.append(Problem(here, reason))
                    shape = shape._replace(mask=None)
                shapes.append(shape)
            except ShapeError as error:
                problems.append(Problem(here, f"object {number}: {error}"))
        objects = objects_of_shapes(image.image_id, self.source, shapes, self.attributes.numeric)
        return Annotated(objects, tuple(problems))

    def _entry(self, image_path: Path | str) -> _Entry | None:
        place = self.by_path.named(_key(Path(image_path).absolute()))
        return place if place is not None else self.by_image.of(image_path)

    def _shape(
        self, listed: VocObject, mask: Mask | None, image_wh: tuple[int, int]
    ) -> tuple[Shape, list[str]]:
        """Return the object of one entry of a file, and why parts of it are left out. Raises ShapeError."""
        if not listed.name:
            raise ShapeError("has no name")
        box, outlined, faults = _place(listed, mask, image_wh)
        attributes = self.attributes.of(listed.attributes)
        label = self.labels.get(listed.name, coco_spelling(listed.name))
        return Shape(box, label, outlined if mask is None else mask, attributes), faults


def open_voc(folder: Path | str) -> VocAnnotations:
    """Open a folder of XML files, ``Annotations`` of a development kit, or the whole kit.

    Masks are read where the folder is above ``SegmentationObject``. A file that is broken is a problem of
    its image; of two files of one image the first counts. Raises AnnotationError for a folder that is missing
    or holds no annotation.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AnnotationError(
            str(folder), f"is not a folder, expected the folder of VOC's XML files{guess_path(folder)}"
        )
    entries: dict[str, _Entry] = {}
    notes: list[str] = []
    for entry in (*_files(folder), *_masks_alone(folder)):
        key = _key(entry.path.relative_to(folder)).as_posix()
        if key not in entries:
            entries[key] = entry
        elif entry.path.suffix == ".xml":
            first = printable_path(entries[key].path)
            notes.append(f"{printable_path(entry.path)} annotates {key}, as {first} does, and is left out")
    if not any(entry.broken is None for entry in entries.values()):
        broken = next((f", such as {e.path.name}, which {e.broken}" for e in entries.values()), "")
        raise AnnotationError(str(folder), f"holds no annotation of Pascal VOC{broken}")
    known = tuple(entries.values())
    attributes = attribute_columns(_attributes(known), is_number=_is_number)
    images = Counter(entry.file.image for entry in known if entry.file is not None)
    by_image = {e.file.image: e for e in known if e.file is not None and images[e.file.image] == 1}
    by_image.pop("", None)
    labels = spelled_apart(listed.name for entry in known for listed in entry.listed)
    return VocAnnotations(
        folder,
        known,
        ImageNames(entries),
        ImageNames(by_image),
        attributes,
        labels,
        (*notes, *attributes.notes),
    )


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


def _attributes(entries: Iterable[_Entry]) -> Iterator[Mapping[str, str]]:
    """Yield the known attributes of all objects: one that is always unknown is no column."""
    for entry in entries:
        for listed in entry.listed:
            yield {name: value for name, value in listed.attributes.items() if value is not None}


def _is_number(value: Any) -> bool:
    return as_number(value) is not None


def _frame_problem(entry: _Entry, image: Image) -> str | None:
    """Return why an entry cannot be this image's: its size is another; None where it fits."""
    if entry.file is None:
        return None
    stated = (entry.file.width or image.width, entry.file.height or image.height)
    return frame_problem(stated, (image.width, image.height))


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


_Place = tuple[NDArray[np.float32], Mask | None, list[str]]


def _place(listed: VocObject, mask: Mask | None, image_wh: tuple[int, int]) -> _Place:
    """Return an object's box and what outlines it, as exactly as its file says; the rest is left out.

    An oriented box is its own outline, and one that CVAT has turned by an attribute ``rotation`` (degrees,
    clockwise). Raises ShapeError where no box is left.
    """
    faults: list[str] = []
    outlined: tuple[NDArray[np.float32], Mask | None] | None = None
    try:
        if (corners := _oriented_corners(listed)) is not None:
            outlined = outline(corners, image_wh)
    except ShapeError as error:
        faults.append(f"its outline {error}; it is left out")
    if listed.corners is not None:
        try:
            left, top, right, bottom = map(_number, listed.corners, ("xmin", "ymin", "xmax", "ymax"))
            check_near(np.array([[left - 1, top - 1], [right, bottom]]), image_wh)
            edges = np.array([left - 1, top - 1, right, bottom], np.float32)
            degrees = as_number(listed.attributes.get("rotation"))
            if outlined is None and degrees and degrees % 360:
                sides = (right - left + 1, bottom - top + 1)
                middle = ((left - 1 + right) / 2, (top - 1 + bottom) / 2)
                return *outline(turned_corners(middle, sides, math.radians(degrees)), image_wh), faults
            return inside(edges, image_wh), None if outlined is None else outlined[1], faults
        except ShapeError as error:
            faults.append(str(error))
    if outlined is not None:
        return *outlined, faults
    if mask is not None:
        return mask_box(mask), None, faults
    raise ShapeError("; ".join(faults) or "has neither a bndbox nor a mask")


def _oriented_corners(listed: VocObject) -> NDArray[np.float64] | None:
    """Return the corners (n, 2) of an object's outline; None where it has none. Raises ShapeError."""
    if listed.turned:
        x, y, width, height, angle = map(_number, listed.turned, ("cx", "cy", "w", "h", "angle"))
        return turned_corners((x, y), (width, height), angle)
    if not listed.polygon:
        return None
    numbers = [_number(text, f"point {place // 2 + 1}") for place, text in enumerate(listed.polygon)]
    if len(numbers) < 6:
        raise ShapeError(f"has {len(numbers) // 2} points, expected three or more")
    return np.array(numbers).reshape(-1, 2)


def _mask_is_elsewhere(shape: Shape) -> bool:
    """Return whether a mask is outside the box of its number: the two are numbered differently."""
    if shape.mask is None:
        return False
    other = mask_box(shape.mask)
    return bool((np.maximum(shape.box[:2], other[:2]) >= np.minimum(shape.box[2:], other[2:])).any())


def _number(text: str, name: str) -> float:
    number = as_number(text)
    if number is None:
        raise ShapeError(f"{name} is {reprlib.repr(text) if text else 'missing'}, expected a number")
    return number
