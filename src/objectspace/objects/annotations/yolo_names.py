"""The class names of YOLO's labels, where tools leave them: a ``data.yaml`` or a list beside the labels."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from objectspace.errors import AnnotationError
from objectspace.files import printable_path, read_bytes, read_text
from objectspace.objects.annotations.annotation_reader import FormError, is_text, kind
from objectspace.objects.labels import check_names, read_names

#: The names of ImageNet's 21,841 classes are a tenth of it, and YAML is slow to read.
_YAML_LIMIT = 4 << 20
_DEPTH_LIMIT = 32

#: Keys and values: twice those of ImageNet's 21,841 names. PyYAML reads some 20,000 a second.
_EVENT_LIMIT = 60_000

#: LabelImg and Label Studio; CVAT; Roboflow's export for Darknet: a name a line.
LISTS = ("classes.txt", "obj.names", "_darknet.labels")
_NOTES = "notes.json"
_DATA_SETS = ("data.yaml", "data.yml")


def names_beside(folder: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Return the file that names the classes of a folder of labels, and the names in order.

    It is in the folder or in the one above; None where there is none. Raises AnnotationError for such a file
    that cannot be read.
    """
    for place in (folder, folder.absolute().parent):
        for name in (*LISTS, _NOTES, *_DATA_SETS):
            if (path := place / name).is_file():
                return path, _names_in(path)
    return None


def _names_in(path: Path) -> tuple[str, ...]:
    if path.name in LISTS:
        return read_names(path)
    try:
        if path.name == _NOTES:
            return _names_of_notes(path)
        return dataset_names(path, read_dataset(path))
    except FormError as error:
        raise AnnotationError(printable_path(path), f"{error}; or name the classes by names=") from None


def _names_of_notes(path: Path) -> tuple[str, ...]:
    """Return the names of Label Studio's notes: ``{"categories": [{"id": 0, "name": "cat"}, …]}``."""
    try:
        notes = json.loads(read_text(path))
        named = {entry["id"]: entry["name"] for entry in notes["categories"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FormError("is not Label Studio's: an object with categories, each with id and name") from None
    return dataset_names(path, {"names": named})


def read_dataset(path: Path) -> Mapping[str, Any]:
    """Read a ``data.yaml``. Raises FormError, AnnotationError."""
    data = read_bytes(path, limit=_YAML_LIMIT)
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


def dataset_names(path: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a ``data.yaml``'s names in order, as COCO spells them. Raises FormError, AnnotationError."""
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


def keypoints(document: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return ``kpt_shape`` of a ``data.yaml``, points and numbers of each; None where its labels have none.

    Raises FormError for another value.
    """
    shape = document.get("kpt_shape")
    if shape is None:
        return None
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int and n > 0 for n in shape)):
        raise FormError(f"kpt_shape is {kind(shape)}, expected the points and the numbers of each")
    return shape[0], shape[1]
