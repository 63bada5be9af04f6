"""A job whose encoder's device cuts the crops, beside the same job on the processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from torch import Tensor, nn

from objectspace.images import Failure
from objectspace.pipeline.engine_threads import AHEAD, run
from objectspace.pipeline.job import Job
from objectspace.pipeline.results import ImageResult, Outcome, SkippedImage
from tests.embeddings.kernels import (
    DEVICE,
    WatchedPhotos,
    cut_first_pixels,
    mean_color_network,
    needs_kernel,
)
from tests.jobs.fakes import SMALL, FakeDetector

#: Of a photo of 64 x 64 pixels.
PHOTO_BYTES = 64 * 64 * 3


class QuarterColors(nn.Module):
    """The mean color of each quarter of a crop; infinite where all of it is white."""

    def forward(self, crops: Tensor) -> Tensor:
        means = nn.functional.adaptive_avg_pool2d(crops, 2).flatten(1)
        return means / (means.amin(1, keepdim=True) < 0.999)


def draw(photo: Path, number: int, *, side: int = 64, white: bool = False) -> None:
    """Write a photo of noise, its small object white or not."""
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    if white:
        left, top, right, bottom = SMALL
        pixels[top:bottom, left:right] = 255
    PIL.Image.fromarray(pixels).save(photo)


def outcomes_of(photos: list[Path], *, images: int = 2, batch_size: int = 4) -> list[Outcome]:
    """What becomes of photos, of which the second was finished before."""
    encoder = mean_color_network(batch_size, QuarterColors())
    job = Job(detector=FakeDetector(images), encoder=encoder, pools=("cell",)).load()
    (second,) = run(photos[1:2], job, lambda *_: False)
    return list(run(photos, job, lambda image_id, contents: image_id == second.image_id))


def cut_on_device(monkeypatch: pytest.MonkeyPatch, *, wanted: bool = True) -> None:
    """Let crops be cut on the encoder's device, whatever it is, or not."""
    for module in ("embeddings.crop_batches", "pipeline.stages"):
        monkeypatch.setattr(f"objectspace.{module}.cuts_on_device", lambda encoder, policy: wanted)


@needs_kernel
def test_the_device_makes_of_photos_what_the_processor_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [tmp_path / f"{number}.png" for number in range(6)]
    for number, photo in enumerate(photos):
        draw(photo, number, side=80 if number == 5 else 64, white=number == 3)
    photos[2].write_bytes(b"no photo")
    with monkeypatch.context() as patch:
        cut_on_device(patch, wanted=False)
        expected = outcomes_of(photos)
    # The last photo is too large for the device's way.
    monkeypatch.setattr("objectspace.pipeline.stages.LARGEST_PHOTO", PHOTO_BYTES)
    cut_on_device(monkeypatch)
    outcomes = outcomes_of(photos)
    kinds = [ImageResult, SkippedImage, Failure, Failure, ImageResult, ImageResult]
    assert [type(one) for one in outcomes] == [type(one) for one in expected] == kinds
    assert outcomes[1:4] == expected[1:4]
    for one, other in zip(outcomes, expected, strict=True):
        if isinstance(one, ImageResult) and isinstance(other, ImageResult):
            assert one.crops is None
            assert one.objects.object_id.tolist() == other.objects.object_id.tolist()
            assert one.thumbnails == other.thumbnails
            assert one.vectors.keys() == other.vectors.keys()
            for name, rows in one.vectors.items():
                assert rows.recipe == other.vectors[name].recipe
                # Crops differ by two gray levels at most, so their means do.
                assert np.abs(rows.vectors - other.vectors[name].vectors).max() <= 2 / 255
    last = [one.vectors["mean color-crop"].vectors for one in (outcomes[-1], expected[-1])]  # type: ignore[union-attr]
    assert np.allclose(*last, rtol=0, atol=1e-6)


@pytest.mark.skipif(DEVICE.type == "cuda", reason="counts photos in the processor's memory")
@pytest.mark.parametrize("images", [1, 2])
def test_photos_that_wait_for_the_device_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    photos = [tmp_path / f"{number:02}.png" for number in range(40)]
    for number, photo in enumerate(photos):
        draw(photo, number)
    watched, workers = WatchedPhotos(), 2
    cut_on_device(monkeypatch)
    monkeypatch.setattr("objectspace.threads.worker_count", lambda: workers)
    monkeypatch.setattr("objectspace.embeddings.crop_batches.cut_on_device", cut_first_pixels)
    monkeypatch.setattr("objectspace.embeddings.crop_batches.GROUP_BYTES", 2 * PHOTO_BYTES)
    monkeypatch.setattr("objectspace.pipeline.stages.stage_photo", watched.stage)
    assert len(outcomes_of(photos, images=images, batch_size=1000)) == len(photos)
    # The one that was finished before is of the first run.
    assert watched.count == len(photos)
    assert watched.most <= AHEAD * workers + 3 * (2 + 1)
