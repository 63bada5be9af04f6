"""One annotated object of any format, and the objects made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectspace.objects.annotations.annotation_reader import check_near, inside
from objectspace.objects.annotations.attributes import attribute_column
from objectspace.objects.masks import mask_area, polygon_mask
from objectspace.objects.records import Mask, Objects, make_objects

_NONE: Mapping[str, Any] = MappingProxyType({})


class Shape(NamedTuple):
    """One object: its box (4,) in pixels of the image, label, mask, attributes and score, as far as known."""

    box: NDArray[np.float32]
    label: str
    mask: Mask | None
    attributes: Mapping[str, Any] = _NONE
    score: float = math.nan


def turned_corners(
    center: tuple[float, float], sides: tuple[float, float], radians: float
) -> NDArray[np.float64]:
    """Return the corners (4, 2) of a box turned clockwise about its center, as y points down.

    >>> turned_corners((5, 5), (4, 2), math.pi / 2).round(3).tolist()
    [[6.0, 3.0], [6.0, 7.0], [4.0, 7.0], [4.0, 3.0]]
    """
    halves = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array(sides) / 2
    cosine, sine = math.cos(radians), math.sin(radians)
    corners: NDArray[np.float64] = halves @ np.array([[cosine, sine], [-sine, cosine]]) + np.array(center)
    return corners


def outline(
    points: NDArray[np.float64], image_wh: tuple[int, int]
) -> tuple[NDArray[np.float32], Mask | None]:
    """Return the box (4,) and the mask of a polygon (n, 2) in pixels, inside the image.

    The box is the polygon's extent, not rounded; one too thin for a pixel has no mask. Raises ShapeError.
    """
    check_near(points, image_wh)
    box = inside(np.concatenate([points.min(0), points.max(0)]).astype(np.float32), image_wh)
    mask = polygon_mask(points, image_wh)
    return box, mask if mask_area(mask) else None


def objects_of_shapes(
    image_id: str, source: str, shapes: Sequence[Shape], attributes: Mapping[str, bool] = _NONE
) -> Objects:
    """Make the objects of one image, in order, duplicates once.

    attributes: the factor columns, name -> whether they are numbers
    """
    return make_objects(
        image_id=image_id,
        xyxy=np.array([shape.box for shape in shapes], np.float32).reshape(-1, 4),
        label=[shape.label for shape in shapes],
        mask=[shape.mask for shape in shapes],
        source=source,
        score=np.array([shape.score for shape in shapes], np.float32),
        factors={
            name: attribute_column([shape.attributes.get(name) for shape in shapes], numeric=numeric)
            for name, numeric in attributes.items()
        },
    )
