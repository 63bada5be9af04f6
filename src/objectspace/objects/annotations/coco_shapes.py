"""One object of a COCO annotation: its box, mask and label; a part that is wrong costs itself alone."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.objects.annotations.annotation_reader import ShapeError, check_near, inside, kind
from objectspace.objects.annotations.attributes import AttributeColumns
from objectspace.objects.annotations.shapes import Shape, outline, turned_corners
from objectspace.objects.annotations.values import as_id, as_number
from objectspace.objects.masks import (
    mask_area,
    mask_box,
    mask_from_counts,
    mask_from_runs,
    polygon_mask,
    united,
)
from objectspace.objects.records import Mask


def coco_shape(
    content: Mapping[str, Any],
    categories: Mapping[int | str, str],
    attributes: AttributeColumns,
    image_wh: tuple[int, int],
) -> tuple[Shape, list[str]]:
    """Return the object of one annotation, and why parts of it are left out.

    The box is the ``bbox``, or the mask's where there is none that can be used; one with an attribute
    ``rotation`` (CVAT: degrees, clockwise) and no mask is turned, and its mask is the turned box. Raises
    ShapeError where no box or no label is left.
    """
    label = _label(content.get("category_id"), categories)
    mask, faults = _mask(content.get("segmentation"), image_wh)
    try:
        box, mask = _box(content, mask, image_wh)
    except ShapeError as error:
        if mask is None:
            raise ShapeError("; ".join((str(error), *faults))) from None
        box = mask_box(mask)
        faults.append(f"{error}; the box is the mask's")
    score = as_number(content.get("score"))
    known = score if score is not None and 0 <= score <= 1 else math.nan
    return Shape(box, label, mask, attributes.of(content.get("attributes")), known), faults


def _label(category: Any, categories: Mapping[int | str, str]) -> str:
    key = as_id(category)
    if key is None or key not in categories:
        known = ", ".join(map(str, list(categories)[:8])) + (" …" if len(categories) > 8 else "")
        raise ShapeError(
            f"category_id {reprlib.repr(category)} is not among the file's categories ({known or 'none'})"
        )
    return categories[key]


def _box(
    content: Mapping[str, Any], mask: Mask | None, image_wh: tuple[int, int]
) -> tuple[NDArray[np.float32], Mask | None]:
    """Return an annotation's box and its mask, which is the box itself where that is turned."""
    value = content.get("bbox")
    if mask is not None and value in (None, [], [0, 0, 0, 0]):
        return mask_box(mask), mask
    if value is None:
        raise ShapeError("has neither a bbox nor a mask that covers a pixel")
    numbers = _numbers(value)
    if numbers is None or len(numbers) != 4:
        raise ShapeError(f"bbox is {kind(value)}, expected 4 finite numbers")
    left, top, width, height = numbers
    if width <= 0 or height <= 0:
        raise ShapeError(f"bbox has no area (width {width:g}, height {height:g})")
    attributes = content.get("attributes")
    degrees = as_number(attributes.get("rotation")) if isinstance(attributes, dict) else None
    if mask is None and degrees and degrees % 360:
        center = (left + width / 2, top + height / 2)
        return outline(turned_corners(center, (width, height), math.radians(degrees)), image_wh)
    corners = np.array([[left, top], [left + width, top + height]])
    check_near(corners, image_wh)
    return inside(corners.reshape(-1).astype(np.float32), image_wh), mask


def _mask(value: Any, image_wh: tuple[int, int]) -> tuple[Mask | None, list[str]]:
    """Return the mask of a ``segmentation``, None where it covers no pixel, and why parts are left out."""
    if value is None or value == []:
        return None, []
    parts: list[Mask] = []
    faults: list[str] = []
    for part in _parts(value):
        try:
            parts.append(_run_lengths(part, image_wh) if isinstance(part, dict) else _polygon(part, image_wh))
        except ShapeError as error:
            faults.append(f"{error}; this part of the mask is left out")
    mask = united(parts) if parts else None
    return (mask if mask is not None and mask_area(mask) else None), faults


def _parts(value: Any) -> list[Any]:
    """Return the polygons or the run lengths of a segmentation; empty polygons are none.

    A polygon may stand alone, flat, and its points may be pairs.
    """
    if isinstance(value, dict) or not isinstance(value, list):
        return [value]
    alone = not any(isinstance(part, list | dict) for part in value) or _is_points(value)
    return [value] if alone else [part for part in value if part != []]


def _is_points(value: Any) -> bool:
    """Tell whether a value is a list of three or more pairs of numbers."""
    return (
        isinstance(value, list)
        and len(value) >= 3
        and all(isinstance(point, list) and len(point) == 2 for point in value)
        and all(as_number(side) is not None for point in value for side in point)
    )


def _polygon(value: Any, image_wh: tuple[int, int]) -> Mask:
    if not isinstance(value, list):
        raise ShapeError(f"segmentation is {kind(value)}, expected polygons or run lengths")
    numbers = _numbers([side for point in value for side in point] if _is_points(value) else value)
    if numbers is None:
        raise ShapeError(f"polygon is {kind(value)}, expected a list of finite numbers")
    if len(numbers) < 6 or len(numbers) % 2:
        raise ShapeError(f"a polygon has {len(numbers)} numbers, expected x and y of three or more points")
    points = np.array(numbers).reshape(-1, 2)
    check_near(points, image_wh)
    return polygon_mask(points, image_wh)


def _run_lengths(value: Mapping[str, Any], image_wh: tuple[int, int]) -> Mask:
    size, counts = value.get("size"), value.get("counts")
    expected = [image_wh[1], image_wh[0]]
    if _numbers(size) != expected:
        raise ShapeError(
            f"the mask's size is {reprlib.repr(size)}, expected {expected}, the photo's height and width"
        )
    try:
        if isinstance(counts, str):
            return mask_from_counts(counts.encode("utf-8", "replace"), image_wh)
        if not isinstance(counts, list) or not all(
            type(count) is int and abs(count) < 1 << 40 for count in counts
        ):
            raise ShapeError(f"the mask's counts are {kind(counts)}, expected text or a list of run lengths")
        return mask_from_runs(np.array(counts, np.int64), image_wh)
    except InputError as error:
        raise ShapeError(str(error)) from None


def _numbers(value: Any) -> list[float] | None:
    """Return a list of finite numbers; None for anything else."""
    numbers = [as_number(number) for number in value] if isinstance(value, list) else [None]
    known = [number for number in numbers if number is not None]
    return known if len(known) == len(numbers) else None
