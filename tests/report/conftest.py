"""Stores of the small world of rectangles, from which a report is made in a second or two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from objectspace.report import evidence
from objectspace.store import Store, open_store

NAMES = ("apple", "pear", "plum")


@pytest.fixture
def indexed(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Store]:
    """Indexes the labeled photos, by default windows of the tiny detector; reports move two objects 4 x 4."""
    from objectspace.images import find_images
    from objectspace.jobs.index import index
    from objectspace.models.detectors import load_detector
    from objectspace.objects.annotations import open_annotations
    from objectspace.pipeline.job import Job

    monkeypatch.setattr(evidence, "STEPS", 4)
    monkeypatch.setattr(evidence, "MOVED", 2)

    def run(photos: Path = world.photos, labels: Path = world.labels, **settings: Any) -> Store:
        precision = settings.pop("precision", "float32")
        tiny = load_detector(world.cfg, weights=world.weights, names=world.names, precision=precision)
        annotations = open_annotations(labels, names=NAMES)
        job = Job(**{"detector": tiny, "annotations": annotations, "scale": "deepest", **settings})
        index(find_images([photos]), tmp_path / "s.osp", job)
        return open_store(tmp_path / "s.osp")

    return run
