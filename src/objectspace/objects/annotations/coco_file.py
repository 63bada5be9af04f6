"""COCO's annotation files as data: images, categories and annotations, each fault at its own entry.

What a tool writes oddly (a number as text, an id twice) costs at most its entry; only a file without the
three lists, or with nothing in them that can be used, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from objectspace.errors import counted
from objectspace.objects.annotations.annotation_reader import FormError, is_text, kind
from objectspace.objects.annotations.attributes import AttributeColumns, attribute_columns
from objectspace.objects.annotations.matching import plain_name
from objectspace.objects.annotations.values import as_id, as_number, as_side, is_true
from objectspace.objects.labels import spelled_apart

_FORM = "expected a COCO file: an object with images, annotations, categories"

#: What may name an image's file, best first; LVIS has only the address.
_NAME_KEYS = ("file_name", "coco_url", "path")


class CocoAnnotation(NamedTuple):
    """One entry of ``annotations``: how messages name it, and what it says."""

    name: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class CocoImage:
    """The entries of one file name in ``images`` with their annotations; an unknown side is None."""

    file_name: str
    width: int | None
    height: int | None
    annotations: list[CocoAnnotation] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class CocoFile:
    """What is in one file.

    images: by name; categories: label by id
    crowds, strays: annotations that are left out, of crowds and of images that the file does not list
    notes: what else is left out or read otherwise than written, a sentence each
    """

    images: Mapping[str, CocoImage]
    categories: Mapping[int | str, str]
    attributes: AttributeColumns
    crowds: int
    strays: int
    notes: tuple[str, ...]


def read_coco(text: str) -> CocoFile:
    """Read a file's text. Raises FormError where it is no JSON of that form, or of no use at all."""
    document = _parsed(text)
    notes: list[str] = []
    images = _images(document, notes)
    categories = _categories(document, notes)
    crowds = strays = 0
    attributes: list[Any] = []
    for number, content in _entries(document, "annotations", notes):
        image = images.get(as_id(content.get("image_id")))
        if image is None:
            strays += 1
        elif is_true(content.get("iscrowd")):
            crowds += 1
        else:
            key = content.get("id")
            name = f"annotation {key!r:.40}" if isinstance(key, int | str) else f"annotations[{number}]"
            image.annotations.append(CocoAnnotation(name, content))
            attributes.append(content.get("attributes"))
    columns = attribute_columns(attributes, is_number=_is_number)
    by_name = {image.file_name: image for image in images.values()}
    return CocoFile(by_name, categories, columns, crowds, strays, (*notes, *columns.notes))


def _is_number(value: Any) -> bool:
    return not isinstance(value, str) and as_number(value) is not None


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormError(f"is no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise FormError(f"is no JSON that can be read: {error}") from None
    if not isinstance(document, dict):
        raise FormError(f"holds {kind(document)}, {_FORM}")
    for key in ("images", "categories", "annotations"):
        if key not in document:
            raise FormError(f"has no {key}, {_FORM}")
        if not isinstance(document[key], list):
            raise FormError(f"{key} is {kind(document[key])}, expected a list")
    return document


def _entries(
    document: Mapping[str, Any], key: str, notes: list[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects in one of the file's lists with their places; anything else is noted."""
    odd = [number for number, entry in enumerate(document[key]) if not isinstance(entry, dict)]
    if odd:
        first = f"{key}[{odd[0]}] is {kind(document[key][odd[0]])}"
        entries = counted(len(odd), "entry", "entries")
        notes.append(f"{entries} of {key} left out: {first}, expected an object")
    yield from ((number, entry) for number, entry in enumerate(document[key]) if isinstance(entry, dict))


def _images(document: Mapping[str, Any], notes: list[str]) -> dict[int | str | None, CocoImage]:
    """Return the images by id; ids of one file name (several annotators) share one image."""
    by_name: dict[str, CocoImage] = {}
    images: dict[int | str | None, CocoImage] = {}
    left_out: list[str] = []
    ambiguous: set[int | str] = set()
    for number, entry in _entries(document, "images", notes):
        key, name = as_id(entry.get("id")), next(filter(is_text, map(entry.get, _NAME_KEYS)), None)
        if key is None:
            left_out.append(f"images[{number}]: id is {kind(entry.get('id'))}, expected an integer")
        elif name is None:
            reason = f"file_name is {kind(entry.get('file_name'))}, expected the photo's name"
            left_out.append(f"image {key}: {reason}")
        else:
            plain = plain_name(name)
            sides = as_side(entry.get("width")), as_side(entry.get("height"))
            image = by_name.setdefault(plain, CocoImage(plain, *sides))
            if images.setdefault(key, image) is not image and key not in ambiguous:
                ambiguous.add(key)
                left_out.append(f"id {key} is that of {images[key].file_name} and of {plain}")
    if left_out:
        notes.append(f"{counted(len(left_out), 'image')} left out: {left_out[0]}")
    if left_out and not images:
        raise FormError(f"has no image that can be used: {left_out[0]}")
    return {key: image for key, image in images.items() if key not in ambiguous}


def _categories(document: Mapping[str, Any], notes: list[str]) -> dict[int | str, str]:
    """Return the labels by id; an id of two names is of none."""
    names: dict[int | str, str] = {}
    left_out: list[str] = []
    ambiguous: set[int | str] = set()
    for number, entry in _entries(document, "categories", notes):
        key, name = as_id(entry.get("id")), entry.get("name")
        if isinstance(name, int | float) and not isinstance(name, bool):
            name = str(name)
        if key is None:
            left_out.append(f"categories[{number}]: id is {kind(entry.get('id'))}, expected an integer")
        elif not is_text(name):
            left_out.append(f"category {key}: name is {kind(entry.get('name'))}, expected text")
        elif names.setdefault(key, name.strip()) != name.strip():
            ambiguous.add(key)
            left_out.append(f"category {key} is named {names[key]} and {name.strip()}")
    if left_out:
        notes.append(f"{counted(len(left_out), 'category', 'categories')} left out: {left_out[0]}")
    if left_out and not set(names) - ambiguous:
        raise FormError(f"has no category that can be used: {left_out[0]}")
    spelled = spelled_apart(names.values())
    return {key: spelled[name] for key, name in names.items() if key not in ambiguous}
