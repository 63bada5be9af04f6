from __future__ import annotations

from pathlib import Path

import numpy as np

from objectspace.scenes.world import draw_scene
from tools.demo_models.pictures import SIDE, jittered, load_pictures


def test_what_is_kept_is_what_is_drawn(tmp_path: Path) -> None:
    pictures = load_pictures(tmp_path, 3, 2)
    for index in range(2):
        scene = draw_scene(3, index)
        assert np.array_equal(pictures.pixels[index], scene.pixels)
        assert np.array_equal(pictures.xyxy[pictures.picture == index], scene.xyxy)
    assert len(pictures.crops) == 2 * len(pictures.kind)


def test_jittered_boxes_stay_near_and_inside() -> None:
    boxes = np.tile(np.array([[0, 100, 100, 300]], np.float32), (200, 1))
    moved = jittered(boxes, 0.05, np.random.default_rng(0))
    assert moved.min() >= 0
    assert moved.max() <= SIDE
    # At most 2 x 0.05 of a side for the center, and as much for half of the side.
    assert np.abs(moved - boxes).max() <= 200 * (0.1 + (np.exp(0.1) - 1) / 2)
    assert np.std(moved[:, 3]) > 5


def test_without_jitter_they_are_the_true_ones() -> None:
    boxes = np.array([[10, 20, 110, 220]], np.float32)
    assert np.array_equal(jittered(boxes, 0.0, np.random.default_rng(0)), boxes)
