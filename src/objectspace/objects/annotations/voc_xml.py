"""Pascal VOC's XML files, read as data: no entities, nothing from outside, bounded in length and depth."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from objectspace.files import read_bytes
from objectspace.objects.annotations.annotation_reader import FormError

#: An image with ten thousand objects is a quarter of it; VOC's own files are a thousandth.
_FILE_LIMIT = 16 << 20
_DEPTH_LIMIT = 32

#: VOC's and CVAT's own children of an object that become attributes; of these the flags are 0 or 1.
_FLAGS = ("difficult", "occluded", "truncated")
_WORDS = ("pose",)
_TRUTH = {"0": "false", "1": "true"}
_UNKNOWN = ("", "Unspecified")


class VocObject(NamedTuple):
    """One ``object``: its name, the texts of its corners or None without ``bndbox``, its attributes."""

    name: str
    corners: tuple[str, str, str, str] | None
    attributes: Mapping[str, str | None]


class VocFile(NamedTuple):
    """One ``annotation``: ``folder/filename`` as far as given, the frame as far as given, the objects."""

    image: str
    width: int | None
    height: int | None
    objects: tuple[VocObject, ...]


def read_voc_file(path: Path) -> VocFile:
    """Read the annotation in one file. Raises AnnotationError or, for its form, FormError."""
    root = _parsed(read_bytes(path, limit=_FILE_LIMIT))
    if root.tag != "annotation":
        raise FormError(f"is XML of another kind: holds {reprlib.repr(root.tag)}, expected annotation")
    image = "/".join(part for part in (_text(root, "folder"), _text(root, "filename")) if part)
    width, height = (_side(_text(root, f"size/{side}"), side) for side in ("width", "height"))
    objects = tuple(_object(element) for element in root.findall("object"))
    return VocFile(image if _text(root, "filename") else "", width, height, objects)


def _parsed(data: bytes) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH_LIMIT:
            raise FormError(f"is nested more than {_DEPTH_LIMIT} deep, expected an annotation of Pascal VOC")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refused
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise FormError(f"is no XML: {what} in line {error.lineno}, column {error.offset + 1}") from None
    except (ValueError, LookupError) as error:
        raise FormError(f"is no XML that can be read: {error}") from None
    return builder.close()


def _refused(*_: object) -> NoReturn:
    """Refuse a DOCTYPE: its entities read other files, or grow from lines to gigabytes."""
    raise FormError("has a DOCTYPE, which is not read; remove it")


def _object(element: Element) -> VocObject:
    attributes: dict[str, str | None] = {}
    for flag in _FLAGS:
        if element.find(flag) is not None:
            text = _text(element, flag)
            attributes[flag] = _known(_TRUTH.get(text, text.lower()))
    for word in _WORDS:
        if element.find(word) is not None:
            attributes[word] = _known(_text(element, word))
    for attribute in element.iterfind("attributes/attribute"):
        attributes[_text(attribute, "name")] = _known(_text(attribute, "value"))
    box = element.find("bndbox")
    corners = None
    if box is not None:
        corners = (_text(box, "xmin"), _text(box, "ymin"), _text(box, "xmax"), _text(box, "ymax"))
    return VocObject(_text(element, "name"), corners, attributes)


def _known(text: str) -> str | None:
    return None if text in _UNKNOWN else text


def _text(element: Element, path: str) -> str:
    """Return the stripped text of the first element at a path; empty where there is none."""
    return (element.findtext(path) or "").strip()


def _side(text: str, name: str) -> int | None:
    """Return a side of the image; None where the file does not state it, or says 0 as some tools do."""
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.0*)?", text):
        raise FormError(f"{name} is {reprlib.repr(text)}, expected a number of pixels")
    return int(float(text)) or None
