"""Backgrounds of the world's pictures: plain, gradient, texture or clutter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from objectspace.scenes.world.painting import Wear, paint_sight
from objectspace.scenes.world.solids import (
    Floats,
    Matrix,
    Solid,
    View,
    build,
    look_at,
    turn_x,
    turn_y,
    turn_z,
)
from objectspace.scenes.world.styles import STYLES, Style, plain

Pixels = NDArray[np.uint8]


def draw_background(name: str, size: int, light: Matrix, random: np.random.Generator) -> Pixels:
    """Draw a square background (size, size, 3) of one of ``BACKGROUNDS``."""
    return _DRAWERS[name](size, light, random)


def _plain(size: int, light: Matrix, random: np.random.Generator) -> Pixels:
    return np.broadcast_to(_color(random).astype(np.uint8), (size, size, 3)).copy()


def _gradient(size: int, light: Matrix, random: np.random.Generator) -> Pixels:
    """Draw a gradient from one color to another in any direction."""
    across, down = _plane(size, random)
    share = (across + down + 1) / 2
    return _mixed(np.clip(share, 0, 1), _color(random), _color(random))


def _texture(size: int, light: Matrix, random: np.random.Generator) -> Pixels:
    """Draw clouds, planks or weave in two colors."""
    first, second = _color(random), _color(random)
    across, down = _plane(size, random)
    period = random.uniform(20, 60)
    match random.integers(3):
        case 0:
            share = _clouds(size, random)
        case 1:
            grain = np.sin(across * period * 2 + 3 * _clouds(size, random))
            share = np.where(np.sin(down * period / 3) > 0, 0.2, 0.6) + 0.2 * grain
        case _:
            share = 0.5 + 0.25 * (np.sin(across * period) + np.sin(down * period))
    return _mixed(np.clip(share, 0, 1).astype(np.float32), first, second)


def _clutter(size: int, light: Matrix, random: np.random.Generator) -> Pixels:
    """Draw solids of no kind, in any color and also in the styles of the objects."""
    pixels = _gradient(size, light, random)
    for _ in range(random.integers(8, 19)):
        shape = ("ellipsoid", "box", "cone")[random.integers(3)]
        half = tuple(float(value) for value in random.uniform(0.25, 1.0, 3))
        taper = float(random.uniform(0.2, 1.0))
        model = build([Solid(shape, (0.0, 0.0, 0.0), half, "style", taper=taper)])  # type: ignore[arg-type]
        turn = (
            turn_z(random.uniform(0, 360)) @ turn_x(random.uniform(0, 360)) @ turn_y(random.uniform(0, 360))
        )
        x, y = (float(value) for value in random.uniform(0, size, 2))
        view = View(turn, float(random.uniform(8, 45)), x, y)
        sight = look_at(model, view, (size, size))
        pixels[sight.window][sight.seen] = paint_sight(model, view, sight, _clutter_wear(random), light)
    return pixels


def _clutter_wear(random: np.random.Generator) -> Wear:
    if random.random() < 0.4:
        return Wear(STYLES[random.integers(len(STYLES))])
    red, green, blue = (int(value) for value in random.integers(30, 235, 3))
    return Wear(Style("", (red, green, blue), (red, green, blue), plain, float(random.uniform(0, 0.5))))


def _color(random: np.random.Generator) -> Floats:
    """Draw a color of any brightness and low to middling saturation."""
    gray = random.uniform(50, 225)
    return np.clip(gray + random.normal(0, 28, 3), 0, 255).astype(np.float32)


def _plane(size: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return two crossed coordinates (size, size) over the picture, in [-0.71, 0.71], turned by any angle."""
    angle = random.uniform(0, 2 * np.pi)
    line = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * line + (sin * line)[:, None], cos * line[:, None] - sin * line


def _clouds(size: int, random: np.random.Generator) -> Floats:
    """Return smooth noise in about [0, 1]: coarse grids of numbers, interpolated and added."""
    total = np.zeros((size, size), np.float32)
    for cells, weight in ((4, 0.5), (9, 0.3), (23, 0.2)):
        grid = random.random((cells + 1, cells + 1), np.float32)
        place = np.linspace(0, cells, size, endpoint=False, dtype=np.float32)
        low = place.astype(np.int64)
        part = place - low
        rows = grid[low] + (grid[low + 1] - grid[low]) * part[:, None]
        total += weight * (rows[:, low] + (rows[:, low + 1] - rows[:, low]) * part)
    return total


def _mixed(share: Floats, first: Floats, second: Floats) -> Pixels:
    pixels = np.empty((*share.shape, 3), np.uint8)
    for channel in range(3):
        pixels[..., channel] = first[channel] + share * (second[channel] - first[channel])
    return pixels


_DRAWERS: dict[str, Callable[[int, Matrix, np.random.Generator], Pixels]] = {
    "plain": _plain,
    "gradient": _gradient,
    "texture": _texture,
    "clutter": _clutter,
}
BACKGROUNDS = tuple(_DRAWERS)
