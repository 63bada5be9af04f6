"""Objects from a COCO annotation file: boxes, polygons and run-length masks, with their attributes.

The format is that of https://cocodataset.org/#format-data; ``attributes``, a dict beside an annotation's
other keys, is CVAT's.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import AnnotationError, InputError, counted
from objectspace.files import printable_path, read_text, recipe_digest
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
    inside,
    is_text,
    kind,
    shared_images,
)
from objectspace.objects.annotations.attributes import attribute_columns
from objectspace.objects.annotations.shapes import Shape, objects_of_shapes
from objectspace.objects.labels import coco_spelling
from objectspace.objects.masks import (
    mask_area,
    mask_box,
    mask_from_counts,
    mask_from_runs,
    polygon_mask,
    united,
)
from objectspace.objects.records import Mask, no_objects


class _Annotation(NamedTuple):
    """One entry of ``annotations``: its name in messages, and its contents."""

    name: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _ImageEntry:
    """One entry of ``images`` with its annotations; a side that the file does not give is None."""

    file_name: str
    width: int | None
    height: int | None
    annotations: list[_Annotation]


@dataclass(frozen=True, slots=True, eq=False)
class CocoAnnotations(AnnotationSet):
    """The annotations of one file, read whole when it was opened.

    An image's entry is the one whose ``file_name`` is the longest part of its path; an image without one has
    no objects. The box of an object is its ``bbox``, or its mask's where there is none; a mask of several
    polygons is all of them together, and one too thin to cover a pixel is none. What reaches over the image's
    border is cut off, up to one width or height away; what is farther is taken for a mistake.

    path: the file; image_entries: its images by name; categories: label by category id
    attributes: factor columns of the objects, name -> whether they are numbers
    """

    path: Path
    image_entries: Mapping[str, _ImageEntry]
    categories: Mapping[int, str]
    attributes: Mapping[str, bool]
    crowds: int
    strays: int

    def __repr__(self) -> str:
        images = counted(len(self.image_entries), "image")
        return f"CocoAnnotations({str(self.path)!r}: {images}, {len(self.categories)} categories)"

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The format alone."""
        return {"format": "coco"}

    @property
    def factor_names(self) -> Collection[str]:
        """The names of all attributes."""
        return self.attributes.keys()

    def contents(self, image_path: Path | str) -> str:
        """Return a digest of the image's entry and of its annotations' shapes and labels, without ids."""
        image_entry = entry_of(image_path, self.image_entries)
        if image_entry is None:
            return recipe_digest({"picture": None})
        shapes = [_stated(annotation.content, self.categories) for annotation in image_entry.annotations]
        return recipe_digest({"picture": [image_entry.width, image_entry.height], "shapes": shapes})

    def files(self, image_path: Path | str) -> Sequence[Path]:
        """Return the one file, for an image that it names."""
        return () if entry_of(image_path, self.image_entries) is None else (self.path,)

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the images of the file and of the job without a counterpart, and what is left out."""
        found = ((str(image_path), entry_of(image_path, self.image_entries)) for image_path in image_paths)
        claims = {
            image_path: None if image_entry is None else image_entry.file_name
            for image_path, image_entry in found
        }
        claimed = set(claims.values())
        missing = (name for name in self.image_entries if name not in claimed)
        unnamed = (image_path for image_path, name in claims.items() if name is None)
        return Coverage(tuple(missing), tuple(unnamed), self.crowds, self.strays, shared_images(claims))

    def objects_of(self, image: Image) -> Annotated:
        """Return the image's objects in the file's order, duplicates once."""
        image_entry = entry_of(image.path, self.image_entries)
        if image_entry is None:
            return Annotated(no_objects())
        for side in ("width", "height"):
            stated, true = getattr(image_entry, side), getattr(image, side)
            if stated is not None and stated != true:
                reason = f"image {image_entry.file_name} has {side} {stated} here, its photo {true}"
                return Annotated(no_objects(), (Problem(printable_path(self.path), reason),))

        shapes: list[Shape] = []
        problems: list[Problem] = []
        for annotation in image_entry.annotations:
            try:
                shapes.append(_shape(annotation.content, self.categories, (image.width, image.height)))
            except ShapeError as error:
                problems.append(Problem(printable_path(self.path), f"{annotation.name}: {error}"))
        objects = objects_of_shapes(image.image_id, self.source, shapes, self.attributes)
        return Annotated(objects, tuple(problems))


def open_coco(path: Path | str) -> CocoAnnotations:
    """Read a COCO annotation file (the instances of a detection or segmentation task).

    Raises AnnotationError for what is not JSON of that form: the message names the entry. A single annotation
    whose category, box or mask is wrong is a problem of its image instead.
    """
    path = Path(path)
    if path.is_dir():
        raise AnnotationError(
            printable_path(path), "is a folder and COCO's annotations are a JSON file; name the file"
        )
    text = read_text(path)
    try:
        return _read(path, text)
    except FormError as error:
        raise AnnotationError(printable_path(path), str(error)) from None


def _read(path: Path, text: str) -> CocoAnnotations:
    document = _parsed(text)
    image_entries = dict(_image_entries(_entries(document, "images")))
    by_name = _by_file_name(image_entries)
    categories = dict(_categories(_entries(document, "categories")))
    crowds = strays = 0
    kept: list[tuple[str, Any]] = []
    for number, content in enumerate(_entries(document, "annotations")):
        annotation = _Annotation(_name(content, number), content)
        image_entry = image_entries.get(_key(content.get("image_id"), f"{annotation.name}: image_id"))
        if image_entry is None:
            strays += 1
        elif content.get("iscrowd"):
            crowds += 1
        else:
            image_entry.annotations.append(annotation)
            kept.append((annotation.name, content.get("attributes")))
    attributes = attribute_columns(kept, is_number=_is_number)
    return CocoAnnotations(path, by_name, categories, attributes, crowds, strays)


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text, parse_constant=_refused)
    except json.JSONDecodeError as error:
        raise FormError(f"is no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise FormError(f"is no JSON that can be read: {error}") from None
    if not isinstance(document, dict):
        raise FormError(
            f"holds {kind(document)}, expected a COCO file: an object with images, annotations, categories"
        )
    return document


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


def _entries(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the objects in one of the file's lists."""
    if key not in document:
        raise FormError(f"has no {key}, expected a COCO file: an object with images, annotations, categories")
    entries = document[key]
    if not isinstance(entries, list):
        raise FormError(f"{key} is {kind(entries)}, expected a list")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise FormError(f"{key}[{number}] is {kind(entry)}, expected an object")
    return entries


