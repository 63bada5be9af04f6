"""Crops cut on a device, against the processor's. Without a GPU, Triton's interpreter runs the kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from objectspace.embeddings import crops as crops_module
from objectspace.embeddings import device_crops
from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.embeddings.device_crops import (
    DevicePhoto,
    cut_on_device,
    cuts_on_device,
    plan_crops,
    prepare_crops,
    stage_photo,
)
from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.transfers import Transfers
from objectspace.objects.masks import encode
from objectspace.objects.records import Objects, make_objects
from tests.embeddings.kernels import (
    DEVICE,
    mean_color_network,
    needs_gpu,
    needs_kernel,
)

POLICIES = (
    CropPolicy(),
    CropPolicy("mean", 0.1, "stretch"),
    CropPolicy("keep", 0.25),
)


def scene(seed: int, height: int, width: int) -> tuple[Image, Objects]:
    """Noise with objects: a box alone, with a mask, with a mask of the whole photo, with one elsewhere."""
    random = np.random.default_rng(seed)
    image = Image("image", "photo.jpg", random.integers(0, 256, (height, width, 3), np.uint8), width, height)
    boxes = np.array(
        [[3, 2, 9, 7], [2.2, 1.7, width - 2.5, height - 4], [0, 0, width, height], [5, 5, 9, 9]], np.float32
    )
    corner = np.zeros((height, width), np.bool_)
    corner[0, 0] = True
    masks = [None, encode(random.random((height, width)) < 0.7), encode(~corner | True), encode(corner)]
    labels = ["thing"] * len(boxes)
    return image, make_objects(image_id="image", xyxy=boxes, label=labels, source="test@0", mask=masks)


def device_photo(image: Image, objects: Objects, *, planar: bool) -> DevicePhoto:
    """The photo as a processor stages it, or as a GPU's decoder leaves it: the colors one after another."""
    if planar:
        pixels = torch.from_numpy(image.pixels.transpose(2, 0, 1).copy()).to(DEVICE).permute(1, 2, 0)
        return DevicePhoto(pixels, objects)
    return stage_photo(image, objects, DEVICE)


def on_device(photos: list[DevicePhoto], policy: CropPolicy, size: int, interpolation: str) -> np.ndarray:
    prepared = prepare_crops(photos, policy, size, DEVICE, interpolation=interpolation)  # type: ignore[arg-type]
    crops = cut_on_device(prepared, policy, size, Transfers(DEVICE), interpolation=interpolation)  # type: ignore[arg-type]
    return crops.cpu().numpy()


# Where crops come from: against the processor's way, object by object.


@st.composite
def boxes_and_masks(draw: st.DrawFn) -> tuple[int, int, np.ndarray, np.ndarray | None]:
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    x, y = draw(st.floats(0, width - 0.5, width=32)), draw(st.floats(0, height - 0.5, width=32))
    right, bottom = draw(st.floats(x + 0.25, width + 1)), draw(st.floats(y + 0.25, height + 1))
    seed, share = draw(st.integers(0, 99)), draw(st.sampled_from([None, 0.0, 0.1, 0.6, 1.0]))
    mask = None if share is None else np.random.default_rng(seed).random((height, width)) < share
    return width, height, np.array([x, y, right, bottom], np.float32), mask


@given(st.lists(boxes_and_masks(), max_size=4), st.sampled_from(POLICIES))
def test_crops_of_many_photos_come_from_where_each_does_alone(
    cases: list[tuple[int, int, np.ndarray, np.ndarray | None]], policy: CropPolicy
) -> None:
    masks = [None if mask is None else encode(mask) for *_, mask in cases]
    sizes = np.array([case[:2] for case in cases], np.int64).reshape(-1, 2)
    boxes = np.array([case[2] for case in cases], np.float32).reshape(-1, 4)
    plan = plan_crops(boxes, masks, sizes, policy)
    for row, (width, height, box, _) in enumerate(cases):
        image = Image("image", "photo.jpg", np.zeros((height, width, 3), np.uint8), width, height)
        area, opaque = crops_module._outline(image, box, masks[row])
        canvas_w, canvas_h, x, y = crops_module._layout(area, policy)
        assert plan.canvas[row, :2].tolist() == [canvas_w, canvas_h]
        if policy.background == "keep":
            assert (plan.area[row, :2] - plan.canvas[row, 2:]).tolist() == [area[0] - x, area[1] - y]
            assert not plan.masked[row]
            continue
        assert plan.area[row].tolist() == list(area)
        assert plan.canvas[row, 2:].tolist() == [x, y]
        assert plan.masked[row] == (opaque is not None)


def test_a_mask_of_another_size_is_refused() -> None:
    mask = encode(np.ones((3, 4), np.bool_))
    with pytest.raises(InputError, match="has 4 x 3 pixels, its photo 5 x 3"):
        plan_crops(np.array([[0, 0, 2, 2]], np.float32), [mask], np.array([[5, 3]]), CropPolicy())


