"""Stores of the small world of rectangles, from which a report is made in a second or two."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectspace.objects.records import make_objects
from objectspace.report import evidence
from objectspace.report.evidence import StoredImage
from objectspace.store import ImageRow, Store, open_store

NAMES = ("apple", "pear", "plum")


@pytest.fixture(scope="session")
def run_index(world) -> Callable[..., Store]:
    """Indexes labeled photos into a folder, by default windows of the tiny detector."""
    from objectspace.images import find_images
    from objectspace.jobs.index import index
    from objectspace.models.detectors import load_detector
    from objectspace.objects.annotations import open_annotations
    from objectspace.pipeline.job import Job

    def run(folder: Path, photos: Path, labels: Path, **settings: Any) -> Store:
        precision = settings.pop("precision", "float32")
        tiny = load_detector(world.cfg, weights=world.weights, names=world.names, precision=precision)
        annotations = open_annotations(labels, names=NAMES)
        job = Job(**{"detector": tiny, "annotations": annotations, "scale": "deepest", **settings})
        index(find_images([photos]), folder / "s.osp", job)
        return open_store(folder / "s.osp")

    return run


@pytest.fixture(scope="session")
def indexed_once(world, run_index: Callable[..., Store], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of windows of the photos as they are, which nobody changes."""
    return Path(run_index(tmp_path_factory.mktemp("indexed"), world.photos, world.labels).path)


@pytest.fixture
def indexed(
    world,
    run_index: Callable[..., Store],
    indexed_once: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Store]:
    """Indexes the labeled photos, by default windows of the tiny detector; reports move two objects 4 x 4."""
    monkeypatch.setattr(evidence, "STEPS", 4)
    monkeypatch.setattr(evidence, "MOVED", 2)

    def run(photos: Path = world.photos, labels: Path = world.labels, **settings: Any) -> Store:
        if not settings and (photos, labels) == (world.photos, world.labels):
            return open_store(shutil.copytree(indexed_once, tmp_path / "s.osp"))
        return run_index(tmp_path, photos, labels, **settings)

    return run


@pytest.fixture
def photo_of() -> Callable[..., StoredImage]:
    """A function (width, height, (label, x1, y1, x2, y2) …) -> a stored photo of these objects."""

    def make(width: int, height: int, *boxes: tuple[str, float, float, float, float]) -> StoredImage:
        labels, xyxy = [label for label, *_ in boxes], np.array([box for _, *box in boxes], np.float32)
        objects = make_objects(image_id="0" * 32, xyxy=xyxy, label=labels, source="test")
        return StoredImage(ImageRow("0" * 32, "photo.jpg", width, height), objects)

    return make
