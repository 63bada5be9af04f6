"""The engine of threads: what it holds, and in which order results come."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest

from objectspace.images import Failure, Image
from objectspace.pipeline import engine_threads
from objectspace.pipeline.engine_threads import run
from objectspace.pipeline.job import Job
from objectspace.pipeline.results import DecodedImage, ImageResult, SkippedImage
from tests.jobs.fakes import FakeDetector, MeanColor, save


class Watching(FakeDetector):
    """Remembers the pixels it saw, without keeping them."""

    def __init__(self, batch_size: int) -> None:
        super().__init__(batch_size)
        self.seen: list[weakref.ref[np.ndarray]] = []

    def prepare(self, image: Image) -> np.ndarray:
        self.seen.append(weakref.ref(image.pixels))
        return super().prepare(image)


@pytest.mark.parametrize("size", [1, 2])
def test_results_keep_no_pixels_of_their_images(tmp_path: Path, size: int) -> None:
    photos = [tmp_path / f"{number}.png" for number in range(20)]
    for number, photo in enumerate(photos):
        save(photo, number)
    detector = Watching(size)
    job = Job(detector=detector, encoder=MeanColor()).load()
    results = list(run(photos, job, lambda image_id, contents: False))
    assert all(isinstance(result, ImageResult) for result in results)
    assert len(detector.seen) == 20
    assert all(pixels() is None for pixels in detector.seen)


@pytest.mark.parametrize("size", [1, 2])
def test_outcomes_come_in_the_order_of_the_images(tmp_path: Path, size: int) -> None:
    photos = [tmp_path / f"{number}.png" for number in range(7)]
    for number, photo in enumerate(photos):
        save(photo, number)
    photos[3].write_bytes(b"no photo")
    job = Job(detector=FakeDetector(size), encoder=MeanColor()).load()
    ids = [outcome.image_id for outcome in run(photos[:2], job, lambda *_: False)]
    outcomes = list(run(photos, job, lambda image_id, contents: image_id == ids[1]))
    assert [outcome.path for outcome in outcomes] == list(map(str, photos))
    kinds = [ImageResult, SkippedImage, ImageResult, Failure, ImageResult, ImageResult, ImageResult]
    assert [type(outcome) for outcome in outcomes] == kinds


def test_a_pass_has_as_many_pixels_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10 pixels at least, or three photos; what is not decoded counts for nothing."""
    monkeypatch.setattr(engine_threads, "PASS_PIXELS", 10)
    sides = [(2, 3), (2, 2), (1, 9), (1, 1), (3, 4), (1, 1), (1, 2), None, (1, 1), (1, 5), (1, 5)]
    opened = [
        Failure("a.png", "is broken")
        if side is None
        else DecodedImage(Image("i", "a.png", np.zeros((*side, 3), np.uint8), *side[::-1]), {})
        for side in sides
    ]
    passes = list(engine_threads._batches(opened, 3))
    assert [len(one) for one in passes] == [2, 2, 1, 4, 2]
    assert [one for batch in passes for one in batch] == opened
