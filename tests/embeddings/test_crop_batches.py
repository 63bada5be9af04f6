"""Crops of many images in full batches: whose vectors come when, and how many photos wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event, current_thread
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objectspace.embeddings.crop_batches import Crops, crop_batches
from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.embeddings.device_crops import stage_photo
from objectspace.errors import InputError, ModelError
from objectspace.images import Image
from objectspace.models.encoders import Encoder
from objectspace.objects.masks import encode
from objectspace.objects.records import Objects, make_objects
from tests.embeddings.kernels import DEVICE, WatchedPhotos, cut_first_pixels, mean_color_network
from tests.jobs.fakes import MeanColor

POLICY = CropPolicy(fit="stretch")
SIDE = 6


def plain_photo(level: int, count: int) -> tuple[Image, Objects]:
    """A photo of one gray level with so many objects, four at most."""
    image = Image("image", "photo.jpg", np.full((SIDE, SIDE, 3), level, np.uint8), SIDE, SIDE)
    boxes = np.array([[1, 1, 3 + row, 5] for row in range(count)], np.float32).reshape(-1, 4)
    return image, make_objects(image_id="image", xyxy=boxes, label=["thing"] * count, source="test@0")


def crops_of(level: int, count: int) -> Crops:
    return cut_crops(*plain_photo(level, count), POLICY, 8)


def photo_of(level: int, count: int) -> Crops:
    return stage_photo(*plain_photo(level, count), DEVICE)


def encoded(encoder: Encoder, images: Iterator[Crops]) -> list[np.ndarray]:
    """What every ``add`` and the ``flush`` returned."""
    with crop_batches(encoder, POLICY) as batches:
        return [*(batches.add(crops) for crops in images), batches.flush()]


def test_batches_run_on_from_image_to_image() -> None:
    encoder = MeanColor()  # of four crops to a batch
    parts = encoded(encoder, (crops_of(level, level) for level in (1, 2, 3, 4)))
    assert [len(part) for part in parts] == [0, 0, 4, 4, 2]
    assert np.concatenate(parts)[:, 0].tolist() == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4]
    assert encoder.calls == [4, 4, 2]


class Threads(nn.Module):
    """A crop's mean color; keeps each pass's thread, and lets the first pass end after the second."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.second = Event()

    def forward(self, crops: Tensor) -> Tensor:
        level = round(float(crops[0, 0, 0, 0]) * 255)
        if level:
            self.names.append(current_thread().name)
        if level == 1:
            self.second.wait(timeout=10)
        if level == 2:
            self.second.set()
        return crops.mean((2, 3))


def test_passes_of_our_encoders_run_side_by_side_and_their_vectors_stay_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("objectspace.threads.core_count", lambda: 2)
    network = Threads()
    encoder = mean_color_network(2, network, device="cpu")
    vectors = np.concatenate(encoded(encoder, (crops_of(level, 2) for level in (1, 2, 3))))
    np.testing.assert_allclose(vectors[:, 0] * 255, [1, 1, 2, 2, 3, 3], rtol=1e-6)
    assert network.second.is_set()
    assert all(name.startswith("one core") for name in network.names)


def test_the_end_waits_for_the_last_pass() -> None:
    class Slow(nn.Module):
        def forward(self, crops: Tensor) -> Tensor:
            if round(float(crops[0, 0, 0, 0]) * 255) == 2:
                sleep(0.3)
            return crops.mean((2, 3))

    parts = encoded(mean_color_network(2, Slow(), device="cpu"), (crops_of(level, 2) for level in (1, 2)))
    np.testing.assert_allclose(np.concatenate(parts)[:, 0] * 255, [1, 1, 2, 2], rtol=1e-6)


def test_an_encoder_of_somebody_elses_is_called_in_the_callers_thread() -> None:
    callers = set()

    class Watched(MeanColor):
        def embed(self, crops: np.ndarray) -> np.ndarray:
            callers.add(current_thread())
            return super().embed(crops)

    encoded(Watched(), (crops_of(level, 4) for level in (1, 2, 3)))
    assert callers == {current_thread()}


