"""The official YOLOv3-tiny beside OpenCV, which reads the same files: maps, heads, detections, windows.

Each of OpenCV's outputs comes from its own forward pass; what follows it here (boxes, suppression, cells,
windows) is written again with plain loops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objectspace.embeddings.windows import cut_windows, responsible_cells
from objectspace.images import Image, find_images, read_image
from objectspace.models.detectors import Detector, load_detector
from objectspace.models.maps import MapRun
from objectspace.objects.labels import COCO_NAMES
from objectspace.objects.records import Objects

pytestmark = pytest.mark.real

SIDE = 416
ANCHORS = [(10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)]
CONFIDENCE, SUPPRESSION_IOU = 0.25, 0.45


@dataclass(frozen=True)
class HeadOf:
    """A head by Darknet's numbers: its stride and anchors, OpenCV's names of its map, numbers and boxes."""

    layer: int
    stride: int
    mask: tuple[int, ...]
    channels: int
    names: tuple[str, str, str]


HEADS = (
    HeadOf(16, 32, (3, 4, 5), 512, ("leaky_15", "conv_15", "yolo_16")),
    HeadOf(23, 16, (1, 2, 3), 256, ("leaky_22", "conv_22", "yolo_23")),
)


@dataclass(frozen=True)
class Seen:
    """An image, what our detector makes of it, and OpenCV's map, raw numbers and boxes of each head."""

    image: Image
    detector: Detector
    run: MapRun
    objects: Objects
    theirs: dict[int, list[NDArray[np.float32]]]


