"""The crops of many images in full batches through an encoder, on the processor's way or the device's.

::

    processor   crops ─▶ encoder (full batches, one core each)
    device      photos ─▶ upload ─▶ cut_on_device ─▶ encoder (full batches) ─▶ download

On a device everything is submitted ahead and nothing waits for a photo. Where each crop comes from is worked
out for all photos of a group together, because hundreds of small steps a photo, each under the interpreter's
lock, are what held sixteen threads to the rate of one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectspace.embeddings.crops import CropPolicy, UInt8
from objectspace.embeddings.device_crops import DevicePhoto, cut_on_device, cuts_on_device, prepare_crops
from objectspace.errors import ModelError, named_errors
from objectspace.models.encoders import Encoder
from objectspace.models.encoders.network_encoder import NetworkEncoder
from objectspace.models.transfers import Download, Transfers, prompt_threads, staged
from objectspace.threads import core_count, one_core_threads

Vectors = NDArray[np.float32]

#: What an image hands in: its objects' crops (n, size, size, 3), or itself, to be cut on the device.
Crops = UInt8 | DevicePhoto

#: Bytes of photos at which a group is closed before its objects fill a batch.
GROUP_BYTES = 1 << 28

#: Groups whose crops are being worked out while another one fills.
_PREPARED = 1

#: Batches under way while another one fills: one computes, the vectors of the one before return.
_UNDER_WAY = 2


class CropBatches(Protocol):
    """Encodes crops in full batches, which run on from image to image.

    Both methods return the vectors (m, dimension) that have come since the last call, in the order in which
    their crops were added: ``add`` maybe none, or those of earlier images; ``flush`` all that are left.
    """

    def add(self, crops: Crops) -> Vectors:
        """Take the crops of one image, and encode what fills a batch."""
        ...

    def flush(self) -> Vectors:
        """Encode what fills no batch."""
        ...


@contextmanager
def crop_batches(encoder: Encoder, policy: CropPolicy) -> Iterator[CropBatches]:
    """Give the way in which an encoder takes its crops: photos too where :func:`cuts_on_device` says so.

    On a processor passes run side by side, a core each, as those that find the objects beside them do: with
    all cores in each layer they would wait for one another. An encoder of somebody else's, which may not be
    safe to call from several threads, is called from the caller's.
    """
    if cuts_on_device(encoder, policy):
        with prompt_threads(), ThreadPoolExecutor(1, thread_name_prefix="crops") as thread:
            yield DeviceCropBatches(encoder, policy, thread)
    elif isinstance(encoder, NetworkEncoder) and encoder.device.type == "cpu":
        with one_core_threads() as threads:
            yield ProcessorCropBatches(encoder, threads)
    else:
        yield ProcessorCropBatches(encoder)


class ProcessorCropBatches:
    """The :class:`CropBatches` of crops that the processor has cut.

    threads: that run the passes; None for the caller's
    """

    def __init__(self, encoder: Encoder, threads: ThreadPoolExecutor | None = None) -> None:
        self._encoder, self._threads = encoder, threads
        self._crops: list[UInt8] = []
        self._count = 0
        self._under_way: deque[Future[Vectors]] = deque()

    def add(self, crops: Crops) -> Vectors:
        """Take the crops of one image, and encode what fills a batch."""
        assert not isinstance(crops, DevicePhoto)
        self._crops.append(crops)
        self._count += len(crops)
        self._start_passes(self._count - self._count % self._encoder.batch_size)
        return self._arrived(leaving=_UNDER_WAY * core_count())

    def flush(self) -> Vectors:
        """Encode what fills no batch."""
        self._start_passes(self._count)
        return self._arrived(leaving=0)

    def _start_passes(self, count: int) -> None:
        """Start the passes of the first so many crops."""
        if not count:
            return
        crops, size = np.concatenate(self._crops), self._encoder.batch_size
        # A copy, as a view would keep the crops that are encoded.
        self._crops = [crops[count:].copy()]
        self._count -= count
        for start in range(0, count, size):
            self._start_pass(crops[start : min(start + size, count)])

    def _start_pass(self, crops: UInt8) -> None:
        if self._threads is not None:
            self._under_way.append(self._threads.submit(_embedded, self._encoder, crops))
            return
        done: Future[Vectors] = Future()
        done.set_result(_embedded(self._encoder, crops))
        self._under_way.append(done)

    def _arrived(self, leaving: int) -> Vectors:
        """Return the vectors of the first passes: of those that have ended, and of all but the last few."""
        arrived = [np.empty((0, self._encoder.dimension), np.float32)]
        while self._under_way and (len(self._under_way) > leaving or self._under_way[0].done()):
            arrived.append(self._under_way.popleft().result())
        return np.concatenate(arrived)


def _embedded(encoder: Encoder, crops: UInt8) -> Vectors:
    """Return the vectors of crops, whoever wrote the encoder. Raises ModelError, which names it."""
    with named_errors(f"encoder {encoder.name}", f"embed of {len(crops)} crops"):
        vectors: Any = encoder.embed(crops)
    shape = (len(crops), encoder.dimension)
    if isinstance(vectors, np.ndarray) and vectors.dtype.kind in "fiu" and vectors.shape == shape:
        numbers: Vectors = vectors.astype(np.float32, copy=False)
        return numbers
    came = type(vectors).__name__
    if isinstance(vectors, np.ndarray):
        came = f"{vectors.dtype} of shape {vectors.shape}"
    raise ModelError(f"encoder {encoder.name}: embed returned {came}, expected float32 of shape {shape}")


class DeviceCropBatches:
    """The :class:`CropBatches` of photos whose objects are cut and encoded on the encoder's device.

    A photo waits in the group that fills, in the one whose crops ``thread`` works out, or in the one that is
    being uploaded: at most three times :data:`GROUP_BYTES` and one photo each, however large the job.
    """

    def __init__(self, encoder: NetworkEncoder, policy: CropPolicy, thread: ThreadPoolExecutor) -> None:
        self._encoder, self._policy, self._thread = encoder, policy, thread
        self._transfers = Transfers(encoder.device)
        self._group: list[DevicePhoto] = []
        self._group_objects = self._group_bytes = 0
        self._prepared: deque[Future[Callable[[], Tensor]]] = deque()
        size = encoder.input_size
        self._crops = torch.empty((0, size, size, 3), dtype=torch.uint8, device=encoder.device)
        self._under_way: deque[Download] = deque()

    def add(self, crops: Crops) -> Vectors:
        """Take a photo, or the crops of one that the processor has cut, and start what fills a batch."""
        if isinstance(crops, DevicePhoto):
            self._group.append(crops)
            self._group_objects += len(crops)
            self._group_bytes += crops.pixels.numel()
            if self._group_objects >= self._encoder.batch_size or self._group_bytes >= GROUP_BYTES:
                self._close_group()
        else:
            self._close_group()
            self._prepared.append(self._thread.submit(self._stage, crops))
        self._cut(leaving=_PREPARED)
        return self._arrived(leaving=_UNDER_WAY)

    def flush(self) -> Vectors:
        """Encode what fills no batch, as a full one with black crops."""
        self._close_group()
        self._cut(leaving=0)
        if count := len(self._crops):
            black = self._crops.new_zeros((self._encoder.batch_size - count, *self._crops.shape[1:]))
            self._start_pass(torch.cat([self._crops, black]), count)
            self._crops = self._crops[:0]
        return self._arrived(leaving=0)

    def _close_group(self) -> None:
        """Let the thread work out where the crops of the group's photos come from."""
        if self._group:
            self._prepared.append(self._thread.submit(self._prepare, self._group))
            self._group, self._group_objects, self._group_bytes = [], 0, 0

    def _prepare(self, group: Sequence[DevicePhoto]) -> Callable[[], Tensor]:
        """Return what starts the cutting of a group's crops."""
        encoder = self._encoder
        size, filter_name = encoder.input_size, encoder.interpolation
        prepared = prepare_crops(group, self._policy, size, encoder.device, interpolation=filter_name)
        return partial(
            cut_on_device, prepared, self._policy, size, self._transfers, interpolation=filter_name
        )

    def _stage(self, crops: UInt8) -> Callable[[], Tensor]:
        """Return what starts the upload of crops."""
        waiting = staged(crops, self._encoder.device)
        return lambda: self._transfers.upload([waiting]).view(crops.shape)

    def _cut(self, leaving: int) -> None:
        """Cut the crops of all prepared groups but the last few, and start the passes that they fill."""
        size = self._encoder.batch_size
        while len(self._prepared) > leaving:
            start_cutting = self._prepared.popleft().result()
            crops = torch.cat([self._crops, start_cutting()])
            whole = len(crops) - len(crops) % size
            for start in range(0, whole, size):
                self._start_pass(crops[start : start + size], size)
            self._crops = crops[whole:]

    def _start_pass(self, batch: Tensor, count: int) -> None:
        """Start a full batch, of which the first so many crops are an object's."""
        self._under_way.append(Download(self._encoder.embed_on_device(batch)[:count]))

    def _arrived(self, leaving: int) -> Vectors:
        """Return the vectors of all batches under way but the last few."""
        arrived = [np.empty((0, self._encoder.dimension), np.float32)]
        while len(self._under_way) > leaving:
            arrived.append(self._under_way.popleft().numpy())
        return np.concatenate(arrived)
