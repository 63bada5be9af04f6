"""Occlusion of the real detector on real photos, beside the plain run of one window at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectspace.analyses.occlusion import measure_occlusion
from objectspace.images import Image, read_image
from objectspace.models.detectors import load_detector
from objectspace.models.detectors.darknet_models import DarknetDetector
from objectspace.models.maps import MapRun
from objectspace.objects.boxes import iou
from objectspace.objects.records import Objects

pytestmark = pytest.mark.real

CONFIDENCE = 0.1
WINDOWS = 12


@pytest.fixture(scope="module")
def detector(real: Path) -> DarknetDetector:
    files = real / "weights" / "yolo-fastest-1.1-xl"
    cfg, weights = files.with_name(files.name + ".cfg"), files.with_name(files.name + ".weights")
    found = load_detector(cfg, weights=weights, precision="float32")
    assert isinstance(found, DarknetDetector)
    return found


@pytest.fixture(scope="module")
def dog(real: Path) -> Image:
    return read_image(real / "photos" / "darknet" / "dog.jpg")


def _key(objects: Objects, index: int) -> tuple[int, int, int, int, str]:
    cells = objects.provenance
    place = (cells.head, cells.cell_x, cells.cell_y, cells.anchor)
    return (*(int(column[index]) for column in place), objects.label[index])


# Before a head; a 5 x 5 convolution earlier, at either head; before both heads; strides 16 and 8; the pixels.
METHODS = {
    "119": "closed form",
    "117": "linearity",
    "126": "linearity",
    "116": "run on",
    "115": "run on",
    "80": "run on",
    "50": "run on",
    "pixels": "run on",
}


@pytest.mark.parametrize("tap", METHODS)
def test_every_way_is_the_plain_run(detector: DarknetDetector, dog: Image, tap: str) -> None:
    sizes = {"80": (12,), "50": (30,)}.get(tap, (1, 3))  # a hundred windows each
    result = measure_occlusion(detector, dog, tap=tap, sizes=sizes, confidence=CONFIDENCE)
    assert result.method == METHODS[tap]
    assert len(result.objects) >= 4
    batch = detector.batch(detector.prepare(dog)[None])
    frame = detector.frame((dog.width, dog.height))
    for window in np.linspace(0, len(result.windows) - 1, WINDOWS).astype(int):
        cell = 32 if tap == "pixels" else 1
        x, y, size = (
            int(c[window]) * cell for c in (result.windows.x, result.windows.y, result.windows.size)
        )
        recording = None if tap == "pixels" else detector.network.record(batch, tap)
        changed = (batch if recording is None else recording.map).clone()
        changed[:, :, y : y + size, x : x + size] = 0
        network = detector.network
        run = network.run(changed) if recording is None else network.resume(recording, changed)
        every = detector.find_objects(MapRun(run.heads, {}), 0, dog.image_id, frame, confidence=0.0, iou=1.0)
        scores = {_key(every, index): every.score[index] for index in range(len(every))}
        for index in range(len(result.objects)):
            key = _key(result.objects, index)
            # Another class may have become the best one there; then the own one's score is below it.
            if key in scores:
                assert result.scores[window, index] == pytest.approx(scores[key], abs=1e-4)
        found = detector.find_objects(
            MapRun(run.heads, {}), 0, dog.image_id, frame, confidence=CONFIDENCE, iou=0.45
        )
        same = result.objects.label[:, None] == found.label[None, :]
        fits = same & (iou(result.objects.xyxy, found.xyxy) >= 0.5)
        assert result.disappeared[window].tolist() == (~fits.any(1)).tolist()
        appeared = result.appeared.label[result.appeared.window == window]
        assert sorted(appeared) == sorted(found.label[~fits.any(0)])
