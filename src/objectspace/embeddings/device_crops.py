"""The crop route on a GPU: objects go there as they lie in their photos, and are cut, resampled and encoded there.

::

    pack_objects (threads, processor) ─▶ upload ─▶ cut_packed ─▶ encoder ─▶ download
                                         page-locked, on a stream of its own; nothing waits for a photo

The crops are those of :func:`objectspace.embeddings.crops.cut_crops` but for a grey level here and there, where a
value lies half-way between two (tests/embeddings/test_device_crops.py).
"""

from __future__ import annotations

import importlib.util
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.crops import (
    IMAGENET_MEAN,
    Area,
    Bool,
    CropPolicy,
    Interpolation,
    UInt8,
    bounded,
    layout,
    outline,
)
from objectspace.embeddings.encoders.network import NetworkEncoder
from objectspace.images import Image
from objectspace.networks.transfers import Download, Transfers, staging
from objectspace.objects.records import Objects

#: Backgrounds that are cut on a device; the others need the surroundings blurred or filled first.
ON_DEVICE = ("black", "mean", "keep")

#: Output pixels a side that one program of the kernel makes.
_TILE = 16

#: Batches on the device at once: one computes while the next is uploaded and the last one's vectors return.
_IN_FLIGHT = 3


def cuts_on(device: torch.device, policy: CropPolicy) -> bool:
    """Return whether crops of a policy are cut on a device: a CUDA GPU with Triton, no background to compute."""
    return (
        device.type == "cuda"
        and policy.background in ON_DEVICE
        and importlib.util.find_spec("triton") is not None
    )


@dataclass(frozen=True, slots=True, eq=False)
class PackedObjects:
    """The pixels that the crops of some objects (n,) are made of, ready to be uploaded.

    pixels: uint8 bytes; object after object a rectangle of its photo (h, w, 3), then its mask (h, w) if any
    starts: int64 (n + 1,), the first byte of each object, and the end
    geometry: int64 (n, 11): first byte of the rectangle; first byte of the mask, or -1; width and height of the
        canvas; left, top, width and height of the rectangle on it; bytes from row to row, from pixel to pixel
        and from color to color
    """

    pixels: Tensor
    starts: NDArray[np.int64]
    geometry: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.geometry)

    def part(self, start: int, stop: int) -> PackedObjects:
        """Return the objects ``start`` to ``stop`` (exclusive), without a copy of their pixels."""
        first, last = int(self.starts[start]), int(self.starts[stop])
        geometry = self.geometry[start:stop].copy()
        _shift(geometry, -first)
        return PackedObjects(self.pixels[first:last], self.starts[start : stop + 1] - first, geometry)


def pack_objects(image: Image, objects: Objects, policy: CropPolicy, device: torch.device) -> PackedObjects:
    """Return the objects of one image, packed for the crops of a policy that :func:`cuts_on` accepts.

    Safe to call from many threads. Raises InputError for a mask that does not fit its photo.
    """
    parts = [_packable(image, objects, row, policy) for row in range(len(objects))]
    sizes = [pixels.size + (0 if mask is None else mask.size) for pixels, mask, _ in parts]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    buffer = staging(int(starts[-1]), device)
    packed: UInt8 = buffer.numpy()
    geometry = np.empty((len(parts), 11), np.int64)
    for row, (pixels, mask, on_canvas) in enumerate(parts):
        start, (height, width) = int(starts[row]), pixels.shape[:2]
        end = start + pixels.size
        packed[start:end].reshape(pixels.shape)[:] = pixels
        if mask is not None:
            packed[end : end + mask.size].reshape(mask.shape)[:] = mask
        geometry[row] = (start, -1 if mask is None else end, *on_canvas, width, height, 3 * width, 3, 1)
    return PackedObjects(buffer, starts, geometry)


def _packable(
    image: Image, objects: Objects, row: int, policy: CropPolicy
) -> tuple[UInt8, Bool | None, tuple[int, int, int, int]]:
    """Return an object's rectangle of the photo, its mask there, and where on which canvas it lies: the canvas's
    width and height, the rectangle's left and top.
    """
    area, opaque = outline(image, objects.xyxy[row], objects.mask[row])
    pixels, area, opaque = bounded(image.pixels, area, opaque, policy)
    canvas_w, canvas_h, x, y = layout(area, policy)
    if policy.background == "keep":
        area, x, y, opaque = *_in_photo(area, (canvas_w, canvas_h), (x, y), pixels), None
    left, top, right, bottom = area
    return pixels[top:bottom, left:right], opaque, (canvas_w, canvas_h, x, y)


