"""Images resampled onto a network's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from objectspace.errors import InputError
from objectspace.images import Image, Pixels, halved
from objectspace.objects.boxes import Frame

#: How crops are resampled, always with antialiasing.
Interpolation = Literal["bilinear", "bicubic"]

#: The name in recipes of how :func:`resample_onto` resamples.
RESAMPLING = "box halvings, bilinear"

#: The bars of a letterbox: Darknet fills with 0.5, which is between 127 and 128 of 255.
GRAY = 128


def resample_onto(image: Image, frame: Frame) -> Pixels:
    """Resample an image, whose pixels may be at reduced scale, onto a network's input (h, w, 3).

    The image's position is ``frame``'s. Pixels are averaged 2 x 2 while both sides stay at least those
    wanted, then interpolated bilinearly between pixel centers; what the image does not cover is gray.
    Safe to call from many threads.
    """
    width, height = (round(side * scale) for side, scale in zip(frame.image_wh, frame.scale_xy, strict=True))
    fitted = _bilinear(halved(image.pixels, at_least=(width, height)), frame.image_wh, (width, height))
    if (width, height) == frame.input_wh:
        return fitted
    left, top = (int(offset) for offset in frame.offset_xy)
    canvas = np.full((frame.input_wh[1], frame.input_wh[0], 3), GRAY, np.uint8)
    canvas[top : top + height, left : left + width] = fitted
    return canvas


def checked_inputs(inputs: Sequence[Pixels] | Pixels, input_wh: tuple[int, int]) -> Pixels:
    """Stack inputs of one size into an array (b, h, w, 3). Raises InputError for others."""
    width, height = input_wh
    stacked: Pixels = np.array(inputs)  # a copy, as torch wants arrays that may be written
    if stacked.ndim != 4 or stacked.shape[1:] != (height, width, 3) or stacked.dtype != np.uint8:
        raise InputError(
            f"inputs of shape {stacked.shape} and type {stacked.dtype}, "
            f"expected (b, {height}, {width}, 3) uint8"
        )
    return stacked


def _bilinear(pixels: Pixels, image_wh: tuple[int, int], wanted_wh: tuple[int, int]) -> Pixels:
    """Interpolate pixels (h, w, 3) between pixel centers to the wanted size.

    Halving rounds a side up, so that the last pixel is partly outside the image; the scale is the image's.
    """
    if pixels.shape[1::-1] == image_wh == wanted_wh:
        return pixels
    factor = 1
    while -(-max(image_wh) // factor) > max(pixels.shape[:2]):
        factor *= 2
    # The size that comes out is rounded down; the last digits must not make it one less.
    scale_xy = [side * factor / whole * (1 + 1e-9) for side, whole in zip(wanted_wh, image_wh, strict=True)]
    source = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    resized = functional.interpolate(
        source, scale_factor=scale_xy[::-1], mode="bilinear", align_corners=False
    )
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())
