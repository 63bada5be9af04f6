"""A Darknet network as a torch module: run it, read its taps, record a pass and run on from a tap."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from objectspace.errors import InputError, ModelError
from objectspace.models.darknet.cfg import Cfg
from objectspace.models.darknet.layers import (
    INPUT,
    Convolution,
    GlobalAverage,
    Layer,
    Layers,
    LocalAverage,
    Maxpool,
    Product,
    Reorganize,
    Route,
    Shortcut,
    Upsample,
    Yolo,
    read_layers,
)
from objectspace.models.darknet.weight_files import (
    ConvolutionWeights,
    Header,
    Weights,
    read_weight_file,
    write_weight_file,
)
from objectspace.models.precision import reproducible

#: Darknet divides by ``sqrt(variance) + 1e-6``; OpenCV and this module by ``sqrt(variance + 1e-6)``.
EPSILON = 1e-6

#: In place, because each works on a tensor that its own block has just made.
_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "leaky": lambda x: functional.leaky_relu_(x, 0.1),
    "linear": lambda x: x,
    "logistic": torch.sigmoid_,
    "mish": lambda x: functional.mish(x, inplace=True),
    "relu": torch.relu_,
    "relu6": lambda x: functional.relu6(x, inplace=True),
    "swish": lambda x: functional.silu(x, inplace=True),
}


@dataclass(frozen=True, slots=True, eq=False)
class DarknetRun:
    """The outputs of a pass.

    heads: for each yolo layer in the cfg's order its raw input (b, anchors * (5 + classes), h, w)
    taps: the outputs asked for, by name, (b, c, h, w)
    """

    heads: tuple[Tensor, ...]
    taps: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A pass up to a tap, kept to run on from there.

    tap: the number of the layer; map: its output (b, c, h, w)
    kept: the outputs of earlier layers that later ones still read, by number
    heads: the raw heads at or before the tap, by number
    """

    tap: int
    map: Tensor
    kept: Mapping[int, Tensor]
    heads: Mapping[int, Tensor]


class _ConvolutionBlock(nn.Module):
    """Convolution, batch norm, activation."""

    def __init__(self, settings: Convolution) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            settings.channels,
            settings.filters,
            settings.size,
            settings.stride,
            settings.padding,
            settings.dilation,
            groups=settings.groups,
            bias=not settings.batch_normalize,
        )
        self.norm = nn.BatchNorm2d(settings.filters, eps=EPSILON) if settings.batch_normalize else None
        self.activation = settings.activation

    def forward(self, x: Tensor) -> Tensor:
        return self._finished(self.convolution(x))

    def on_padded(self, x: Tensor) -> Tensor:
        """Apply the block to a map that is already padded."""
        kernel = self.convolution
        x = functional.conv2d(
            x, kernel.weight, kernel.bias, kernel.stride, dilation=kernel.dilation, groups=kernel.groups
        )
        return self._finished(x)

    def _finished(self, x: Tensor) -> Tensor:
        if self.norm is not None:
            x = self.norm(x)
        return _ACTIVATIONS[self.activation](x)

    def fold(self) -> None:
        """Fold the batch norm into the convolution, for inference; computed in float64."""
        if self.norm is None:
            return
        bias, scale, mean, variance, kernel = (part.astype(np.float64) for part in self.weights().arrays())
        factor = scale / np.sqrt(variance + EPSILON)
        self.convolution.weight = _fixed(kernel * factor[:, None, None, None])
        self.convolution.bias = _fixed(bias - mean * factor)
        self.norm = None

    def weights(self) -> ConvolutionWeights:
        """Return the weights, exactly."""
        kernel = _array(self.convolution.weight)
        if self.norm is None:
            return ConvolutionWeights(_array(self.convolution.bias), None, None, None, kernel)
        norm = self.norm
        return ConvolutionWeights(
            _array(norm.bias),
            _array(norm.weight),
            _array(norm.running_mean),
            _array(norm.running_var),
            kernel,
        )

    @torch.no_grad()
    def load(self, weights: ConvolutionWeights) -> None:
        """Copy weights of a file into the block."""
        targets = [self.convolution.bias, self.convolution.weight]
        if self.norm is not None:
            norm = self.norm
            norm.reset_running_stats()
            targets = [norm.bias, norm.weight, norm.running_mean, norm.running_var, self.convolution.weight]
        for target, numbers in zip(targets, weights.arrays(), strict=True):
            assert target is not None
            target.copy_(torch.from_numpy(numbers))


Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")


