"""The eight kinds of the world, as models built of solids: each has a front (+z) and stands on y = 0.

Units are meters, roughly; how large an object appears is decided later. Paints: ``style`` is the object's own
color and texture, ``trim`` a plain darker shade of it, all others are fixed colors (``styles.COLORS``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from objectspace.scenes.world.solids import Model, Point, Solid, build, turn_x, turn_y, turn_z

Solids = tuple[Solid, ...]

SEAT_HEIGHT = 0.48  # of the chair: where someone on it sits or stands


def _ball(center: Point, half: Point, paint: str, turn: NDArray[np.float64] | None = None) -> Solid:
    return Solid("ellipsoid", center, half, paint, turn)


def _block(center: Point, half: Point, paint: str, turn: NDArray[np.float64] | None = None) -> Solid:
    return Solid("box", center, half, paint, turn)


def _limb(start: Point, end: Point, radius: float, paint: str, taper: float = 1.0) -> Solid:
    """Return a round bar between two points; ``taper`` is its end radius as a share of that at the start."""
    axis = np.subtract(end, start)
    length = float(np.linalg.norm(axis))
    up = axis / length
    across = np.cross(up, (1.0, 0, 0) if abs(up[0]) < 0.9 else (0, 0, 1.0))
    across /= np.linalg.norm(across)
    turn = np.stack([across, up, np.cross(across, up)], axis=1)
    middle = tuple(float(value) for value in np.add(start, end) / 2)
    return Solid("cone", middle, (radius, length / 2, radius), paint, turn, taper)  # type: ignore[arg-type]


def _both_sides(make: Callable[[float], Solid]) -> Solids:
    return make(-1.0), make(1.0)


def _standing_person() -> Solids:
    return (
        *_both_sides(lambda side: _limb((0.10 * side, 0.88, 0), (0.12 * side, 0.06, 0), 0.10, "trim", 0.65)),
        *_both_sides(lambda side: _ball((0.12 * side, 0.05, 0.07), (0.07, 0.05, 0.15), "shoe")),
        *_upper_body(0.86),
    )


def _sitting_person() -> Solids:
    """Return a person whose hips are at the height of a seat, thighs forward."""
    hip = SEAT_HEIGHT + 0.10
    return (
        *_both_sides(lambda side: _limb((0.10 * side, hip, 0), (0.13 * side, hip, 0.44), 0.10, "trim", 0.8)),
        *_both_sides(
            lambda side: _limb((0.13 * side, hip, 0.42), (0.13 * side, 0.06, 0.42), 0.08, "trim", 0.75)
        ),
        *_both_sides(lambda side: _ball((0.13 * side, 0.05, 0.49), (0.07, 0.05, 0.15), "shoe")),
        *_upper_body(hip - 0.02),
    )


def _upper_body(hip: float) -> Solids:
    """Return a body from the hips up: trunk, arms a little forward, and a head that faces the front."""
    shoulder, head = hip + 0.52, hip + 0.78
    return (
        _ball((0, hip + 0.02, 0), (0.19, 0.12, 0.13), "trim"),
        Solid("cone", (0, hip + 0.27, 0), (0.18, 0.26, 0.12), "style", None, 1.25),
        _ball((0, shoulder, 0), (0.24, 0.09, 0.12), "style"),
        *_both_sides(
            lambda side: _limb(
                (0.25 * side, shoulder, 0), (0.30 * side, hip + 0.20, 0.05), 0.065, "style", 0.85
            )
        ),
        *_both_sides(
            lambda side: _limb(
                (0.30 * side, hip + 0.20, 0.05), (0.26 * side, hip + 0.06, 0.24), 0.05, "skin", 0.8
            )
        ),
        *_both_sides(lambda side: _ball((0.26 * side, hip + 0.05, 0.27), (0.05, 0.05, 0.06), "skin")),
        _limb((0, shoulder, 0), (0, head - 0.1, 0), 0.06, "skin"),
        _ball((0, head, 0.01), (0.125, 0.165, 0.14), "skin"),
        _ball((0, head + 0.05, -0.03), (0.14, 0.15, 0.135), "hair"),
        *_both_sides(lambda side: _ball((0.05 * side, head + 0.01, 0.135), (0.026, 0.022, 0.02), "black")),
        _ball((0, head - 0.03, 0.145), (0.022, 0.04, 0.03), "skin"),
        _ball((0, head - 0.09, 0.115), (0.05, 0.014, 0.02), "lips"),
    )


def _chair() -> Solids:
    return (
        _block((0, SEAT_HEIGHT - 0.035, 0), (0.25, 0.035, 0.25), "style"),
        *(_block((x, 0.21, z), (0.028, 0.21, 0.028), "trim") for x in (-0.21, 0.21) for z in (-0.21, 0.21)),
        *_both_sides(lambda side: _block((0.21 * side, 0.72, -0.235), (0.028, 0.28, 0.022), "trim")),
        _block((0, 0.82, -0.225), (0.25, 0.17, 0.03), "style"),
    )


def _couch() -> Solids:
    return (
        _block((0, 0.22, 0), (0.80, 0.12, 0.42), "style"),
        *_both_sides(lambda side: _block((0.36 * side, 0.39, 0.06), (0.345, 0.06, 0.37), "style")),
        *_both_sides(
            lambda side: _block((0.36 * side, 0.66, -0.27), (0.345, 0.22, 0.08), "style", turn_x(-8))
        ),
        _block((0, 0.50, -0.37), (0.80, 0.36, 0.07), "trim"),
        *_both_sides(lambda side: _block((0.87 * side, 0.32, 0), (0.11, 0.22, 0.44), "style")),
        *_both_sides(
            lambda side: _limb((0.87 * side, 0.54, -0.44), (0.87 * side, 0.54, 0.44), 0.125, "style")
        ),
        *(_limb((x, 0.12, z), (x, 0, z), 0.05, "wood", 0.7) for x in (-0.82, 0.82) for z in (-0.34, 0.34)),
    )


def _potted_plant() -> Solids:
    """Return a plant with leaves all round, the longest and the flowers to the front."""
    leaves = []
    for number in range(13):
        around = 360 * number / 13 + 8 * (number % 3)
        rise = (28, 50, 70)[number % 3]
        length = 0.30 + 0.10 * float(np.cos(np.deg2rad(around)))
        turn = turn_y(around) @ turn_x(90 - rise)
        tip = turn @ (0, length, 0)
        center = (float(tip[0]), 0.45 + float(tip[1]), float(tip[2]))
        leaves.append(_ball(center, (0.085, length, 0.022), ("leaf", "dark leaf")[number % 2], turn))
    flowers = [
        _ball((x, y, z), (0.075, 0.075, 0.06), "petal")
        for x, y, z in ((0.02, 0.80, 0.30), (-0.16, 0.66, 0.36), (0.18, 0.62, 0.34))
    ]
    hearts = [
        _ball((f.center[0], f.center[1], f.center[2] + 0.05), (0.03, 0.03, 0.025), "yellow") for f in flowers
    ]
    return (
        Solid("cone", (0, 0.19, 0), (0.19, 0.19, 0.19), "style", None, 1.4),
        _limb((0, 0.36, 0), (0, 0.44, 0), 0.285, "trim"),
        _limb((0, 0.43, 0), (0, 0.445, 0), 0.25, "soil"),
        *leaves,
        *flowers,
        *hearts,
    )


def _cat() -> Solids:
    """Return a cat that sits upright, its tail round to its left."""
    return (
        _ball((0, 0.22, -0.06), (0.19, 0.22, 0.21), "style"),
        _ball((0, 0.38, 0.02), (0.135, 0.24, 0.14), "style"),
        *_both_sides(lambda side: _ball((0.15 * side, 0.13, 0.03), (0.085, 0.13, 0.17), "style")),
        *_both_sides(
            lambda side: _limb((0.075 * side, 0.40, 0.10), (0.075 * side, 0.04, 0.16), 0.05, "style", 0.85)
        ),
        *_both_sides(lambda side: _ball((0.075 * side, 0.03, 0.19), (0.05, 0.035, 0.07), "white")),
        _limb((0, 0.07, -0.22), (0.24, 0.05, -0.16), 0.045, "style"),
        _limb((0.24, 0.05, -0.16), (0.29, 0.045, 0.10), 0.045, "style", 0.9),
        _limb((0.29, 0.045, 0.10), (0.17, 0.045, 0.28), 0.04, "trim", 0.5),
        _ball((0, 0.68, 0.06), (0.165, 0.145, 0.145), "style"),
        *_both_sides(lambda side: _ear((0.10 * side, 0.77, 0.05), side)),
        _ball((0, 0.635, 0.17), (0.075, 0.05, 0.055), "white"),
        _ball((0, 0.665, 0.225), (0.022, 0.016, 0.015), "pink"),
        *_both_sides(lambda side: _ball((0.065 * side, 0.71, 0.175), (0.034, 0.036, 0.03), "green eye")),
        *_both_sides(lambda side: _ball((0.066 * side, 0.71, 0.20), (0.010, 0.028, 0.012), "black")),
        _ball((0, 0.40, 0.14), (0.07, 0.12, 0.045), "white"),
    )


def _ear(root: Point, side: float) -> Solid:
    tip = (root[0] + 0.05 * side, root[1] + 0.16, root[2])
    return _limb(root, tip, 0.075, "trim", 0.05)


def _dog() -> Solids:
    """Return a dog on four legs: long muzzle, hanging ears, tail up."""
    return (
        _ball((0, 0.50, -0.08), (0.15, 0.16, 0.40), "style"),
        _ball((0, 0.52, 0.18), (0.155, 0.19, 0.18), "style"),
        *(
            _limb((x, 0.48, z), (x * 1.1, 0.05, z), 0.065, "style", 0.7)
            for x in (-0.09, 0.09)
            for z in (-0.36, 0.20)
        ),
        *(
            _ball((x * 1.1, 0.035, z + 0.03), (0.055, 0.035, 0.075), "white")
            for x in (-0.09, 0.09)
            for z in (-0.36, 0.20)
        ),
        _limb((0, 0.60, -0.42), (0, 0.86, -0.60), 0.045, "style", 0.4),
        _limb((0, 0.60, 0.24), (0, 0.82, 0.40), 0.11, "style", 0.9),
        _limb((-0.001, 0.66, 0.29), (0.001, 0.71, 0.325), 0.125, "red"),
        _ball((0, 0.85, 0.44), (0.14, 0.135, 0.155), "style"),
        _limb((0, 0.81, 0.50), (0, 0.79, 0.74), 0.085, "style", 0.75),
        _ball((0, 0.825, 0.74), (0.042, 0.035, 0.032), "black"),
        _ball((0, 0.735, 0.68), (0.035, 0.014, 0.07), "pink"),
        *_both_sides(
            lambda side: _ball((0.15 * side, 0.79, 0.40), (0.032, 0.15, 0.075), "trim", turn_z(10 * side))
        ),
        *_both_sides(lambda side: _ball((0.065 * side, 0.90, 0.565), (0.024, 0.026, 0.024), "black")),
    )


def _airplane() -> Solids:
    """Return an airplane: nose to the front, swept wings with an engine under each."""
    return (
        _ball((0, 0.34, 0), (0.13, 0.13, 1.0), "style"),
        _ball((0, 0.385, 0.80), (0.075, 0.06, 0.10), "glass"),
        *_both_sides(
            lambda side: _block((0.52 * side, 0.31, -0.05), (0.52, 0.018, 0.15), "style", turn_y(24 * side))
        ),
        *_both_sides(
            lambda side: _limb((0.36 * side, 0.23, 0.20), (0.36 * side, 0.23, -0.12), 0.07, "trim", 0.7)
        ),
        *_both_sides(lambda side: _ball((0.36 * side, 0.23, 0.20), (0.06, 0.06, 0.02), "black")),
        *_both_sides(
            lambda side: _block((0.20 * side, 0.37, -0.85), (0.22, 0.014, 0.08), "trim", turn_y(24 * side))
        ),
        _block((0, 0.54, -0.86), (0.016, 0.19, 0.10), "trim", turn_x(-22)),
        *_both_sides(lambda side: _block((0.112 * side, 0.37, 0.10), (0.012, 0.018, 0.46), "glass")),
    )


def _apple() -> Solids:
    """Return an apple: a stem, a leaf that points to the front, and a label on the front."""
    return (
        *_both_sides(lambda side: _ball((0.035 * side, 0.33, 0), (0.31, 0.31, 0.33), "style")),
        _ball((0, 0.25, 0), (0.25, 0.25, 0.25), "style"),
        _ball((0, 0.605, 0), (0.12, 0.055, 0.12), "trim"),
        _limb((0, 0.60, 0), (0.04, 0.80, -0.03), 0.025, "wood", 1.3),
        _ball((0.03, 0.74, 0.15), (0.075, 0.022, 0.16), "leaf", turn_x(-18)),
        _ball((0, 0.36, 0.29), (0.085, 0.085, 0.06), "white"),
        _ball((0, 0.36, 0.345), (0.045, 0.045, 0.012), "petal"),
    )


_SOLIDS: dict[str, Callable[[], Solids]] = {
    "person": _standing_person,
    "sitting person": _sitting_person,
    "chair": _chair,
    "couch": _couch,
    "potted plant": _potted_plant,
    "cat": _cat,
    "dog": _dog,
    "airplane": _airplane,
    "apple": _apple,
}


@cache
def model_of(name: str) -> Model:
    """Return the model of a kind, or of a ``sitting person``; built once."""
    return build(_SOLIDS[name]())


@cache
def crate() -> Model:
    """Return the seat of a person without a chair: scenery, not an object."""
    return build((_block((0, SEAT_HEIGHT / 2, -0.02), (0.24, SEAT_HEIGHT / 2, 0.2), "style"),))