def _in_photo(
    area: Area, canvas_wh: tuple[int, int], offset: tuple[int, int], pixels: UInt8
) -> tuple[Area, int, int]:
    """Return the part of the photo that lies on a canvas around an area, and its left and top on the canvas."""
    left, top = area[0] - offset[0], area[1] - offset[1]
    inside = (
        max(left, 0),
        max(top, 0),
        min(left + canvas_wh[0], pixels.shape[1]),
        min(top + canvas_wh[1], pixels.shape[0]),
    )
    return inside, inside[0] - left, inside[1] - top


def _shift(geometry: NDArray[np.int64], by: int) -> None:
    """Move the first bytes that a geometry names, in place."""
    geometry[:, 0] += by
    geometry[:, 1] = np.where(geometry[:, 1] < 0, -1, geometry[:, 1] + by)


def cut_packed(
    pixels: Tensor,
    geometry: Tensor,
    policy: CropPolicy,
    size: int,
    *,
    interpolation: Interpolation = "bilinear",
    rows: int | None = None,
) -> Tensor:
    """Return the crops (rows, size, size, 3) uint8 of objects (n,) whose pixels and geometry lie on a device.

    Rows after the objects' own are black; by default there are none. Nothing waits for the device.
    """
    from objectspace.embeddings.crop_kernel import cut

    count = len(geometry) if rows is None else rows
    crops = torch.empty((count, size, size, 3), dtype=torch.uint8, device=pixels.device)
    crops[len(geometry) :] = 0
    fill = IMAGENET_MEAN if policy.background == "mean" else (0, 0, 0)
    if len(geometry):
        tiles = (-(-size // _TILE)) ** 2
        cut[(len(geometry), tiles)](pixels, geometry, crops, *fill, size, interpolation == "bicubic", _TILE)
    return crops


class DeviceCropEncoder:
    """Cuts and encodes packed objects on the encoder's device, in full batches that run on from photo to photo."""

    def __init__(self, encoder: NetworkEncoder, policy: CropPolicy) -> None:
        self._encoder, self._policy = encoder, policy
        self._transfers = Transfers(encoder.device)

    def embed(self, packs: Iterable[PackedObjects]) -> Iterator[NDArray[np.float32]]:
        """Yield the vectors (n, dimension) of the objects of each pack, in order.

        A pack's vectors come when those of its last batch have arrived; up to :data:`_IN_FLIGHT` batches are
        under way before.
        """
        counts: deque[int] = deque()
        under_way: deque[Download] = deque()
        vectors = np.empty((0, self._encoder.dimension), np.float32)
        batches = self._batches(packs, counts)
        more = True
        while more or under_way:
            while more and len(under_way) < _IN_FLIGHT:
                batch = next(batches, None)
                more = batch is not None
                if batch is not None:
                    under_way.append(self._submit(batch))
            if under_way:
                vectors = np.concatenate([vectors, under_way.popleft().numpy()])
            while counts and counts[0] <= len(vectors):
                count = counts.popleft()
                yield vectors[:count]
                vectors = vectors[count:]

    def _batches(
        self, packs: Iterable[PackedObjects], counts: deque[int]
    ) -> Iterator[list[PackedObjects]]:
        """Yield parts of packs that fill a batch each, the last one perhaps not; note each pack's count."""
        parts: list[PackedObjects] = []
        room = self._encoder.batch_size
        for pack in packs:
            counts.append(len(pack))
            start = 0
            while start < len(pack):
                stop = min(len(pack), start + room)
                parts.append(pack.part(start, stop))
                room -= stop - start
                start = stop
                if not room:
                    yield parts
                    parts, room = [], self._encoder.batch_size
        if parts:
            yield parts

    def _submit(self, parts: Sequence[PackedObjects]) -> Download:
        """Send a batch on its way: upload, cut, encode, download."""
        count = sum(map(len, parts))
        pixels, geometry = self._upload(parts)
        encoder = self._encoder
        crops = cut_packed(
            pixels,
            geometry,
            self._policy,
            encoder.input_size,
            interpolation=encoder.interpolation,
            rows=encoder.batch_size,
        )
        return Download(encoder.embed_on_device(crops)[:count])

    def _upload(self, parts: Sequence[PackedObjects]) -> tuple[Tensor, Tensor]:
        """Return pixels and geometry of some packs on the device."""
        rows, start = [], 0
        for part in parts:
            geometry = part.geometry.copy()
            _shift(geometry, start)
            rows.append(geometry)
            start += len(part.pixels)
        table = np.concatenate(rows)
        staged = staging(table.nbytes, self._encoder.device)
        staged.numpy()[:] = table.reshape(-1).view(np.uint8)
        pixels = self._transfers.upload([part.pixels for part in parts])
        geometry_on_device = self._transfers.upload([staged])
        return pixels, geometry_on_device.view(torch.int64).reshape(table.shape)
