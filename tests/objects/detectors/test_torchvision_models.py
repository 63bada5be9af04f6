"""torchvision's detectors: its own forward pass is the oracle; every box is made again from its anchor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from objectspace.images import Image
from objectspace.objects.detectors.torchvision_models import TorchvisionDetector
from objectspace.objects.records import Objects

FAMILIES = ("fasterrcnn", "retinanet", "fcos", "ssd")
CONFIDENCE, IOU = 0.3, 0.5


@pytest.fixture(params=FAMILIES)
def detector(request: pytest.FixtureRequest, torchvision_detectors: dict[str, Any]) -> TorchvisionDetector:
    return torchvision_detectors[request.param]


def find(detector: TorchvisionDetector, image: Image) -> Objects:
    (found,) = detector.detect([image], confidence=CONFIDENCE, iou=IOU)
    return found


def own_forward(detector: TorchvisionDetector, image: Image) -> dict[str, np.ndarray]:
    """What torchvision's model says at the same thresholds."""
    network = detector.network
    thresholds = network.roi_heads if hasattr(network, "roi_heads") else network
    before = thresholds.score_thresh, thresholds.nms_thresh
    thresholds.score_thresh, thresholds.nms_thresh = CONFIDENCE, IOU
    with torch.inference_mode():
        (said,) = network([torch.from_numpy(image.pixels.copy()).permute(2, 0, 1) / 255])
    thresholds.score_thresh, thresholds.nms_thresh = before
    # An object has an area; torchvision gives boxes without one, too.
    sides = said["boxes"][:, 2:] - said["boxes"][:, :2]
    return {name: values[(sides > 0).all(1)].numpy() for name, values in said.items()}


def test_detections_are_those_of_torchvision(detector: TorchvisionDetector, photo: Image) -> None:
    found, said = find(detector, photo), own_forward(detector, photo)
    assert len(found) == len(said["boxes"]) > 10
    np.testing.assert_allclose(found.xyxy, said["boxes"], atol=1e-4)
    np.testing.assert_allclose(found.score, said["scores"], atol=1e-5)
    assert found.label.tolist() == detector.names[said["labels"]].tolist()
