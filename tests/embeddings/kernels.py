"""Where crops are cut on a device: on a GPU, where Triton interprets the kernels, or in a transparent way."""

from __future__ import annotations

import importlib.util
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objectspace.embeddings.crops import CropPolicy
from objectspace.embeddings.device_crops import DevicePhoto, PreparedCrops
from objectspace.images import Image
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.transfers import Transfers
from objectspace.objects.records import Objects

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

needs_gpu = pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a CUDA GPU")
needs_kernel = pytest.mark.skipif(
    DEVICE.type == "cpu" and importlib.util.find_spec("triton") is None,
    reason="the kernel needs a CUDA GPU or Triton's interpreter",
)


def mean_color_network(
    batch_size: int, network: nn.Module | None = None, device: str = DEVICE.type
) -> NetworkEncoder:
    """A transparent encoder: a crop's mean color, in [0, 1], or what a network makes of a crop of 8 x 8."""
    return NetworkEncoder(
        network or nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        Preprocessing(8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear"),
        name="mean color",
        weights="f" * 64,
        tap="",
        device=device,
        precision="float32",
        batch_size=batch_size,
    )


def cut_first_pixels(
    prepared: PreparedCrops, policy: CropPolicy, size: int, transfers: Transfers, *, interpolation: str
) -> Tensor:
    """Stand for ``cut_on_device``: each crop is its first pixel's red, so no kernel is needed."""
    first = prepared.geometry.view(torch.int64).reshape(-1, 14)[:, 0]
    return torch.cat(list(prepared.pixels))[first][:, None, None, None].expand(-1, size, size, 3)


class WatchedPhotos:
    """Stands for ``stage_photo``: counts the photos whose memory is in use.

    count, most: photos in all, and at once
    """

    def __init__(self) -> None:
        self.count = self.most = 0
        self._memory: list[weakref.ref[np.ndarray]] = []
        self._lock = threading.Lock()

    def stage(self, image: Image, objects: Objects, device: torch.device) -> DevicePhoto:
        pixels = image.pixels.copy()
        with self._lock:
            self._memory = [memory for memory in self._memory if memory() is not None]
            self._memory.append(weakref.ref(pixels))
            self.count, self.most = self.count + 1, max(self.most, len(self._memory))
        return DevicePhoto(torch.from_numpy(pixels), objects)
