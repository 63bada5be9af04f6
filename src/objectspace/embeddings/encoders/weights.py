"""State dicts of other people's making, fitted to an encoder's network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from objectspace.models.weights import fill, load_state_dict


def load_weights(network: nn.Module, path: Path | str, *, head: Sequence[str]) -> None:
    """Fill ``network`` (which has no classifier) from a file; float16 numbers become float32.

    ``head`` names the classifier's modules, whose tensors are passed over, whatever their number of classes.
    Names may begin with ``module.``, as training on several GPUs leaves them.
    Raises WeightsError, naming the first few, for tensors that are missing, unknown or of another shape.
    """
    tensors = _without_prefix(load_state_dict(path), "module.")
    tensors = {
        name: tensor
        for name, tensor in tensors.items()
        if not any(name.startswith(f"{module}.") for module in head)
    }
    fill(network, tensors, path, "the encoder")


def state_dict_sha256(network: nn.Module) -> str:
    """64 hex digits of a network's tensors with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    if all(name.startswith(prefix) for name in tensors):
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return dict(tensors)
