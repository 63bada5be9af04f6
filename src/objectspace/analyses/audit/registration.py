"""Registration: how alike two small pictures are once one is laid over the other as well as it fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

#: Pixels a side of the pictures that are laid over each other.
SIDE = 32

# Pixels a side at which the pictures are compared, coarse to fine, and the steps at each.
_LEVELS = ((8, 4), (16, 4), (32, 3))

# A map that leaves less than this share of a picture over the other is left as it is.
_OVERLAP = 0.5

# Levenberg's damping, as a share of the mean curvature, and the longest step of a number of the map.
_DAMPING, _STEP = 0.01, 0.3

# Pairs that are registered at once: what is computed of them stays in a core's cache.
_PAIRS = 64


def registered_correlation(first: Float32, second: Float32) -> Float32:
    """Return the correlation (m,) of the colors of pictures (m, c, SIDE, SIDE) where they fit best.

    One is laid over the other by an affine map, whose six numbers take in a crop, another aspect and a small
    turn. Gauss-Newton steps enlarge the correlation (Evangelidis and Psarakis, *Parametric image alignment
    using enhanced correlation coefficient maximization*, 2008) at 8, 16 and 32 pixels a side. What counts is
    where the two overlap, half of a picture at least, and never less than the pictures as they are. Flat
    pictures have none, 0.

    >>> stripes = np.tile(np.sin(np.arange(32, dtype=np.float32) / 3), (1, 1, 32, 1))
    >>> float(registered_correlation(stripes, np.roll(stripes, 2, axis=3))[0]) > 0.95
    True
    """
    flat = (first == first[..., :1, :1]).all((1, 2, 3))
    alike: Float32 = np.where(flat, 0, 1).astype(np.float32)
    # A store may be full of equal ones, of which nothing is to be found out.
    rest = np.flatnonzero((first != second).any((1, 2, 3)) & ~flat)
    for start in range(0, len(rest), _PAIRS):
        rows = rest[start : start + _PAIRS]
        alike[rows] = _registered(first[rows], second[rows])
    return alike


def _registered(first: Float32, second: Float32) -> Float32:
    # A map takes x, y, 1 of a place in the first picture to x, y of the same place in the second.
    maps = np.tile(np.eye(2, 3, dtype=np.float32), (len(first), 1, 1))
    best = np.zeros(len(first), np.float32)
    for side, steps in _LEVELS:
        template, picture, places = _reduced(first, side), _reduced(second, side), _places(side)
        layers = np.concatenate([picture, *_slopes(picture)], axis=1)
        values = template.reshape(*template.shape[:2], -1)
        for _ in range(steps):
            seen, inside = _sampled(layers, maps @ places)
            maps = _better(maps, values, seen, inside, places)
    for tried in (maps, np.tile(np.eye(2, 3, dtype=np.float32), (len(first), 1, 1))):
        seen, inside = _sampled(second, tried @ _places(SIDE))
        one, _ = _normalized(first.reshape(*first.shape[:2], -1), inside)
        other, _ = _normalized(seen, inside)
        fits = np.where(inside.mean(1) >= _OVERLAP, (one * other).sum((1, 2)), 0)
        best = np.maximum(best, fits)
    return best


def _better(maps: Float32, values: Float32, seen: Float32, inside: Float32, places: Float32) -> Float32:
    """Return maps (m, 2, 3) after one step.

    values: (m, c, q) of the first picture; seen: (m, 3 c, q), the second's values, and what they rise by
        along x and along y, at the mapped places; inside: (m, q)
    """
    channels = values.shape[1]
    one, _ = _normalized(values, inside)
    other, length = _normalized(seen[:, :channels], inside)
    alike = (one * other).sum((1, 2))
    rises = seen[:, channels:] * (inside[:, None] / length)
    slopes = np.stack([rises[:, :channels], rises[:, channels:]], axis=1)
    jacobian = (slopes[:, :, None] * places[None, None, :, None]).reshape(len(maps), 6, -1)
    # A change along the picture's own values is one of contrast, which a correlation does not see.
    flat = other.reshape(len(maps), 1, -1)
    jacobian -= (jacobian @ flat.transpose(0, 2, 1)) @ flat
    curvature = jacobian @ jacobian.transpose(0, 2, 1)
    damping = _DAMPING * np.trace(curvature, axis1=1, axis2=2) / 6 + 1e-8
    rest = (one - alike[:, None, None] * other).reshape(len(maps), -1, 1)
    solved = np.linalg.solve(
        curvature + damping[:, None, None] * np.eye(6, dtype=np.float32), jacobian @ rest
    )
    step = (solved / np.maximum(alike, 0.1)[:, None, None]).clip(-_STEP, _STEP).reshape(-1, 2, 3)
    return np.where((inside.mean(1) >= _OVERLAP)[:, None, None], maps + step, maps)


def _sampled(pictures: Float32, places: Float32) -> tuple[Float32, Float32]:
    """Return pictures (m, c, s, s) at places (m, 2, q), and which of these are inside, 1 or 0 (m, q)."""
    side = pictures.shape[-1]
    inside: Float32 = np.asarray((np.abs(places) <= 1).all(1), np.float32)
    pixel = np.clip((places + 1) * (side / 2) - 0.5, 0, side - 1)
    corner = np.minimum(pixel.astype(np.int64), side - 2)
    past = (pixel - corner).astype(np.float32)
    right, down = past[:, None, 0], past[:, None, 1]
    flat = pictures.reshape(*pictures.shape[:2], -1)
    at = (corner[:, 1] * side + corner[:, 0])[:, None]
    upper, lower = (
        np.take_along_axis(flat, at + row, 2) * (1 - right)
        + np.take_along_axis(flat, at + row + 1, 2) * right
        for row in (0, side)
    )
    seen: Float32 = np.asarray(upper * (1 - down) + lower * down, np.float32)
    return seen, inside


def _normalized(values: Float32, inside: Float32) -> tuple[Float32, Float32]:
    """Return values (m, c, q) of what is inside (m, q), channels centered, all of length 1; the length."""
    weight = inside[:, None]
    mean = (values * weight).sum(2, keepdims=True) / np.maximum(weight.sum(2, keepdims=True), 1)
    centered = (values - mean) * weight
    length = np.sqrt((centered**2).sum((1, 2), keepdims=True)).clip(1e-6).astype(np.float32, copy=False)
    return (centered / length).astype(np.float32, copy=False), length


def _slopes(pictures: Float32) -> tuple[Float32, Float32]:
    """Return what pictures (m, c, s, s) rise by along x and y, per half of a side.

    It is 0 at the border, whose other side is not known: steps there lead astray where a turned picture has
    black corners.
    """
    right, down = np.zeros_like(pictures), np.zeros_like(pictures)
    quarter = np.float32(pictures.shape[-1] / 4)
    right[..., 1:-1] = (pictures[..., 2:] - pictures[..., :-2]) * quarter
    down[..., 1:-1, :] = (pictures[..., 2:, :] - pictures[..., :-2, :]) * quarter
    return right, down


def _reduced(pictures: Float32, side: int) -> Float32:
    """Return pictures (m, c, s, s) averaged to ``side``."""
    by = pictures.shape[-1] // side
    reduced: Float32 = pictures.reshape(*pictures.shape[:2], side, by, side, by).mean((3, 5))
    return reduced


def _places(side: int) -> Float32:
    """Return the middles (3, s x s) of pixels as x, y, 1; a picture reaches from -1 to 1."""
    middle = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1
    y, x = np.meshgrid(middle, middle, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.ones(side * side, np.float32)])
