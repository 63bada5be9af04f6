"""Stores of real photos that several files look at: made once, and changed by none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.real.commands import objectspace

# Commands that run real networks take all cores, not those of this process of the tests.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, os.sched_getaffinity(0))


@pytest.fixture(scope="session")
def networks(real: Path) -> list[str | Path]:
    weights = real / "weights"
    return [
        *("--detector", weights / "yolo-fastest-1.1-xl.cfg"),
        *("--detector-weights", weights / "yolo-fastest-1.1-xl.weights"),
        *("--names", weights / "coco.names"),
        *("--encoder", "resnet50", "--encoder-weights", weights / "resnet50-imagenet.pth"),
    ]


@pytest.fixture(scope="session")
def dogs(real: Path, networks: list[str | Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of Darknet's seven photos, by both routes."""
    store = tmp_path_factory.mktemp("dogs") / "dogs.osp"
    report = objectspace("index", real / "photos" / "darknet", "--store", store, *networks)
    assert report["indexed"] == 7
    return store


@pytest.fixture(scope="session")
def coco(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coco128 by ResNet50 and the official YOLOv3-tiny, with the mask that its finer head learned."""
    folder, weights, photos = tmp_path_factory.mktemp("coco"), real / "weights", real / "photos" / "coco128"
    cfg = (weights / "yolov3-tiny.cfg").read_text()
    assert cfg.count("mask = 0,1,2") == 1
    (folder / "yolov3-tiny.cfg").write_text(cfg.replace("mask = 0,1,2", "mask = 1,2,3"))
    networks = [
        *("--detector", folder / "yolov3-tiny.cfg", "--detector-weights", weights / "yolov3-tiny.weights"),
        *("--names", weights / "coco.names", "--encoder-weights", weights / "resnet50-imagenet.pth"),
    ]
    labels = ["--annotations", photos / "labels", "--window", "3"]
    path = folder / "coco.osp"
    assert objectspace("index", photos / "images", "--store", path, *networks, *labels)["objects"] == 929
    return path
