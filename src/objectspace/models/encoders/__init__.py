"""Encoders: networks that turn a crop into a vector, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.models.catalogue import has_text_tower
from objectspace.models.inputs import Interpolation
from objectspace.models.model_folders import absolute_name
from objectspace.models.weights import check_weight_file


class Encoder(Protocol):
    """Turns crops into vectors.

    name: as in the names of spaces
    dimension: numbers in a vector
    input_size: pixels a side of a crop
    interpolation: how crops are to be resampled for it
    weights: 64 hex digits, the sha256 of the weight file; of the state dict where a package holds the weights
    tap: the layer whose output is the vector
    preprocessing: how crops become the network's input, in plain JSON values
    precision: "float32" or "bfloat16"
    loaded_from: the arguments of :func:`load_encoder` that make it again, in plain JSON
    batch_size: crops a forward pass
    """

    name: str
    dimension: int
    input_size: int
    interpolation: Interpolation
    weights: str
    tap: str
    preprocessing: Mapping[str, Any]
    precision: str
    device: torch.device
    loaded_from: Mapping[str, Any]
    batch_size: int

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors (n, dimension) of crops (n, input_size, input_size, 3) RGB.

        The vector of a crop never depends on the crops beside it.
        """
        ...


@runtime_checkable
class TextEncoder(Encoder, Protocol):
    """An encoder whose crops and texts have vectors in one space, to be compared by cosine."""

    def embed_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors (n, dimension) float32 of texts, of any length.

        The vector of a text never depends on those beside it. Raises QueryError for a text that is empty or
        longer than the text tower reads, DownloadError where its tokenizer cannot be fetched.
        """
        ...


def check_encoder(name: str, weights: Path | str | None) -> None:
    """Raise what :func:`load_encoder` would for an unknown name and a missing file; nothing is loaded."""
    name = absolute_name(name)
    check_weight_file(weights)
    if has_text_tower(name):
        from objectspace.models.encoders.clip import check_name

        check_name(name)
    elif name not in ("resnet50", "efficientnet-lite0", "demo"):
        from objectspace.models.encoders import timm_models

        timm_models.check_name(name)


@typed
def load_encoder(
    name: str = "resnet50",
    *,
    weights: Path | str | None = None,
    device: str = "cpu",
    precision: str = "auto",
) -> Encoder:
    """Load the encoder of this name.

    ``resnet50`` (torchvision's graph) · ``efficientnet-lite0``, whose weights come from the Python package
    index · any name of timm's · ``local-dir:FOLDER`` with timm's ``config.json``
    and weights · ``open_clip:MODEL/WEIGHTS``, such as ``open_clip:ViT-B-32/laion2b_s34b_b79k``: a
    :class:`TextEncoder`; also ``open_clip:local-dir:FOLDER`` and ``open_clip:hf-hub:OWNER/REPOSITORY`` ·
    ``demo``, which is shipped and knows the drawn world only (docs/default-models.md).

    ``weights`` is a state dict by path (.pth or .safetensors); without it the published weights are fetched
    once. The penultimate layer is read, pooled: ResNet50 gives 2048 numbers; of a :class:`TextEncoder` the
    projection into the space of texts and images.
    Raises InputError for an unknown name, WeightsError for a file of another network, DownloadError where
    published weights cannot be fetched.

    >>> encoder = osp.load_encoder("demo", precision="float32")
    >>> encoder.embed(np.zeros((2, encoder.input_size, encoder.input_size, 3), np.uint8)).shape
    (2, 256)
    """
    name = absolute_name(name)
    if name == "resnet50":
        from objectspace.models.encoders.resnet import load_resnet50

        encoder = load_resnet50(weights, device, precision)
    elif name == "efficientnet-lite0":
        from objectspace.models.encoders.efficientnet import load_efficientnet_lite0

        encoder = load_efficientnet_lite0(weights, device, precision)
    elif name == "demo":
        from objectspace.models.encoders.demo_encoder import load_demo

        encoder = load_demo(weights, device, precision)
    elif has_text_tower(name):
        from objectspace.models.encoders.clip import load_open_clip

        encoder = load_open_clip(name, weights, device, precision)
    else:
        from objectspace.models.encoders.timm_models import load_timm

        encoder = load_timm(name, weights, device, precision)
    encoder.loaded_from = {
        "name": name,
        "weights": None if weights is None else str(Path(weights).absolute()),
    }
    return encoder
