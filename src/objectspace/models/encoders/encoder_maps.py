"""An encoder that reads whole images: one pass an image, and every object's vector from its map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from objectspace.arguments import typed
from objectspace.errors import ModelError
from objectspace.files import recipe_digest
from objectspace.images import Pixels
from objectspace.models import batches
from objectspace.models.encoders import load_encoder
from objectspace.models.encoders.network_encoder import NetworkEncoder
from objectspace.models.inputs import RESAMPLING, checked_inputs
from objectspace.models.maps import Head, MapRun, MapSource
from objectspace.models.precision import reproducible

#: Pixels a side of what the encoder reads: nothing is left over by a stride of 14, 16 or 32 (its least common
#: multiple with 224, the size of most crops, is 224), and an image of 640 pixels keeps its scale.
SIDE = 672

#: The family in the recipes of such maps, as other maps name that of their detector.
ENCODER_MAP = "encoder map"


class EncoderMap(MapSource):
    """An encoder up to its last map; made by :func:`load_encoder_map`.

    See :class:`objectspace.models.maps.MapSource` for the attributes. It has one head, without anchors.

    >>> osp.load_encoder_map("demo", precision="float32").heads[0].stride
    32
    """

    heads: tuple[Head, ...]

    def __init__(self, encoder: NetworkEncoder) -> None:
        self._encoder = encoder
        self._trunk, tap = _trunk(encoder)
        self.name = f"{encoder.name}-map"
        self.input_wh = (SIDE, SIDE)
        self.query_dimension = 0
        self.device, self.precision = encoder.device, encoder.precision
        self.batch_size = batches.ENCODER_MAP[self.device.type]
        self.loaded_from: Mapping[str, Any] = {}
        self.recipe: Mapping[str, Any] = {
            "family": ENCODER_MAP,
            "weights": encoder.weights,
            "encoder": encoder.name,
            "normalization": {key: encoder.preprocessing[key] for key in ("mean", "std")},
            "input_wh": [SIDE, SIDE],
            "resize": "letterbox",
            "resampling": RESAMPLING,
            "precision": encoder.precision,
        }
        self.source = f"{self.name}@{recipe_digest(self.recipe)}"
        self.heads = (self._probed_head(tap),)

    def run(self, inputs: Sequence[Pixels] | Pixels) -> MapRun:
        """Return the maps of prepared inputs."""
        stacked = checked_inputs(inputs, self.input_wh)
        maps = [self._maps(batch) for batch in batches.batches(stacked, self.batch_size, self.device)]
        return MapRun((), {head.layer: torch.cat(maps)[: len(inputs)] for head in self.heads})

    def _maps(self, pixels: Pixels) -> Tensor:
        with torch.inference_mode(), reproducible(self.device):
            return self._trunk(self._encoder.normalized(pixels)).float()

    def _probed_head(self, tap: str) -> Head:
        name = self._encoder.name
        try:
            shape = tuple(self._maps(np.zeros((1, SIDE, SIDE, 3), np.uint8)).shape)
        except RuntimeError as problem:
            reason = str(problem).splitlines()[0]
            raise ModelError(f"encoder {name} does not read {SIDE} x {SIDE} pixels: {reason}") from None
        if len(shape) != 4 or shape[2] != shape[3] or SIDE % shape[2]:
            raise ModelError(
                f"encoder {name} gives a map of shape {shape[1:]}, expected (channels, side, side)"
            )
        none = np.empty((0, 2), np.float32)
        return Head(0, tap, SIDE // shape[2], shape[1], (shape[3], shape[2]), none, ())


@typed
def load_encoder_map(
    name: str = "resnet50",
    *,
    weights: Path | str | None = None,
    device: str = "cpu",
    precision: str = "auto",
) -> EncoderMap:
    """Load the encoder of a name, for whole images; arguments and errors as those of :func:`load_encoder`.

    Raises ModelError for an encoder without a map of its own.

    >>> osp.load_encoder_map("demo", precision="float32")
    EncoderMap('demo-map', 672 x 672 pixels, float32 on cpu)
    """
    encoder = load_encoder(name, weights=weights, device=device, precision=precision)
    if not isinstance(encoder, NetworkEncoder):
        raise ModelError(f"encoder {name} has no map of whole photos; choose resnet50, demo or one of timm's")
    found = EncoderMap(encoder)
    found.loaded_from = {"encoder_map": dict(encoder.loaded_from)}
    return found


def _trunk(encoder: NetworkEncoder) -> tuple[Callable[[Tensor], Tensor], str]:
    """Return what computes the last map (b, c, h, w) of an encoder's network, and that layer's name."""
    network: Any = encoder.network
    if (residual := residual_trunk(network)) is not None:
        return residual
    if not hasattr(network, "forward_intermediates"):
        raise ModelError(f"encoder {encoder.name} has no map of whole photos that timm can give")
    if hasattr(network, "set_input_size"):
        network.set_input_size(img_size=(SIDE, SIDE))

    def last_map(inputs: Tensor) -> Tensor:
        maps: list[Tensor] = network.forward_intermediates(
            inputs, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return maps[-1]

    return last_map, "last block"


def residual_trunk(network: nn.Module) -> tuple[Callable[[Tensor], Tensor], str] | None:
    """Return what computes the last map of a residual network, and that layer's name; None of another."""
    # torchvision's import takes as long as torch's, and a job imports this module before it loads a network.
    from torchvision.models import ResNet

    from objectspace.models.encoders.demo_encoder import DemoResNet

    if isinstance(network, ResNet):
        stem = (network.conv1, network.bn1, network.relu, network.maxpool)
        return nn.Sequential(*stem, network.layer1, network.layer2, network.layer3, network.layer4), "layer4"
    if isinstance(network, DemoResNet):
        return network.maps, "blocks"
    return None
