"""An encoder that is a torch network: uint8 crops in, one float32 vector a crop out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectspace.errors import InputError, ModelError
from objectspace.models.batches import CROPS, batches
from objectspace.models.cuda_graphs import captured
from objectspace.models.encoders.elementwise import forget_place
from objectspace.models.inputs import Interpolation
from objectspace.models.precision import reproducible, resolve_device, resolve_precision, torch_dtype


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The preprocessing of crops: resized to a square of ``size``, scaled to [0, 1], normalized.

    mean, std: of each color, in [0, 1]
    interpolation: how crops are to be resampled
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Interpolation

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as the recipe keeps them."""
        plain = asdict(self)
        return plain | {"mean": list(self.mean), "std": list(self.std), "range": [0, 1], "antialias": True}


class NetworkEncoder:
    """A torch network without its classifier, run in batches of one fixed shape.

    name, weights, tap, preprocessing, precision, batch_size: as in :class:`Encoder`
    network: as it runs, its batch norms folded where that is known
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        *,
        name: str,
        weights: str,
        tap: str,
        device: str = "cpu",
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.name, self.weights, self.tap = name, weights, tap
        self.input_size = preprocessing.size
        self.interpolation = preprocessing.interpolation
        self.preprocessing: Mapping[str, Any] = preprocessing.to_json()
        self.batch_size = batch_size or CROPS[self.precision][self.device.type]
        self.loaded_from: Mapping[str, Any] = {}
        self._dtype = torch_dtype(self.precision)
        network = network.eval().requires_grad_(False).to(self.device, self._dtype)
        if self.device.type == "cpu":
            forget_place(network)
        self.network: nn.Module = network.to(memory_format=torch.channels_last)
        # normalized = crop * factor + shift, from gray levels in one step
        std = np.array(preprocessing.std)
        self._factor = self._per_color(1 / (255 * std))
        self._shift = self._per_color(-np.array(preprocessing.mean) / std)
        self._forward: Callable[[Tensor], Tensor] = self._vectors_of
        self.dimension = self._probed_dimension()

    def __repr__(self) -> str:
        sides = f"{self.input_size} x {self.input_size} pixels to {self.dimension} numbers"
        return f"{type(self).__name__}({self.name!r}, {sides}, {self.precision} on {self.device})"

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors (n, dimension) float32 of crops (n, input_size, input_size, 3) uint8 RGB.

        The vector of a crop does not depend on the crops beside it: on a CPU it is the same, bit for bit,
        alone and among others, on a GPU up to rounding. Where the network overflows, the crop's own row has
        NaN or infinity. Raises InputError for crops of another shape or type.
        """
        size = self.input_size
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (size, size, 3):
            raise InputError(
                f"encoder {self.name} takes uint8 crops of shape (n, {size}, {size}, 3), "
                f"got {crops.dtype} of shape {crops.shape}"
            )
        if not len(crops):
            return np.empty((0, self.dimension), np.float32)
        vectors = [self._run(batch) for batch in batches(crops, self.batch_size, self.device)]
        return torch.cat(vectors)[: len(crops)].cpu().numpy()

    def embed_on_device(self, crops: Tensor) -> Tensor:
        """Return the vectors (b, dimension) float32 of crops (b, input_size, input_size, 3) uint8.

        Both are on the encoder's device, and ``b`` must be its ``batch_size`` for vectors that depend on no
        other crop. On a GPU nothing waits: the vectors are there when what is computed from them runs.
        """
        with torch.inference_mode(), reproducible(self.device):
            # What is compiled takes full batches alone.
            forward = self._forward if len(crops) == self.batch_size else self._vectors_of
            return forward(crops)

    def compile_passes(self) -> None:
        """Let torch compile the passes of a full batch, for large jobs on a GPU, before other threads use it.

        It takes some seconds and then nearly doubles the rate; vectors stay the same up to the rounding of
        the precision (docs/speed-notes.md).
        """
        compiled = torch.compile(self._vectors_of, dynamic=False)
        size = self.input_size
        with torch.inference_mode(), reproducible(self.device):
            black = torch.zeros((self.batch_size, size, size, 3), dtype=torch.uint8, device=self.device)
            self._forward = captured(compiled, black) if self.device.type == "cuda" else compiled

    def _vectors_of(self, crops: Tensor) -> Tensor:
        return _vectors(self.network(self._normalized(crops)), self.name).float()

    def _run(self, batch: NDArray[np.uint8]) -> Tensor:
        """Return vectors (b, d) float32 on the device, of crops (b, s, s, 3)."""
        return self.embed_on_device(torch.from_numpy(np.ascontiguousarray(batch)).to(self.device))

    def normalized(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Normalize pixels (b, h, w, 3) of any size to the network's input (b, 3, h, w) on its device."""
        return self._normalized(torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device))

    def _normalized(self, pixels: Tensor) -> Tensor:
        # Pixels lie as (b, h, w, 3), which is what torch calls channels_last: no copy is made.
        planes = pixels.permute(0, 3, 1, 2).float()
        return torch.addcmul(self._shift, planes, self._factor).to(self._dtype)

    def _per_color(self, values: NDArray[np.float64]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device).reshape(1, 3, 1, 1)

    def _probed_dimension(self) -> int:
        try:
            return self._run(np.zeros((1, self.input_size, self.input_size, 3), np.uint8)).shape[1]
        except RuntimeError as problem:
            reason = str(problem).splitlines()[0]
            raise ModelError(
                f"encoder {self.name} does not run on {self.input_size} x {self.input_size} pixels: {reason}"
            ) from None


def _vectors(output: Any, name: str) -> Tensor:
    """Return the network's output if it is one vector an image. Raises ModelError otherwise."""
    if not isinstance(output, Tensor):
        raise ModelError(f"encoder {name} gives {type(output).__name__}, expected one vector an image")
    if output.ndim != 2:
        raise ModelError(
            f"encoder {name} gives {tuple(output.shape[1:])} numbers an image, expected one pooled vector; "
            "choose a model with global pooling"
        )
    return output
