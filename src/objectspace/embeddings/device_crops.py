"""The crop route on a GPU: whole photos lie there, and objects are cut and resampled where they lie.

The crops are those of :func:`objectspace.embeddings.crops.cut_crops` but for a gray level here and there,
where a value lies half-way between two.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.crops import (
    IMAGENET_MEAN,
    LARGEST_CANVAS,
    CropPolicy,
    UInt8,
    cut_crops,
)
from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.models.encoders import Encoder
from objectspace.models.encoders.network_encoder import NetworkEncoder
from objectspace.models.inputs import Interpolation
from objectspace.models.transfers import Transfers, staged
from objectspace.objects.masks import object_runs
from objectspace.objects.records import Mask, Objects

Int64 = NDArray[np.int64]

#: Backgrounds that are cut on a device; the others need the surroundings blurred or filled first.
ON_DEVICE = ("black", "mean", "keep")

#: Output pixels a side that one program of the kernel makes.
_TILE = 16

#: Bytes of a photo that is cut on a device, at most (22 megapixels): several for each thread wait for their
#: upload in page-locked memory, which torch hands out in powers of two. The processor cuts what is larger.
LARGEST_PHOTO = 1 << 26


def cuts_on_device(encoder: Encoder, policy: CropPolicy) -> TypeGuard[NetworkEncoder]:
    """Return whether crops are cut on the encoder's device: CUDA, Triton, and nothing to blur or fill."""
    return (
        isinstance(encoder, NetworkEncoder)
        and encoder.device.type == "cuda"
        and policy.background in ON_DEVICE
        and importlib.util.find_spec("triton") is not None
    )


@dataclass(frozen=True, slots=True, eq=False)
class DevicePhoto:
    """A photo and the objects to cut of it.

    pixels: uint8 (h, w, 3) at full scale, in page-locked memory
        (:func:`objectspace.models.transfers.staged`), or on the device, where the colors may also lie one
        after another
    """

    pixels: Tensor
    objects: Objects

    def __len__(self) -> int:
        return len(self.objects)


def stage_photo(image: Image, objects: Objects, device: torch.device) -> DevicePhoto:
    """Return a photo at full scale, copied to where ``device`` reads it without a wait."""
    return DevicePhoto(staged(image.pixels, device).reshape(image.pixels.shape), objects)


@dataclass(frozen=True, slots=True, eq=False)
class CropPlan:
    """Where the crops of objects (n,), maybe of many photos, come from.

    area: int64 (n, 4), the rectangle of the photo that a crop shows: left, top, exclusive right and bottom
    canvas: int64 (n, 4), width and height of the canvas, left and top of the rectangle on it
    masked: bool (n,), whether a mask hides a part of the rectangle
    runs: int64 (r, 3), of the masks: the object's row, first and last pixel (exclusive) down its photo's
        columns
    """

    area: Int64
    canvas: Int64
    masked: NDArray[np.bool_]
    runs: Int64


def plan_crops(
    boxes: NDArray[np.float32], masks: Sequence[Mask | None], image_wh: Int64, policy: CropPolicy
) -> CropPlan:
    """Return where the crops of all objects come from, each as ``cut_crops`` has it.

    boxes: (n, 4), masks: (n,), image_wh: (n, 2), the size of each object's photo. Raises InputError for a
        mask of another size.
    """
    area, masked = _whole_pixels(boxes, image_wh), np.zeros(len(boxes), np.bool_)
    runs = _mask_runs(masks, area, image_wh)
    if len(runs):
        tight = _bounds(runs, area, image_wh[:, 1])
        masked = tight[:, 0] < tight[:, 2]
        area[masked] = tight[masked]
    sides = area[:, 2:] - area[:, :2]
    longer = sides.max(axis=1, initial=1)
    margin = np.round(policy.margin * longer).astype(np.int64)
    canvas_wh = (np.stack([longer, longer], 1) if policy.fit == "pad" else sides) + 2 * margin[:, None]
    offset = (canvas_wh - sides) // 2
    if policy.background == "keep":
        # The surroundings stay: the rectangle is what of the photo lies on the canvas, and nothing is hidden.
        corner = area[:, :2] - offset
        first, last = np.maximum(corner, 0), np.minimum(corner + canvas_wh, image_wh)
        area, offset, masked = np.concatenate([first, last], 1), first - corner, np.zeros_like(masked)
    return CropPlan(area, np.concatenate([canvas_wh, offset], 1), masked, runs[masked[runs[:, 0]]])


