"""A network that gives NaN or infinity for one image fails that image and no other, whatever its family."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from objectspace.errors import NonFiniteError
from objectspace.models.detectors.torchvision_models import TorchvisionDetector
from objectspace.models.maps import check_finite
from tests.models.detectors.tiny_detectors import picture


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_number_is_enough(value: float) -> None:
    good, bad = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)
    bad[1, 2] = value
    check_finite("net", "photo", good, None, torch.from_numpy(good), np.empty((0, 4)))
    for array in (bad, torch.from_numpy(bad)):
        with pytest.raises(NonFiniteError, match=r"^image photo: net gave NaN or infinity; ") as raised:
            check_finite("net", "photo", good, array)
        assert raised.value.reason.startswith("net gave NaN or infinity; ")


@pytest.mark.parametrize("family", ["fasterrcnn", "retinanet", "fcos", "ssd"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_detector_of_torchvision(
    family: str, value: float, torchvision_detectors: dict[str, TorchvisionDetector]
) -> None:
    detector = torchvision_detectors[family]
    inputs = [picture(128, 96), np.full((96, 128, 3), 255, np.uint8)]
    before = detector.run(inputs)

    def overflow(_: Any, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        (pixels,) = given
        return (torch.where(pixels.amin() > 0, value, pixels),)  # the white picture

    hook = detector.network.backbone.register_forward_pre_hook(overflow)
    try:
        run = detector.run(inputs)
    finally:
        hook.remove()
    frame = detector.frame((128, 96))
    good, same = (
        detector.find_objects(one, 0, "good", frame, confidence=0.3, iou=0.5) for one in (run, before)
    )
    assert good.object_id.tolist() == same.object_id.tolist() != []
    with pytest.raises(NonFiniteError, match=f"image bad: {detector.name} gave NaN or infinity"):
        detector.find_objects(run, 1, "bad", frame, confidence=0.3, iou=0.5)
