"""Pascal VOC's XML files, read as data: no entities, nothing from outside, bounded in length and depth."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from objectspace.files import read_bytes
from objectspace.objects.annotations.annotation_reader import FormError
from objectspace.objects.annotations.values import as_side

#: An image with ten thousand objects is a quarter of it; VOC's own files are a thousandth.
_FILE_LIMIT = 16 << 20
_DEPTH_LIMIT = 32

#: VOC's and CVAT's own children of an object that become attributes; of these the flags are 0 or 1.
_FLAGS = ("difficult", "occluded", "truncated")
_WORDS = ("pose",)
_TRUTH = {"0": "false", "1": "true"}
_UNKNOWN = ("", "unspecified")

#: The elements of an object that have the corners of a polygon or an oriented box, or its middle and angle.
_ORIENTED = ("robndbox", "rotated_bndbox", "polygon", "bndbox")
#: How roLabelImg and others name the middle, the sides and the angle (radians, clockwise) of an oriented box.
_TURNED = (
    ("cx", "cy", "w", "h", "angle"),
    ("rotated_bbox_cx", "rotated_bbox_cy", "rotated_bbox_w", "rotated_bbox_h", "rotated_bbox_theta"),
)

#: Of files whose declaration can be read byte by byte: not of UTF-16, which expat tells by its first bytes.
_ENCODING = re.compile(rb"""(?:\xef\xbb\xbf)?\s*<\?xml[^>]{0,99}?encoding\s*=\s*["']([\w.:-]+)["']""")


class VocObject(NamedTuple):
    """One ``object``, its numbers still texts.

    corners: of ``bndbox``, or None without it; polygon: x1, y1, x2, y2 … of an outline beside or instead of
    it; turned: middle, sides and angle of an oriented box
    """

    name: str
    corners: tuple[str, str, str, str] | None
    attributes: Mapping[str, str | None]
    polygon: tuple[str, ...] = ()
    turned: tuple[str, ...] = ()


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
    width, height = (as_side(_text(root, f"size/{side}")) for side in ("width", "height"))
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
        parser.Parse(_decoded(data), True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise FormError(f"is no XML: {what} in line {error.lineno}, column {error.offset + 1}") from None
    except (ValueError, LookupError) as error:
        raise FormError(f"is no XML that can be read: {error}") from None
    return builder.close()


def _decoded(data: bytes) -> str | bytes:
    """Return a file's text by the encoding that it declares; expat knows but a few, under their first names.

    Raises FormError, which names the encoding, where it is unknown or is not that of the file.
    """
    declared = _ENCODING.match(data)
    if declared is None:
        return data
    name = declared[1].decode("ascii")
    try:
        return data.decode(name)
    except (LookupError, UnicodeError):
        raise FormError(
            f"is declared as {name[:40]}, which its bytes are not or which is not known; save it as UTF-8"
        ) from None


def _refused(*_: object) -> NoReturn:
    """Refuse a DOCTYPE: its entities read other files, or grow from lines to gigabytes."""
    raise FormError("has a DOCTYPE, which is not read; remove it")


def _object(element: Element) -> VocObject:
    attributes: dict[str, str | None] = {}
    for flag in _FLAGS:
        if element.find(flag) is not None:
            text = _text(element, flag).lower()
            attributes[flag] = _known(_TRUTH.get(text, text))
    for word in _WORDS:
        if element.find(word) is not None:
            attributes[word] = _known(_text(element, word))
    for attribute in element.iterfind("attributes/attribute"):
        attributes[_text(attribute, "name")] = _known(_text(attribute, "value"))
    box = element.find("bndbox")
    corners = None
    if box is not None and box.find("xmin") is not None:
        corners = (_text(box, "xmin"), _text(box, "ymin"), _text(box, "xmax"), _text(box, "ymax"))
    return VocObject(_text(element, "name"), corners, attributes, _polygon(element), _turned(element))


def _oriented(element: Element) -> Iterator[Element]:
    found = (element.find(name) for name in _ORIENTED)
    return (shape for shape in found if shape is not None)


def _polygon(element: Element) -> tuple[str, ...]:
    """Return x1, y1, x2, y2 … of an object's outline: numbered, or LabelMe's ``pt``; empty where none is."""
    for shape in _oriented(element):
        if shape.find("x1") is not None:
            count = next(n for n in range(1, len(shape) + 2) if shape.find(f"x{n}") is None)
            return tuple(_text(shape, f"{axis}{n}") for n in range(1, count) for axis in "xy")
        if points := shape.findall("pt"):
            return tuple(_text(point, axis) for point in points for axis in "xy")
    return ()


def _turned(element: Element) -> tuple[str, ...]:
    """Return the middle, sides and angle of an object's oriented box; empty where there is none."""
    for shape in _oriented(element):
        for names in _TURNED:
            if shape.find(names[0]) is not None:
                return tuple(_text(shape, name) for name in names)
    return ()


def _known(text: str) -> str | None:
    return None if text.lower() in _UNKNOWN else text


def _text(element: Element, path: str) -> str:
    """Return the stripped text of the first element at a path; empty where there is none."""
    return (element.findtext(path) or "").strip()
