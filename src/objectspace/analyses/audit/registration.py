"""Registration: how alike two small pictures are once one is laid over the other as well as it fits."""

from __future__ import annotations

import math

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
    unmoved = np.tile(np.eye(2, 3, dtype=np.float32), (len(first), 1, 1))
    maps, best = unmoved, np.zeros(len(first), np.float32)
    for side, steps in _LEVELS:
        picture, places = _reduced(second, side), _places(side)
        values = _colors(_reduced(first, side))
        layers = _colors(np.concatenate([picture, *_slopes(picture)], axis=1))
        for _ in range(steps):
            seen, inside = _sampled(layers, maps @ places)
            maps = _better(maps, values, seen, inside, places)
    template, picture = _colors(first), _colors(second)
    for tried in (maps, unmoved):
        seen, inside = _sampled(picture, tried @ _places(SIDE))
        one, _ = _normalized(template, inside)
        other, _ = _normalized(seen, inside)
        fits = np.where(inside.mean(1) >= _OVERLAP, _products(one, other).sum(1), 0)
        best = np.maximum(best, fits)
    return best


def _better(maps: Float32, values: Float32, seen: Float32, inside: Float32, places: Float32) -> Float32:
    """Return maps (m, 2, 3) after one step.

    values: (m, q, c) of the first picture; seen: (m, q, 3 c), the second's values, and what they rise by
        along x and along y, at the mapped places; inside: (m, q)
    """
    channels = values.shape[2]
    one, _ = _normalized(values, inside)
    other, length = _normalized(seen[..., :channels], inside)
    alike = _products(one, other).sum(1)
    one -= alike[:, None, None] * other
    rises = seen[..., channels:] * (inside[..., None] / length)
    right, down = rises[..., :channels], rises[..., channels:]

    def along(direction: Float32) -> Float32:
        """Return the products (m, 6) of the map's derivatives with a direction (m, q, c) of the values."""
        both = np.stack([_products(right, direction), _products(down, direction)], axis=1)
        return (both @ places.T).reshape(len(maps), 6)

    # A change along the picture's own values is one of contrast, which a correlation does not see.
    contrast = along(other)
    curvature = _curvature(right, down, places) - contrast[:, :, None] * contrast[:, None]
    damping = _DAMPING * np.trace(curvature, axis1=1, axis2=2) / 6 + 1e-8
    solved = np.linalg.solve(
        curvature + damping[:, None, None] * np.eye(6, dtype=np.float32), along(one)[..., None]
    )
    step = (solved / np.maximum(alike, 0.1)[:, None, None]).clip(-_STEP, _STEP).reshape(-1, 2, 3)
    return np.where((inside.mean(1) >= _OVERLAP)[:, None, None], maps + step, maps)


def _curvature(right: Float32, down: Float32, places: Float32) -> Float32:
    """Return the products (m, 6, 6) of a map's derivatives.

    The derivative by number i, j of a map is the rise (m, q, c) along i, of x and y, times number j of the
    places (3, q), which all pairs share.
    """
    of_places = (places[:, None] * places[None]).reshape(9, -1)
    rises = np.stack([_products(right, right), _products(right, down), _products(down, down)], axis=1)
    each = (rises @ of_places.T).reshape(-1, 3, 3, 3)
    return np.block([[each[:, 0], each[:, 1]], [each[:, 1], each[:, 2]]])


def _products(one: Float32, other: Float32) -> Float32:
    """Return the products (m, q) of the colors (m, q, c) of pixels."""
    products: Float32 = np.einsum("mqc,mqc->mq", one, other)
    return products


def _colors(pictures: Float32) -> Float32:
    """Return pictures (m, c, s, s) as the colors (m, s x s, c) of their pixels."""
    channels = pictures.reshape(*pictures.shape[:2], -1)
    return np.ascontiguousarray(channels.transpose(0, 2, 1))


def _sampled(colors: Float32, places: Float32) -> tuple[Float32, Float32]:
    """Return the colors (m, q, c) of pictures (m, s x s, c) at places (m, 2, q); what is inside (m, q)."""
    count, pixels, channels = colors.shape
    side = math.isqrt(pixels)
    inside: Float32 = np.asarray((np.abs(places) <= 1).all(1), np.float32)
    pixel = np.clip((places + 1) * (side / 2) - 0.5, 0, side - 1)
    corner = np.minimum(pixel.astype(np.int64), side - 2)
    right, down = (pixel - corner).astype(np.float32).transpose(1, 0, 2)[..., None]
    flat = colors.reshape(-1, channels)
    at = corner[:, 1] * side + corner[:, 0] + np.arange(count)[:, None] * pixels
    upper, lower = (_between(flat.take(at + row, 0), flat.take(at + row + 1, 0), right) for row in (0, side))
    return _between(upper, lower, down), inside


def _between(first: Float32, second: Float32, share: Float32) -> Float32:
    """Return what lies a share of the way from the first to the second, in the second's place."""
    second -= first
    second *= share
    second += first
    return second


def _normalized(colors: Float32, inside: Float32) -> tuple[Float32, Float32]:
    """Return colors (m, q, c) of what is inside (m, q), channels centered, all of length 1; the length."""
    weight = inside[..., None]
    mean = inside[:, None] @ colors / np.maximum(weight.sum(1, keepdims=True), 1)
    centered = (colors - mean) * weight
    length = np.sqrt(_products(centered, centered).sum(1)).clip(1e-6).astype(np.float32)[:, None, None]
    return centered / length, length


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
