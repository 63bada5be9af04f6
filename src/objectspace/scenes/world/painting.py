"""Light and paint on what a camera sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.scenes.world.solids import Floats, Matrix, Model, Sight, View, surface
from objectspace.scenes.world.styles import COLORS, Style

AMBIENT, DIFFUSE = 0.42, 0.62  # shares of a surface's own color without and with the lamp
GLOSS = 24  # exponent of Blinn's highlight


@dataclass(frozen=True, slots=True)
class Wear:
    """The look of one object: its style, a tint (r, g, b) near 1 of its own, the colors of skin and hair."""

    style: Style
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    skin: tuple[int, int, int] = (224, 172, 132)
    hair: tuple[int, int, int] = (36, 28, 26)

    def color(self, paint: str) -> tuple[float, float, float]:
        """Return the plain color of a paint; for ``style`` its first."""
        if paint in ("style", "trim"):
            share = 1.0 if paint == "style" else 0.6
            red, green, blue = self.style.first
            return red * share * self.tint[0], green * share * self.tint[1], blue * share * self.tint[2]
        named = {"skin": self.skin, "hair": self.hair}
        return named[paint] if paint in named else COLORS[paint]


def paint_sight(model: Model, view: View, sight: Sight, wear: Wear, light: Matrix) -> NDArray[np.uint8]:
    """Return the colors (n, 3) of the seen pixels, row by row; ``light`` (3,): unit vector to the lamp."""
    point, normal = surface(model, view, sight)
    solid = sight.solid[sight.seen]
    color = np.array([wear.color(paint) for paint in model.paints], np.float32)[solid]
    styled = np.array([paint == "style" for paint in model.paints])[solid]
    # Textures turn with the model and scale with it: their coordinates are shares of its radius.
    own = (point[:, styled] - model.middle.astype(np.float32)[:, None]) / np.float32(model.diameter / 2)
    share = wear.style.texture(own)[:, None]
    second = np.array(wear.style.second, np.float32) * np.array(wear.tint, np.float32)
    color[styled] += share * (second - color[styled])
    return _lit(color, normal, light, wear.style.shine)


def _lit(color: Floats, normal: Floats, light: Matrix, shine: float) -> NDArray[np.uint8]:
    """Return Lambert's diffuse light, Blinn's highlight, and edges a little darker."""
    halfway = light + np.array([0.0, 0.0, 1.0])
    halfway /= np.linalg.norm(halfway)
    diffuse = np.maximum(light.astype(np.float32) @ normal, 0)
    strength = (AMBIENT + DIFFUSE * diffuse) * (0.8 + 0.2 * normal[2])
    highlight = 150 * shine * np.maximum(halfway.astype(np.float32) @ normal, 0) ** GLOSS
    lit = color * strength[:, None] + highlight[:, None]
    colors: NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return colors