@pytest.mark.parametrize(
    ("change", "came"),
    [
        (lambda vectors: vectors[:, :2], r"float32 of shape \(4, 2\)"),
        (lambda vectors: vectors.astype("U9"), r"<U9 of shape \(4, 3\)"),
        (lambda vectors: torch.from_numpy(vectors), "Tensor"),
    ],
)
def test_an_encoder_of_somebody_elses_returns_what_it_should(change: Callable[[Any], Any], came: str) -> None:
    class Changed(MeanColor):
        def embed(self, crops: np.ndarray) -> Any:
            return change(super().embed(crops))

    with pytest.raises(ModelError, match=rf"embed returned {came}, expected float32 of shape \(4, 3\)"):
        encoded(Changed(), iter([crops_of(1, 4)]))


def test_an_error_of_a_pass_comes_to_the_caller() -> None:
    class Broken(nn.Module):
        def forward(self, crops: Tensor) -> Tensor:
            if crops.any():
                raise RuntimeError("out of order")
            return crops.mean((2, 3))

    with pytest.raises(ModelError, match=r"encoder mean color.*out of order"):
        encoded(mean_color_network(2, Broken(), device="cpu"), (crops_of(level, 2) for level in (1, 2)))


def test_nothing_is_encoded_of_nothing() -> None:
    encoder = MeanColor()
    (rest,) = encoded(encoder, iter(()))
    assert rest.shape == (0, 3)
    assert not encoder.calls


# On the device.


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut crops on the device; where it is no GPU, in a way that needs no kernel."""
    module = "objectspace.embeddings.crop_batches"
    monkeypatch.setattr(f"{module}.cuts_on_device", lambda encoder, policy: True)
    if DEVICE.type == "cpu":
        monkeypatch.setattr(f"{module}.cut_on_device", cut_first_pixels)


@pytest.mark.usefixtures("on_device")
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_vectors_come_in_the_order_of_photos_and_of_crops_that_are_cut_already(batch_size: int) -> None:
    make: tuple[Callable[[int, int], Crops], ...] = (photo_of, crops_of, photo_of, photo_of, crops_of)
    counts = (2, 1, 3, 1, 2)
    images = (one(10 * (row + 1), count) for row, (one, count) in enumerate(zip(make, counts, strict=True)))
    vectors = np.concatenate(encoded(mean_color_network(batch_size), images))
    expected = np.repeat([10, 20, 30, 40, 50], counts) / 255
    assert np.allclose(vectors, expected[:, None], atol=1e-6)


@pytest.mark.usefixtures("on_device")
def test_vectors_come_before_the_last_photo() -> None:
    parts = encoded(mean_color_network(2), (photo_of(level, 2) for level in range(6)))
    # One group ahead is prepared, and two batches are under way.
    assert [len(part) for part in parts] == [0, 0, 0, 2, 2, 2, 6]


@pytest.mark.usefixtures("on_device")
def test_no_photo_gives_no_vector() -> None:
    (rest,) = encoded(mean_color_network(2), iter(()))
    assert rest.shape == (0, 3)


@pytest.mark.usefixtures("on_device")
def test_a_photo_that_cannot_be_cut_ends_the_job_with_its_reason() -> None:
    image, objects = plain_photo(1, 1)
    masks = [encode(np.ones((3, 4), np.bool_))]
    masked = make_objects(image_id="image", xyxy=objects.xyxy, label=["thing"], source="test@0", mask=masks)
    with pytest.raises(InputError, match="has 4 x 3 pixels, its photo 6 x 6"):
        encoded(mean_color_network(2), iter([stage_photo(image, masked, DEVICE)]))


@pytest.mark.usefixtures("on_device")
def test_three_groups_of_photos_wait_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    if DEVICE.type == "cuda":
        pytest.skip("counts photos in the processor's memory")
    monkeypatch.setattr("objectspace.embeddings.crop_batches.GROUP_BYTES", 2 * SIDE * SIDE * 3)
    watched = WatchedPhotos()
    photos = (watched.stage(*plain_photo(level, 1), DEVICE) for level in range(20))
    vectors = np.concatenate(encoded(mean_color_network(100), photos))
    assert np.allclose(vectors[:, 0], np.arange(20) / 255, atol=1e-6)
    assert watched.most <= 3 * (2 + 1)
