"""Photos laid on a network's input by a device, against the processor's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectspace.images import Image
from objectspace.models.device_inputs import lay_on_device
from objectspace.models.inputs import resample_onto
from objectspace.objects.boxes import letterbox_frame, stretch_frame

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("image_wh", [(64, 48), (48, 64), (129, 97), (301, 200), (20, 90)])
@pytest.mark.parametrize("frame_of", [letterbox_frame, stretch_frame])
def test_inputs_are_the_processors_to_a_gray_level_or_two(image_wh: tuple[int, int], frame_of) -> None:
    width, height = image_wh
    random = np.random.default_rng(0)
    photos = [random.integers(0, 256, (height, width, 3), np.uint8) for _ in range(2)]
    frame = frame_of(image_wh, (64, 64))
    laid = lay_on_device([torch.from_numpy(pixels).to(DEVICE) for pixels in photos], [frame, frame])
    expected = np.stack([resample_onto(Image("", "", pixels, width, height), frame) for pixels in photos])
    apart = np.abs(laid.permute(0, 2, 3, 1).cpu().numpy().astype(int) - expected)
    assert apart.max() <= 2
    assert apart.mean() < 0.05
