"""Activations that round a number by its place in the batch, and how they are kept from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

#: Modules of torch, timm, OpenCLIP and transformers, by name, made of the elementwise functions that round by
#: place: sigmoid, SiLU, Mish, softplus and the exponential units. GELU and tanh do not.
_BY_PLACE = frozenset(
    [
        "CELU",
        "ELU",
        "Mish",
        "MishActivation",
        "MishMe",
        "QuickGELU",
        "QuickGELUActivation",
        "SELU",
        "SiLU",
        "SiLUActivation",
        "Sigmoid",
        "Softplus",
        "Swish",
        "SwishMe",
    ]
)

#: Numbers that fill vector registers without a rest, whatever the processor and the precision.
_VECTORS = 64


def forget_place(network: nn.Module) -> None:
    """Let activations of a network on a CPU give the same numbers wherever an input lies in its batch.

    torch computes them by vector instructions, and one by one what is left over at the end or where the part
    of another thread begins, which rounds otherwise (seen with torch 2.15 and AVX-512). The 6 channels of a
    squeeze in EfficientNet-B0, in a batch of 8, have such a rest.
    """
    for module in network.modules():
        if type(module).__name__ in _BY_PLACE:
            module.forward = partial(_each_alone, module.forward)


def _each_alone(activation: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Return the activation of (b, ...): of each input alone, unless vectors hold each without a rest."""
    without_rest = batch.numel() % (len(batch) * _VECTORS) == 0 and torch.get_num_threads() == 1
    if len(batch) == 1 or without_rest:
        return activation(batch)
    activated = torch.empty_like(batch)  # its memory is laid out like the batch's
    for one, place in zip(batch, activated, strict=True):
        place.copy_(activation(one))
    return activated
