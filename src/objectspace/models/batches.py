"""Batch sizes for each kind of network, and inputs in batches of that size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

# Passes run side by side on a CPU, a core each: larger ones won nothing in any network tried, and a single
# image would pay for a full one.
#: Inputs per pass by kind of device: images to a Darknet network, to a detector of torchvision or
#: transformers, to an encoder that reads whole images, and to a network that finds words.
DARKNET: Mapping[str, int] = {"cpu": 1, "cuda": 32}
DETECTOR: Mapping[str, int] = {"cpu": 1, "cuda": 4}
ENCODER_MAP: Mapping[str, int] = {"cpu": 1, "cuda": 16}
PROMPTED: Mapping[str, int] = {"cpu": 1, "cuda": 4}
#: Images that are prepared together for a detector whose inputs differ in size, so that passes of one size
#: fill.
PREPARED: Mapping[str, int] = {"cpu": 1, "cuda": 16}
#: Boxes per pass of SAM's mask decoder.
BOXES: Mapping[str, int] = {"cpu": 8, "cuda": 64}
#: Crops per pass of an encoder, by precision (docs/speed-notes.md).
CROPS: Mapping[str, Mapping[str, int]] = {
    "float32": {"cpu": 8, "cuda": 256},
    "bfloat16": {"cpu": 16, "cuda": 256},
}


def batches(
    inputs: Sequence[NDArray[Any]] | NDArray[Any], size: int, device: torch.device
) -> Iterator[NDArray[Any]]:
    """Yield the inputs, all of one shape, in arrays (size, ...); the last may hold fewer on a GPU.

    A pass over another number of inputs may take kernels that round otherwise. On a CPU the last array is
    therefore filled up with zeros, at most 15 crops, so that a row is the same, bit for bit, alone and among
    others. On a GPU, where a pass is large, that would cost more than the inputs themselves: rows of a
    shorter pass agree up to rounding.
    """
    for start in range(0, len(inputs), size):
        batch = np.asarray(inputs[start : start + size])
        lacking = size - len(batch) if device.type == "cpu" else 0
        yield (
            np.concatenate([batch, np.zeros((lacking, *batch.shape[1:]), batch.dtype)]) if lacking else batch
        )
