"""A drawn picture and the truth about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and its truth.

    pixels: (h, w, 3) uint8; 416 x 416 in the drawn world, as large as its background in a varied picture
    kinds: a name for each of the n objects
    masks: (n, h, w) bool, the pixels that show each object; xyxy: (n, 4) float32, their boxes, on pixel edges
    factors: columns of n values; the drawn world's are described in docs/world.md
    """

    pixels: NDArray[np.uint8]
    kinds: tuple[str, ...]
    masks: NDArray[np.bool_]
    xyxy: NDArray[np.float32]
    factors: Mapping[str, NDArray[Any]]

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        return f"Scene({width} x {height} pixels: {', '.join(self.kinds)})"
