"""Objects from YOLO's label files: a text file per image, an object per line."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from objectspace.errors import AnnotationError
from objectspace.files import content_id, guess_path, printable_path, read_text, recipe_digest
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
)
from objectspace.objects.annotations.matching import ImageNames, files_by_name
from objectspace.objects.annotations.shapes import Shape, objects_of_shapes
from objectspace.objects.annotations.yolo_lines import landmarks_of, shape_of_line
from objectspace.objects.annotations.yolo_names import LISTS, names_beside
from objectspace.objects.labels import COCO_NAMES, spelled_apart
from objectspace.objects.records import no_objects

#: Label files whose lines are looked at to tell landmarks from polygons.
_SAMPLE = 1000


def open_yolo_folder(folder: Path | str, *, names: Sequence[str] | None = None) -> YoloAnnotations:
    """Open the label files in a folder; ``names`` are the classes in order (``labels.read_names``).

    Without them they are looked for in and beside the folder (:func:`names_beside`); where there are none
    they are COCO's, which the coverage notes. Raises AnnotationError for a folder that is missing or holds no
    label file.
    """
    folder = Path(folder)
    if folder.is_file():
        raise AnnotationError(
            str(folder),
            "is a file and YOLO's labels are a folder or a data.yaml; a COCO file needs the format coco",
        )
    if not folder.is_dir():
        raise AnnotationError(
            str(folder), f"is not a folder, expected the folder of the label files{guess_path(folder)}"
        )
    paths = sorted(label_files(folder))
    if not paths:
        raise AnnotationError(str(folder), "is a folder without label files, expected one .txt per photo")
    notes: list[str] = []
    if names is None:
        beside = names_beside(folder)
        if beside is None:
            names = COCO_NAMES
            notes.append(
                f"the classes are taken for COCO's {len(names)} (0 is {names[0]}), as no "
                f"{', '.join(LISTS[:2])}, notes.json or data.yaml names them; if that is wrong, name them"
            )
        else:
            names = beside[1]
            notes.append(f"the {len(names)} classes are named by {printable_path(beside[0])}")
    landmarks = landmarks_in(paths)
    notes += landmarks_notes(landmarks)
    spelled = spelled_apart(names)
    return YoloAnnotations(
        folder,
        tuple(spelled[name] for name in names),
        landmarks,
        files_by_name(folder, paths),
        tuple(notes),
    )


def landmarks_in(paths: Iterable[Path]) -> int:
    """Return how many numbers follow the box in the lines of label files, judged by the first of them."""
    return landmarks_of(line for path in islice(paths, _SAMPLE) for line in _lines_or_none(path))


def _lines_or_none(path: Path) -> list[str]:
    try:
        return read_text(path).split("\n")
    except AnnotationError:  # told of when its photo is read
        return []


def landmarks_notes(landmarks: int) -> list[str]:
    """Return what is to be said where lines of a set are read as boxes with landmarks."""
    if not landmarks:
        return []
    return [f"lines of {4 + landmarks} numbers are read as a box and landmarks, which are left out"]


class LabelFiles(AnnotationSet):
    """YOLO's labels, a text file per image: the common part of their readers."""

    __slots__ = ()
    #: The classes in order.
    names: tuple[str, ...]
    #: How many numbers follow the box in lines of a box and landmarks; 0 for polygons.
    landmarks: int

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
        """Return a digest of the class names, of how lines are read and of the image's label file."""
        reading = {"names": _names_digest(self.names), "landmarks": self.landmarks}
        return recipe_digest({**reading, "file": file_digest(self.label_file(image_path))})

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
                    size = (image.width, image.height)
                    shapes.append(shape_of_line(fields, self.names, size, self.landmarks))
            except ShapeError as error:
                problems.append(Problem(printable_path(path), f"line {number}: {error}"))
        objects = objects_of_shapes(image.image_id, self.source, shapes)
        return Annotated(objects, tuple(problems))


@dataclass(frozen=True, slots=True)
class YoloAnnotations(LabelFiles):
    """YOLO's labels: one text file per image, one object a line, numbers as fractions of the image's sides.

    :mod:`yolo_lines` says what lines there are. A polygon's box is its extent, and it gives the object a mask
    (none where it is too thin to cover a pixel). An image is labeled by the file :func:`companion` finds;
    without one it has no objects, which is normal.

    What reaches over the image's border is cut off, however much of it is outside, up to one width or
    height away; farther coordinates are taken for a mistake (pixels, mostly).
    """

    folder: Path
    names: tuple[str, ...]
    landmarks: int
    by_name: ImageNames[Path]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"YoloAnnotations({str(self.folder)!r}: {len(self.names)} classes)"

    def label_file(self, image_path: Path | str) -> Path | None:
        """Return the file in the folder that has the image's name."""
        return companion(self.folder, image_path, f"{Path(image_path).stem}.txt", self.by_name)

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the label files without an image, and the images without a label file."""
        claims = {str(image_path): self.label_file(image_path) for image_path in image_paths}
        return coverage_by_files(label_files(self.folder), claims)._replace(notes=self.notes)


def label_files(folder: Path) -> Iterator[Path]:
    """Yield the label files in a folder and its subfolders."""
    return (path for path in folder.rglob("*.txt") if path.name not in LISTS)


# Cached: for the thousands of names of a large data set, per image, it would take longer than all the rest.
@cache
def _names_digest(names: tuple[str, ...]) -> str:
    return content_id("\n".join(names).encode())
