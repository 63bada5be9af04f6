"""The shipped detector on pictures that it was not trained on."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from objectspace.images import Image
from objectspace.models.darknet.architectures import ARCHITECTURES
from objectspace.models.detectors import Detector, load_detector
from objectspace.models.weights import fetch
from objectspace.objects.boxes import iou
from objectspace.objects.records import Objects
from objectspace.scenes.scene import Scene
from objectspace.scenes.world import KINDS, draw_scene

# The held-out pictures of docs/default-models.md.
SEED, COUNT = 2, 12


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(SEED, index) for index in range(COUNT)]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector("demo", precision="float32")


@pytest.fixture(scope="module")
def found(detector: Detector, scenes: list[Scene]) -> list[Objects]:
    images = [Image(f"{n}", f"{n}", scene.pixels, 416, 416) for n, scene in enumerate(scenes)]
    return detector.detect(images)


def hits(objects: Objects, scene: Scene) -> np.ndarray:
    """Which detection is (row) which object (column): the same kind, IoU from 0.5."""
    same = objects.label[:, None] == np.array(scene.kinds, object)
    return same & (iou(objects.xyxy, scene.xyxy) >= 0.5)


def test_most_objects_are_found(found: list[Objects], scenes: list[Scene]) -> None:
    seen = [hits(objects, scene).any(0) for objects, scene in zip(found, scenes, strict=True)]
    assert np.concatenate(seen).mean() >= 0.85


def test_most_that_is_found_is_there(found: list[Objects], scenes: list[Scene]) -> None:
    right = [hits(objects, scene).any(1) for objects, scene in zip(found, scenes, strict=True)]
    assert np.concatenate(right).mean() >= 0.85


def test_its_heads_are_those_of_yolov3_at_the_paper_s_strides(detector: Detector) -> None:
    assert [(head.stride, head.grid_wh, head.channels) for head in detector.heads] == [
        (32, (13, 13), 192),
        (16, (26, 26), 128),
    ]


def test_its_classes_are_the_kinds_of_the_world() -> None:
    assert ARCHITECTURES["demo"].names == KINDS


def test_the_shipped_file_is_the_one_that_is_named(detector: Detector) -> None:
    weights = ARCHITECTURES["demo"].weights
    assert hashlib.sha256(fetch(weights).read_bytes()).hexdigest() == weights.sha256
    assert detector.recipe["weights"] == weights.sha256
