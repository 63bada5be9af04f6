"""Objects that the user's own code found: a mapping from images to what is in them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import InputError, counted
from objectspace.files import printable_path, recipe_digest
from objectspace.images import Image
from objectspace.objects.annotations.annotation_reader import (
    Annotated,
    AnnotationSet,
    Coverage,
    Problem,
    ShapeError,
    absolute,
    inside,
)
from objectspace.objects.masks import mask_from_counts
from objectspace.objects.records import Mask, Objects, can_be_column, concatenate, no_objects


@typed
def objects_reader(objects: Mapping[Path | str, Objects]) -> AnnotationSet:
    """Return a reader of objects by the images' paths, for a job to embed.

    They are kept with their ids, scores and provenance, under the one ``source`` that all of them have; what
    reaches over the image's border is cut off. An image that is not named has no objects. Raises InputError
    where the objects have several sources, a score outside [0, 1], or a factor that is badly named or a
    number here and text there, and where two names are one image.

    >>> found = osp.make_objects(
    ...     image_id=image.image_id, xyxy=np.float32([[0, 0, 60, 80]]), label=["square"], source="squares@1"
    ... )
    >>> osp.objects_reader({photos[0]: found})
    ObjectsInMemory(1 image, source squares@1)
    """
    by_path: dict[str, Objects] = {}
    for path, found in objects.items():
        if by_path.setdefault(absolute(path), found) is not found:
            raise InputError(f"objects: {path} is named twice")
    together = concatenate(list(by_path.values()))
    sources = sorted(set(together.source.tolist()))
    if len(sources) > 1:
        raise InputError(f"objects: of the sources {', '.join(sources)}; give each a job of its own")
    _check_scores(together)
    _check_factors(together)
    return ObjectsInMemory(by_path, (*sources, "objects")[0])


@dataclass(frozen=True, slots=True, eq=False)
class ObjectsInMemory:
    """Objects by the absolute path of their image."""

    objects: Mapping[str, Objects]
    source: str

    def __repr__(self) -> str:
        return f"ObjectsInMemory({counted(len(self.objects), 'image')}, source {self.source})"

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The format, and the source of the objects."""
        return {"format": "objects", "source": self.source}

    @property
    def factor_names(self) -> Collection[str]:
        """The names of the factors of any object."""
        return {name for found in self.objects.values() for name in found.factors}

    def contents(self, image_path: Path | str) -> str:
        """Return a digest of the stored fields of the image's objects."""
        found = self.objects.get(absolute(image_path), no_objects())
        # An object's id covers its image, box, label and mask.
        columns = {k: v for k, v in found.columns.items() if k not in ("mask", "xyxy", "label")}
        return recipe_digest({name: column.tolist() for name, column in columns.items()})

    def files(self, image_path: Path | str) -> Sequence[Path]:
        """Return no files: problems name the image."""
        return ()

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the named images that a job lacks, and the job's images that are not named."""
        places = {str(image_path): absolute(image_path) for image_path in image_paths}
        named = set(places.values())
        missing = (path for path in self.objects if path not in named)
        unnamed = (image_path for image_path, place in places.items() if place not in self.objects)
        return Coverage(tuple(map(printable_path, missing)), tuple(unnamed))

    def objects_of(self, image: Image) -> Annotated:
        """Return the image's objects; those that do not fit the image are problems."""
        found = self.objects.get(absolute(image.path))
        if found is None:
            return Annotated(no_objects())
        if (found.image_id != image.image_id).any():
            reason = "the objects given for it are of another picture (another image_id); find them again"
            return Annotated(no_objects(), (Problem(printable_path(image.path), reason),))
        rows: list[int] = []
        boxes: list[NDArray[np.float32]] = []
        problems: list[Problem] = []
        for row, (box, mask) in enumerate(zip(found.xyxy, found.mask, strict=True)):
            try:
                boxes.append(_box(box, mask, (image.width, image.height)))
                rows.append(row)
            except ShapeError as error:
                reason = f"box {box.tolist()} of row {row}: {error}"
                problems.append(Problem(printable_path(image.path), reason))
        objects = replace(found.take(rows), xyxy=np.array(boxes, np.float32).reshape(-1, 4))
        return Annotated(objects, tuple(problems))


def _box(box: NDArray[np.float32], mask: Mask | None, image_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Return the part of an object's box inside its image. Raises ShapeError for what does not fit."""
    if mask is not None:
        if (mask.width, mask.height) != image_wh:
            sizes = f"{mask.width} x {mask.height} pixels, its photo {image_wh[0]} x {image_wh[1]}"
            raise ShapeError(f"its mask is {sizes}")
        try:
            mask_from_counts(mask.counts, image_wh)
        except InputError as error:
            raise ShapeError(str(error)) from None
    return inside(box, image_wh)


def _check_scores(objects: Objects) -> None:
    known = objects.score[~np.isnan(objects.score)]
    if outside := [score for score in known.tolist() if not 0 <= score <= 1]:
        raise InputError(f"objects: a score is {outside[0]:g}, expected 0 to 1, or NaN for none")


def _check_factors(objects: Objects) -> None:
    for name, column in objects.factors.items():
        if not can_be_column(name):
            raise InputError(
                f"objects: a factor cannot be named {name!r}, as objects have a column of that name or it "
                "holds signs other than letters, digits, spaces, - and _; rename it"
            )
        known = [value for value in column.tolist() if value is not None and value == value]
        texts = sum(isinstance(value, str) for value in known)
        if not all(isinstance(value, str | int | float) for value in known) or 0 < texts < len(known):
            raise InputError(f"objects: factor {name} is not all numbers or all text; make it one of them")
        if not texts and not all(map(math.isfinite, known)):
            raise InputError(
                f"objects: factor {name} has an infinite value, expected NaN where it is unknown"
            )
