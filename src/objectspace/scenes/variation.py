"""One object varied: the same cutout at other positions, angles, sizes, and on other backgrounds (figure 6).

Two pictures differ in the varied factor only, so any difference between their embeddings comes from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import PIL.Image
import PIL.ImageOps
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.images import Image, Pixels, read_image
from objectspace.objects.boxes import whole_pixels
from objectspace.objects.masks import decode
from objectspace.objects.records import Mask
from objectspace.scenes.scene import Scene

Factor = Literal["position", "angle", "size", "background"]

#: The longer side of the pictures in pixels, where the photo's own is longer: no detector sees more.
LONGEST_SIDE = 640

GRAY = 128
#: Blurred surroundings keep this many pixels a side: where the light and the large colors are, no shapes.
BLUR_SIDE = 8
#: Sizes go down to this share of the largest that fits.
SMALLEST = 1 / 6


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """An object without its photo.

    pixels: (h, w, 3) uint8, tight around the object
    alpha: (h, w) float32 in [0, 1], how much of each pixel is the object's
    """

    label: str
    pixels: Pixels
    alpha: NDArray[np.float32]


def cut_out(image: Image, xyxy: NDArray[np.float32], mask: Mask | None, label: str) -> Cutout:
    """Return the object in a box (4,) of an image, by its mask; without one, all of the box.

    Raises InputError for a mask of another size than the image's.
    """
    alpha = object_pixels(image, xyxy, mask).astype(np.float32)
    return _tight(Cutout(label, image.pixels, alpha))


def object_pixels(image: Image, xyxy: NDArray[np.float32], mask: Mask | None) -> NDArray[np.bool_]:
    """Return where the object is (h, w): its mask inside its box, or the box where that is empty."""
    left, top, right, bottom = whole_pixels(xyxy, (image.width, image.height))
    pixels = np.zeros((image.height, image.width), np.bool_)
    pixels[top:bottom, left:right] = True
    if mask is None:
        return pixels
    if (mask.width, mask.height) != (image.width, image.height):
        raise InputError(
            f"{image.path}: the mask of {mask.width} x {mask.height} pixels does not fit the photo of "
            f"{image.width} x {image.height}; is it the photo that the store was made of?"
        )
    own: NDArray[np.bool_] = pixels & decode(mask)
    return own if own.any() else pixels


def resized(cutout: Cutout, scale: float) -> Cutout:
    """Return the object ``scale`` times as large, at least a pixel."""
    height, width = cutout.alpha.shape
    return _resampled(
        cutout,
        lambda layer: layer.resize(
            (max(1, round(width * scale)), max(1, round(height * scale))), PIL.Image.Resampling.LANCZOS
        ),
    )


def turned(cutout: Cutout, degrees: float) -> Cutout:
    """Return the object rotated counterclockwise, on as large a canvas as it needs."""
    return _resampled(cutout, lambda layer: layer.rotate(degrees, PIL.Image.Resampling.BICUBIC, expand=True))


def draw_background(image: Image, hole: NDArray[np.bool_], name: str) -> Pixels:
    """Return a background (h, w, 3) of the size that :func:`picture_size` gives.

    "black"; "gray"; "blur", the photo so blurred that only its light and large colors stay, without the
    object, whose pixels are ``hole`` (h, w); or the path of a photo, cut to size. Raises ImageError.
    """
    width, height = picture_size(image.width, image.height)
    if name in ("black", "gray"):
        return np.full((height, width, 3), 0 if name == "black" else GRAY, np.uint8)
    if name == "blur":
        return _blurred(image.pixels, hole, (width, height))
    given = PIL.Image.fromarray(read_image(Path(name)).pixels)
    return np.asarray(PIL.ImageOps.fit(given, (width, height), PIL.Image.Resampling.LANCZOS))


def picture_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of the drawn pictures: the photo's, reduced to :data:`LONGEST_SIDE`."""
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def default_backgrounds(factor: Factor) -> tuple[str, ...]:
    """Return the backgrounds of a factor: black, and several to compare where the background varies."""
    return ("black", "gray", "blur") if factor == "background" else ("black",)


def count_pictures(factor: Factor, *, steps: int, backgrounds: int = 1) -> int:
    """Return how many pictures :func:`vary` gives."""
    return backgrounds * (steps if factor in ("angle", "size") else steps**2)


def vary(cutout: Cutout, backgrounds: Mapping[str, Pixels], factor: Factor, *, steps: int) -> Iterator[Scene]:
    """Yield the pictures in which one factor varies; the object is never cut off by the border.

    position: ``steps`` x ``steps`` places, one in each square of a grid over the picture, in whole pixels
    angle: ``steps`` angles around the circle, in the middle; small enough to fit at every angle
    size: ``steps`` sizes, each larger than the one before by the same factor, in the middle
    background: ``steps`` x ``steps`` places on each background, as one picture of each would be very few

    Every picture has one object and the factor columns ``angle`` (degrees, counterclockwise),
    ``scale`` (times the cut-out's size) and ``background`` (name); where it is and how large, its box says.
    ``backgrounds`` are pictures of one size by name, of which all but the last factor take one.
    Raises InputError where the object does not fit or has no room to move.
    """
    if factor not in get_args(Factor):
        raise InputError(f"factor {factor!r} is not known, expected {', '.join(get_args(Factor))}")
    if steps < 2:
        raise InputError(f"{steps} steps vary nothing, expected 2 or more")
    if factor != "background" and len(backgrounds) != 1:
        raise InputError(f"{factor} varies on one background, {len(backgrounds)} were given")
    height, width = next(iter(backgrounds.values())).shape[:2]
    _check_fits(cutout, (width, height))
    for name, ground in backgrounds.items():
        if factor == "angle":
            yield from _turning(cutout, ground, name, steps)
        elif factor == "size":
            yield from _growing(cutout, ground, name, steps)
        else:
            yield from _moving(cutout, ground, name, steps)


