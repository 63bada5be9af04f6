"""The lines of YOLO's label files: what their numbers mean is told by how many there are.

====================================  =================================================================
``class cx cy w h``                   a box by its center
``class cx cy w h confidence``        the same, detected (``predict save_txt save_conf``)
``class x1 y1 x2 y2 x3 y3 …``         a polygon; four corners are an oriented box
``class x1 y1 x2 y2 x3 y3 … conf.``   the same, detected
``class cx cy w h x1 y1 …``           a box and landmarks, or with a third number each, 0 to 2: keypoints
====================================  =================================================================

A polygon and a box with landmarks may have as many numbers. A ``data.yaml`` says which (``kpt_shape``); for a
folder alone, all of its lines together do (:func:`landmarks_of`).
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from objectspace.objects.annotations.annotation_reader import ShapeError, inside
from objectspace.objects.annotations.shapes import Shape
from objectspace.objects.annotations.values import as_number
from objectspace.objects.masks import mask_area, polygon_mask

#: How far a box may reach over the photo, in its sides, and a landmark over its box, in the box's.
_OVER = 0.02
#: The least extent of landmarks, in their box's sides. Of eyes and mouth it is .4, of a plate's corners 1; of
#: small polygons, read as landmarks, it is less.
_SPREAD, _WIDE_SPREAD = 0.1, 0.5
#: From so many lines on, all of which can be a box with landmarks, they are.
_ENOUGH = 5
#: How far the diagonals of an oriented box may miss each other's middle, in the photo's sides, twice.
_RECTANGLE = 0.01


def shape_of_line(
    fields: Sequence[str], names: Sequence[str], image_wh: tuple[int, int], landmarks: int
) -> Shape:
    """Return the object of one line's fields. Raises ShapeError.

    landmarks: how many numbers follow the four of the box in lines of a box and landmarks, 0 for none
    """
    label = _label(fields[0], names)
    numbers = [_number(text) for text in fields[1:]]
    if len(numbers) < 4:
        raise ShapeError(
            f"has {len(numbers)} numbers after the class, expected 4 (box) or 6 and more (polygon)"
        )
    score = math.nan
    if landmarks and len(numbers) == 4 + landmarks:
        numbers = numbers[:4]
    elif len(numbers) % 2:
        score = numbers.pop()
        if not 0 <= score <= 1:
            raise ShapeError(
                f"has {len(numbers) + 1} numbers after the class, expected pairs of x and y, or a confidence "
                f"from 0 to 1 as the last, which is {score:g}"
            )
    if len(numbers) == 4:
        return Shape(_box(_corners(numbers), image_wh), label, None, score=score)
    polygon = np.array(numbers).reshape(-1, 2)
    box = _box(polygon, image_wh)
    mask = polygon_mask(polygon * image_wh, image_wh)
    return Shape(box, label, mask if mask_area(mask) else None, score=score)


def landmarks_of(lines: Iterable[str]) -> int:
    """Return how many numbers follow the four of a box in all long lines of a set of labels; 0 for polygons.

    They are landmarks where every line that is longer than a box has as many numbers, and the first four of
    each mean a box in the photo which all other points are in, spread over some of it, or unknown (-1 or 0).
    A polygon can be that too now and then, but not all of a set. So of a few lines one must be a bad
    polygon as well: with a point -1, -1, with sides that cross, or with points all over the box.
    Every third number 0, 1 or 2 is how visible the point before it is.
    """
    lengths: set[int] = set()
    count, certain = 0, False
    for line in lines:
        numbers = [as_number(field) for field in line.split()[1:]]
        if len(numbers) < 6:
            continue
        known = np.array([number for number in numbers if number is not None])
        if len(known) < len(numbers) or (points := _landmarks(known)) is None:
            return 0
        lengths.add(len(known))
        count += 1
        certain = certain or _is_no_polygon(known[2:4], known[:2], points)
    if len(lengths) != 1 or not (certain or count >= _ENOUGH):
        return 0
    return lengths.pop() - 4


def _landmarks(numbers: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the points (n, 2) of a line that can be a box and points in it; None where it cannot."""
    rest = numbers[4:]
    if len(rest) % 3 == 0 and np.isin(rest[2::3], (0, 1, 2)).all():
        points = rest.reshape(-1, 3)[:, :2]
    elif len(rest) % 2 == 0:
        points = rest.reshape(-1, 2)
    else:
        return None
    center, sides = numbers[:2], numbers[2:4]
    if (sides <= 0).any() or (np.abs(center - 0.5) + sides / 2 > 0.5 + _OVER).any():
        return None
    known = points[~_unknown(points)]
    if (np.abs(known - center) > sides * (0.5 + _OVER)).any():
        return None
    if len(numbers) == 8 and (np.abs(center + points[0] - sides - points[1]) < _RECTANGLE).all():
        return None  # an oriented box
    return points if len(known) < len(points) or _spread(known, sides) >= _SPREAD else None


def _is_no_polygon(
    sides: NDArray[np.float64], center: NDArray[np.float64], points: NDArray[np.float64]
) -> bool:
    """Tell whether a line that can be a box and points (n, 2) in it is a bad polygon."""
    if _unknown(points).any() or _spread(points, sides) >= _WIDE_SPREAD:
        return True
    return _crosses_itself(np.vstack([center, sides, points]))


def _unknown(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    unknown: NDArray[np.bool_] = (points == -1).all(1) | (points == 0).all(1)
    return unknown


def _spread(points: NDArray[np.float64], sides: NDArray[np.float64]) -> float:
    """Return the larger extent of points (n, 2) in the sides of their box."""
    return float((np.ptp(points, axis=0) / sides).max()) if len(points) else 0.0


def _crosses_itself(polygon: NDArray[np.float64]) -> bool:
    """Tell whether two sides of a polygon (n, 2) cross, ends aside."""
    start, end = polygon[:, None], np.roll(polygon, -1, axis=0)[:, None]

    def left(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The side (n, m) of each edge on which each point is, as a sign."""
        along, to = end - start, points[None] - start
        return np.sign(along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0])

    apart = left(polygon) * left(np.roll(polygon, -1, axis=0)) < 0
    return bool((apart & apart.T).any())


def _label(text: str, names: Sequence[str]) -> str:
    # numpy.savetxt writes 1 as 1.000000000000000000e+00.
    number = as_number(text)
    if number is None or number != round(number):
        raise ShapeError(f"class {reprlib.repr(text)} is not an integer")
    if not 0 <= number < len(names):
        raise ShapeError(
            f"class {round(number)} is not among the {len(names)} names (0 to {len(names) - 1}); "
            "is it the names file of these labels?"
        )
    return names[round(number)]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ShapeError(f"{reprlib.repr(text)} is not a number") from None
    if not math.isfinite(number):
        raise ShapeError(f"{reprlib.repr(text)} is not a finite number")
    return number


def _corners(numbers: Sequence[float]) -> NDArray[np.float64]:
    x, y, width, height = numbers
    if width <= 0 or height <= 0:
        raise ShapeError(f"the box has no area (width {width:g}, height {height:g})")
    return np.array([[x - width / 2, y - height / 2], [x + width / 2, y + height / 2]])


def _box(points: NDArray[np.float64], image_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Return the extent (4,) of points (n, 2), fractions of the image, in its pixels and clipped to it."""
    low, high = points.min(0), points.max(0)
    if low.min() < -1 or high.max() > 2:
        raise ShapeError("is far outside the photo; expected fractions of its sides from 0 to 1, not pixels")
    return inside((np.concatenate([low, high]) * (image_wh * 2)).astype(np.float32), image_wh)
