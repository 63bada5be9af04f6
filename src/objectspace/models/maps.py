"""Networks that read a whole image, and the feature maps that they compute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import NonFiniteError
from objectspace.images import Image, Pixels
from objectspace.objects.boxes import Frame, recipe_frame

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: The method in the recipes of queries' vectors: raised when the same network would give others.
QUERY_METHOD = 2


@dataclass(frozen=True, eq=False)
class Head:
    """A map of a network: a grid of cells; of a detector also with predictions around a few anchors.

    layer: the number of the output layer; tap: the name of the layer whose output the map is
    stride: pixels of the network's input a cell; channels: of the map
    grid_wh: cells across and down; where inputs vary in size, those of the largest
    anchors: (n, 2) float32 width and height in pixels of the network's input; n is 0 where there are none
    anchor_index: (n) the anchors' numbers in the whole network's list
    """

    layer: int
    tap: str
    stride: int
    channels: int
    grid_wh: tuple[int, int]
    anchors: NDArray[np.float32]
    anchor_index: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class MapRun:
    """The outputs of one pass over b inputs.

    heads: the outputs from which the network's family reads objects; of a Darknet network, each head's
        (b, anchors * (5 + classes), h, w), float32 on the CPU; empty for an encoder
    maps: by the head's layer number, per input the output of its tap (c, h, w), float32 on the network's
        device
    queries: per input a vector (q, d) of each object query, float32; None for a network that has none
    """

    heads: tuple[Any, ...]
    maps: Mapping[int, Sequence[Tensor] | Tensor]
    queries: Sequence[Tensor] | Tensor | None = None

    def __repr__(self) -> str:
        count = max((len(maps) for maps in self.maps.values()), default=0)
        return f"MapRun({count} inputs, maps of layers {list(self.maps)})"


def check_finite(network: str, image_id: str, *arrays: NDArray[Any] | Tensor | None) -> None:
    """Raise NonFiniteError where an output that a network gave for an image holds NaN or infinity."""
    for array in arrays:
        if array is None:
            continue
        # A tensor's sum shows a number that is not finite in a tenth of the time of testing each.
        finite = np.isfinite(array).all() if isinstance(array, np.ndarray) else math.isfinite(array.sum())
        if not finite:
            raise NonFiniteError(network, image_id)


class MapSource(Protocol):
    """A network whose feature maps of whole images are kept: a detector, or an encoder of whole images.

    recipe: plain JSON, everything that determines the numbers, without thresholds; ``weights`` among them
    source: the name and the recipe's digest
    input_wh: the network's input in pixels; where inputs vary in size, the largest
    query_dimension: numbers in the vector of an object query, 0 for a network without queries
    precision: "float32" or "bfloat16"
    loaded_from: the arguments that make it again, in plain JSON
    batch_size: inputs to prepare together for a run, which splits them into passes
    """

    name: str
    recipe: Mapping[str, Any]
    source: str
    input_wh: tuple[int, int]
    heads: tuple[Head, ...]
    query_dimension: int
    device: torch.device
    precision: str
    loaded_from: Mapping[str, Any]
    batch_size: int

    def __repr__(self) -> str:
        size = "{} x {} pixels".format(*self.input_wh)
        return f"{type(self).__name__}({self.name!r}, {size}, {self.precision} on {self.device})"

    def frame(self, image_wh: tuple[int, int]) -> Frame:
        """Return the position of the network's input on an image of this size, by its recipe.

        Where inputs are padded, the padding is no part of it.
        """
        return recipe_frame(self.recipe, image_wh)

    def prepare(self, image: Image) -> Pixels:
        """Return the network's input (h, w, 3) for an image; safe to call from many threads."""
        from objectspace.models.inputs import resample_onto

        return resample_onto(image, self.frame((image.width, image.height)))

    def run(self, inputs: Sequence[Pixels] | Pixels) -> MapRun:
        """Run prepared inputs, each (h, w, 3); a row does not depend on the others."""
