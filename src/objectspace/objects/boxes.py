"""Boxes and the frames they live in (numpy only).

A box is ``xyxy``, float32, in pixels of the original image: origin top left, on pixel edges, so the whole
image is ``(0, 0, width, height)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """The position of a network's input on the image: ``input = image * scale_xy + offset_xy``, in pixels.

    ``image_wh`` and ``input_wh`` are ``(width, height)``. Made by :func:`stretch_frame`,
    :func:`letterbox_frame`, or :func:`shorter_side_frame` for an input whose size is the image's own.
    """

    image_wh: tuple[int, int]
    input_wh: tuple[int, int]
    scale_xy: tuple[float, float]
    offset_xy: tuple[float, float]

    def to_input(self, xyxy: Float32) -> Float32:
        """Convert boxes (n, 4) of the image to pixels of the network's input."""
        return (xyxy * self._scale() + self._offset()).astype(np.float32)

    def to_image(self, xyxy: Float32) -> Float32:
        """Convert boxes (n, 4) of the network's input to pixels of the image."""
        return ((xyxy - self._offset()) / self._scale()).astype(np.float32)

    def _scale(self) -> NDArray[np.float64]:
        return np.array(self.scale_xy * 2)

    def _offset(self) -> NDArray[np.float64]:
        return np.array(self.offset_xy * 2)


def stretch_frame(image_wh: tuple[int, int], input_wh: tuple[int, int]) -> Frame:
    """Return the frame in which the image fills the input, its sides scaled independently (AlexeyAB's)."""
    scale = (input_wh[0] / image_wh[0], input_wh[1] / image_wh[1])
    return Frame(image_wh, input_wh, scale, (0.0, 0.0))


def letterbox_frame(image_wh: tuple[int, int], input_wh: tuple[int, int]) -> Frame:
    """Return the frame in which the image keeps its aspect, centered between gray bars (Darknet).

    >>> letterbox_frame((200, 100), (416, 416)).offset_xy
    (0.0, 104.0)

    The fitted size is whole pixels, as the resampled image is, so the two sides' scales may differ in the
    third digit.
    """
    ratio = min(input_wh[0] / image_wh[0], input_wh[1] / image_wh[1])
    fitted = (max(1, round(image_wh[0] * ratio)), max(1, round(image_wh[1] * ratio)))
    scale = (fitted[0] / image_wh[0], fitted[1] / image_wh[1])
    offset = (float((input_wh[0] - fitted[0]) // 2), float((input_wh[1] - fitted[1]) // 2))
    return Frame(image_wh, input_wh, scale, offset)


def shorter_side_frame(image_wh: tuple[int, int], shorter: int, longer: int) -> Frame:
    """Return the frame of an input of the image's aspect, with a shorter side of ``shorter`` pixels.

    It is shorter where the longer side would exceed ``longer``.
    Both sides are rounded down, as torchvision does (``GeneralizedRCNNTransform``), but to no less than one.
    """
    scale = min(shorter / min(image_wh), longer / max(image_wh))
    width, height = (max(1, int(side * scale)) for side in image_wh)
    return stretch_frame(image_wh, (width, height))


def shortest_edge_frame(image_wh: tuple[int, int], shorter: int, longer: int) -> Frame:
    """Return the frame of :func:`shorter_side_frame` with DETR's rounding to the nearest pixel.

    An image whose shorter side fits already keeps its size (transformers' ``get_size_with_aspect_ratio``).
    """
    least, most = min(image_wh), max(image_wh)
    exact = min(float(shorter), longer * least / most)
    if round(exact) == least:
        return stretch_frame(image_wh, image_wh)
    sides = max(1, round(exact)), max(1, int(exact * most / least))
    return stretch_frame(image_wh, sides if image_wh[0] < image_wh[1] else sides[::-1])


def recipe_frame(recipe: Mapping[str, Any], image_wh: tuple[int, int]) -> Frame:
    """Return the frame of an image under a network's recipe: its ``resize``, with ``input_wh`` or ``sides``.

    Raises KeyError, TypeError or ValueError for a recipe without them.
    """
    if (resize := recipe["resize"]) in _BY_SIDES:
        shorter, longer = recipe["sides"]
        return _BY_SIDES[resize](image_wh, shorter, longer)
    width, height = recipe["input_wh"]
    return _BY_INPUT[resize](image_wh, (width, height))


#: How an image is laid on the input, by its name in recipes.
_BY_INPUT: Mapping[str, Callable[[tuple[int, int], tuple[int, int]], Frame]] = {
    "stretch": stretch_frame,
    "letterbox": letterbox_frame,
}
_BY_SIDES: Mapping[str, Callable[[tuple[int, int], int, int], Frame]] = {
    "shorter side": shorter_side_frame,
    "shortest edge": shortest_edge_frame,
}


def first_cells(cell: NDArray[np.int32], center: NDArray[np.float32], size: int) -> NDArray[np.int32]:
    """Return the first column (or row) of each window of ``size`` cells, which may be outside the map.

    cell: (n,) int32, the responsible cell; center: (n,) float32, the box center in cells of the map; or both
        with x and y side by side, (n, 2)
    """
    if size % 2:
        first: NDArray[np.int32] = cell - np.int32(size // 2)
        return first
    nearest: NDArray[np.int32] = np.floor(center - size / 2 + 0.5).astype(np.int32)
    return nearest


def clip(xyxy: Float32, image_wh: tuple[int, int]) -> Float32:
    """Clip boxes (n, 4) to the image; one wholly outside ends with zero area.

    >>> clip(np.array([[-5, 2, 8, 20]], np.float32), (10, 10)).tolist()
    [[0.0, 2.0, 8.0, 10.0]]
    """
    width, height = image_wh
    inside: Float32 = np.clip(xyxy, 0, np.array([width, height, width, height], np.float32))
    return inside.astype(np.float32)


def area(xyxy: Float32) -> Float32:
    """Return areas (n,) in square pixels; zero where a box is empty or inverted."""
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    areas: Float32 = (sides[:, 0] * sides[:, 1]).astype(np.float32)
    return areas


def centers(xyxy: Float32) -> Float32:
    """Return box centers (n, 2) as x, y."""
    return ((xyxy[:, :2] + xyxy[:, 2:]) / 2).astype(np.float32)


def iou(first: Float32, second: Float32) -> Float32:
    """Return the intersection over union of boxes (n, 4) and (m, 4): (n, m) in [0, 1]; 0 for an empty box.

    >>> iou(np.array([[0, 0, 2, 2]], np.float32), np.array([[0, 0, 2, 1], [5, 5, 6, 6]], np.float32)).tolist()
    [[0.5, 0.0]]
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(high - low, 0)
    shared = sides[..., 0] * sides[..., 1]
    union = area(first)[:, None] + area(second)[None, :] - shared
    overlap: Float32 = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def whole_pixels(box: Float32, image_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the whole pixels that a box touches, at least one: left, top, exclusive right and bottom."""
    width, height = image_wh
    left = int(np.clip(np.floor(box[0]), 0, width - 1))
    top = int(np.clip(np.floor(box[1]), 0, height - 1))
    right = int(np.clip(np.ceil(box[2]), left + 1, width))
    bottom = int(np.clip(np.ceil(box[3]), top + 1, height))
    return left, top, right, bottom
