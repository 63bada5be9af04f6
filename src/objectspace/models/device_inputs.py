"""Photos that lie on a GPU, laid on a network's input there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from objectspace.models.inputs import GRAY
from objectspace.objects.boxes import Frame


def lay_on_device(photos: Sequence[Tensor], frames: Sequence[Frame]) -> Tensor:
    """Return the inputs (b, 3, h, w) uint8, of one size, on which photos (h, w, 3) uint8 at full scale lie.

    As :func:`objectspace.models.inputs.resample_onto` has it, to a gray level, for the
    same pixels; nothing waits for it.
    """
    width, height = frames[0].input_wh
    shape = (len(photos), 3, height, width)
    batch = torch.full(shape, GRAY, dtype=torch.uint8, device=photos[0].device)
    for row, (pixels, frame) in enumerate(zip(photos, frames, strict=True)):
        fitted = _resized(pixels.permute(2, 0, 1)[None].float(), frame)
        left, top = (int(offset) for offset in frame.offset_xy)
        batch[row, :, top : top + fitted.shape[2], left : left + fitted.shape[3]] = fitted[0]
    return batch


def _resized(pixels: Tensor, frame: Frame) -> Tensor:
    """Return gray levels (1, 3, h, w) averaged over blocks, then interpolated, rounded after each."""
    wanted_wh = tuple(round(side * scale) for side, scale in zip(frame.image_wh, frame.scale_xy, strict=True))
    (width, height), factor = frame.image_wh, 1
    while width >= 2 * wanted_wh[0] and height >= 2 * wanted_wh[1]:
        width, height, factor = -(-width // 2), -(-height // 2), factor * 2
    if factor > 1:
        pixels = functional.avg_pool2d(pixels, factor, ceil_mode=True, count_include_pad=False)
        pixels = (pixels + 0.5).floor()
    if (width, height) == wanted_wh == frame.image_wh:
        return pixels
    # Across, then down, as the processor's kernel does in gray levels. Halving rounds sides up, so the scale
    # is the image's; the size that comes out is rounded down, and the last digits must not make it one less.
    scale_x, scale_y = (
        side * factor / whole * (1 + 1e-9) for side, whole in zip(wanted_wh, frame.image_wh, strict=True)
    )
    for scale in ((1.0, scale_x), (scale_y, 1.0)):
        pixels = functional.interpolate(pixels, scale_factor=scale, mode="bilinear", align_corners=False)
        pixels = (pixels + 0.5).floor()
    return pixels
