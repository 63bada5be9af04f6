"""Objects from YOLO's label files: a text file per image, an object per line."""

from __future__ import annotations

import math
import re
import reprlib
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import AnnotationError
from objectspace.files import content_id, printable_path, read_text, recipe_digest
from objectspace.images import Image
from objectspace.objects.annotations.annotation_reader import (
    Annotated,
    AnnotationSet,
    Coverage,
    Problem,
    ShapeError,
    companion,
    coverage_by_files,
    file_digest,
    inside,
)
from objectspace.objects.annotations.shapes import Shape, objects_of_shapes
from objectspace.objects.labels import coco_spelling
from objectspace.objects.masks import mask_area, polygon_mask
from objectspace.objects.records import no_objects

#: LabelImg and Label Studio write the class names among the label files.
_NAMES_FILE = "classes.txt"


def open_yolo_folder(folder: Path | str, *, names: Sequence[str]) -> YoloAnnotations:
    """Open the label files in a folder; ``names`` are the classes in order (``labels.read_names``).

    Raises AnnotationError for a folder that is missing or holds no label file.
    """
    folder = Path(folder)
    if folder.is_file():
        raise AnnotationError(
            str(folder),
            "is a file and YOLO's labels are a folder or a data.yaml; a COCO file needs the format coco",
        )
    if not folder.is_dir():
        raise AnnotationError(str(folder), "is not a folder, expected the folder of the label files")
    if next(label_files(folder), None) is None:
        raise AnnotationError(str(folder), "is a folder without label files, expected one .txt per photo")
    return YoloAnnotations(folder, tuple(map(coco_spelling, names)))


class LabelFiles(AnnotationSet):
    """YOLO's labels, a text file per image: the common part of their readers."""

    __slots__ = ()
    #: The classes in order.
    names: tuple[str, ...]

    @abstractmethod
    def label_file(self, image_path: Path | str) -> Path | None:
        """Return the image's label file; None where there is none, as for an image without objects."""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The format alone: an object keeps its id when it moves from a folder of labels into a data set."""
        return {"format": "yolo"}

    @property
    def factor_names(self) -> Collection[str]:
        """No factors: a line is a class and numbers of the shape."""
        return ()

    def contents(self, image_path: Path | str) -> str:
        """Return a digest of the class names and of the image's label file."""
        return recipe_digest(
            {"names": _names_digest(self.names), "file": file_digest(self.label_file(image_path))}
        )

    def files(self, image_path: Path | str) -> Sequence[Path]:
        """Return the image's label file, where there is one."""
        path = self.label_file(image_path)
        return () if path is None else (path,)

    def objects_of(self, image: Image) -> Annotated:
        """Return the objects in the image's label file, in its order, duplicates once.

        A line that is wrong is a problem.
        """
        if (path := self.label_file(image.path)) is None:
            return Annotated(no_objects())
        try:
            lines = read_text(path).split("\n")
        except AnnotationError as error:
            return Annotated(no_objects(), (Problem(error.path, error.reason),))
        shapes: list[Shape] = []
        problems: list[Problem] = []
        for number, line in enumerate(lines, start=1):
            try:
                if fields := line.split():
                    shapes.append(_shape(fields, self.names, (image.width, image.height)))
            except ShapeError as error:
                problems.append(Problem(printable_path(path), f"line {number}: {error}"))
        objects = objects_of_shapes(image.image_id, self.source, shapes)
        return Annotated(objects, tuple(problems))


@dataclass(frozen=True, slots=True)
class YoloAnnotations(LabelFiles):
    """YOLO's labels: one text file per image, one object a line, numbers as fractions of the image's sides.

    ``class cx cy w h`` is a box by its center; ``class x1 y1 x2 y2 x3 y3 …`` a polygon, whose box is its
    extent and which gives the object a mask (none where it is too thin to cover a pixel). An image is
    labeled by the file :func:`companion` finds; without one it has no objects, which is normal.

    What reaches over the image's border is cut off, however much of it is outside, up to one width or
    height away; farther coordinates are taken for a mistake (pixels, mostly).
    """

    folder: Path
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"YoloAnnotations({str(self.folder)!r}: {len(self.names)} classes)"

    def label_file(self, image_path: Path | str) -> Path | None:
        """Return the file in the folder that has the image's name."""
        return companion(self.folder, image_path, f"{Path(image_path).stem}.txt")

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the label files without an image, and the images without a label file."""
        return coverage_by_files(
            label_files(self.folder),
            {str(image_path): self.label_file(image_path) for image_path in image_paths},
        )


def label_files(folder: Path) -> Iterator[Path]:
    """Yield the label files in a folder and its subfolders."""
    return (path for path in folder.rglob("*.txt") if path.name != _NAMES_FILE)


# Cached: for the thousands of names of a large data set, per image, it would take longer than all the rest.
@cache
def _names_digest(names: tuple[str, ...]) -> str:
    return content_id("\n".join(names).encode())


def _shape(fields: list[str], names: Sequence[str], image_wh: tuple[int, int]) -> Shape:
    """Return the object of one line's fields. Raises ShapeError."""
    label = _label(fields[0], names)
    numbers = [_number(text) for text in fields[1:]]
    if len(numbers) < 4:
        raise ShapeError(
            f"has {len(numbers)} numbers after the class, expected 4 (box) or 6 and more (polygon)"
        )
    if len(numbers) % 2:
        raise ShapeError(f"has {len(numbers)} numbers after the class, expected pairs of x and y")
    if len(numbers) == 4:
        x, y, width, height = numbers
        if width <= 0 or height <= 0:
            raise ShapeError(f"the box has no area (width {width:g}, height {height:g})")
        corners = np.array([[x - width / 2, y - height / 2], [x + width / 2, y + height / 2]])
        return Shape(_box(corners, image_wh), label, None)
    polygon = np.array(numbers).reshape(-1, 2)
    box = _box(polygon, image_wh)
    mask = polygon_mask(polygon * image_wh, image_wh)
    return Shape(box, label, mask if mask_area(mask) else None)


def _label(text: str, names: Sequence[str]) -> str:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise ShapeError(f"class {reprlib.repr(text)} is not an integer")
    number = int(text)
    if not 0 <= number < len(names):
        raise ShapeError(
            f"class {number} is not among the {len(names)} names (0 to {len(names) - 1}); "
            "is it the names file of these labels?"
        )
    return names[number]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ShapeError(f"{reprlib.repr(text)} is not a number") from None
    if not math.isfinite(number):
        raise ShapeError(f"{reprlib.repr(text)} is not a finite number")
    return number


def _box(points: NDArray[np.float64], image_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Return the extent (4,) of points (n, 2), fractions of the image, in its pixels and clipped to it."""
    low, high = points.min(0), points.max(0)
    if low.min() < -1 or high.max() > 2:
        raise ShapeError("is far outside the photo; expected fractions of its sides from 0 to 1, not pixels")
    return inside((np.concatenate([low, high]) * (image_wh * 2)).astype(np.float32), image_wh)