@pytest.fixture(scope="module")
def cfg(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published cfg with the mask that its weights were trained with."""
    published = (real / "weights" / "yolov3-tiny.cfg").read_text()
    assert published.count("mask = 0,1,2") == 1
    path = tmp_path_factory.mktemp("cfg") / "yolov3-tiny.cfg"
    path.write_text(published.replace("mask = 0,1,2", "mask = 1,2,3"))
    return path


@pytest.fixture(scope="module", params=["letterbox", "stretch"])
def seen(request: pytest.FixtureRequest, real: Path, cfg: Path) -> list[Seen]:
    weights = real / "weights" / "yolov3-tiny.weights"
    detector = load_detector("yolov3-tiny", weights=weights, resize=request.param, precision="float32")
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    photos = [
        *find_images([real / "photos" / "darknet"]),
        *find_images([real / "photos" / "coco128"])[:10],
    ]
    return [_see(read_image(photo), detector, net) for photo in photos]


def _see(image: Image, detector: Detector, net: cv2.dnn.Net) -> Seen:
    inputs = detector.prepare(image)[None]
    run = detector.run(inputs)
    net.setInput(inputs.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    outputs = list(net.forward([name for head in HEADS for name in head.names]))
    theirs = {head.layer: outputs[3 * place : 3 * place + 3] for place, head in enumerate(HEADS)}
    objects = detector.detect([image], confidence=CONFIDENCE, iou=SUPPRESSION_IOU)[0]
    return Seen(image, detector, run, objects, theirs)


def test_maps_and_raw_heads_agree(seen: list[Seen]) -> None:
    for one in seen:
        for place, head in enumerate(HEADS):
            tap, raw, _ = one.theirs[head.layer]
            assert tap.shape == (1, head.channels, SIDE // head.stride, SIDE // head.stride)
            assert relative_error(one.run.maps[head.layer][0].numpy(), tap[0]) < 2e-4, one.image.path
            assert relative_error(one.run.heads[place][0].numpy(), raw[0]) < 2e-4, one.image.path


def test_detections_after_suppression_agree(seen: list[Seen]) -> None:
    compared = 0
    for one in seen:
        boxes, scores, labels = _detections(one)
        assert sorted(one.objects.label.tolist()) == sorted(labels), one.image.path
        for box, score, label in zip(boxes, scores, labels, strict=True):
            same = one.objects.take(one.objects.label == label)
            nearest = int(np.abs(same.xyxy - box).max(axis=1).argmin())
            np.testing.assert_allclose(same.xyxy[nearest], box, atol=0.05)
            assert same.score[nearest] == pytest.approx(score, abs=1e-3)
            compared += 1
    assert compared > 25


def test_responsible_cells_and_windows_agree(seen: list[Seen]) -> None:
    lengths = set()
    for one in seen:
        frame = one.detector.frame((one.image.width, one.image.height))
        as_annotated = _as_annotated(one)
        for objects in (one.objects, as_annotated):
            cells = responsible_cells(objects, one.detector.heads, frame, source=one.detector.source)
            for row, (box, center) in enumerate(_input_boxes(one, objects)):
                head, x, y = _own_cell(objects, row, box, center, made_here=objects is one.objects)
                assert (cells.head[row], cells.cell_x[row], cells.cell_y[row]) == (head.layer, x, y)
                for size in (1, 2, 3, 5):
                    ours, outside = cut_windows(
                        torch.from_numpy(one.theirs[head.layer][0][0]), cells.take(np.array([row])), size
                    )
                    window, beyond = _window(one.theirs[head.layer][0][0], center / head.stride, (x, y), size)
                    np.testing.assert_array_equal(ours[0], window)
                    assert outside[0] == beyond
                    own, _ = cut_windows(one.run.maps[head.layer][0], cells.take(np.array([row])), size)
                    assert relative_error(own[0], window) < 1e-3
                    lengths.add((head.stride, size, len(window)))
    assert {(32, 3, 4608), (16, 3, 2304)} <= lengths


# --------------------------------------------------------------------------- the same again, by plain loops


def relative_error(output: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(output - expected).max() / np.abs(expected).max())


def _detections(one: Seen) -> tuple[list[NDArray[np.float64]], list[float], list[str]]:
    """OpenCV's boxes in pixels of the image, best class each, suppressed by OpenCV's own function."""
    boxes, scores, classes = [], [], []
    for head in HEADS:
        for row in one.theirs[head.layer][2].reshape(-1, 85):
            if row[5:].max() >= CONFIDENCE:
                center, half = row[:2].astype(np.float64) * SIDE, row[2:4].astype(np.float64) * SIDE / 2
                boxes.append(np.concatenate([center - half, center + half]))
                scores.append(float(row[5:].max()))
                classes.append(int(row[5:].argmax()))
    kept = []
    for kind in sorted(set(classes)):
        rows = [row for row, other in enumerate(classes) if other == kind]
        corners = [[*boxes[row][:2], *(boxes[row][2:] - boxes[row][:2])] for row in rows]
        left = cv2.dnn.NMSBoxes(corners, [scores[row] for row in rows], CONFIDENCE, SUPPRESSION_IOU)
        kept += [rows[place] for place in np.array(left).reshape(-1)]
    names = [COCO_NAMES[classes[row]] for row in kept]
    return [_to_image(one, boxes[row]) for row in kept], [scores[row] for row in kept], names


def _scale_and_offset(one: Seen) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sides = np.array([one.image.width, one.image.height], np.float64)
    if one.detector.recipe["resize"] == "stretch":
        return SIDE / sides, np.zeros(2)
    fitted = np.round(sides * SIDE / sides.max())
    return fitted / sides, (SIDE - fitted) // 2


def _to_image(one: Seen, box: NDArray[np.float64]) -> NDArray[np.float64]:
    scale, offset = _scale_and_offset(one)
    corners = (box.reshape(2, 2) - offset) / scale
    return np.clip(corners, 0, [one.image.width, one.image.height]).reshape(4)


def _input_boxes(one: Seen, objects: Objects) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Each object's box in pixels of the network's input, and its center."""
    scale, offset = _scale_and_offset(one)
    for box in objects.xyxy.astype(np.float64):
        corners = box.reshape(2, 2) * scale + offset
        yield corners.reshape(4), corners.mean(axis=0)


def _as_annotated(one: Seen) -> Objects:
    """The same objects as if somebody else had found them, so that cells are assigned by their boxes."""
    other = one.objects
    return Objects(
        **{
            name: getattr(other, name)
            for name in ("object_id", "image_id", "xyxy", "label", "score", "mask", "provenance")
        },
        source=np.full(len(other), "hand@0", object),
    )


def _own_cell(
    objects: Objects, row: int, box: NDArray[np.float64], center: NDArray[np.float64], *, made_here: bool
) -> tuple[HeadOf, int, int]:
    """The head and cell: those that made it, or of the anchor that fits its sides best."""
    if made_here:
        cells = objects.provenance
        head = next(head for head in HEADS if head.layer == cells.head[row])
        return head, int(cells.cell_x[row]), int(cells.cell_y[row])
    width, height = box[2] - box[0], box[3] - box[1]
    best, fit = HEADS[0], -1.0
    for number in range(1, 6):  # no head predicts anchor 0; anchor 3 belongs to both, the deeper one first
        shared = min(width, ANCHORS[number][0]) * min(height, ANCHORS[number][1])
        overlap = shared / (width * height + ANCHORS[number][0] * ANCHORS[number][1] - shared)
        if overlap > fit:
            fit, best = overlap, next(head for head in HEADS if number in head.mask)
    grid = SIDE // best.stride
    x, y = (min(int(place // best.stride), grid - 1) for place in center)
    return best, x, y


def _window(
    features: NDArray[np.float32], middle: NDArray[np.float64], cell: tuple[int, int], size: int
) -> tuple[NDArray[np.float32], int]:
    """The k x k cells, one by one, and how many of them lie outside the map."""
    first = [
        place - size // 2 if size % 2 else int(np.floor(center - size / 2 + 0.5))
        for place, center in zip(cell, middle, strict=True)
    ]
    channels, height, width = features.shape
    window, beyond = np.zeros((channels, size, size), np.float32), 0
    for row in range(size):
        for column in range(size):
            x, y = first[0] + column, first[1] + row
            if 0 <= x < width and 0 <= y < height:
                window[:, row, column] = features[:, y, x]
            else:
                beyond += 1
    return window.reshape(-1), beyond