def _for_inference(
    method: Callable[Concatenate[DarknetNetwork, Arguments], Made],
) -> Callable[Concatenate[DarknetNetwork, Arguments], Made]:
    """Wrap a method of a network so that it runs without gradients and with deterministic kernels."""

    @wraps(method)
    def run(network: DarknetNetwork, /, *args: Arguments.args, **options: Arguments.kwargs) -> Made:
        with torch.no_grad(), reproducible(network.device):
            return method(network, *args, **options)

    return run


class DarknetNetwork(nn.Module):
    """The network of a cfg, in evaluation mode; made by :func:`load_network`."""

    def __init__(self, layers: Layers, header: Header) -> None:
        super().__init__()
        self.layers = layers
        self.header = header
        self.folded = False
        self._pass = self._whole_pass
        self.convolutions = nn.ModuleDict(
            {
                layer.name: _ConvolutionBlock(layer.settings)
                for layer in layers.layers
                if isinstance(layer.settings, Convolution)
            }
        )
        self._last_reader = {number: layer.number for layer in layers.layers for number in layer.inputs}
        self.eval()

    @property
    def device(self) -> torch.device:
        """The device of its parameters."""
        return next((numbers.device for numbers in self.parameters()), torch.device("cpu"))

    def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Return the raw heads of a batch (b, c, h, w) in [0, 1], with gradients: for training.

        Height and width need not be those of the cfg, as all layers are convolutional; they must be multiples
        of the deepest stride where a route joins maps.
        """
        outputs = {INPUT: batch}
        return tuple(self._advance(outputs, range(len(self.layers.layers)), keep=()).values())

    @_for_inference
    def run(self, batch: Tensor, taps: Sequence[str] = ()) -> DarknetRun:
        """Return the heads of a batch (b, c, h, w) in [0, 1] and the outputs of the layers ``taps``.

        Raises InputError for a batch of another shape or a tap that is not there.
        """
        self._check_batch(batch)
        heads, maps = self._pass(batch, tuple(self.layers.tap(name).number for name in taps))
        return DarknetRun(heads, dict(zip(taps, maps, strict=True)))

    def compile_passes(self) -> None:
        """Let torch compile :meth:`run` for one shape of batch, for large jobs on a GPU.

        It takes some seconds at the first pass, then passes are half as fast again; the same to rounding.
        """
        self._pass = torch.compile(self._whole_pass, dynamic=False)

    def _whole_pass(
        self, batch: Tensor, keep: tuple[int, ...]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return the raw heads, and the outputs of the layers ``keep``."""
        outputs = {INPUT: batch}
        heads = self._advance(outputs, range(len(self.layers.layers)), keep=keep)
        return tuple(heads.values()), tuple(outputs[number] for number in keep)

    @_for_inference
    def record(self, batch: Tensor, tap: str) -> Recording:
        """Run a pass up to the layer ``tap`` and keep what the layers after it need."""
        self._check_batch(batch)
        number = self.layers.tap(tap).number
        outputs = {INPUT: batch}
        heads = self._advance(outputs, range(number + 1), keep={number})
        return Recording(number, outputs.pop(number), outputs, heads)

    @_for_inference
    def resume(self, recording: Recording, changed: Tensor | None = None) -> DarknetRun:
        """Continue from a recorded tap, with ``changed`` (n, c, h, w) in place of its output.

        A recording of one image takes any n, as one image with many changes; otherwise n is the recorded
        batch. Without ``changed`` the heads are those of the plain run, bit for bit.
        """
        start = recording.map if changed is None else self._like_recorded(changed, recording)
        outputs = {number: _repeated(kept, len(start)) for number, kept in recording.kept.items()}
        outputs[recording.tap] = start
        heads = {number: _repeated(head, len(start)) for number, head in recording.heads.items()}
        heads |= self._advance(outputs, range(recording.tap + 1, len(self.layers.layers)), keep=())
        return DarknetRun(tuple(heads.values()), {})

    @_for_inference
    def run_layers(self, outputs: Mapping[int, Tensor], path: Sequence[Layer]) -> dict[int, Tensor]:
        """Return the raw heads that the layers ``path`` compute from earlier outputs, by number.

        The maps may be of any size, so that cells from anywhere can stand side by side where the path works
        on one cell at a time.
        """
        made = dict(outputs)
        for layer in path:
            made[layer.number] = self.output(layer, [made[number] for number in layer.inputs])
        return {layer.number: made[layer.number] for layer in path if isinstance(layer.settings, Yolo)}

    @torch.no_grad()
    def output(self, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
        """Return a layer's output for its inputs (n, c, h, w), of any height and width.

        It is a part of a pass, which holds it reproducible: a setting for each layer would take its time.
        """
        return self._output(layer, inputs)

    @torch.no_grad()
    def output_on_padded(self, layer: Layer, x: Tensor) -> Tensor:
        """Return the output of a convolution or max pooling for a map that is already padded."""
        if isinstance(layer.settings, Maxpool):
            return functional.max_pool2d(x, layer.settings.size, layer.settings.stride)
        return _convolution(self.convolutions[layer.name]).on_padded(x)

    def kernel(self, layer: Layer) -> tuple[Tensor, Tensor]:
        """Return a convolution's weight (filters, channels a group, size, size) and bias (filters,).

        Raises ModelError before :meth:`fold`, since the batch norm is a part of both.
        """
        block = _convolution(self.convolutions[layer.name])
        if block.norm is not None or block.convolution.bias is None:
            raise ModelError("the batch norms of this network are not folded; fold it first")
        return block.convolution.weight.detach(), block.convolution.bias.detach()

    def fold(self) -> None:
        """Fold every batch norm into its convolution: faster, equal up to rounding, for inference only."""
        for block in self.convolutions.values():
            _convolution(block).fold()
        self.folded = True

    def weights(self) -> Weights:
        """Return all weights, exactly as a weight file holds them. Raises ModelError after :meth:`fold`."""
        if self.folded:
            raise ModelError("the batch norms of this network were folded; load it again to have its weights")
        numbers = {int(name): _convolution(block).weights() for name, block in self.convolutions.items()}
        return Weights(self.header, numbers)

    def _advance(self, outputs: dict[int, Tensor], numbers: range, keep: Container[int]) -> dict[int, Tensor]:
        """Run the layers ``numbers`` on ``outputs``; return the heads among them by number.

        An output is dropped once no later layer reads it, unless it is in ``keep``, so that memory holds no
        more than the network needs at its widest.
        """
        heads = {}
        for layer in self.layers.layers[numbers.start : numbers.stop]:
            inputs = [outputs[number] for number in layer.inputs]
            if isinstance(layer.settings, Yolo):
                heads[layer.number] = inputs[0]
            else:
                outputs[layer.number] = self._output(layer, inputs)
            for number in (*layer.inputs, layer.number):
                if self._last_reader.get(number, INPUT) <= layer.number and number not in keep:
                    outputs.pop(number, None)
        return heads

    def _output(self, layer: Layer, inputs: Sequence[Tensor]) -> Tensor:
        match layer.settings:
            case Convolution():
                output: Tensor = self.convolutions[layer.name](inputs[0])
                return output
            case Maxpool():
                return _maxpool(inputs[0], layer.settings)
            case LocalAverage():
                return _local_average(inputs[0], layer.settings)
            case Upsample(factor):
                return functional.interpolate(inputs[0], scale_factor=factor, mode="nearest")
            case Route(groups, group):
                parts = [x if groups == 1 else x.chunk(groups, dim=1)[group] for x in inputs]
                return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
            case Shortcut(activation, channels):
                return _ACTIVATIONS[activation](_added(inputs[0], inputs[1], channels))
            case Product(activation):
                return _ACTIVATIONS[activation](inputs[0] * inputs[1])
            case GlobalAverage():
                return inputs[0].mean((2, 3), keepdim=True)
            case Reorganize(stride, scrambled):
                return _reorganized(inputs[0], stride, scrambled)
            case _:
                return inputs[0]

    def _check_batch(self, batch: Tensor) -> None:
        expected = self.layers.input_shape
        if batch.ndim != 4 or tuple(batch.shape[1:]) != expected:
            raise InputError(
                f"a batch of shape {tuple(batch.shape)}, expected (images, {', '.join(map(str, expected))}) "
                f"for {self.layers.path}"
            )

    def _like_recorded(self, changed: Tensor, recording: Recording) -> Tensor:
        recorded = recording.map
        if changed.shape[1:] != recorded.shape[1:] or len(recorded) not in (1, len(changed)):
            raise InputError(
                f"a map of shape {tuple(changed.shape)} for layer {recording.tap}, expected "
                f"{tuple(recorded.shape)}"
            )
        # The same layout as in the plain run: with another one other kernels run, which round otherwise.
        layout = torch.channels_last if _is_channels_last(recorded) else torch.contiguous_format
        return changed.to(recorded.device, recorded.dtype).contiguous(memory_format=layout)


def load_network(cfg: Cfg, weights: Path | str | None) -> DarknetNetwork:
    """Build the network of a cfg with the weights of a file; without one, with torch's random initialization.

    Raises CfgError or WeightsError. A file that does not fit is refused before the network is built.
    """
    layers = read_layers(cfg)
    if weights is None:
        return DarknetNetwork(layers, Header())
    content = read_weight_file(weights, layers)
    with torch.device("meta"):  # without memory or random numbers, since the file's come next
        network = DarknetNetwork(layers, content.header)
    network.to_empty(device="cpu")
    for number, numbers in content.convolutions.items():
        _convolution(network.convolutions[str(number)]).load(numbers)
    return network


def activated(x: Tensor, activation: str) -> Tensor:
    """Apply an activation, by its name in the cfg, to ``x`` in place."""
    return _ACTIVATIONS[activation](x)


def write_weights(network: DarknetNetwork, path: Path | str) -> None:
    """Write a network's weight file, whole or not at all; read back it is equal bit for bit."""
    write_weight_file(network.weights(), path)


def _maxpool(x: Tensor, settings: Maxpool) -> Tensor:
    """Apply Darknet's max pooling, whose padding has its smaller half on the left and top."""
    low = settings.padding // 2
    bottom, right = (_reached_padding(side, settings) for side in x.shape[2:])
    if low == bottom == right and low <= settings.size // 2:
        return functional.max_pool2d(x, settings.size, settings.stride, low)
    padded = functional.pad(x, (low, right, low, bottom), value=-torch.inf)
    return functional.max_pool2d(padded, settings.size, settings.stride)


def _local_average(x: Tensor, settings: LocalAverage) -> Tensor:
    """Average windows over their cells inside the map; the padding is as of a max pooling."""
    low, high = settings.padding // 2, settings.padding - settings.padding // 2
    inside = torch.ones_like(x[:1, :1])
    sums, share = (
        functional.avg_pool2d(functional.pad(part, (low, high, low, high)), settings.size, settings.stride)
        for part in (x, inside)
    )
    return sums / share


def _reached_padding(side: int, settings: Maxpool) -> int:
    """Return the cells of padding after the last one that a kernel reads; more would only be copied."""
    steps = (side + settings.padding - settings.size) // settings.stride
    return steps * settings.stride + settings.size - settings.padding // 2 - side


def _added(x: Tensor, other: Tensor, channels: int) -> Tensor:
    """Add the first ``channels`` of both; the rest of ``x`` stays, that of ``other`` is left out."""
    if x.shape[1] == other.shape[1]:
        return x + other
    total = x.clone()
    total[:, :channels] += other[:, :channels]
    return total


def _reorganized(x: Tensor, stride: int, scrambled: bool) -> Tensor:
    """Make channels of blocks; YOLOv2's reorg takes the map's numbers for those of a wider map with fewer."""
    count, channels, height, width = x.shape
    if scrambled:
        wide = x.reshape(count, channels // stride**2, height, stride, width, stride)
    else:
        wide = x.reshape(count, channels, height // stride, stride, width // stride, stride)
    blocks = wide.permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(count, channels * stride**2, height // stride, width // stride)


def _repeated(x: Tensor, count: int) -> Tensor:
    return x if len(x) == count else x.expand(count, -1, -1, -1)


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _convolution(block: nn.Module) -> _ConvolutionBlock:
    assert isinstance(block, _ConvolutionBlock)
    return block


def _array(tensor: Tensor | None) -> NDArray[np.float32]:
    assert tensor is not None
    return tensor.detach().cpu().contiguous().numpy()


def _fixed(numbers: NDArray[np.float64]) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(numbers.astype(np.float32)), requires_grad=False)
