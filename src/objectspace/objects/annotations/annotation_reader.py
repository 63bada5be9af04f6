"""The interface of annotation formats, and what they have in common."""

from __future__ import annotations

import os
import reprlib
import stat
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from objectspace.files import content_id, printable_path, recipe_digest
from objectspace.images import Image
from objectspace.objects.annotations.matching import ImageNames
from objectspace.objects.annotations.values import is_utf8
from objectspace.objects.boxes import clip
from objectspace.objects.masks import ShapeError as ShapeError  # part of the interface here
from objectspace.objects.records import Objects


class Problem(NamedTuple):
    """An entry of a label or mask file that gave no object: the file and the reason."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Annotated:
    """The objects of one image, and what in its files could not be used."""

    objects: Objects
    problems: tuple[Problem, ...] = ()


class Coverage(NamedTuple):
    """The match of annotations and the images of a job.

    missing: images that the annotations name and the job lacks
    unnamed: images of the job that the annotations do not cover
    crowds: annotations of crowds (COCO's ``iscrowd``), which are no single objects and are left out
    strays: annotations of images that their own file does not list, left out too
    shared: images that have the annotations of an earlier one (two folders with a ``7.jpg`` each)
    alike: images whose annotations name other folders than theirs, ``image (name in the annotations)``
    notes: what is read otherwise than written, or left out of all images, a sentence each
    """

    missing: tuple[str, ...]
    unnamed: tuple[str, ...]
    crowds: int = 0
    strays: int = 0
    shared: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class AnnotationReader(Protocol):
    """A source of annotated objects by image; safe to call from many threads."""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe of the objects as plain JSON, without file names, so that ids outlive moves."""

    @property
    def source(self) -> str:
        """The ``source`` of every object made: ``annotations-FORMAT@`` and the recipe's digest."""
        return f"annotations-{self.recipe['format']}@{recipe_digest(self.recipe)}"

    @property
    def factor_names(self) -> Collection[str]:
        """The factors that objects may have."""

    def contents(self, image_path: Path | str) -> str:
        """Return a digest of an image's annotations, independent of other images."""

    def files(self, image_path: Path | str) -> Sequence[Path]:
        """Return the files with an image's annotations; its problems name one of them, or the image."""

    def objects_of(self, image: Image) -> Annotated:
        """Return the objects of one image; a broken line or file is a problem, never an exception."""


class AnnotationSet(AnnotationReader, Protocol):
    """Annotations whose images are known beforehand."""

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the images of the annotations and of the job without a counterpart."""


def file_digest(path: Path | None) -> str | None:
    """Return a digest of a file's content; None where there is no file, a word where it cannot be read."""
    if path is None or not is_file(path):
        return None
    try:
        return content_id(path.read_bytes())
    except OSError:
        return "not readable"


def companion(folder: Path, image_path: Path | str, name: str, files: ImageNames[Path]) -> Path | None:
    """Find the file ``name`` that belongs to an image, in a folder that may repeat the images' folders.

    For ``photos/val/7.jpg`` that is ``folder/photos/val/name``, ``folder/val/name`` or ``folder/name``,
    the first that exists; else the one of ``files``, those of the folder by name, that has the same name in
    another spelling (percent-encoded, accents composed or not); None where none does.
    """
    image = Path(image_path).absolute()
    parents = image.parent.parts[1:]
    for depth in range(len(parents) + 1):
        path = folder.joinpath(*parents[depth:], name)
        if is_file(path):
            return path
    return files.named(image.parent / name)


def is_file(path: Path) -> bool:
    """Return whether there is such a file.

    One in a folder that may not be read counts: reading it raises, rather than the image having no labels.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


def coverage_by_files(files: Iterable[Path], claims: Mapping[str, Path | None]) -> Coverage:
    """Return the coverage of annotations with a file per image, from all files and the one of each image."""
    claimed = set(claims.values())
    missing = (printable_path(path) for path in sorted(set(files)) if path not in claimed)
    unnamed = (image_path for image_path, path in claims.items() if path is None)
    return Coverage(tuple(missing), tuple(unnamed), shared=shared_images(claims))


def shared_images(claims: Mapping[str, Hashable | None]) -> tuple[str, ...]:
    """Return the images whose file or entry an earlier image has already; one named twice is one."""
    first: dict[Hashable, str] = {}
    claimed = ((image_path, entry) for image_path, entry in claims.items() if entry is not None)
    return tuple(
        image_path
        for image_path, entry in claimed
        if first.setdefault(entry, absolute(image_path)) != absolute(image_path)
    )


def absolute(path: Path | str) -> str:
    """Return the absolute path with its dots resolved; links are not followed."""
    return os.path.abspath(path)  # noqa: PTH100


class FormError(Exception):
    """A file that is not of its format; a reader that opens it turns this into an AnnotationError."""


def check_near(points: NDArray[np.float64], image_wh: tuple[int, int]) -> None:
    """Raise ShapeError for points (n, 2) more than one width or height outside the image."""
    if (points < -np.array(image_wh)).any() or (points > 2 * np.array(image_wh)).any():
        raise ShapeError(f"is far outside the photo of {image_wh[0]} x {image_wh[1]} pixels")


def frame_problem(stated: tuple[int, int], true: tuple[int, int]) -> str | None:
    """Return why annotations of one (width, height) are not an image's of another; None where they are."""
    if stated == true:
        return None
    sizes = f"is of a photo of {stated[0]} x {stated[1]} pixels, and this one has {true[0]} x {true[1]}"
    if stated != true[::-1]:
        return sizes
    return (
        f"{sizes}: the sides are swapped, as by a tool that ignores the photo's EXIF orientation; turn the "
        "photos' pixels (exiftran -ai, mogrify -auto-orient) and annotate or export again"
    )


def inside(xyxy: NDArray[np.float32], image_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Return the part of a box (4,) inside its image. Raises ShapeError where either has no area."""
    if (xyxy[2:] <= xyxy[:2]).any():
        raise ShapeError("the box has no area")
    part: NDArray[np.float32] = clip(xyxy[None], image_wh)[0]
    if (part[2:] <= part[:2]).any():
        raise ShapeError("is wholly outside the photo")
    return part


def kind(value: Any) -> str:
    """Describe a value of JSON or YAML in a few words, for messages."""
    if isinstance(value, list | dict):
        return f"a list of {len(value)}" if isinstance(value, list) else "an object"
    return "missing" if value is None else reprlib.repr(value)


def is_text(value: Any) -> TypeGuard[str]:
    """Return whether a value is text, not blank and valid in UTF-8 (JSON and YAML allow lone surrogates)."""
    return isinstance(value, str) and bool(value.strip()) and is_utf8(value)