def _whole_pixels(boxes: NDArray[np.float32], image_wh: Int64) -> Int64:
    """Return the whole pixels (n, 4) that boxes touch, at least one each: ``whole_pixels`` of all at once."""
    first = np.clip(np.floor(boxes[:, :2]), 0, image_wh - 1).astype(np.int64)
    last = np.clip(np.ceil(boxes[:, 2:]), first + 1, image_wh).astype(np.int64)
    return np.concatenate([first, last], axis=1)


def _mask_runs(masks: Sequence[Mask | None], area: Int64, image_wh: Int64) -> Int64:
    """Return the runs (r, 3) of the masks in the columns of their areas."""
    known = [(row, mask) for row, mask in enumerate(masks) if mask is not None]
    for row, mask in known:
        if (mask.width, mask.height) != (size := tuple(image_wh[row].tolist())):
            raise InputError(
                f"the mask of object {row} has {mask.width} x {mask.height} pixels, its photo "
                f"{size[0]} x {size[1]}"
            )
    runs = object_runs([mask for _, mask in known])
    owner = np.array([row for row, _ in known], np.int64)[runs[:, 0]]
    height = image_wh[owner, 1]
    ends = np.clip(runs[:, 1:], (area[owner, 0] * height)[:, None], (area[owner, 2] * height)[:, None])
    return np.concatenate([owner[:, None], ends], axis=1)[ends[:, 0] < ends[:, 1]]


def _bounds(runs: Int64, area: Int64, heights: Int64) -> Int64:
    """Return the tight rectangle (n, 4) of each object's runs in its area, empty where there are none."""
    row, first, last = runs.T
    height = heights[row]
    column, end = first // height, (last - 1) // height
    bounds = np.tile(np.array([1 << 62, 1 << 62, -1, -1], np.int64), (len(area), 1))
    # A run is a part of its first column; one that goes on is whole columns and a part of a last one.
    top = first - column * height
    _extend(bounds, row, column, column + 1, top, np.minimum(last - column * height, height), area)
    if len(on := np.flatnonzero(end > column)):
        row, height, column, end, last = row[on], height[on], column[on], end[on], last[on]
        _extend(bounds, row, column + 1, end, 0 * height, np.where(end > column + 1, height, 0), area)
        _extend(bounds, row, end, end + 1, 0 * height, last - end * height, area)
    return bounds


def _extend(
    bounds: Int64, row: Int64, left: Int64, right: Int64, top: Int64, bottom: Int64, area: Int64
) -> None:
    """Widen bounds (n, 4) in place by rectangles (m,) of the rows ``row``, sorted, clipped to their areas."""
    top, bottom = np.maximum(top, area[row, 1]), np.minimum(bottom, area[row, 3])
    some = top < bottom
    if not some.any():
        return
    row = row[some]
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    own = bounds[row[starts]]
    for place, values, reduce in (
        (0, left, np.minimum),
        (1, top, np.minimum),
        (2, right, np.maximum),
        (3, bottom, np.maximum),
    ):
        own[:, place] = reduce(own[:, place], reduce.reduceat(values[some], starts))
    bounds[row[starts]] = own


@dataclass(frozen=True, slots=True, eq=False)
class PreparedCrops:
    """Crops of some photos' objects (n,), ready to be cut.

    pixels: of the photos, (m,) uint8 each, in page-locked memory or on the device
    geometry, runs: int64 (n, 14) and (r, 3), as the kernels read them; bytes in page-locked memory
    mask_bytes: of all masks on the device
    cut: the crops (size, size, 3) of a few objects that the processor has cut, by row
    """

    pixels: Sequence[Tensor]
    geometry: Tensor
    runs: Tensor
    mask_bytes: int
    cut: Mapping[int, UInt8]

    def __len__(self) -> int:
        return self.geometry.numel() // (14 * 8)


