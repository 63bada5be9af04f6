"""The crop route: each object cut out of its image, as an encoder's input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate, max_pool2d

from objectspace.arguments import typed
from objectspace.embeddings.filling import fill_smoothly
from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.models.inputs import Interpolation
from objectspace.objects.boxes import whole_pixels
from objectspace.objects.masks import decode_box
from objectspace.objects.records import Mask, Objects

Background = Literal["black", "mean", "blur", "keep", "only"]
Fit = Literal["pad", "stretch"]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

#: The method in the recipes of crops: raised when the same encoder would get other pixels.
CROP_METHOD = 2

#: ImageNet's mean color. It becomes (nearly) zero in the normalization of an ImageNet encoder, as in R-CNN
#: (Girshick et al. 2014, appendix A). A photo's own mean would carry its surroundings into the vector.
IMAGENET_MEAN = (124, 116, 104)

#: Blurred surroundings keep this many pixels a side: where the light and the large colors are, no shapes.
BLUR_SIDE = 8

#: Where the surroundings stand alone, the object's hole is wider by this share of the crop's side: masks are
#: drawn by hand or predicted, and a rim of the object's own pixels would reveal its color and shape.
HOLE_RIM = 1 / 48

#: Pixels of a canvas, of which every thread has one: above them objects are reduced first. A photo of 60
#: megapixels stays below, a panorama or a margin of many times the object does not.
LARGEST_CANVAS = 100_000_000


@typed
@dataclass(frozen=True, slots=True)
class CropPolicy:
    """The options of making an encoder's input from an object.

    background: what stands where the object is not: "black"; "mean", ImageNet's mean color; "blur", the
        heavily blurred surroundings; "keep", the surroundings as they are; "only", the surroundings alone,
        the object's pixels filled smoothly from them. Beyond the photo's border: black.
    margin: free space on each side, as a fraction of the object's longer side
    fit: "pad" makes the canvas a square with the object in its middle; "stretch" scales the sides apart

    Raises InputError for values that are not these, and for "only" without a margin, as a tight crop shows
    hardly anything but the object.

    >>> osp.CropPolicy("keep", margin=0.5).suffix
    '-keep-margin0.5'
    """

    background: Background = "black"
    margin: float = 0.0
    fit: Fit = "pad"

    def __post_init__(self) -> None:
        if self.background not in get_args(Background):
            raise InputError(
                f"crop background {self.background!r} is not known; choose black, mean, blur, keep or only"
            )
        if self.fit not in get_args(Fit):
            raise InputError(f"crop fit {self.fit!r} is not known; choose pad or stretch")
        if not 0 <= self.margin <= 10:
            raise InputError(
                f"crop margin {self.margin} is not between 0 and 10 times the object's longer side"
            )
        if self.background == "only" and self.margin == 0:
            raise InputError(
                "crop background only shows the surroundings alone and needs a margin above 0, such as 0.25"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the policy as plain JSON values, as in the recipe."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CropPolicy:
        """Return the policy that :meth:`to_json` wrote."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(value) - known):
            raise InputError(
                f"crop policy: unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        return cls(**value)

    @property
    def suffix(self) -> str:
        """The policy in a space's name, empty for the default."""
        background = "" if self.background == "black" else f"-{self.background}"
        margin = f"-margin{self.margin:g}" if self.margin else ""
        fit = "" if self.fit == "pad" else f"-{self.fit}"
        return background + margin + fit


def crop_space_name(encoder: str, policy: CropPolicy) -> str:
    """Return the name of a crop space."""
    return f"{encoder}-crop{policy.suffix}"


def cut_crops(
    image: Image,
    objects: Objects,
    policy: CropPolicy,
    size: int,
    *,
    interpolation: Interpolation = "bilinear",
) -> UInt8:
    """Return the crops of one image's objects (n,) as uint8 RGB (n, size, size, 3).

    The mask, or the box of an object without one, is cut out, pasted on the canvas that ``policy`` describes
    and resampled (with antialiasing) to ``size``. A mask counts inside its object's box; one that is empty
    there is ignored. On the background "only" it is the other way round: the mask, or else the box, is filled
    and the rest stays. Where the canvas would exceed :data:`LARGEST_CANVAS`, photo and mask are averaged over
    blocks of 2 x 2, 4 x 4 ... pixels before. ``image.pixels`` may be at reduced scale: boxes and masks are
    brought to it.
    Safe to call from several threads; most of the time is spent without the interpreter's lock.
    """
    crops = np.empty((len(objects), size, size, 3), np.uint8)
    for row in range(len(objects)):
        area, opaque = _outline(image, objects.xyxy[row], objects.mask[row])
        pixels, area, opaque = _bounded(image.pixels, area, opaque, policy)
        if policy.background == "only":
            crops[row] = _surroundings_alone(pixels, area, opaque, policy, size, interpolation)
            continue
        canvas = _canvas(pixels, area, opaque, policy)
        crops[row] = _resampled(canvas, size, size, interpolation)
    return crops


Area = tuple[int, int, int, int]


def _outline(image: Image, box: NDArray[np.float32], mask: Mask | None) -> tuple[Area, Bool | None]:
    """Return the pixels (left, top, right, bottom) that hold the object tightly, and its mask in them."""
    height, width = image.pixels.shape[:2]
    scale = (width / image.width, height / image.height)
    area = whole_pixels((box * np.array(scale * 2)).astype(np.float32), (width, height))
    if mask is None:
        return area, None
    if (mask.width, mask.height) != (image.width, image.height):
        raise InputError(
            f"{image.path}: a mask of {mask.width} x {mask.height} pixels does not fit the photo of "
            f"{image.width} x {image.height}"
        )
    opaque = _mask_in(area, mask, scale)
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    if not len(rows):
        return area, None
    left, top = area[:2]
    tight = (left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1)
    return tight, opaque[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _mask_in(area: Area, mask: Mask, scale: tuple[float, float]) -> Bool:
    """Return the mask in an area of the (maybe reduced) pixels, sampled at their centers."""
    left, top, right, bottom = area
    columns = np.floor((np.arange(left, right) + 0.5) / scale[0]).astype(np.intp)
    rows = np.floor((np.arange(top, bottom) + 0.5) / scale[1]).astype(np.intp)
    original = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    part: Bool = decode_box(mask, original)
    if part.shape == (len(rows), len(columns)):
        return part
    reduced: Bool = part[np.ix_(rows - rows[0], columns - columns[0])]
    return reduced


def _bounded(
    pixels: UInt8, area: Area, opaque: Bool | None, policy: CropPolicy
) -> tuple[UInt8, Area, Bool | None]:
    """Return the image and the object at a scale at which the canvas fits all bounds."""
    canvas_w, canvas_h, _, _ = _layout(area, policy)
    factor = 1
    while canvas_w * canvas_h > LARGEST_CANVAS * factor**2:
        factor *= 2
    if factor == 1:
        return pixels, area, opaque
    left, top, right, bottom = area
    if opaque is not None:
        # A block with one pixel of the object is the object's: so thin parts stay, and where the surroundings
        # stand alone none of it is left in them.
        for axis, (low, high) in enumerate(((top, bottom), (left, right))):
            starts = np.arange(low // factor, -(-high // factor)) * factor - low
            opaque = np.logical_or.reduceat(opaque, np.maximum(starts, 0), axis)
    blocks = (left // factor, top // factor, -(-right // factor), -(-bottom // factor))
    return np.asarray(PIL.Image.fromarray(pixels).reduce(factor)), blocks, opaque


def _canvas(pixels: UInt8, area: Area, opaque: Bool | None, policy: CropPolicy) -> UInt8:
    """Return the object on its background, at the scale of the image: (height, width, 3)."""
    left, top, right, bottom = area
    width, height = right - left, bottom - top
    canvas_w, canvas_h, x, y = _layout(area, policy)
    if policy.background in ("black", "mean"):
        color = (0, 0, 0) if policy.background == "black" else IMAGENET_MEAN
        canvas = _plain(canvas_w, canvas_h, color)
    else:
        canvas = _surroundings(pixels, left - x, top - y, canvas_w, canvas_h)
        if policy.background == "keep":
            return canvas
        canvas = _blurred(canvas)
    here = canvas[y : y + height, x : x + width]
    _paste(pixels[top:bottom, left:right], here, opaque)
    return canvas


def _layout(area: Area, policy: CropPolicy) -> tuple[int, int, int, int]:
    """Return the canvas's width and height, and the position of the object's top left corner on it."""
    left, top, right, bottom = area
    width, height = right - left, bottom - top
    longer = max(width, height)
    # However small the object: where its surroundings stand alone, there are some.
    margin = max(round(policy.margin * longer), policy.background == "only")
    canvas_w, canvas_h = (longer, longer) if policy.fit == "pad" else (width, height)
    canvas_w, canvas_h = canvas_w + 2 * margin, canvas_h + 2 * margin
    return canvas_w, canvas_h, (canvas_w - width) // 2, (canvas_h - height) // 2


def _surroundings_alone(
    pixels: UInt8,
    area: Area,
    opaque: Bool | None,
    policy: CropPolicy,
    size: int,
    interpolation: Interpolation,
) -> UInt8:
    """Return the crop (size, size, 3) of the surroundings, with the object filled from them.

    A flat color would show the object's outline; a smooth fill shows none on a plain wall, and elsewhere
    only where the texture ends. It is made at the smaller of the two scales, the photo's and the crop's: so
    it costs little, and no pixel that it takes for surroundings has a part of the object in it.
    """
    left, top, right, bottom = area
    canvas_w, canvas_h, x, y = _layout(area, policy)
    canvas = _surroundings(pixels, left - x, top - y, canvas_w, canvas_h)
    hole = np.zeros((canvas_h, canvas_w, 1), np.uint8)
    hole[y : y + bottom - top, x : x + right - left, 0] = 255 if opaque is None else opaque * np.uint8(255)
    beyond = np.full((canvas_h, canvas_w, 1), 255, np.uint8)
    beyond[max(y - top, 0) : y - top + pixels.shape[0], max(x - left, 0) : x - left + pixels.shape[1]] = 0
    rim = round(min(size, max(canvas_w, canvas_h)) * HOLE_RIM)
    if max(canvas_w, canvas_h) > size:
        canvas = _resampled(canvas, size, size, interpolation)
        hole, beyond = (_resampled(part, size, size, "bilinear") for part in (hole, beyond))
        # A bicubic filter reaches a pixel farther than the bilinear one.
        rim = max(rim, 1)
    known = (_grown(hole, rim) == 0) & (beyond[..., 0] == 0)
    plain = _plain(canvas.shape[1], canvas.shape[0], IMAGENET_MEAN)
    filled = fill_smoothly(canvas, known) if known.any() else plain
    inside = (filled * (1 - beyond / 255)).round().astype(np.uint8)
    return _resampled(inside, size, size, interpolation)


def _grown(mask: UInt8, rim: int) -> UInt8:
    """Return a mask (h, w, 1) dilated by ``rim`` pixels on every side: (h, w)."""
    planes = torch.from_numpy(mask[None, None, ..., 0]).float()
    return np.asarray(max_pool2d(planes, 2 * rim + 1, stride=1, padding=rim)[0, 0].numpy(), np.uint8)


def _plain(width: int, height: int, color: tuple[int, int, int]) -> UInt8:
    canvas = np.zeros((height, width, 3), np.uint8)
    if any(color):
        canvas[:] = np.tile(np.array(color, np.uint8), (width, 1))
    return canvas


def _surroundings(pixels: UInt8, left: int, top: int, width: int, height: int) -> UInt8:
    """Return a rectangle of the image that may reach beyond its border, where it is black."""
    canvas = np.zeros((height, width, 3), np.uint8)
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + width, pixels.shape[1]), min(top + height, pixels.shape[0])
    canvas[y1 - top : y2 - top, x1 - left : x2 - left] = pixels[y1:y2, x1:x2]
    return canvas


def _blurred(canvas: UInt8) -> UInt8:
    """Return the canvas reduced to a few pixels and enlarged again, for any size."""
    height, width = canvas.shape[:2]
    small = _resampled(canvas, min(width, BLUR_SIDE), min(height, BLUR_SIDE), "bilinear")
    return _resampled(small, width, height, "bicubic")


def _paste(pixels: UInt8, onto: UInt8, opaque: Bool | None) -> None:
    """Write the object's pixels (h, w, 3) into ``onto`` (h, w, 3), where they are opaque (h, w)."""
    if opaque is None:
        onto[:] = pixels
        return
    # A choice by bits (x ^ (x ^ y) & all ones gives y) is several times as fast as np.where with a mask that
    # broadcasts along the three colors.
    ones = np.repeat(opaque.reshape(-1).view(np.uint8) * np.uint8(255), 3).reshape(pixels.shape)
    onto ^= (onto ^ pixels) & ones


def _resampled(pixels: UInt8, width: int, height: int, interpolation: Interpolation) -> UInt8:
    """Return pixels (h, w, 3) resampled with antialiasing.

    torch does it in uint8, channels last, two to eight times as fast as Pillow, and equal to it within one
    gray level.
    """
    # The batch of one is made before the axes are turned: only so torch sees channels last, and keeps them.
    batch = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    resampled = interpolate(batch, size=(height, width), mode=interpolation, antialias=True)
    return np.asarray(resampled.permute(0, 2, 3, 1)[0].numpy(), np.uint8)
