"""Objects in photos, and vectors whose truth is known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.objects.records import Objects, concatenate, make_objects
from tests.crop_spaces import make_space


@pytest.fixture(scope="session")
def objects() -> Objects:
    """240 objects, three in each of 80 photos, in the photos' order."""
    boxes = np.array([(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)], np.float32)
    return concatenate(
        [
            make_objects(image_id=f"{photo:032x}", xyxy=boxes, label=["cup"] * 3, source="test@0")
            for photo in range(80)
        ]
    )


@pytest.fixture
def noise() -> np.ndarray:
    """(3, 240, 8) independent numbers: of the objects, of their surroundings, of neither."""
    return np.random.default_rng(1).normal(size=(3, 240, 8))


@pytest.fixture
def space():
    return make_space
