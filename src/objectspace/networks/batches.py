"""Batches of one fixed size, of every network.

A pass always takes as many inputs, as another number may take kernels that round otherwise: so what an input
gives does not depend on those beside it. On a CPU passes run side by side, a core each: larger ones won
nothing in any network tried, and a lone photo would pay for a full one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Inputs to a pass, by the kind of device: photos to a Darknet network, to a detector of torchvision or
#: transformers, to an encoder that reads whole photos, and to a network that looks for words.
DARKNET: Mapping[str, int] = {"cpu": 1, "cuda": 32}
DETECTOR: Mapping[str, int] = {"cpu": 1, "cuda": 4}
ENCODER_MAP: Mapping[str, int] = {"cpu": 1, "cuda": 16}
PROMPTED: Mapping[str, int] = {"cpu": 1, "cuda": 4}
#: Boxes to a pass of SAM's mask decoder.
BOXES: Mapping[str, int] = {"cpu": 8, "cuda": 64}
#: Crops to a pass of an encoder, by precision (docs/speed-notes.md).
CROPS: Mapping[str, Mapping[str, int]] = {
    "float32": {"cpu": 8, "cuda": 256},
    "bfloat16": {"cpu": 16, "cuda": 256},
}


def filled_up(rows: NDArray[Any], size: int) -> NDArray[Any]:
    """The rows (n, ...) followed by zeros up to ``size`` of them."""
    if len(rows) == size:
        return rows
    return np.concatenate([rows, np.zeros((size - len(rows), *rows.shape[1:]), rows.dtype)])


def batches(inputs: Sequence[NDArray[Any]] | NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    """The inputs, all of one shape, in batches (size, ...), the last filled up with zeros."""
    for start in range(0, len(inputs), size):
        yield filled_up(np.asarray(inputs[start : start + size]), size)
