"""Objects from a COCO annotation file: boxes, polygons and run-length masks, with their attributes.

The format is that of https://cocodataset.org/#format-data; ``attributes``, a dict beside an annotation's
other keys, is CVAT's, and ``score`` that of COCO's results.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objectspace.errors import AnnotationError, counted
from objectspace.files import printable_path, read_text, recipe_digest
from objectspace.images import Image
from objectspace.objects.annotations.annotation_reader import (
    Annotated,
    AnnotationSet,
    Coverage,
    FormError,
    Problem,
    ShapeError,
    frame_problem,
    shared_images,
)
from objectspace.objects.annotations.coco_file import CocoFile, CocoImage, read_coco
from objectspace.objects.annotations.coco_shapes import coco_shape
from objectspace.objects.annotations.matching import ImageNames
from objectspace.objects.annotations.shapes import Shape, objects_of_shapes
from objectspace.objects.annotations.values import as_id
from objectspace.objects.records import no_objects


@dataclass(frozen=True, slots=True, eq=False)
class CocoAnnotations(AnnotationSet):
    """The annotations of one file, read whole when it was opened.

    An image's entry is the one that :class:`ImageNames` finds by ``file_name``; an image without one has
    no objects. The box of an object is its ``bbox``, or its mask's where there is none; a mask of several
    polygons is all of them together, and one too thin to cover a pixel is none. What reaches over the image's
    border is cut off, up to one width or height away; what is farther is taken for a mistake.

    path: the file; content: what is in it; names: its images by name
    """

    path: Path
    content: CocoFile
    names: ImageNames[CocoImage]

    def __repr__(self) -> str:
        images = counted(len(self.content.images), "image")
        return f"CocoAnnotations({str(self.path)!r}: {images}, {len(self.content.categories)} categories)"

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The format alone."""
        return {"format": "coco"}

    @property
    def factor_names(self) -> Collection[str]:
        """The names of all attributes."""
        return self.content.attributes.numeric.keys()

    def contents(self, image_path: Path | str) -> str:
        """Return a digest of the image's entry and of what makes objects in its annotations, without ids."""
        image_entry = self.names.of(image_path)
        if image_entry is None:
            return recipe_digest({"picture": None})
        shapes = [self._stated(annotation.content) for annotation in image_entry.annotations]
        return recipe_digest({"picture": [image_entry.width, image_entry.height], "shapes": shapes})

    def files(self, image_path: Path | str) -> Sequence[Path]:
        """Return the one file, for an image that it names."""
        return () if self.names.of(image_path) is None else (self.path,)

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the images of the file and of the job without a counterpart, and what is left out."""
        found = ((str(image_path), self.names.of(image_path)) for image_path in image_paths)
        claims = {
            image_path: None if image_entry is None else image_entry.file_name
            for image_path, image_entry in found
        }
        claimed = set(claims.values())
        missing = (name for name in self.content.images if name not in claimed)
        unnamed = (image_path for image_path, name in claims.items() if name is None)
        alike = (
            f"{image_path} ({image_entry.file_name})"
            for image_path, image_entry in self.names.alike(image_paths)
        )
        return Coverage(
            tuple(missing),
            tuple(unnamed),
            self.content.crowds,
            self.content.strays,
            shared_images(claims),
            tuple(alike),
            self.content.notes,
        )

    def objects_of(self, image: Image) -> Annotated:
        """Return the image's objects in the file's order, duplicates once."""
        image_entry = self.names.of(image.path)
        if image_entry is None:
            return Annotated(no_objects())
        here, size = printable_path(self.path), (image.width, image.height)
        stated = (image_entry.width or image.width, image_entry.height or image.height)
        if reason := frame_problem(stated, size):
            return Annotated(no_objects(), (Problem(here, f"image {image_entry.file_name} {reason}"),))

        shapes: list[Shape] = []
        problems: list[Problem] = []
        content = self.content
        for annotation in image_entry.annotations:
            try:
                shape, faults = coco_shape(annotation.content, content.categories, content.attributes, size)
                shapes.append(shape)
            except ShapeError as error:
                faults = [str(error)]
            problems += [Problem(here, f"{annotation.name}: {fault}") for fault in faults]
        objects = objects_of_shapes(image.image_id, self.source, shapes, content.attributes.numeric)
        return Annotated(objects, tuple(problems))

    def _stated(self, content: Mapping[str, Any]) -> list[Any]:
        """Return what an annotation states of its object, valid or not."""
        key = as_id(content.get("category_id"))
        label = None if key is None else self.content.categories.get(key)
        return [label, *(content.get(key) for key in ("bbox", "segmentation", "attributes", "score"))]


def open_coco(path: Path | str) -> CocoAnnotations:
    """Read a COCO annotation file (the instances of a detection or segmentation task).

    Raises AnnotationError for what is not JSON of that form, or has no image or category that can be used. An
    entry that cannot be used is noted in the coverage, an annotation whose category, box or mask is wrong is
    a problem of its image.
    """
    path = Path(path)
    if path.is_dir():
        raise AnnotationError(
            printable_path(path), "is a folder and COCO's annotations are a JSON file; name the file"
        )
    text = read_text(path)
    try:
        content = read_coco(text)
    except FormError as error:
        raise AnnotationError(printable_path(path), str(error)) from None
    return CocoAnnotations(path, content, ImageNames(content.images))
