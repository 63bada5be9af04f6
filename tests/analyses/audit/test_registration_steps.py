"""Every step of registration against one pair at a time in float64, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from objectspace.analyses.audit import registration
from objectspace.analyses.audit.registration import SIDE, registered_correlation

RANDOM = np.random.default_rng(21)
#: Maps of pictures that move them a little, turn them, and leave a fourth of one over the other.
MAPS = np.array(
    [
        [[1, 0, 0.1], [0, 1, -0.2]],
        [[0.9, -0.3, 0], [0.2, 1.1, 0.3]],
        [[1, 0, 0.9], [0, 1, 1.1]],
        [[0.7, 0, 0.05], [0.1, 0.8, 0]],
    ]
)


def pictures(count: int, side: int, seed: int) -> np.ndarray:
    """Waves of three colors, each pair of its own."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side * 2 - 1
    angle, phase = random.uniform(1, 5, (2, count, 3, 2)), random.uniform(0, 6, (2, count, 3))
    waves = sum(
        np.sin(a[..., :1, None] * x + a[..., 1:, None] * y + p[..., None, None])
        for a, p in zip(angle, phase, strict=True)
    )
    return (60 * waves + 120).astype(np.float32)


def sampled(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The values (c, q) of a picture (c, s, s) at places (2, q) by scipy, the border's beyond it."""
    side = picture.shape[-1]
    pixel = (np.asarray(at, float)[::-1] + 1) / 2 * side - 0.5
    return np.stack(
        [map_coordinates(layer.astype(float), pixel, order=1, mode="nearest") for layer in picture]
    )


def inside_of(at: np.ndarray) -> np.ndarray:
    return np.array([all(-1 <= number <= 1 for number in place) for place in at.T], float)


def normalized(values: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, float]:
    kept = inside > 0
    centered = np.zeros(values.shape)
    for channel, row in enumerate(values.astype(float)):
        centered[channel, kept] = row[kept] - (row[kept].mean() if kept.any() else 0)
    length = max(np.sqrt((centered**2).sum()), 1e-6)
    return centered / length, length


def middles(side: int) -> np.ndarray:
    """The places (2, s s) of pixels, row by row."""
    steps = [(2 * place + 1) / side - 1 for place in range(side)]
    return np.array([(x, y) for y in steps for x in steps]).T


def slopes(picture: np.ndarray) -> np.ndarray:
    """What a picture (c, s, s) rises by along x, then along y: per half of a side, 0 at the border."""
    side = picture.shape[-1]
    found = np.zeros((2, *picture.shape))
    for row in range(side):
        for column in range(side):
            if 0 < column < side - 1:
                found[0, :, row, column] = (picture[:, row, column + 1] - picture[:, row, column - 1]) / (
                    4 / side
                )
            if 0 < row < side - 1:
                found[1, :, row, column] = (picture[:, row + 1, column] - picture[:, row - 1, column]) / (
                    4 / side
                )
    return found


def better(transform: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One damped Gauss-Newton step of the enhanced correlation coefficient, of six numbers one by one."""
    places = middles(first.shape[-1])
    at = transform[:, :2] @ places + transform[:, 2:]
    inside = inside_of(at)
    if inside.mean() < 0.5:
        return transform
    one, _ = normalized(first.reshape(len(first), -1), inside)
    other, length = normalized(sampled(second, at), inside)
    alike = (one * other).sum()
    rises = [sampled(layer, at) * inside / length for layer in slopes(second)]
    columns = []
    for along in (0, 1):
        for number in (places[0], places[1], np.ones(places.shape[1])):
            column = (rises[along] * number).ravel()
            columns.append(column - (column @ other.ravel()) * other.ravel())
    jacobian = np.array(columns)
    curvature = jacobian @ jacobian.T
    damped = curvature + (0.01 * np.trace(curvature) / 6 + 1e-8) * np.eye(6)
    step = np.linalg.solve(damped, jacobian @ (one - alike * other).ravel()) / max(alike, 0.1)
    return transform + np.clip(step, -0.3, 0.3).reshape(2, 3)


def averaged(picture: np.ndarray, side: int) -> np.ndarray:
    by = picture.shape[-1] // side
    return np.array(
        [
            [
                [layer[r * by : r * by + by, c * by : c * by + by].mean() for c in range(side)]
                for r in range(side)
            ]
            for layer in picture.astype(float)
        ]
    )


def test_places_values_and_slopes_are_those_of_loops() -> None:
    some = pictures(4, 16, 1)
    places = registration._places(16)
    np.testing.assert_allclose(places[:2], middles(16), atol=1e-6)
    assert (places[2] == 1).all()
    at = (MAPS @ places).astype(np.float32)
    seen, inside = registration._sampled(registration._colors(some), at)
    right, down = registration._slopes(some)
    for row in range(4):
        np.testing.assert_array_equal(inside[row], inside_of(at[row]))
        np.testing.assert_allclose(seen[row].T, sampled(some[row], at[row]), atol=2e-3)
        np.testing.assert_allclose([right[row], down[row]], slopes(some[row]), atol=2e-3)
        values, length = registration._normalized(seen, inside)
        expected, its = normalized(seen[row].T, inside[row])
        np.testing.assert_allclose(values[row].T, expected, atol=1e-5)
        assert length[row, 0, 0] == pytest.approx(its, rel=1e-5)
        np.testing.assert_allclose(registration._reduced(some, 4)[row], averaged(some[row], 4), rtol=1e-5)
    assert 0 < inside[2].mean() < 0.5


def test_of_nothing_inside_there_is_nothing() -> None:
    colors = registration._colors(pictures(1, 8, 2))
    values, length = registration._normalized(colors, np.zeros((1, 64), np.float32))
    assert (values == 0).all()
    assert length.item() == pytest.approx(1e-6)


def test_a_step_is_that_of_six_numbers_one_by_one() -> None:
    """From where pictures lie well, badly, hardly over each other, and from where a step is too long."""
    first, second = pictures(4, 16, 3), pictures(4, 16, 4)
    second[0] = np.roll(first[0], 1, axis=2)
    layers = np.concatenate([second, *registration._slopes(second)], axis=1)
    places = registration._places(16)
    values, layers = registration._colors(first), registration._colors(layers)
    seen, inside = registration._sampled(layers, (MAPS @ places).astype(np.float32))
    found = registration._better(MAPS.astype(np.float32), values, seen, inside, places)
    expected = np.array([better(*one) for one in zip(MAPS, first, second, strict=True)])
    np.testing.assert_allclose(found, expected, atol=2e-3)
    longest = np.abs(expected - MAPS).max(axis=(1, 2))
    assert longest[2] == 0
    assert longest.max() == pytest.approx(0.3)
    assert 0 < longest[0] < 0.3


def test_registered_pictures_correlate_as_step_by_step() -> None:
    """Copies that were moved, and strangers: four steps of 8 pixels a side, four of 16 and three of 32."""
    first, second = pictures(5, SIDE, 5), pictures(5, SIDE, 6)
    for row, shift in enumerate([(0, 3), (-4, 1), (2, 2), (9, 0)]):
        second[row] = np.roll(first[row], shift, axis=(1, 2))
    found = registered_correlation(first, second)
    for row in range(5):
        transform = np.eye(2, 3)
        for side, steps in ((8, 4), (16, 4), (32, 3)):
            one, other = averaged(first[row], side), averaged(second[row], side)
            for _ in range(steps):
                transform = better(transform, one, other)
        best = 0.0
        for tried in (transform, np.eye(2, 3)):
            at = tried[:, :2] @ middles(SIDE) + tried[:, 2:]
            inside = inside_of(at)
            if inside.mean() >= 0.5:
                a, _ = normalized(first[row].reshape(3, -1), inside)
                b, _ = normalized(sampled(second[row], at), inside)
                best = max(best, float((a * b).sum()))
        assert found[row] == pytest.approx(best, abs=0.005)
