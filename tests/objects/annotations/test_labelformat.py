"""Data sets as labelformat writes them are read as the boxes and polygons that it was given."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelformat.formats.coco import COCOInstanceSegmentationOutput, COCOObjectDetectionOutput
from labelformat.formats.pascalvoc import PascalVOCObjectDetectionOutput
from labelformat.formats.yolov8 import YOLOv8InstanceSegmentationOutput, YOLOv8ObjectDetectionOutput
from labelformat.model.bounding_box import BoundingBox
from labelformat.model.category import Category
from labelformat.model.image import Image as LabeledImage
from labelformat.model.instance_segmentation import ImageInstanceSegmentation, SingleInstanceSegmentation
from labelformat.model.multipolygon import MultiPolygon
from labelformat.model.object_detection import ImageObjectDetection, SingleObjectDetection

from objectspace.images import Image, image_from_array
from objectspace.objects.annotations import open_annotations
from objectspace.objects.masks import polygon_mask

NAMES = ("cat", "wine glass", "tv")
SIZES = {"7.jpg": (200, 100), "8.jpg": (64, 64), "sub/9.jpg": (301, 77)}


class Labeled:
    """What labelformat's writers take: three images of random boxes, or of triangles in them."""

    def __init__(self, *, triangles: bool) -> None:
        rng = np.random.default_rng(3)
        self.boxes: dict[str, np.ndarray] = {}
        self.classes: dict[str, list[int]] = {}
        self.triangles = triangles
        for name, size in SIZES.items():
            low = rng.uniform(0, 0.6, (5, 2)) * size
            self.boxes[name] = np.concatenate([low, low + rng.uniform(0.05, 0.4, (5, 2)) * size], 1)
            self.classes[name] = rng.integers(0, len(NAMES), 5).tolist()

    def polygon(self, box: np.ndarray) -> list[tuple[float, float]]:
        left, top, right, bottom = box.tolist()
        return [(left, top), (right, top), (right, bottom)]

    @staticmethod
    def add_cli_arguments(parser: argparse.ArgumentParser) -> None: ...

    def get_categories(self) -> Iterable[Category]:
        return [Category(number, name) for number, name in enumerate(NAMES)]

    def get_images(self) -> Iterable[LabeledImage]:
        return [LabeledImage(n, name, *size) for n, (name, size) in enumerate(SIZES.items())]

    def get_labels(self) -> Iterable[Any]:
        categories = list(self.get_categories())
        for image in self.get_images():
            pairs = [
                (categories[number], box)
                for number, box in zip(self.classes[image.filename], self.boxes[image.filename], strict=True)
            ]
            if self.triangles:
                shapes = [SingleInstanceSegmentation(c, MultiPolygon([self.polygon(b)])) for c, b in pairs]
                yield ImageInstanceSegmentation(image, shapes)
            else:
                yield ImageObjectDetection(
                    image, [SingleObjectDetection(c, BoundingBox(*b)) for c, b in pairs]
                )


def photo(folder: Path, name: str) -> Image:
    width, height = SIZES[name]
    return image_from_array(np.zeros((height, width, 3), np.uint8), path=str(folder / "images" / name))


def write(folder: Path, format: str, labeled: Labeled) -> Path:
    """The data set in a format, written by labelformat; what open_annotations takes."""
    (folder / "images").mkdir()
    path = {"yolo": folder / "data.yaml", "coco": folder / "a.json", "voc": folder / "Annotations"}[format]
    if format == "yolo":
        writer = YOLOv8InstanceSegmentationOutput if labeled.triangles else YOLOv8ObjectDetectionOutput
        writer(path, "train").save(labeled)  # type: ignore[arg-type]
    elif format == "coco":
        writer = COCOInstanceSegmentationOutput if labeled.triangles else COCOObjectDetectionOutput
        writer(path).save(labeled)  # type: ignore[arg-type]
    else:
        (path / "sub").mkdir(parents=True)
        PascalVOCObjectDetectionOutput(path).save(labeled)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("format", ["yolo", "coco", "voc"])
def test_boxes(tmp_path: Path, format: str) -> None:
    labeled = Labeled(triangles=False)
    reader = open_annotations(write(tmp_path, format, labeled), format=format)
    # labelformat writes pixel edges into VOC's files, which count pixels from 1.
    first_pixel = np.array([1, 1, 0, 0] if format == "voc" else [0, 0, 0, 0])
    for name in SIZES:
        annotated = reader.objects_of(photo(tmp_path, name))
        assert annotated.problems == ()
        expected = np.maximum(labeled.boxes[name] - first_pixel, 0)
        np.testing.assert_allclose(annotated.objects.xyxy, expected, atol=0.01)
        assert annotated.objects.label.tolist() == [NAMES[number] for number in labeled.classes[name]]


@pytest.mark.parametrize("format", ["yolo", "coco"])
def test_polygons(tmp_path: Path, format: str) -> None:
    labeled = Labeled(triangles=True)
    reader = open_annotations(write(tmp_path, format, labeled), format=format)
    for name, size in SIZES.items():
        objects = reader.objects_of(photo(tmp_path, name)).objects
        np.testing.assert_allclose(objects.xyxy, labeled.boxes[name], atol=0.01)
        expected = [polygon_mask(np.array(labeled.polygon(box)), size) for box in labeled.boxes[name]]
        assert objects.mask.tolist() == expected