@pytest.mark.parametrize("background", ["blur", "only"])
def test_backgrounds_that_must_be_computed_are_left_to_the_processor(
    background: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = mean_color_network(1)
    monkeypatch.setattr(encoder, "device", torch.device("cuda"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert cuts_on_device(encoder, CropPolicy("keep", 0.25))
    assert not cuts_on_device(encoder, CropPolicy(background, 0.25))  # type: ignore[arg-type]


def test_a_processor_cuts_its_crops_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = mean_color_network(1)
    monkeypatch.setattr(encoder, "device", torch.device("cpu"))
    assert not cuts_on_device(encoder, CropPolicy())


# The kernel.


@needs_kernel
@pytest.mark.parametrize(
    ("policy", "interpolation", "size"),
    list(zip(POLICIES, ("bilinear", "bicubic", "bilinear"), (8, 8, 8), strict=True)),
)
def test_crops_are_the_processors_but_for_a_gray_level_here_and_there(
    policy: CropPolicy, interpolation: str, size: int
) -> None:
    image, objects = scene(1, 12, 10)
    last, others = scene(3, 9, 7)
    scenes = [scene(0, 11, 13), (image, objects.take(np.array([2, 1]))), (last, others.take(np.array([0])))]
    expected = np.concatenate(
        [cut_crops(*one, policy, size, interpolation=interpolation) for one in scenes]  # type: ignore[arg-type]
    )
    photos = [device_photo(*one, planar=bool(place)) for place, one in enumerate(scenes)]
    crops = on_device(photos, policy, size, interpolation)
    apart = np.abs(crops.astype(int) - expected)
    assert apart.max() <= 2
    assert (apart > 0).mean() < 0.05


@needs_kernel
def test_a_canvas_beyond_all_bounds_is_cut_as_the_processor_does(monkeypatch: pytest.MonkeyPatch) -> None:
    image, objects = scene(2, 12, 16)
    objects = objects.take(np.array([1, 2]))  # of which the second needs a canvas of 16 x 16
    side = 12
    monkeypatch.setattr(device_crops, "_TILE", 8)  # two by two tiles of the kernel, the last ones cut off
    for module in ("crops", "device_crops"):
        monkeypatch.setattr(f"objectspace.embeddings.{module}.LARGEST_CANVAS", 200)
    expected = cut_crops(image, objects, CropPolicy(), side)
    crops = on_device([device_photo(image, objects, planar=True)], CropPolicy(), side, "bilinear")
    assert np.abs(crops.astype(int) - expected).max() <= 1
    assert np.array_equal(crops[1], expected[1])


# On a GPU alone.


@needs_gpu
def test_compiled_passes_give_the_same_vectors() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
    encoder = NetworkEncoder(
        network, preprocessing, name="n", weights="", tap="", device="cuda", precision="float32", batch_size=4
    )
    crops = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    eager = encoder.embed(crops)
    encoder.compile_passes()
    assert np.allclose(encoder.embed(crops), eager, rtol=1e-5, atol=1e-6)
    some = encoder.embed_on_device(torch.from_numpy(crops[:3]).to(DEVICE))
    assert np.allclose(some.cpu().numpy(), eager[:3], rtol=1e-5, atol=1e-6)


def test_bounds_of_every_run_are_those_of_its_pixels() -> None:
    """All runs down the columns of a photo of 4 x 6 in three areas, and two runs of one object, at once."""
    height, width = 4, 6
    runs = [[(first, last)] for first in range(24) for last in range(first + 1, 25)]
    runs += [[(first, first + 2), (last, 24)] for first in range(6) for last in range(first + 4, 24)]
    cases = [(area, one) for area in ((0, 0, 6, 4), (1, 1, 5, 3), (2, 2, 4, 3)) for one in runs]
    rows = [[row, *run] for row, (_, one) in enumerate(cases) for run in one]
    areas = np.array([area for area, _ in cases], np.int64)
    clipped = np.array(rows, np.int64)
    own = areas[clipped[:, 0]]
    clipped[:, 1:] = np.clip(clipped[:, 1:], own[:, :1] * height, own[:, 2:3] * height)
    clipped = clipped[clipped[:, 1] < clipped[:, 2]]
    found = device_crops._bounds(clipped, areas, np.full(len(cases), height))
    for (area, one), bounds in zip(cases, found.tolist(), strict=True):
        pixels = np.zeros(height * width, bool)
        for first, last in one:
            pixels[first:last] = True
        left, top, right, bottom = area
        y, x = np.nonzero(pixels.reshape(width, height).T[top:bottom, left:right])
        if len(x):
            tight = [x.min() + left, y.min() + top, x.max() + 1 + left, y.max() + 1 + top]
            assert bounds == tight
        else:
            assert bounds[0] > bounds[2]


@pytest.mark.parametrize("count", [0, 1, 2, 13, 14, 15, 200])
def test_prepared_crops_are_as_many_as_their_rows(count: int) -> None:
    """A row has fourteen numbers of eight bytes, which are counted as bytes."""
    geometry = torch.zeros(count * 14 * 8, dtype=torch.uint8)
    assert len(device_crops.PreparedCrops([], geometry, torch.zeros(0), 0, {})) == count
