"""The engine of threads: what it holds, and in which order results come."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from objectspace.images import Failure, Image
from objectspace.models.maps import MapRun
from objectspace.objects.annotations import open_annotations
from objectspace.pipeline import engine_threads
from objectspace.pipeline.engine_threads import run
from objectspace.pipeline.job import Job
from objectspace.pipeline.results import DecodedImage, ImageResult, SkippedImage
from tests.jobs.fakes import FakeDetector, MeanColor, save


class Counting(FakeDetector):
    """Counts the passes that run at once."""

    def __init__(self, batch_size: int, device: str) -> None:
        super().__init__(batch_size)
        self.device = torch.device(device)
        self._lock, self._running, self.most = threading.Lock(), 0, 0

    def run(self, inputs: Sequence[np.ndarray]) -> MapRun:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        time.sleep(0.02)
        with self._lock:
            self._running -= 1
        return super().run(inputs)


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


@pytest.mark.parametrize(
    ("device", "size", "at_once"),
    [("cpu", 1, {2, 3}), ("cpu", 2, {2, 3}), ("meta", 1, {1}), ("meta", 2, {1})],
)
def test_passes_run_side_by_side_on_the_processor_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, size: int, at_once: set[int]
) -> None:
    monkeypatch.setattr("objectspace.threads.worker_count", lambda: 3)
    photos = [tmp_path / f"{number:02}.png" for number in range(12)]
    for number, photo in enumerate(photos):
        save(photo, number)
    detector = Counting(size, device)
    list(run(photos, Job(detector=detector, encoder=MeanColor()).load(), lambda *_: False))
    assert detector.most in at_once
    assert detector.calls == [size] * (12 // size)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_of_copies_the_first_counts_for_each_annotation(tmp_path: Path, size: int) -> None:
    """Two contents, copied; one copy is labeled otherwise, one was finished before, two are broken."""
    names = ["b", "a", "b-again", "bad", "a-again", "b-other", "bad-again", "a-third", "done", "b-last"]
    (tmp_path / "labels").mkdir()
    for name in names:
        photo = tmp_path / f"{name}.png"
        kind = name.split("-")[0]
        save(photo, ["a", "b", "done", "bad"].index(kind))
        if kind == "bad":
            photo.write_bytes(b"no photo")
        number = int(name == "b-other")
        (tmp_path / "labels" / f"{name}.txt").write_text(f"{number} 0.5 0.5 0.25 0.25\n")
    photos = [tmp_path / f"{name}.png" for name in names]
    reader = open_annotations(tmp_path / "labels", names=["pear", "plum"])
    job = Job(detector=FakeDetector(size), annotations=reader, encoder=MeanColor()).load()
    (done,) = run(photos[8:9], job, lambda *_: False)
    assert isinstance(done, ImageResult)
    asked = set()

    def finished(image_id: str, contents: str | None) -> bool:
        asked.add((image_id, contents))
        return (image_id, contents) == (done.image_id, done.contents)

    outcomes = list(run(photos, job, finished))
    assert [outcome.path for outcome in outcomes] == list(map(str, photos))
    kinds = {ImageResult: "new", SkippedImage: "skipped", Failure: "failed"}
    expected = {"b": "new", "a": "new", "b-other": "new", "bad": "failed", "bad-again": "failed"}
    assert [kinds[type(one)] for one in outcomes] == [expected.get(name, "skipped") for name in names]
    labels = [one.objects.label.tolist() for one in outcomes if isinstance(one, ImageResult)]
    assert labels == [["pear"], ["pear"], ["plum"]]
    ids = {one.path: one.image_id for one in outcomes if not isinstance(one, Failure)}
    for copy, first in (("b-last", "b"), ("b-again", "b"), ("b-other", "b"), ("a-third", "a")):
        assert ids[str(tmp_path / f"{copy}.png")] == ids[str(tmp_path / f"{first}.png")]
    assert {contents for _, contents in asked} == {job.contents(photos[0]), job.contents(photos[5])}
