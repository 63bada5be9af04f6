"""Objects from a YOLO data set: the ``data.yaml`` of Ultralytics, its images and their label files.

The form is that of https://docs.ultralytics.com/datasets/detect/ and its loader's rules.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, TypeGuard

from objectspace.errors import AnnotationError
from objectspace.files import printable_path, read_text
from objectspace.objects.annotations.annotation_reader import (
    Coverage,
    FormError,
    coverage_by_files,
    is_file,
    is_text,
    kind,
    shared_images,
)
from objectspace.objects.annotations.matching import spellings
from objectspace.objects.annotations.yolo import LabelFiles, label_files, landmarks_in, landmarks_notes
from objectspace.objects.annotations.yolo_names import dataset_names, keypoints, read_dataset

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class YoloDataset(LabelFiles):
    """The images of a data set, each labeled by the file of Ultralytics' rule (:func:`label_file`).

    An image belongs to it when it is in one of its folders or lists; another has no
    objects. A line of a label file is read as :class:`YoloAnnotations` reads it.

    path: the ``data.yaml``; names: the classes in order; landmarks: see :class:`LabelFiles`
    folders, listed: its images, absolute; listed by name as names are compared
    by_name: its label files, by the same names
    """

    path: Path
    names: tuple[str, ...]
    landmarks: int
    folders: tuple[Path, ...]
    listed: Mapping[str, Path]
    by_name: Mapping[str, Path]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        places = [str(folder) for folder in self.folders]
        return f"YoloDataset({str(self.path)!r}: {len(self.names)} classes, images in {places})"

    def label_file(self, image_path: Path | str) -> Path | None:
        """Return the file of Ultralytics' rule, for an image of the data set, where it exists."""
        path = self._claim(image_path)
        if path is None or is_file(path):
            return path
        return next((self.by_name[name] for name in spellings(path) if name in self.by_name), None)

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the label files and listed images without an image of the job, and vice versa."""
        found = {str(image_path): self.label_file(image_path) for image_path in image_paths}
        claims = {image_path: path or self._claim(image_path) for image_path, path in found.items()}
        missing = coverage_by_files(self._label_files(), claims).missing
        unnamed = (image_path for image_path, path in found.items() if path is None)
        return Coverage(missing, tuple(unnamed), shared=shared_images(found), notes=self.notes)

    def _claim(self, image_path: Path | str) -> Path | None:
        """Return the path of the label file of an image of the data set; None for another image."""
        image = _place(Path(image_path))
        listed = any(name in self.listed for name in spellings(image))
        inside = listed or any(image.is_relative_to(folder) for folder in self.folders)
        return label_file(image) if inside else None

    def _label_files(self) -> Iterator[Path]:
        """Yield the label files of all folders, and of the listed images even where there is none."""
        yield from _files_of(self.folders)
        yield from map(label_file, self.listed.values())


def _files_of(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the label files of folders of images."""
    for folder in folders:
        yield from label_files(label_file(folder / "any").parent)


def _place(image: Path) -> Path:
    """Return the image's absolute path, with links of its folders resolved but not its own."""
    return Path(os.path.realpath(image.parent), image.name)


def label_file(image: Path) -> Path:
    """Return the label file of an image: the last folder ``images`` of its path becomes ``labels``.

    An image in no such folder has its label file beside it.
    """
    parents = list(image.parent.parts)
    if "images" in parents:
        last = len(parents) - 1 - parents[::-1].index("images")
        parents[last] = "labels"
    return Path(*parents, f"{image.stem}.txt")


def open_yolo_dataset(path: Path | str) -> YoloDataset:
    """Open the data set of a ``data.yaml``: its names, and the images of train, val and test.

    Relative entries start from ``path``, which itself starts from the file's folder, from the working
    folder, or, where the data set is in neither, is passed over for the file's own folder (the file moved
    with its data). Entries that are not there are passed over as long as one is.

    Raises AnnotationError for what is no such file: the message names the entry.
    """
    path = Path(path)
    try:
        document = read_dataset(path)
        names = dataset_names(path, document)
        shape = keypoints(document)
        places = _places(path, document)
    except FormError as error:
        raise AnnotationError(printable_path(path), str(error)) from None
    lists = [place for place in places if place.is_file()]
    listed = {name: image for place in lists for image in _listed(place) for name in spellings(image)}
    folders = tuple(place for place in places if place.is_dir())
    files = sorted({*_files_of(folders), *filter(is_file, map(label_file, listed.values()))})
    by_name = {name: file for file in files for name in spellings(file)}
    landmarks = landmarks_in(files) if shape is None else shape[0] * shape[1]
    notes = landmarks_notes(landmarks)
    return YoloDataset(path, names, landmarks, folders, listed, by_name, tuple(notes))


def _places(path: Path, document: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the existing folders and lists of images, absolute."""
    entries = [entry for split in SPLITS for entry in _entries(split, document.get(split))]
    if not entries:
        raise FormError("has none of train, val and test, expected folders or lists of images")
    root = document.get("path")
    if root is not None and not _is_path(root):
        raise FormError(f"path is {kind(root)}, expected the data set's folder")
    here = path.parent
    roots = [here] if root is None else [here / root, Path(root), here]
    try:
        for folder in roots:
            if places := [found for entry in entries for found in _existing(folder, entry)]:
                return tuple(dict.fromkeys(places))
    except OSError as error:
        raise FormError(f"train, val or test cannot be found: {error.strerror}") from None
    first = next((entry for entry in entries if _is_absolute(entry)), None)
    advice = "write the data set's folder as path"
    if first is not None:
        advice = "it is a path of another machine; write train, val and test relative to this file's folder"
    where = printable_path((roots[0] / (first or entries[0])).absolute())
    raise FormError(f"none of its images is there, such as {where}; {advice}")


def _is_absolute(entry: str) -> bool:
    return Path(entry).is_absolute() or PureWindowsPath(entry).is_absolute()


def _entries(split: str, value: Any) -> list[str]:
    entries = value if isinstance(value, list) else [] if value is None else [value]
    for entry in entries:
        if not _is_path(entry):
            raise FormError(f"{split} is {kind(entry)}, expected a folder or a list of images")
    return entries


def _is_path(value: Any) -> TypeGuard[str]:
    return is_text(value) and "\0" not in value


def _existing(root: Path, entry: str) -> Iterator[Path]:
    """Yield an entry's folder or list, where it exists; Roboflow writes ``../`` before its own folders."""
    plain = entry.replace("\\", "/")
    for place in (root / entry, root / plain, root / plain.removeprefix("../")):
        if place.is_dir() or (place.is_file() and place.suffix == ".txt"):
            yield place.resolve()
            return


def _listed(path: Path) -> Iterator[Path]:
    """Yield the images of a list, one a line; a relative one starts from the list's folder."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not (text := line.strip()):
            continue
        if not _is_path(text):
            reason = f"line {number} is {reprlib.repr(text)}, expected the path of an image"
            raise AnnotationError(printable_path(path), reason)
        place = path.parent / text
        yield _place(place if "\\" not in text or place.exists() else path.parent / text.replace("\\", "/"))
