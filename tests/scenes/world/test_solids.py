"""Rays meet solids where a slow walk along each ray, in float64, enters them."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.scenes.world.solids import (
    Solid,
    View,
    build,
    extent,
    look_at,
    surface,
    turn_x,
    turn_y,
    turn_z,
)

SIZE = (48, 40)


def inside(solid: Solid, points: np.ndarray) -> np.ndarray:
    """Which points (..., 3) lie in the solid, by its definition."""
    turn = np.eye(3) if solid.turn is None else solid.turn
    unit = ((points - np.array(solid.center)) @ turn) / np.array(solid.half)
    x, y, z = np.moveaxis(unit, -1, 0)
    if solid.shape == "ellipsoid":
        return x**2 + y**2 + z**2 <= 1
    if solid.shape == "box":
        return np.abs(unit).max(axis=-1) <= 1
    radius = (1 + solid.taper) / 2 + (solid.taper - 1) / 2 * y
    return (np.abs(y) <= 1) & (x**2 + z**2 <= radius**2)


def walked(solids: list[Solid], view: View, steps: np.ndarray) -> np.ndarray:
    """Depth of the first step from the camera's side that lies in a solid, -inf for none."""
    columns, rows = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    depth = np.full(columns.shape, -np.inf)
    across, up = (columns - view.x) / view.scale, (view.y - rows) / view.scale
    for step in steps:  # from far to near, so that the nearest stays
        camera = np.stack([across, up, np.full_like(across, step)], axis=-1)
        points = camera @ view.turn  # the inverse of a turn is its transpose
        for solid in solids:
            depth[inside(solid, points)] = step
    return depth


def random_solid(random: np.random.Generator, shape: str) -> Solid:
    turn = turn_x(random.uniform(0, 360)) @ turn_z(random.uniform(0, 360))
    center = tuple(random.uniform(-0.3, 0.3, 3))
    half = tuple(random.uniform(0.2, 0.8, 3))
    return Solid(shape, center, half, "style", turn, float(random.choice([0.0, 0.4, 1.0, 1.4])))


@pytest.mark.parametrize("shape", ["ellipsoid", "box", "cone"])
@pytest.mark.parametrize("seed", range(6))
def test_depth_is_where_a_walk_along_the_ray_enters(shape: str, seed: int) -> None:
    random = np.random.default_rng([seed, len(shape)])
    solids = [random_solid(random, shape) for _ in range(2)]
    view = View(turn_x(random.uniform(0, 360)) @ turn_y(random.uniform(0, 360)), 15.0, 24.0, 20.0)

    sight = look_at(build(solids), view, SIZE)

    depth = np.full(SIZE[::-1], -np.inf)
    depth[sight.window][sight.seen] = sight.depth[sight.seen]
    expected = walked(solids, view, np.arange(-1.6, 1.6, 0.01))
    both = np.isfinite(depth) & np.isfinite(expected)
    assert both.sum() > 50
    # The walk steps over what is thinner than its step, at the rim; it never sees more than we do.
    assert (np.isfinite(depth) != np.isfinite(expected)).mean() < 0.02
    gap = depth[both] - expected[both]
    assert gap.min() > -1e-4
    assert (gap > 0.0101).mean() < 0.01


def test_a_cone_seen_along_its_axis_shows_its_cap() -> None:
    cone = build([Solid("cone", (0, 0, 0), (0.5, 0.5, 0.5), "style", None, 0.5)])

    sight = look_at(cone, View(turn_x(90), 20.0, 24.0, 20.0), SIZE)

    # From above: the small end at depth 0.5 in the middle, the side sloping away to radius 0.5.
    rows, columns = np.nonzero(sight.seen)
    radius = np.hypot(columns + sight.left + 0.5 - 24, rows + sight.top + 0.5 - 20) / 20
    expected = np.where(radius < 0.25, 0.5, 0.5 - (radius - 0.25) / 0.25)
    assert np.allclose(sight.depth[sight.seen], expected, atol=1e-4)


@pytest.mark.parametrize("shape", ["ellipsoid", "box", "cone"])
def test_normals_are_the_slope_of_the_depth(shape: str) -> None:
    random = np.random.default_rng(len(shape))
    model = build([random_solid(random, shape)])
    view = View(turn_x(20) @ turn_y(30), 200.0, 200.0, 200.0)
    sight = look_at(model, view, (400, 400))

    _, normals = surface(model, view, sight)

    normal = np.zeros((3, *sight.seen.shape))
    normal[:, sight.seen] = normals
    depth = np.where(sight.seen, sight.depth.astype(np.float64), np.nan)
    down, across = np.gradient(depth * view.scale)
    slope = np.stack([-across, down, np.ones_like(down)])  # rows go down, the camera's y goes up
    slope /= np.linalg.norm(slope, axis=0)
    agreement = (slope * normal).sum(axis=0)
    smooth = np.isfinite(agreement) & (np.hypot(down, across) < 3)
    assert smooth.sum() > 1000
    # Edges between faces are smooth to neither side.
    assert np.quantile(agreement[smooth], 0.05) > 0.995


def test_points_come_back_in_the_models_frame() -> None:
    solid = Solid("box", (0.2, -0.1, 0.3), (0.4, 0.3, 0.2), "style")
    view = View(turn_x(25) @ turn_y(140), 30.0, 24.0, 20.0)
    model = build([solid])

    points, _ = surface(model, view, look_at(model, view, SIZE))

    unit = (points.T - np.array(solid.center)) / np.array(solid.half)
    assert np.allclose(np.abs(unit).max(axis=1), 1, atol=1e-4)


def test_the_extent_of_an_ellipsoid_is_tight() -> None:
    model = build([Solid("ellipsoid", (0.3, 0, 0), (0.5, 0.2, 0.1), "style", turn_z(30))])
    view = View(turn_y(40), 400.0, 400.0, 400.0)

    left, low, right, high = extent(model, view.turn)

    sight = look_at(model, view, (800, 800))
    rows, columns = np.nonzero(sight.seen)
    across = (columns + sight.left + 0.5 - 400) / 400
    up = (400 - rows - sight.top - 0.5) / 400
    assert np.allclose([left, right, low, high], [across.min(), across.max(), up.min(), up.max()], atol=0.004)


def test_a_model_outside_the_picture_is_not_seen() -> None:
    model = build([Solid("box", (9, 0, 0), (0.5, 0.5, 0.5), "style")])

    assert not look_at(model, View(np.eye(3), 20.0, 24.0, 20.0), SIZE).seen.any()


@pytest.mark.parametrize("turn", [turn_x, turn_y, turn_z])
def test_a_full_turn_changes_no_bit(turn) -> None:
    assert np.array_equal(turn(33.0), turn(393.0))
