"""Convex solids seen by an orthographic camera: exact ray intersections, the nearest one at each pixel.

Frames, all right-handed. *Model*: z out of the front, y up, x to its left. *Camera*: x right, y up, z toward
the camera. *Unit*: the solid's own, in which it fills [-1, 1] on every axis. A ray through a pixel is a line
along the camera's z, so the unit coordinates of its points are linear in depth and each solid is met in
closed form, for all pixels of its bounding box at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]
Shape = Literal["ellipsoid", "box", "cone"]
Point = tuple[float, float, float]

NOWHERE = np.float32(-1e9)  # the depth of a pixel that shows nothing


def turn_x(degrees: float) -> Matrix:
    """Return the rotation (3, 3) about x by degrees: y turns toward z."""
    cos, sin = _cos_sin(degrees)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])


def turn_y(degrees: float) -> Matrix:
    """Return the rotation (3, 3) about y by degrees: z turns toward x."""
    cos, sin = _cos_sin(degrees)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def turn_z(degrees: float) -> Matrix:
    """Return the rotation (3, 3) about z by degrees: x turns toward y."""
    cos, sin = _cos_sin(degrees)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def _cos_sin(degrees: float) -> tuple[float, float]:
    # Taken modulo a full turn first, so that turning by 360 degrees changes no bit.
    angle = np.deg2rad(degrees % 360.0)
    return float(np.cos(angle)), float(np.sin(angle))


@dataclass(frozen=True, slots=True)
class Solid:
    """One convex body.

    ``half``: half of its extent along each of its own axes; ``paint``: what covers it, a name that the styles
    know; ``turn`` (3, 3): its own axes to the model's; ``taper``, for a cone: the radius at its top (+y) as a
    share of the radius at its bottom, so that 1 is a cylinder and 0 a pointed cone.
    """

    shape: Shape
    center: Point
    half: Point
    paint: str
    turn: Matrix | None = None
    taper: float = 1.0


@dataclass(frozen=True, slots=True)
class Model:
    """Solids as columns: ``centers`` (n, 3), ``axes`` (n, 3, 3) unit to model coordinates, what each one is.

    ``middle`` (3,) and ``diameter``: center and diagonal of the box around all, the same however the model
    turns.
    """

    shapes: tuple[Shape, ...]
    centers: Matrix
    axes: Matrix
    tapers: tuple[float, ...]
    paints: tuple[str, ...]
    middle: Matrix
    diameter: float

    def moved(self, by: Point) -> Model:
        """Return the same model elsewhere."""
        return replace(self, centers=self.centers + by, middle=self.middle + by)


def build(solids: Sequence[Solid]) -> Model:
    """Return the solids as one model."""
    turns = [np.eye(3) if solid.turn is None else solid.turn for solid in solids]
    centers = np.array([solid.center for solid in solids], np.float64)
    axes = np.array([turn * solid.half for turn, solid in zip(turns, solids, strict=True)])
    reach = np.abs(axes).sum(axis=2)
    low, high = (centers - reach).min(axis=0), (centers + reach).max(axis=0)
    return Model(
        tuple(solid.shape for solid in solids),
        centers,
        axes,
        tuple(solid.taper for solid in solids),
        tuple(solid.paint for solid in solids),
        (low + high) / 2,
        float(np.linalg.norm(high - low)),
    )


@dataclass(frozen=True, slots=True)
class View:
    """A camera: ``turn`` (3, 3) model to camera, ``scale`` pixels per unit, origin at pixel ``x``, ``y``."""

    turn: Matrix
    scale: float
    x: float
    y: float


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A camera's view of one model, cut to the window of the picture that holds it.

    ``left``, ``top``: the window's position in pixels; ``depth`` float32 (h, w): in model units, near is
    large; ``solid`` int16 (h, w): the number of the solid that is seen, -1 for none.
    """

    left: int
    top: int
    depth: Floats
    solid: NDArray[np.int16]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """bool (h, w): the pixels that show the model."""
        return self.solid >= 0

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that the window covers."""
        height, width = self.solid.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def extent(model: Model, turn: Matrix) -> Matrix:
    """Return the box of the model as the camera sees it: (left, bottom, right, top) in model units."""
    centers = (model.centers @ turn.T)[:, :2]
    reach = _reach(model, turn)
    box: Matrix = np.concatenate([(centers - reach).min(axis=0), (centers + reach).max(axis=0)])
    return box


def _reach(model: Model, turn: Matrix) -> Matrix:
    """Return half the width and height (n, 2) of each solid as seen; for a cone, of the box around it."""
    rows = (turn @ model.axes)[:, :2]
    round_ones = np.array([shape == "ellipsoid" for shape in model.shapes])[:, None]
    reach = np.where(round_ones, np.linalg.norm(rows, axis=2), np.abs(rows).sum(axis=2))
    widened: Matrix = reach * np.maximum(1, model.tapers)[:, None]
    return widened


def look_at(model: Model, view: View, size_wh: tuple[int, int]) -> Sight:
    """Return the nearest solid at every pixel center of a picture of this size."""
    centers = model.centers @ view.turn.T
    reach = _reach(model, view.turn)
    # Unit coordinates gained by a step to the right, up and toward the camera: the columns of each inverse.
    steps = np.linalg.inv(view.turn @ model.axes)
    windows = _windows(centers[:, :2] - reach, centers[:, :2] + reach, view, size_wh)
    left, top = windows[:, 0].min(), windows[:, 1].min()
    shape = (max(0, windows[:, 3].max() - top), max(0, windows[:, 2].max() - left))
    depth = np.full(shape, NOWHERE, np.float32)
    index = np.full(shape, -1, np.int16)
    for number, (x1, y1, x2, y2) in enumerate(windows):
        if x1 >= x2 or y1 >= y2:
            continue
        across = ((np.arange(x1, x2) + 0.5 - view.x) / view.scale - centers[number, 0]).astype(np.float32)
        up = ((view.y - np.arange(y1, y2) - 0.5) / view.scale - centers[number, 1]).astype(np.float32)
        meet = _MEETING[model.shapes[number]]
        met = meet(across[None, :], up[:, None], steps[number], model.tapers[number])
        met += np.float32(centers[number, 2])
        part = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
        nearer = met > depth[part]
        np.copyto(depth[part], met, where=nearer)
        np.copyto(index[part], number, where=nearer)
    return Sight(int(left), int(top), depth, index)


def _windows(low: Matrix, high: Matrix, view: View, size_wh: tuple[int, int]) -> NDArray[np.int64]:
    """Return the pixels (n, 4) left, top, right, bottom whose centers can be between corners (n, 2)."""
    corners = np.stack(
        [
            np.floor(view.x + low[:, 0] * view.scale),
            np.floor(view.y - high[:, 1] * view.scale),
            np.ceil(view.x + high[:, 0] * view.scale),
            np.ceil(view.y - low[:, 1] * view.scale),
        ],
        axis=1,
    )
    pixels: NDArray[np.int64] = np.clip(corners, 0, [*size_wh, *size_wh]).astype(np.int64)
    return pixels


def _meet_ellipsoid(across: Floats, up: Floats, steps: Matrix, taper: float) -> Floats:
    """Return the largest depth w with |A u + B v + C w| = 1."""
    a_a, a_b, a_c, b_b, b_c, c_c = _products(steps, np.ones(3))
    b = across * a_c + up * b_c
    inside = across**2 * (a_c**2 - c_c * a_a) + up**2 * (b_c**2 - c_c * b_b) + c_c
    inside = inside + (across * (2 * (a_c * b_c - c_c * a_b))) * up
    depth = (np.sqrt(np.maximum(inside, 0)) - b) / c_c
    return np.where(inside > 0, depth, 2 * NOWHERE)


def _meet_box(across: Floats, up: Floats, steps: Matrix, taper: float) -> Floats:
    """Return the last of the three near faces that a ray enters, if it has not left by a far one."""
    along = _never_zero(steps[:, 2])
    right, rise = (np.float32(1) * (steps[:, axis] / along) for axis in (0, 1))
    thickness = 2 / np.abs(along)
    near = [1 / abs(along[i]) - float(right[i]) * across - float(rise[i]) * up for i in range(3)]
    depth = np.minimum(np.minimum(near[0], near[1]), near[2])
    far = np.maximum(
        np.maximum(near[0] - float(thickness[0]), near[1] - float(thickness[1])),
        near[2] - float(thickness[2]),
    )
    return np.where(depth > far, depth, 2 * NOWHERE)


def _meet_cone(across: Floats, up: Floats, steps: Matrix, taper: float) -> Floats:
    """Intersect a truncated cone: x^2 + z^2 <= (m + s y)^2, radius 1 at y = -1 and ``taper`` at y = 1."""
    middle, slope = (1 + taper) / 2, (taper - 1) / 2
    a_a, a_b, a_c, b_b, b_c, c_c = _products(steps, np.array([1, -(slope**2), 1]))
    lean = middle * slope * steps[1]
    c_c = c_c if abs(c_c) > 1e-6 else 1e-6
    b = across * a_c + (up * b_c - lean[2])
    c = across**2 * a_a - across * (2 * lean[0]) + (up**2 * b_b - up * (2 * lean[1]) - middle**2)
    c = c + (across * (2 * a_b)) * up
    inside = b * b - c_c * c
    root = np.sqrt(np.maximum(inside, 0))
    high, low = (root - b) / c_c, (-b - root) / c_c
    rise = float(_never_zero(steps[1, 2:])[0])
    cap_near = 1 / abs(rise) - across * (steps[1, 0] / rise) - up * (steps[1, 1] / rise)
    cap_far = cap_near - 2 / abs(rise)
    if c_c > 0:
        near, far, met = high, low, inside > 0
    else:
        # The ray is steeper than the side and crosses each half of the double cone once: keep the half where
        # the radius is positive, which lies toward smaller depth when the radius shrinks with depth.
        shrinks = slope * rise < 0
        near = np.minimum(high, low) if shrinks else np.full_like(high, np.inf)
        far = np.full_like(high, -np.inf) if shrinks else np.maximum(high, low)
        met = np.ones_like(inside, np.bool_)
    depth = np.minimum(near, cap_near)
    met = met & (depth > np.maximum(far, cap_far))
    return np.where(met, depth, 2 * NOWHERE).astype(np.float32)


def _products(steps: Matrix, metric: Matrix) -> tuple[float, float, float, float, float, float]:
    """Return inner products of the columns A, B, C of steps: AA, AB, AC, BB, BC, CC."""
    gram = (steps.T * metric) @ steps
    return gram[0, 0], gram[0, 1], gram[0, 2], gram[1, 1], gram[1, 2], gram[2, 2]


def _never_zero(along: Matrix) -> Matrix:
    # A ray parallel to a face would divide by zero; so small a turn is invisible.
    return np.where(np.abs(along) < 1e-6, 1e-6, along)


_MEETING = {"ellipsoid": _meet_ellipsoid, "box": _meet_box, "cone": _meet_cone}


def surface(model: Model, view: View, sight: Sight) -> tuple[Floats, Floats]:
    """Return the seen points row by row: model coordinates (3, n), and unit camera-frame normals (3, n)."""
    rows, columns = np.nonzero(sight.seen)
    solid = sight.solid[rows, columns]
    camera = np.stack(
        [
            (columns + sight.left + 0.5 - view.x) / view.scale,
            (view.y - rows - sight.top - 0.5) / view.scale,
            sight.depth[rows, columns],
        ]
    ).astype(np.float32)
    steps = np.linalg.inv(view.turn @ model.axes).astype(np.float32)[solid]
    from_center = camera - (model.centers @ view.turn.T).astype(np.float32)[solid].T
    unit = (steps @ from_center.T[:, :, None])[:, :, 0]
    # Normals turn with the transposed inverse of the axes.
    normal = (_unit_normals(model, solid, unit)[:, None, :] @ steps)[:, 0].T
    normal /= np.sqrt((normal * normal).sum(axis=0)) + np.float32(1e-12)
    return (view.turn.T.astype(np.float32) @ camera), normal


def _unit_normals(model: Model, solid: NDArray[np.int16], unit: Floats) -> Floats:
    """Return outward normals (n, 3) at points on the solids, in each solid's unit frame, of any length."""
    shape = np.array(model.shapes)[solid]
    normal = unit.copy()
    face = np.abs(unit).argmax(axis=1)
    flat = np.zeros_like(unit)
    flat[np.arange(len(face)), face] = np.sign(unit[np.arange(len(face)), face])
    is_box = shape == "box"
    normal[is_box] = flat[is_box]
    is_cone = shape == "cone"
    taper = np.array(model.tapers, np.float32)[solid]
    slope = (taper - 1) / 2
    radius = (1 + taper) / 2 + slope * unit[:, 1]
    on_cap = 1 - np.abs(unit[:, 1]) < radius - np.hypot(unit[:, 0], unit[:, 2])
    normal[:, 1] = np.where(is_cone, -slope * radius, normal[:, 1])
    cap = is_cone & on_cap
    normal[cap] = np.stack([np.zeros_like(radius), np.sign(unit[:, 1]), np.zeros_like(radius)], axis=1)[cap]
    return normal
