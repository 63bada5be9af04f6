"""From the small maps that a mask decoder gives to run-length masks at the image's own size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor
from torch.nn import functional

from objectspace.objects.masks import encode
from objectspace.objects.records import Mask


def run_lengths(maps: Tensor, enlarge: Callable[[Tensor], Tensor], threshold: float) -> list[Mask | None]:
    """Encode the mask of each map (n, h, w); None where it is empty.

    enlarge: (1, 1, h, w) → (1, 1, height, width) of the image; the mask is where that exceeds ``threshold``.
    One mask of the image's size exists at a time.
    """
    masks: list[Mask | None] = []
    for small in maps:
        # Interpolation makes nothing larger than the largest: what is nowhere above stays nowhere above.
        if not bool((small > threshold).any()):
            masks.append(None)
            continue
        pixels = (enlarge(small[None, None])[0, 0] > threshold).cpu().numpy().astype(np.bool_, copy=False)
        masks.append(encode(pixels) if pixels.any() else None)
    return masks


def bilinear(maps: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Interpolate maps (b, c, h, w) bilinearly to another size, between pixel centers."""
    return functional.interpolate(maps, size_hw, mode="bilinear", align_corners=False)
