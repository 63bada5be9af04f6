"""Detectors whose weights are here, on labeled photos: what they find is checked against the labels.

An oracle that reads the same cfg shares its mistakes (YOLOv3-tiny's published mask is wrong); labels do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from objectspace.images import Image, find_images, read_image
from objectspace.models.detectors import Detector, load_detector
from objectspace.objects.boxes import iou
from objectspace.objects.labels import COCO_NAMES
from objectspace.objects.records import Objects
from tools.demo_models.average_precision import Boxes, average_precision

pytestmark = pytest.mark.real

CONFIDENCE = 0.25
SUPPRESSION_IOU = 0.45
MATCH_IOU = 0.5
#: Average precision counts detections down to here.
LOWEST = 0.005

Labeled = tuple[NDArray[np.float32], list[str]]


@dataclass(frozen=True)
class Floors:
    """What a network finds at least; a little below what was measured."""

    precision: float
    recall: float
    average_precision: float


#: Every network offered by name whose weights are here, letterboxed; then those by path, stretched. Published
#: by dog-qiuqiu/Yolo-Fastest on COCO's val2017: precision .43 and recall .35 of the XL, AP .343 and .244.
FLOORS = {
    "yolov3-tiny": Floors(0.70, 0.27, 0.39),
    "yolo-fastest-1.1-xl.cfg": Floors(0.52, 0.35, 0.40),
    "yolo-fastest-1.1.cfg": Floors(0.48, 0.25, 0.30),
}


def load(name: str, weights: Path) -> Detector:
    place = weights / name
    chosen = place if place.suffix == ".cfg" else name
    return load_detector(chosen, weights=weights / f"{place.stem}.weights", precision="float32")


def read_labels(path: Path, image: Image, names: tuple[str, ...]) -> Labeled:
    """Boxes around the polygons of a label file, and their names; a photo without a file has none."""
    lines = path.read_text().splitlines() if path.exists() else []
    polygons = [np.array(line.split()[1:], np.float64).reshape(-1, 2) for line in lines]
    boxes = [np.concatenate([polygon.min(0), polygon.max(0)]) for polygon in polygons]
    size = np.array([image.width, image.height] * 2)
    return (np.array(boxes).reshape(-1, 4) * size).astype(np.float32), [
        names[int(line.split()[0])] for line in lines
    ]


def matches(objects: Objects, truth: Labeled) -> int:
    """How many objects find a label of their own: best score first, same name, the label that fits best."""
    boxes, names = truth
    free = np.ones(len(names), bool)
    found = 0
    for row in np.argsort(-objects.score, kind="stable"):
        fits = iou(objects.xyxy[row : row + 1], boxes)[0] if len(names) else np.zeros(0, np.float32)
        fits = np.where(free & (np.array(names, object) == objects.label[row]), fits, 0)
        if len(fits) and fits.max() >= MATCH_IOU:
            free[int(fits.argmax())] = False
            found += 1
    return found


@pytest.mark.parametrize("name", FLOORS)
def test_objects_are_found_where_the_labels_are(real: Path, name: str) -> None:
    detector = load(name, real / "weights")
    photos = find_images([real / "photos" / "coco128"])
    assert len(photos) == 128
    found, truths = [], []
    for photo in photos:
        image = read_image(photo, at_least=detector.input_wh)
        labels = next(iter((real / "photos" / "coco128").rglob(f"{photo.stem}.txt")), Path("none"))
        truths.append(read_labels(labels, image, COCO_NAMES))
        found.append(detector.detect([image], confidence=LOWEST, iou=SUPPRESSION_IOU)[0])
    # Suppression goes from the highest score down, so what is left above a threshold is the same at any.
    sure = [objects.take(objects.score >= CONFIDENCE) for objects in found]
    right = sum(matches(objects, truth) for objects, truth in zip(sure, truths, strict=True))
    precision = right / sum(map(len, sure))
    recall = right / sum(len(names) for _, names in truths)
    average = mean_average_precision(found, truths)
    print(
        f"coco128, {name}, {sum(map(len, sure))} objects at confidence {CONFIDENCE}: precision "
        f"{precision:.3f}, recall {recall:.3f}; AP@0.5 {average:.3f}"
    )
    floors = FLOORS[name]
    assert (precision >= floors.precision, recall >= floors.recall) == (True, True)
    assert average >= floors.average_precision


def mean_average_precision(found: list[Objects], truths: list[Labeled]) -> float:
    """AP at IoU 0.5, the mean over the labels that the photos have."""
    labels = sorted({name for _, names in truths for name in names})
    return float(np.mean([average_precision(*_of_label(found, truths, label)) for label in labels]))


def _of_label(found: list[Objects], truths: list[Labeled], label: str) -> tuple[Boxes, Boxes]:
    ours = [objects.take(objects.label == label) for objects in found]
    known = [boxes[np.array(names, object) == label] for boxes, names in truths]
    return (
        _boxes([one.xyxy for one in ours], np.concatenate([one.score for one in ours])),
        _boxes(known, np.ones(sum(map(len, known)))),
    )


def _boxes(xyxy: list[NDArray[np.float32]], score: NDArray[np.float64]) -> Boxes:
    photo = np.repeat(np.arange(len(xyxy)), [len(part) for part in xyxy])
    return Boxes(photo, np.concatenate(xyxy), score.astype(np.float64))


def test_the_published_cfg_of_yolov3_tiny_runs_as_it_is_written_and_a_line_says_what_is_wrong(
    real: Path, command: Callable[..., Any], tmp_path: Path
) -> None:
    cfg, photo = real / "weights" / "yolov3-tiny.cfg", real / "photos" / "darknet" / "dog.jpg"
    options = ["--detector", cfg, "--detector-weights", cfg.with_suffix(".weights"), "--route", "window"]
    done = command("index", photo, "--store", tmp_path / "s.osp", *options)
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert f"objectspace: {cfg}, line 174, layer 23 [yolo] predicts boxes of wrong sizes" in done.err
    assert "mask=1,2,3 there" in done.err
