"""The real detector on labeled photos: precision and recall beside the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from objectspace.images import Image, find_images, read_image
from objectspace.models.detectors import load_detector
from objectspace.objects.boxes import iou
from objectspace.objects.labels import read_names
from objectspace.objects.records import Objects

pytestmark = pytest.mark.real

# dog-qiuqiu/Yolo-Fastest, yolo-fastest-1.1-xl on COCO, confidence 0.25.
PUBLISHED_PRECISION = 0.43
PUBLISHED_RECALL = 0.35
CONFIDENCE = 0.25
SUPPRESSION_IOU = 0.45
MATCH_IOU = 0.5

Labeled = tuple[NDArray[np.float32], list[str]]


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


def test_precision_and_recall_are_near_the_published_ones(real: Path) -> None:
    weights = real / "weights"
    names = read_names(weights / "coco.names")
    detector = load_detector(
        weights / "yolo-fastest-1.1-xl.cfg",
        weights=weights / "yolo-fastest-1.1-xl.weights",
        precision="float32",
    )
    photos = find_images([real / "photos" / "coco128"])
    assert len(photos) == 128
    found = right = labeled = 0
    for photo in photos:
        image = read_image(photo, at_least=detector.input_wh)
        labels = next(iter((real / "photos" / "coco128").rglob(f"{photo.stem}.txt")), Path("none"))
        truth = read_labels(labels, image, names)
        objects = detector.detect([image], confidence=CONFIDENCE, iou=SUPPRESSION_IOU)[0]
        found += len(objects)
        labeled += len(truth[1])
        right += matches(objects, truth)
    precision, recall = right / found, right / labeled
    print(
        f"coco128, yolo-fastest-1.1-xl, {found} objects, {labeled} labels: precision {precision:.3f} "
        f"(published {PUBLISHED_PRECISION}), recall {recall:.3f} (published {PUBLISHED_RECALL})"
    )
    assert precision >= 0.9 * PUBLISHED_PRECISION
    assert recall >= 0.9 * PUBLISHED_RECALL
