"""Batch norms folded into the convolutions before them, for inference."""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norms(network: Network) -> Network:
    """Fold each batch norm into the convolution before it, in place.

    Of the convolutions and batch norms in one module (a block), each batch norm must be registered right
    after the convolution whose output it takes, as torchvision and timm register them. An activation that is
    part of the batch norm stays. The function stays the same up to rounding, and the pass over memory that
    each batch norm costs is saved. Raises TypeError for a batch norm without a convolution before it.
    """
    network.eval()
    for parent in list(network.modules()):
        before: tuple[str, nn.Conv2d] | None = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                before = name, child
            elif isinstance(child, nn.BatchNorm2d):
                if before is None:
                    raise TypeError(f"the batch norm {name} follows no convolution in its module")
                setattr(parent, before[0], fuse_conv_bn_eval(before[1], child))
                setattr(parent, name, getattr(child, "act", nn.Identity()))
                before = None
    return network
