"""ResNet50 as torchvision builds it (stride on the 3x3 convolution), up to its average pooling."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet50

from objectspace.files import file_sha256
from objectspace.models.catalogue import RESNET50_IMAGENET
from objectspace.models.encoders.folding import fold_batch_norms
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.weights import fetch, fill, load_state_dict

_PREPROCESSING = Preprocessing(
    size=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bilinear"
)


def load_resnet50(weights: Path | str | None, device: str, precision: str) -> NetworkEncoder:
    """Load ResNet50 with the weights of a file, or with torchvision's, fetched once: 2048 numbers a crop."""
    path = Path(weights) if weights is not None else fetch(RESNET50_IMAGENET)
    with torch.device("meta"):  # without memory or random numbers, since the file's come next
        network = resnet50()
    network.fc = nn.Identity()
    network.to_empty(device="cpu")
    return residual_encoder(
        network, path, _PREPROCESSING, name="resnet50", device=device, precision=precision
    )


def residual_encoder(
    network: nn.Module, path: Path, preprocessing: Preprocessing, *, name: str, device: str, precision: str
) -> NetworkEncoder:
    """Make the encoder of a residual network, which ends in average pooling, with the weights of a file."""
    fill(network, load_state_dict(path), path, "the encoder", without=("fc",))
    return NetworkEncoder(
        fold_batch_norms(network),
        preprocessing,
        name=name,
        weights=file_sha256(path),
        tap="avgpool",
        device=device,
        precision=precision,
    )
