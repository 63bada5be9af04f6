"""Registration: pictures of which the map from one to the other is known."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from scipy.ndimage import affine_transform

from objectspace.analyses.audit import registration
from objectspace.analyses.audit.registration import SIDE, registered_correlation


def picture(seed: int, side: int = 96) -> np.ndarray:
    """Random colors that vary over a sixth of the picture, (side, side, 3)."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize((side, side), PIL.Image.Resampling.BICUBIC))


def shrunk(pixels: np.ndarray) -> np.ndarray:
    reduced = PIL.Image.fromarray(pixels).resize((SIDE, SIDE), PIL.Image.Resampling.BOX)
    return np.asarray(reduced, np.float32).transpose(2, 0, 1)


def moved(pixels: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The picture drawn again by scipy, rows and columns mapped."""
    layers = [affine_transform(layer, matrix, offset, order=1, mode="nearest") for layer in pixels.T]
    return np.stack(layers).T.astype(np.uint8)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """By hand in float64: each channel centered, all channels together."""
    first, second = (
        part - part.mean((1, 2), keepdims=True) for part in (one.astype(float), other.astype(float))
    )
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))


CHANGES = {
    "cut": (np.diag([0.85, 0.9]), np.array([6.0, 2.0])),
    "turned": (np.array([[0.985, -0.174], [0.174, 0.985]]), np.array([9.0, -7.5])),
    "moved": (np.eye(2), np.array([8.0, -5.0])),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("swapped", [False, True])
def test_what_an_affine_map_changed_is_found_again(change: str, swapped: bool) -> None:
    pairs = [(shrunk(picture(seed)), shrunk(moved(picture(seed), *CHANGES[change]))) for seed in range(12)]
    first, second = (np.stack(part) for part in zip(*pairs, strict=True))
    found = registered_correlation(second, first) if swapped else registered_correlation(first, second)
    assert np.median(found) > 0.97
    assert (found >= [correlation(*pair) - 1e-5 for pair in pairs]).all()


def test_pictures_as_they_are_correlate_as_by_hand() -> None:
    """Strangers: what is found is never less, and two equal ones have 1."""
    pairs = [(shrunk(picture(seed)), shrunk(picture(100 + seed))) for seed in range(70)]
    first, second = (np.stack(part) for part in zip(*pairs, strict=True))
    found = registered_correlation(first, second)
    assert (found >= [correlation(*pair) - 1e-5 for pair in pairs]).all()
    assert np.median(found) < 0.9
    assert registered_correlation(first, first) == pytest.approx(np.ones(70), abs=1e-5)


def test_equal_pictures_take_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three pairs the second is of two pictures: the only one that is laid over each other."""
    one = np.stack([shrunk(picture(seed)) for seed in range(3)])
    seen = []
    monkeypatch.setattr(registration, "_registered", lambda a, b: seen.append((a, b)) or np.float32([0.25]))
    other = one.copy()
    other[1] = one[0]
    assert registered_correlation(one, other).tolist() == [1, 0.25, 1]
    assert len(seen) == 1
    assert (seen[0][0] == one[1]).all()
    assert (seen[0][1] == one[0]).all()


def test_brightness_and_contrast_do_not_count() -> None:
    one = shrunk(picture(1))
    other = one * np.float32(0.4) + np.array([5, 40, 90], np.float32)[:, None, None]
    assert registered_correlation(one[None], other[None])[0] == pytest.approx(1, abs=1e-5)


def test_flat_pictures_correlate_with_nothing() -> None:
    flat = np.full((1, 3, SIDE, SIDE), 70, np.float32)
    assert registered_correlation(flat, flat).tolist() == [0]
    assert registered_correlation(flat, shrunk(picture(1))[None]).tolist() == [0]


def test_no_pairs_have_no_correlations() -> None:
    none = np.empty((0, 3, SIDE, SIDE), np.float32)
    assert registered_correlation(none, none).shape == (0,)


def test_a_step_takes_nearly_all_of_a_small_shift() -> None:
    """Waves of three colors; the second picture is the first, moved by a pixel of 32 across."""
    x = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    across, down = np.meshgrid(x, x)

    def waves(shift: float) -> np.ndarray:
        layers = [
            np.sin(3 * (across - shift) + one * down) + np.cos(one * (across - shift)) for one in (1, 2, 3)
        ]
        return np.stack(layers)[None].astype(np.float32)

    first, second, shift = waves(0), waves(2 / SIDE), 2 / SIDE
    maps, places = np.eye(2, 3, dtype=np.float32)[None], registration._places(SIDE)
    layers = np.concatenate([second, *registration._slopes(second)], axis=1)
    seen, inside = registration._sampled(registration._colors(layers), maps @ places)
    step = registration._better(maps, registration._colors(first), seen, inside, places) - maps
    assert step[0, 0, 2] == pytest.approx(shift, rel=0.15)
    assert np.abs(step).max() == step[0, 0, 2]
