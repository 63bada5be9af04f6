"""State dicts of other people's making, fitted to an encoder's network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from objectspace.errors import WeightsError
from objectspace.networks.weights import load_state_dict

#: Names that an error message lists before it only counts.
_NAMED = 3


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
    wanted = network.state_dict()
    # Files of before torch 0.4.1 lack this counter, which only training reads.
    missing = [name for name in wanted if name not in tensors and not name.endswith("num_batches_tracked")]
    _refuse(path, "lacks", missing)
    _refuse(path, "holds unknown", [name for name in tensors if name not in wanted])
    _refuse(
        path,
        "holds tensors of another shape:",
        [
            f"{name} {tuple(tensor.shape)}, expected {tuple(wanted[name].shape)}"
            for name, tensor in tensors.items()
            if tensor.shape != wanted[name].shape
        ],
    )
    network.load_state_dict(tensors, strict=False)


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


def _refuse(path: Path | str, what: str, names: Sequence[str]) -> None:
    if names:
        rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise WeightsError(
            f"{path} {what} {', '.join(names[:_NAMED])}{rest}; it is of another network than the encoder"
        )
