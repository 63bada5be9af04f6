"""The shipped detector on a drawn picture: every way gives what one plain run for each window gives."""

from __future__ import annotations

import pytest
import torch

from objectspace.analyses.occlusion import measure_occlusion
from objectspace.analyses.occlusion.result import CLOSED_FORM, LINEARITY, RUN_ON
from objectspace.images import Image, image_from_array
from objectspace.models.detectors import Detector, load_detector
from objectspace.scenes.world import draw_scene

#: A picture of several objects, by the detector's own count.
SEED, INDEX = 2, 3


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.set_num_threads(1)
    return load_detector("demo", precision="float32")


@pytest.fixture(scope="module")
def drawn() -> Image:
    return image_from_array(draw_scene(SEED, INDEX).pixels)


@pytest.mark.parametrize(
    ("tap", "sizes", "method", "every"),
    [
        ("26", (1, 3, 9), CLOSED_FORM, 23),  # before the deepest head
        ("34", (2, 5), CLOSED_FORM, 97),  # before the finer head
        ("33", (3,), LINEARITY, 61),  # one 3 x 3 layer earlier
        ("24", (2,), RUN_ON, 31),  # before both heads
        ("pixels", (2,), RUN_ON, 31),
    ],
)
def test_a_tap(detector, drawn, check, tap, sizes, method, every) -> None:
    result = measure_occlusion(detector, drawn, tap=tap, sizes=sizes)

    assert result.method == method
    assert len(result.objects) >= 3
    check(detector, drawn, result, confidence=0.25, only=list(range(0, len(result.windows), every)))
