"""Paints: fixed colors, and the styles that every kind can wear.

A style is a color and texture family, the same on every kind, so that a red leather chair and a red leather
couch both exist. Textures are functions of the point on the model, so they turn with the object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# RGB in [0, 255]. Skin and hair are drawn for each person.
COLORS: dict[str, tuple[int, int, int]] = {
    "black": (22, 22, 26),
    "dark leaf": (38, 104, 48),
    "glass": (40, 62, 92),
    "green eye": (150, 205, 70),
    "leaf": (72, 152, 58),
    "lips": (176, 72, 78),
    "petal": (222, 72, 128),
    "pink": (226, 132, 140),
    "red": (196, 32, 38),
    "shoe": (44, 40, 44),
    "soil": (62, 44, 34),
    "white": (238, 236, 230),
    "wood": (104, 70, 42),
    "yellow": (246, 206, 62),
}
SKINS = ((244, 208, 178), (224, 172, 132), (186, 128, 90), (112, 74, 52))
HAIRS = ((36, 28, 26), (96, 58, 32), (206, 166, 92), (150, 150, 152))


@dataclass(frozen=True, slots=True)
class Style:
    """Two colors and the texture that mixes them: points (3, n) in [-1, 1] to the share (n,) of the second.

    ``shine``: strength of the highlight, in [0, 1].
    """

    name: str
    first: tuple[int, int, int]
    second: tuple[int, int, int]
    texture: Callable[[Floats], Floats]
    shine: float


def plain(point: Floats) -> Floats:
    """Return zero everywhere: the first color only."""
    return np.zeros(point.shape[1], np.float32)


def _stripes(point: Floats) -> Floats:
    share: Floats = (np.sin(point[1] * 30) > 0).astype(np.float32)
    return share


def _dots(point: Floats) -> Floats:
    cell = point * 4.2
    # Every second layer is shifted, as on a die's five, so that the dots do not line up into stripes.
    cell = cell + np.stack([np.floor(cell[1]) * 0.5, np.zeros_like(cell[1]), np.floor(cell[1]) * 0.5])
    offset = cell - np.floor(cell) - np.float32(0.5)
    share: Floats = ((offset * offset).sum(axis=0) < 0.085).astype(np.float32)
    return share


def _checks(point: Floats) -> Floats:
    odd = np.floor(point * 5 + 0.25).sum(axis=0) % 2
    share: Floats = odd.astype(np.float32)
    return share


def _wool(point: Floats) -> Floats:
    wave = np.sin(point[0] * 83 + 5 * np.sin(point[1] * 31)) * np.sin(
        point[1] * 71 + 5 * np.sin(point[2] * 37)
    )
    share: Floats = (0.5 + 0.5 * wave).astype(np.float32)
    return share


def _wood(point: Floats) -> Floats:
    ring = np.hypot(point[0] + 0.3 * point[1], point[2] - 0.2 * point[1])
    share: Floats = (0.5 + 0.5 * np.sin(ring * 34 + 2.2 * np.sin(point[1] * 5))).astype(np.float32)
    return share


STYLES = (
    Style("red leather", (178, 32, 40), (178, 32, 40), plain, 0.55),
    Style("blue stripes", (34, 74, 168), (226, 230, 238), _stripes, 0.1),
    Style("yellow dots", (240, 192, 44), (110, 52, 24), _dots, 0.1),
    Style("green checks", (34, 112, 70), (188, 212, 164), _checks, 0.05),
    Style("gray wool", (84, 86, 94), (168, 168, 172), _wool, 0.0),
    Style("brown wood", (112, 66, 30), (184, 128, 74), _wood, 0.2),
)