def _image_entries(entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int | str, _ImageEntry]]:
    seen: set[int | str] = set()
    for number, entry in enumerate(entries):
        key = _key(entry.get("id"), f"images[{number}]: id")
        if key in seen:
            raise FormError(f"images[{number}] has the id {key} of an earlier image")
        seen.add(key)
        name = entry.get("file_name")
        if not is_text(name):
            raise FormError(f"image {key}: file_name is {kind(name)}, expected the photo's name")
        width, height = (_side(entry.get(side), f"image {key}: {side}") for side in ("width", "height"))
        yield key, _ImageEntry(str(PurePosixPath(name.replace("\\", "/"))), width, height, [])


def _by_file_name(image_entries: Mapping[int | str, _ImageEntry]) -> dict[str, _ImageEntry]:
    keys: dict[str, int | str] = {}
    for key, entry in image_entries.items():
        if keys.setdefault(entry.file_name, key) != key:
            raise FormError(f"image {key} is {entry.file_name}, and so is image {keys[entry.file_name]}")
    return {entry.file_name: entry for entry in image_entries.values()}


def _categories(entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    seen: set[int | str] = set()
    for number, entry in enumerate(entries):
        key = entry.get("id")
        if not isinstance(key, int) or isinstance(key, bool):
            raise FormError(f"categories[{number}]: id is {kind(key)}, expected an integer")
        if key in seen:
            raise FormError(f"categories[{number}] has the id {key} of an earlier category")
        seen.add(key)
        name = entry.get("name")
        if not is_text(name):
            raise FormError(f"category {key}: name is {kind(name)}, expected text")
        yield key, coco_spelling(name.strip())


def _stated(content: Mapping[str, Any], categories: Mapping[int, str]) -> list[Any]:
    """Return what an annotation states of its object, valid or not."""
    category = content.get("category_id")
    label = categories.get(category) if isinstance(category, int) else None
    return [label, *(content.get(key) for key in ("bbox", "segmentation", "attributes"))]


def _shape(content: Mapping[str, Any], categories: Mapping[int, str], image_wh: tuple[int, int]) -> Shape:
    """Return the object of one annotation. Raises ShapeError."""
    category = content.get("category_id")
    if not isinstance(category, int) or category not in categories:
        known = ", ".join(map(str, list(categories)[:8])) + (" …" if len(categories) > 8 else "")
        raise ShapeError(
            f"category_id {reprlib.repr(category)} is not among the file's categories ({known or 'none'})"
        )
    mask = _mask(content.get("segmentation"), image_wh)
    if content.get("bbox") is not None:
        box = _box(content["bbox"], image_wh)
    elif mask is not None:
        box = mask_box(mask)
    else:
        raise ShapeError("has neither a bbox nor a mask that covers a pixel")
    return Shape(box, categories[category], mask, content.get("attributes") or {})


def _box(value: Any, image_wh: tuple[int, int]) -> NDArray[np.float32]:
    left, top, width, height = _numbers(value, "bbox", of=4)
    if width <= 0 or height <= 0:
        raise ShapeError(f"bbox has no area (width {width:g}, height {height:g})")
    corners = np.array([[left, top], [left + width, top + height]])
    check_near(corners, image_wh)
    return inside(corners.reshape(-1).astype(np.float32), image_wh)


def _mask(value: Any, image_wh: tuple[int, int]) -> Mask | None:
    """Return the mask of a ``segmentation``: polygons or run lengths; None where it covers no pixel."""
    if value is None or value == []:
        return None
    if isinstance(value, list):
        mask = united([_polygon(polygon, image_wh) for polygon in value])
    elif isinstance(value, dict):
        mask = _run_length_mask(value, image_wh)
    else:
        raise ShapeError(f"segmentation is {kind(value)}, expected polygons or run lengths")
    return mask if mask_area(mask) else None


def _polygon(value: Any, image_wh: tuple[int, int]) -> Mask:
    numbers = _numbers(value, "polygon")
    if len(numbers) < 6 or len(numbers) % 2:
        raise ShapeError(f"a polygon has {len(numbers)} numbers, expected x and y of three or more points")
    points = np.array(numbers).reshape(-1, 2)
    check_near(points, image_wh)
    return polygon_mask(points, image_wh)


def _run_length_mask(value: Mapping[str, Any], image_wh: tuple[int, int]) -> Mask:
    size, counts = value.get("size"), value.get("counts")
    expected = [image_wh[1], image_wh[0]]
    if size != expected:
        raise ShapeError(
            f"the mask's size is {reprlib.repr(size)}, expected {expected}, the photo's height and width"
        )
    try:
        if isinstance(counts, str):
            return mask_from_counts(counts.encode("utf-8", "replace"), image_wh)
        if not isinstance(counts, list) or not all(
            type(count) is int and abs(count) < 1 << 40 for count in counts
        ):
            raise ShapeError(f"the mask's counts are {kind(counts)}, expected text or a list of run lengths")
        return mask_from_runs(np.array(counts, np.int64), image_wh)
    except InputError as error:
        raise ShapeError(str(error)) from None


def _numbers(value: Any, what: str, *, of: int | None = None) -> list[float]:
    if not isinstance(value, list) or not all(map(_is_number, value)) or (of and len(value) != of):
        raise ShapeError(
            f"{what} is {kind(value)}, expected {f'{of} finite' if of else 'a list of finite'} numbers"
        )
    return [float(number) for number in value]


def _is_number(value: Any) -> bool:
    """Return whether a value of the file is a number that a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _key(value: Any, what: str) -> int | str:
    """Return an image's id: an integer, or text as some tools write."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise FormError(f"{what} is {kind(value)}, expected an integer")
    return value


def _side(value: Any, what: str) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise FormError(f"{what} is {kind(value)}, expected a number of pixels")
    return value


def _name(content: Mapping[str, Any], number: int) -> str:
    """Return the name of an annotation in messages: its id, else its index in the list."""
    key = content.get("id")
    return f"annotation {reprlib.repr(key)}" if isinstance(key, int | str) else f"annotations[{number}]"
