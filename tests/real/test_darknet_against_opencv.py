"""The real networks on real photos: OpenCV reads the same files with code of its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from objectspace.errors import WeightsError
from objectspace.images import Image, find_images, read_image
from objectspace.models.darknet.cfg import read_cfg
from objectspace.models.darknet.network import DarknetNetwork, load_network, write_weights
from objectspace.models.detectors import load_detector

pytestmark = pytest.mark.real

# Darknet's layer → OpenCV's name of its output.
TAPS = {"119": "bn_119", "120": "conv_120", "128": "bn_128", "129": "conv_129"}
HEADS = {121: "yolo_121", 130: "yolo_130"}
ANCHORS = 3
NAMES = ("yolo-fastest-1.1-xl", "yolo-fastest-1.1")


def files(real: Path, name: str) -> tuple[Path, Path]:
    return real / "weights" / f"{name}.cfg", real / "weights" / f"{name}.weights"


@pytest.fixture(scope="module")
def images(real: Path) -> list[Image]:
    return [read_image(path) for path in find_images([real / "photos" / "darknet"])]


def outputs_of(net: cv2.dnn.Net, batch: NDArray[np.float32], names: list[str]) -> list[NDArray[np.float32]]:
    net.setInput(batch)
    return list(net.forward(names))


def relative_error(output: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(output - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folded", [False, True])
def test_taps_agree_on_every_photo(real: Path, images: list[Image], name: str, folded: bool) -> None:
    cfg, weights = files(real, name)
    network: DarknetNetwork = load_network(read_cfg(cfg), weights)
    if folded:
        network.fold()
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    for image in images:
        batch = cv2.dnn.blobFromImage(image.pixels, 1 / 255, network.layers.input_wh)
        run = network.run(torch.from_numpy(batch), list(TAPS))
        for tap, expected in zip(TAPS, outputs_of(net, batch, list(TAPS.values())), strict=True):
            assert relative_error(run.taps[tap].numpy(), expected) < 1e-3, (image.path, tap)


@pytest.mark.parametrize("name", NAMES)
def test_boxes_and_scores_of_both_heads_agree_on_every_photo(
    real: Path, images: list[Image], name: str
) -> None:
    cfg, weights = files(real, name)
    detector = load_detector(cfg, weights=weights, precision="float32")
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    compared = 0
    for image in images:
        inputs = detector.prepare(image)[None]
        batch = inputs.transpose(0, 3, 1, 2).astype(np.float32) / 255
        rows = dict(zip(HEADS, outputs_of(net, batch, list(HEADS.values())), strict=True))
        frame = detector.frame((image.width, image.height))
        # Without suppression, and down to scores that OpenCV still gives: it sets those below 0.2 to zero.
        objects = detector.find_objects(
            detector.run(inputs), 0, image.image_id, frame, confidence=0.2, iou=1.0
        )
        cells = objects.provenance
        for index in range(len(objects)):
            head = next(head for head in detector.heads if head.layer == cells.head[index])
            place = cells.cell_y[index] * head.grid_wh[0] + cells.cell_x[index]
            row = rows[head.layer][place * ANCHORS + head.anchor_index.index(cells.anchor[index])]
            center, half = row[:2], row[2:4] / 2
            box = np.concatenate([center - half, center + half]).clip(0, 1)
            box *= [image.width, image.height, image.width, image.height]
            np.testing.assert_allclose(objects.xyxy[index], box, atol=1e-3 * max(image.width, image.height))
            assert objects.score[index] == pytest.approx(row[5:].max(), abs=1e-3)
            assert cells.objectness[index] == pytest.approx(row[4], abs=1e-3)
            compared += 1
        expected = sum(int((row[:, 5:].max(axis=1) >= 0.2).sum()) for row in rows.values())
        assert abs(len(objects) - expected) <= 1, image.path
    assert compared > 50


@pytest.mark.parametrize("name", NAMES)
def test_weights_written_again_are_the_file(real: Path, tmp_path: Path, name: str) -> None:
    cfg, weights = files(real, name)
    write_weights(load_network(read_cfg(cfg), weights), tmp_path / "again.weights")
    assert (tmp_path / "again.weights").read_bytes() == weights.read_bytes()


def test_the_weights_of_the_other_network_are_refused(real: Path) -> None:
    large, small = (files(real, name) for name in NAMES)
    with pytest.raises(WeightsError, match="too short"):
        load_network(read_cfg(large[0]), small[1])
    with pytest.raises(WeightsError, match="too long"):
        load_network(read_cfg(small[0]), large[1])