def prepare_crops(
    photos: Sequence[DevicePhoto],
    policy: CropPolicy,
    size: int,
    device: torch.device,
    *,
    interpolation: Interpolation = "bilinear",
) -> PreparedCrops:
    """Return what :func:`cut_on_device` needs for the crops of all photos' objects.

    Only an object whose canvas exceeds :data:`objectspace.embeddings.crops.LARGEST_CANVAS`, which the
    processor's path reduces first, is cut here, by the processor.
    """
    image_wh = np.array([photo.pixels.shape[1::-1] for photo in photos], np.int64).reshape(-1, 2)
    owner = np.repeat(np.arange(len(photos)), list(map(len, photos)))
    plan = plan_crops(
        np.concatenate([np.empty((0, 4), np.float32), *(photo.objects.xyxy for photo in photos)]),
        [mask for photo in photos for mask in photo.objects.mask],
        image_wh[owner],
        policy,
    )
    cut = {}
    for row in np.flatnonzero(plan.canvas[:, :2].prod(axis=1) > LARGEST_CANVAS).tolist():
        photo = photos[owner[row]]
        one = photo.objects.take([row - int(np.searchsorted(owner, owner[row]))])
        cut[row] = cut_crops(_image(photo), one, policy, size, interpolation=interpolation)[0]
    geometry, mask_bytes = _geometry(plan, [photo.pixels for photo in photos], owner)
    pixels = [_flat(photo.pixels) for photo in photos]
    return PreparedCrops(pixels, staged(geometry, device), staged(plan.runs, device), mask_bytes, cut)


def cut_on_device(
    prepared: PreparedCrops,
    policy: CropPolicy,
    size: int,
    transfers: Transfers,
    *,
    interpolation: Interpolation = "bilinear",
) -> Tensor:
    """Return the crops (n, size, size, 3) uint8 on the device; nothing waits for it."""
    from objectspace.embeddings.crop_kernel import cut, fill_runs

    count, device = len(prepared), transfers.device
    crops = torch.empty((count, size, size, 3), dtype=torch.uint8, device=device)
    if not count:
        return crops
    pixels = transfers.upload(prepared.pixels)
    geometry = transfers.upload([prepared.geometry]).view(torch.int64)
    masks = torch.zeros(prepared.mask_bytes + 1, dtype=torch.uint8, device=device)
    fill = IMAGENET_MEAN if policy.background == "mean" else (0, 0, 0)
    tiles = (-(-size // _TILE)) ** 2
    # Triton launches on the current GPU, which may be another one than the encoder's.
    with torch.cuda.device_of(crops):  # type: ignore[no-untyped-call]
        if run_count := prepared.runs.numel() // (3 * 8):
            runs = transfers.upload([prepared.runs]).view(torch.int64)
            fill_runs[(run_count,)](runs, geometry, masks)
        cut[(count, tiles)](pixels, masks, geometry, crops, *fill, size, interpolation == "bicubic", _TILE)
    for row, crop in prepared.cut.items():
        crops[row] = torch.from_numpy(crop).to(device)
    return crops


def _geometry(plan: CropPlan, photos: Sequence[Tensor], owner: Int64) -> tuple[Int64, int]:
    """Return what the kernels read of each object (n, 14), and the bytes of all masks.

    First byte of the rectangle and of its mask (-1: none); the canvas's width and height; left, top, width
    and height of the rectangle on it; bytes from row to row, from pixel to pixel and from color to color;
    left and top of the rectangle in its photo; the photo's height.
    """
    starts = np.cumsum([0, *(pixels.numel() for pixels in photos[:-1])])[owner]
    strides = np.array([pixels.stride() for pixels in photos], np.int64)[owner]
    heights = np.array([len(pixels) for pixels in photos], np.int64)[owner]
    corner, sides = plan.area[:, :2], plan.area[:, 2:] - plan.area[:, :2]
    start = starts + corner[:, 1] * strides[:, 0] + corner[:, 0] * strides[:, 1]
    sizes = np.where(plan.masked, sides.prod(axis=1), 0)
    mask_start = np.where(plan.masked, np.cumsum(sizes) - sizes, -1)
    columns = (start[:, None], mask_start[:, None], plan.canvas, sides, strides, corner, heights[:, None])
    return np.concatenate(columns, axis=1), int(sizes.sum())


def _flat(pixels: Tensor) -> Tensor:
    """Return a photo's bytes (m,) in the order in which they lie in memory."""
    return pixels.as_strided((pixels.numel(),), (1,))


def _image(photo: DevicePhoto) -> Image:
    height, width = photo.pixels.shape[:2]
    return Image("", "a photo", photo.pixels.cpu().contiguous().numpy(), width, height)