def _moving(cutout: Cutout, ground: Pixels, name: str, steps: int) -> Iterator[Scene]:
    height, width = cutout.alpha.shape
    room_x, room_y = ground.shape[1] - width, ground.shape[0] - height
    if min(room_x, room_y) < steps - 1:
        raise InputError(
            f"an object of {width} x {height} pixels has no room for {steps} x {steps} places in a picture "
            f"of {ground.shape[1]} x {ground.shape[0]}; make it smaller (size=) or give fewer steps"
        )
    for left, top in _places(room_x, room_y, steps):
        yield _paste(cutout, ground, (left, top), name)


def _places(room_x: int, room_y: int, steps: int) -> Iterator[tuple[int, int]]:
    """Yield a position (left, top) at random in each square of a grid, always the same ones.

    On a regular grid the offset within a detector's cell would be a function of the position, and their
    effects could not be separated.
    """
    random = np.random.default_rng(0)
    for row in range(steps):
        for column in range(steps):
            across, down = random.random(2)
            yield int((column + across) * (room_x + 1) / steps), int((row + down) * (room_y + 1) / steps)


def _turning(cutout: Cutout, ground: Pixels, name: str, steps: int) -> Iterator[Scene]:
    diagonal = float(np.hypot(*cutout.alpha.shape))
    scale = min(1.0, (min(ground.shape[:2]) - 2) / diagonal)
    fitting = resized(cutout, scale)
    for angle in np.arange(steps) * (360 / steps):
        view = turned(fitting, float(angle))
        yield _paste(view, ground, _middle(view, ground), name, angle=float(angle), scale=scale)


def _growing(cutout: Cutout, ground: Pixels, name: str, steps: int) -> Iterator[Scene]:
    room = np.array(ground.shape[:2]) / cutout.alpha.shape
    for scale in np.geomspace(room.min() * SMALLEST, room.min(), steps):
        view = resized(cutout, float(scale))
        yield _paste(view, ground, _middle(view, ground), name, scale=float(scale))


def _middle(cutout: Cutout, ground: Pixels) -> tuple[int, int]:
    height, width = cutout.alpha.shape
    return (ground.shape[1] - width) // 2, (ground.shape[0] - height) // 2


def _paste(
    cutout: Cutout,
    ground: Pixels,
    corner: tuple[int, int],
    background: str,
    *,
    angle: float = 0.0,
    scale: float = 1.0,
) -> Scene:
    (left, top), (height, width) = corner, cutout.alpha.shape
    here = np.s_[top : top + height, left : left + width]
    alpha = cutout.alpha[..., None]
    pixels = ground.copy()
    pixels[here] = np.rint(cutout.pixels * alpha + ground[here] * (1 - alpha)).astype(np.uint8)
    mask = np.zeros((1, *ground.shape[:2]), np.bool_)
    mask[0][here] = cutout.alpha >= 0.5
    factors: dict[str, NDArray[Any]] = {
        "angle": np.array([angle]),
        "scale": np.array([scale]),
        "background": np.array([background], object),
    }
    box = np.array([[left, top, left + width, top + height]], np.float32)
    return Scene(pixels, (cutout.label,), mask, box, factors)


def _check_fits(cutout: Cutout, wh: tuple[int, int]) -> None:
    height, width = cutout.alpha.shape
    if width > wh[0] or height > wh[1]:
        raise InputError(
            f"an object of {width} x {height} pixels does not fit a picture of {wh[0]} x {wh[1]}; "
            "make it smaller (size=)"
        )


def _resampled(cutout: Cutout, change: Any) -> Cutout:
    """Return the cutout with each layer changed; colors are weighted by alpha to keep the background out."""
    alpha = change(PIL.Image.fromarray(cutout.alpha))
    weighted = [
        change(PIL.Image.fromarray(layer))
        for layer in np.moveaxis(cutout.pixels * cutout.alpha[..., None], 2, 0)
    ]
    # Resampling overshoots at edges, colors and alpha alike: colors are divided before alpha is clipped.
    opacity = np.asarray(alpha, np.float32)
    colors = np.stack([np.asarray(layer) for layer in weighted], axis=2)
    there = opacity[..., None] > 1 / 512
    colors = np.divide(colors, opacity[..., None], out=np.zeros_like(colors), where=there)
    pixels = np.rint(np.clip(colors, 0, 255)).astype(np.uint8)
    return _tight(Cutout(cutout.label, pixels, np.clip(opacity, 0, 1)))


def _tight(cutout: Cutout) -> Cutout:
    """Return the part of a cutout with alpha of a half or more; all of it where there is none."""
    solid = cutout.alpha >= 0.5
    if not solid.any():
        return cutout
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    here = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return replace(cutout, pixels=cutout.pixels[here], alpha=cutout.alpha[here])


def _blurred(pixels: Pixels, hole: NDArray[np.bool_], wh: tuple[int, int]) -> Pixels:
    filled = pixels.copy()
    if not hole.all():
        filled[hole] = pixels[~hole].mean(0)
    picture = PIL.Image.fromarray(filled)
    small = picture.resize(
        (min(BLUR_SIDE, picture.width), min(BLUR_SIDE, picture.height)), PIL.Image.Resampling.BOX
    )
    return np.asarray(small.resize(wh, PIL.Image.Resampling.BICUBIC))
