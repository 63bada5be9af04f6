"""Objects from a YOLO data set: the ``data.yaml`` of Ultralytics, its images and their label files.

The form is that of https://docs.ultralytics.com/datasets/detect/ and its loader's rules.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from objectspace.errors import AnnotationError
from objectspace.files import printable_path, read_bytes, read_text
from objectspace.objects.annotations.annotation_reader import (
    Coverage,
    FormError,
    coverage_by_files,
    is_file,
    is_text,
    kind,
    shared_images,
)
from objectspace.objects.annotations.yolo import LabelFiles, label_files
from objectspace.objects.labels import check_names

SPLITS = ("train", "val", "test")

#: The names of ImageNet's 21,841 classes are a tenth of it, and YAML is slow to read.
_YAML_LIMIT = 4 << 20
_DEPTH_LIMIT = 32

#: Keys and values: twice those of ImageNet's 21,841 names. PyYAML reads some 20,000 a second.
_EVENT_LIMIT = 60_000


@dataclass(frozen=True, slots=True)
class YoloDataset(LabelFiles):
    """The images of a data set, each labeled by the file of Ultralytics' rule (:func:`label_file`).

    An image belongs to it when it is in one of its folders or lists; another has no
    objects. A line of a label file is read as :class:`YoloAnnotations` reads it.

    path: the ``data.yaml``; names: the classes in order; folders, listed: its images, absolute
    """

    path: Path
    names: tuple[str, ...]
    folders: tuple[Path, ...]
    listed: frozenset[Path]

    def __repr__(self) -> str:
        places = [str(folder) for folder in self.folders]
        return f"YoloDataset({str(self.path)!r}: {len(self.names)} classes, images in {places})"

    def label_file(self, image_path: Path | str) -> Path | None:
        """Return the file of Ultralytics' rule, for an image of the data set, where it exists."""
        path = self._claim(image_path)
        return path if path is not None and is_file(path) else None

    def coverage(self, image_paths: Sequence[Path | str]) -> Coverage:
        """Return the label files and listed images without an image of the job, and vice versa."""
        claims = {str(image_path): self._claim(image_path) for image_path in image_paths}
        missing = coverage_by_files(self._label_files(), claims).missing
        found = {str(image_path): self.label_file(image_path) for image_path in image_paths}
        unnamed = (image_path for image_path, path in found.items() if path is None)
        return Coverage(missing, tuple(unnamed), shared=shared_images(found))

    def _claim(self, image_path: Path | str) -> Path | None:
        """Return the path of the label file of an image of the data set; None for another image."""
        image = _place(Path(image_path))
        inside = image in self.listed or any(image.is_relative_to(folder) for folder in self.folders)
        return label_file(image) if inside else None

    def _label_files(self) -> Iterator[Path]:
        """Yield the label files of all folders, and of the listed images even where there is none."""
        for folder in self.folders:
            yield from label_files(label_file(folder / "any").parent)
        yield from map(label_file, self.listed)


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
        document = _parsed(read_bytes(path, limit=_YAML_LIMIT))
        names = _names(path, document)
        places = _places(path, document)
    except FormError as error:
        raise AnnotationError(printable_path(path), str(error)) from None
    lists = [place for place in places if place.is_file()]
    listed = {image for place in lists for image in _listed(place)}
    folders = tuple(place for place in places if place.is_dir())
    return YoloDataset(path, names, folders, frozenset(listed))


def _parsed(data: bytes) -> Mapping[str, Any]:
    try:
        _check_events(data)
        document = yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise FormError(f"is no YAML: {' '.join(str(error).split())}") from None
    except FormError:
        raise
    except Exception as error:  # PyYAML's constructors raise nearly every type there is on a wrong tag
        raise FormError(f"is no YAML that can be read: {error}") from None
    if not isinstance(document, dict) or "names" not in document:
        held = "is empty" if document is None else f"holds {kind(document)}"
        what = "has no names" if isinstance(document, dict) else held
        raise FormError(f"{what}, expected a data.yaml: names, and train, val or test")
    if "kpt_shape" in document:
        # Their lines, a box and its keypoints, would pass for polygons.
        raise FormError("is of keypoints (kpt_shape), expected boxes or polygons")
    return document


def _check_events(data: bytes) -> None:
    """Raise FormError for aliases, which repeat content, for deep nesting, and for more values than names."""
    depth = 0
    for number, event in enumerate(yaml.parse(data, yaml.SafeLoader)):
        if number > _EVENT_LIMIT:
            raise FormError(f"holds more than {_EVENT_LIMIT} values, expected a data.yaml")
        if isinstance(event, yaml.AliasEvent):
            raise FormError("holds an alias (*name), which is not read; write out what it stands for")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_LIMIT:
            raise FormError(f"is nested more than {_DEPTH_LIMIT} deep, expected a data.yaml")


def _names(path: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    names = document["names"]
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise FormError(f"names has the classes {reprlib.repr(list(names))}, expected 0, 1, 2 …")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise FormError(f"names is {kind(names)}, expected the names of the classes")
    for number, name in enumerate(names):
        if not (is_text(name) or type(name) is int):
            raise FormError(f"names: class {number} is {kind(name)}, expected text; put it in quotes")
    if document.get("nc", len(names)) != len(names):
        raise FormError(f"nc is {kind(document['nc'])}, but there are {len(names)} names")
    return check_names(path, list(map(str, names)), "class", first=0)


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
    raise FormError(
        f"none of its images is there, such as {printable_path((roots[0] / entries[0]).absolute())}; "
        "write the data set's folder as path"
    )


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
    for place in (root / entry, root / entry.removeprefix("../")):
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
        yield _place(path.parent / text)
