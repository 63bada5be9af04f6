"""From cfg sections to layers whose shapes are known: everything about a network but its numbers.

Nothing here computes or allocates, so an impossible cfg is refused before it costs memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from objectspace.errors import CfgError, InputError
from objectspace.models.darknet.cfg import Cfg, Section

#: ``(channels, height, width)``
Shape = tuple[int, int, int]

#: How the raw numbers of a head become probabilities and boxes.
Reading = Literal["sigmoid", "activated", "softmax"]

#: The number of the network's input among a layer's inputs.
INPUT = -1

ACTIVATIONS = ("leaky", "linear", "logistic", "mish", "relu", "relu6", "swish")

#: Bounds that no network in use comes near, so that no cfg can ask for all memory: the numbers of one layer's
#: output for one image (1 GiB), and those of all weights (4 GiB).
_LARGEST_OUTPUT = 2**28
_MOST_WEIGHTS = 2**30
_LARGEST_SIDE = 65_536


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution over ``channels`` inputs, its batch norm (epsilon 1e-6) if any, and its activation.

    padding: cells of zeros on each side; dilation: cells from one number of the kernel to the next
    """

    channels: int
    filters: int
    size: int
    stride: int
    padding: int
    groups: int
    batch_normalize: bool
    activation: str
    dilation: int = 1

    @property
    def extent(self) -> int:
        """The cells along a side from the first that the kernel reads to the last."""
        return self.dilation * (self.size - 1) + 1

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """The kernel's shape: filters, channels a group, height, width."""
        return (self.filters, self.channels // self.groups, self.size, self.size)

    @property
    def count(self) -> int:
        """The numbers it takes in a weight file."""
        return self.filters * (4 if self.batch_normalize else 1) + math.prod(self.weight_shape)


@dataclass(frozen=True, slots=True)
class Maxpool:
    """A maximum over windows; ``padding`` cells in all, its smaller half on the left and above."""

    size: int
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class LocalAverage:
    """A mean over windows of the cells that are inside the map; ``padding`` as of a :class:`Maxpool`."""

    size: int
    stride: int
    padding: int


@dataclass(frozen=True, slots=True)
class Upsample:
    """Each cell repeated ``factor`` x ``factor`` times."""

    factor: int


@dataclass(frozen=True, slots=True)
class Route:
    """The inputs side by side in channels; of each, only the part ``group`` of ``groups``."""

    groups: int
    group: int


@dataclass(frozen=True, slots=True)
class Shortcut:
    """The sum of two layers, then an activation.

    channels: how many of the first one's the second is added to, the first of both
    """

    activation: str
    channels: int


@dataclass(frozen=True, slots=True)
class Product:
    """A layer times another (``sam``), or times one number for each channel (``scale_channels``)."""

    activation: str


@dataclass(frozen=True, slots=True)
class GlobalAverage:
    """The mean of each channel over the whole map."""


@dataclass(frozen=True, slots=True)
class Reorganize:
    """Blocks of ``stride`` x ``stride`` cells become channels.

    scrambled: in the order of YOLOv2's own code (``reorg``), whose channels mix cells from all over the map
    """

    stride: int
    scrambled: bool


@dataclass(frozen=True, slots=True)
class Dropout:
    """The identity, outside training: ``dropout``, and the loss ``contrastive``, which nothing reads then."""


@dataclass(frozen=True, slots=True)
class Yolo:
    """A head: how its cells' numbers are read.

    anchors: every anchor of the network as (width, height), pixels of the network's input
    mask: the numbers of the anchors that this head predicts, in its channels' order
    scale_xy: the center's sigmoid is stretched by this about 1/2 (``scale_x_y``)
    reading: "sigmoid" of all but the sides (YOLOv3); "activated": its input went through a sigmoid already
        (``new_coords``); "softmax" over the classes (YOLOv2's ``region``)
    """

    anchors: tuple[tuple[float, float], ...]
    mask: tuple[int, ...]
    classes: int
    scale_xy: float
    reading: Reading = "sigmoid"


Settings = (
    Convolution
    | Maxpool
    | LocalAverage
    | Upsample
    | Route
    | Shortcut
    | Product
    | GlobalAverage
    | Reorganize
    | Dropout
    | Yolo
)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the network.

    number: as Darknet counts, from 0
    kind, where: the section's word, and its place in the cfg for messages
    inputs: the numbers of the layers it reads, -1 for the network's input
    shape: of its output for one image
    stride: pixels of the network's input to one cell of its output
    """

    number: int
    kind: str
    where: str
    inputs: tuple[int, ...]
    shape: Shape
    stride: int
    settings: Settings

    @property
    def name(self) -> str:
        """Its name as a tap."""
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of a network in order, and its input's shape."""

    path: str
    input_shape: Shape
    layers: tuple[Layer, ...]

    @property
    def input_wh(self) -> tuple[int, int]:
        """The network's input as (width, height)."""
        return self.input_shape[2], self.input_shape[1]

    @property
    def heads(self) -> tuple[Layer, ...]:
        """The layers that predict: yolo and region."""
        return tuple(layer for layer in self.layers if isinstance(layer.settings, Yolo))

    @property
    def taps(self) -> tuple[Layer, ...]:
        """The layers whose output can be read or changed: all but the heads."""
        return tuple(layer for layer in self.layers if not isinstance(layer.settings, Yolo))

    def tap(self, name: str) -> Layer:
        """Return the layer that a tap names. Raises InputError for an unknown name."""
        for layer in self.taps:
            if layer.name == name:
                return layer
        raise InputError(
            f"{name!r} is no tap of {self.path}, expected a layer's number up to {len(self.layers) - 1}"
        )


@dataclass(frozen=True, slots=True)
class _LayerContext:
    """The context in which a section's layer is read."""

    section: Section
    input_shape: Shape
    before: Sequence[Layer]

    @property
    def number(self) -> int:
        return len(self.before)

    def shape(self, number: int) -> Shape:
        return self.input_shape if number == INPUT else self.before[number].shape

    def stride(self, number: int) -> int:
        return 1 if number == INPUT else self.before[number].stride

    def previous(self) -> int:
        """Return the number of the layer that this one reads by default."""
        return self._readable(self.number - 1)

    def earlier(self, index: int, option: str) -> int:
        """Resolve an index to a layer's number: counted back where negative, from the start otherwise."""
        number = self.number + index if index < 0 else index
        if not 0 <= number < self.number:
            raise self.section.error(
                f"{option}={index} names layer {number}, expected one from 0 to {self.number - 1}"
            )
        return self._readable(number)

    def layer(self, inputs: tuple[int, ...], shape: Shape, stride: int, settings: Settings) -> Layer:
        """Build the layer. Raises CfgError where its output is empty or too large."""
        if min(shape) < 1 or math.prod(shape) > _LARGEST_OUTPUT:
            size = " x ".join(str(side) for side in shape)
            raise self.section.error(f"its output would be {size} numbers (channels x height x width)")
        if stride > _LARGEST_SIDE:
            raise self.section.error(f"its cells would be {stride} pixels of the input apart")
        return Layer(self.number, self.section.kind, self.section.where, inputs, shape, stride, settings)

    def _readable(self, number: int) -> int:
        if number != INPUT and isinstance(self.before[number].settings, Yolo):
            raise self.section.error(
                f"reads layer {number}, a [{self.before[number].kind}] head; expected a [route] to a layer "
                "before it"
            )
        return number


def read_layers(cfg: Cfg) -> Layers:
    """Build the layers of a cfg with their shapes. Raises CfgError that names the layer and its line."""
    net = cfg.net
    sides = {name: net.integer(name, low=1, high=_LARGEST_SIDE) for name in ("height", "width")}
    input_shape = (net.integer("channels", 3, low=1, high=1024), sides["height"], sides["width"])
    if math.prod(input_shape) > _LARGEST_OUTPUT:
        raise net.error(f"an input of {sides['width']} x {sides['height']} pixels is too large")
    layers: list[Layer] = []
    for section in cfg.layers:
        read = _KINDS.get(section.kind)
        if read is None:
            raise section.error(f"unknown section, expected one of {', '.join(_KINDS)}")
        layers.append(read(_LayerContext(section, input_shape, layers)))
    if not layers:
        raise CfgError(f"{cfg.path}: no layer after [net]")
    if (
        sum(layer.settings.count for layer in layers if isinstance(layer.settings, Convolution))
        > _MOST_WEIGHTS
    ):
        raise CfgError(f"{cfg.path}: more than {_MOST_WEIGHTS:,} weights, which no network here can hold")
    return Layers(cfg.path, input_shape, tuple(layers))


def _read_convolution(context: _LayerContext) -> Layer:
    section, previous = context.section, context.previous()
    section.refuse(antialiasing="0", binary="0", xnor="0", deform="0")
    if "share_index" in section.options:
        raise section.error("share_index is not supported, a convolution has weights of its own")
    channels, height, width = context.shape(previous)
    filters = section.integer("filters", 1, low=1, high=_LARGEST_SIDE)
    size = section.integer("size", 1, low=1, high=1024)
    stride = section.integer("stride", 1, low=1, high=1024)
    section.refuse(stride_x=str(stride), stride_y=str(stride))
    groups = section.integer("groups", 1, low=1, high=_LARGEST_SIDE)
    if channels % groups or filters % groups:
        raise section.error(f"groups={groups} divides not both its {channels} channels and {filters} filters")
    padding = size // 2 if section.flag("pad") else section.integer("padding", 0, low=0, high=1024)
    dilation = section.integer("dilation", 1, low=1, high=1024) if size > 1 else 1
    if dilation > 1 and 2 * padding != size - 1:
        raise section.error(
            f"dilation={dilation} with size={size} and {padding} cells of padding; expected an odd size and "
            f"pad=1, as Darknet computes the size of the output without the dilation"
        )
    settings = Convolution(
        channels,
        filters,
        size,
        stride,
        padding * dilation,
        groups,
        section.flag("batch_normalize"),
        _activation(section, "logistic"),
        dilation,
    )
    rows, columns = (
        _windows(side, settings.extent, stride, 2 * settings.padding) for side in (height, width)
    )
    return context.layer((previous,), (filters, rows, columns), context.stride(previous) * stride, settings)


def _read_pool(context: _LayerContext) -> Layer:
    section, previous = context.section, context.previous()
    section.refuse(maxpool_depth="0", antialiasing="0")
    channels, height, width = context.shape(previous)
    stride = section.integer("stride", 1, low=1, high=1024)
    size = section.integer("size", stride, low=1, high=1024)
    section.refuse(stride_x=str(stride), stride_y=str(stride))
    # Wider padding would leave windows with no cell of the map in them.
    padding = section.integer("padding", size - 1, low=0, high=2 * size - 2)
    shape = (channels, _windows(height, size, stride, padding), _windows(width, size, stride, padding))
    kind = Maxpool if section.kind == "maxpool" else LocalAverage
    return context.layer((previous,), shape, context.stride(previous) * stride, kind(size, stride, padding))


def _read_upsample(context: _LayerContext) -> Layer:
    section, previous = context.section, context.previous()
    section.refuse(scale="1")
    channels, height, width = context.shape(previous)
    factor = section.integer("stride", 2, low=1, high=1024)
    stride = max(1, context.stride(previous) // factor)
    return context.layer((previous,), (channels, height * factor, width * factor), stride, Upsample(factor))


def _read_route(context: _LayerContext) -> Layer:
    section = context.section
    inputs = tuple(context.earlier(index, "layers") for index in section.integers("layers"))
    groups = section.integer("groups", 1, low=1, high=_LARGEST_SIDE)
    group = section.integer("group_id", 0, low=0, high=groups - 1)
    channels = 0
    first = context.shape(inputs[0])
    for number in inputs:
        shape = context.shape(number)
        if shape[1:] != first[1:]:
            raise section.error(
                f"layer {inputs[0]} is {first[1]} x {first[2]} cells and layer {number} is {shape[1]} x "
                f"{shape[2]}; expected one size"
            )
        if shape[0] % groups:
            raise section.error(f"groups={groups} does not divide the {shape[0]} channels of layer {number}")
        channels += shape[0] // groups
    return context.layer(inputs, (channels, *first[1:]), context.stride(inputs[0]), Route(groups, group))


def _read_shortcut(context: _LayerContext) -> Layer:
    section, previous = context.section, context.previous()
    section.refuse(weights_type="none")
    other = context.earlier(section.integer("from", low=-_LARGEST_SIDE, high=_LARGEST_SIDE), "from")
    shape, added = context.shape(previous), context.shape(other)
    if shape[1:] != added[1:]:
        raise section.error(
            f"adds layer {other} of shape {added} to layer {previous} of shape {shape}; expected one size"
        )
    settings = Shortcut(_activation(section, "linear"), min(shape[0], added[0]))
    return context.layer((previous, other), shape, context.stride(previous), settings)


def _read_product(context: _LayerContext) -> Layer:
    section, previous = context.section, context.previous()
    section.refuse(scale_wh="0")
    other = context.earlier(section.integer("from", low=-_LARGEST_SIDE, high=_LARGEST_SIDE), "from")
    shape, times = context.shape(other), context.shape(previous)
    expected = shape if section.kind == "sam" else (shape[0], 1, 1)
    if times != expected:
        raise section.error(
            f"multiplies layer {other} of shape {shape} by layer {previous} of shape {times}; expected "
            f"{expected}"
        )
    return context.layer(
        (other, previous), shape, context.stride(other), Product(_activation(section, "linear"))
    )


def _read_average(context: _LayerContext) -> Layer:
    previous = context.previous()
    channels, height, width = context.shape(previous)
    stride = min(context.stride(previous) * max(height, width), _LARGEST_SIDE)
    return context.layer((previous,), (channels, 1, 1), stride, GlobalAverage())


def _read_reorganize(context: _LayerContext) -> Layer:
    section, previous = context.section, context.previous()
    section.refuse(reverse="0", flatten="0", extra="0")
    channels, height, width = context.shape(previous)
    stride = section.integer("stride", 1, low=1, high=1024)
    scrambled = section.kind == "reorg"
    if height % stride or width % stride or (scrambled and channels % stride**2):
        raise section.error(
            f"stride={stride} divides not the sides and, squared, the channels of {channels} x {height} x "
            f"{width}"
        )
    shape = (channels * stride**2, height // stride, width // stride)
    return context.layer((previous,), shape, context.stride(previous) * stride, Reorganize(stride, scrambled))


def _read_dropout(context: _LayerContext) -> Layer:
    previous = context.previous()
    return context.layer((previous,), context.shape(previous), context.stride(previous), Dropout())


def _read_yolo(context: _LayerContext) -> Layer:
    section, previous = context.section, context.previous()
    pairs = _anchors(section)
    mask = section.integers("mask") if "mask" in section.options else tuple(range(len(pairs)))
    if len(set(mask)) != len(mask) or not all(0 <= number < len(pairs) for number in mask):
        raise section.error(f"mask={mask} is expected to name each of the {len(pairs)} anchors at most once")
    scale = section.decimal("scale_x_y", 1.0, low=0.5, high=4.0)
    reading: Reading = "activated" if section.flag("new_coords") else "sigmoid"
    return _head(context, previous, pairs, mask, scale, reading)


def _read_region(context: _LayerContext) -> Layer:
    """YOLOv2's head, whose anchors are in cells."""
    section, previous = context.section, context.previous()
    section.refuse(coords="4", softmax="1", tree="")
    stride = context.stride(previous)
    pairs = tuple((width * stride, height * stride) for width, height in _anchors(section))
    return _head(context, previous, pairs, tuple(range(len(pairs))), 1.0, "softmax")


def _anchors(section: Section) -> tuple[tuple[float, float], ...]:
    """Return the anchors of a head; published cfgs list more of them than their ``num`` says."""
    anchors = section.numbers("anchors")
    if len(anchors) % 2 or not all(0 < side <= _LARGEST_SIDE for side in anchors):
        raise section.error("anchors are expected as pairs of width and height above zero")
    pairs = tuple(zip(anchors[::2], anchors[1::2], strict=True))
    section.integer("num", len(pairs), low=1, high=len(pairs))
    return pairs


def _head(
    context: _LayerContext,
    previous: int,
    anchors: tuple[tuple[float, float], ...],
    mask: tuple[int, ...],
    scale_xy: float,
    reading: Reading,
) -> Layer:
    classes = context.section.integer("classes", 20, low=1, high=_LARGEST_SIDE)
    shape, channels = context.shape(previous), len(mask) * (5 + classes)
    if shape[0] != channels:
        raise context.section.error(
            f"{len(mask)} anchors of 5 + {classes} numbers need {channels} channels, but layer {previous} "
            f"has {shape[0]}"
        )
    settings = Yolo(anchors, mask, classes, scale_xy, reading)
    return context.layer((previous,), shape, context.stride(previous), settings)


_KINDS: Mapping[str, Callable[[_LayerContext], Layer]] = {
    "convolutional": _read_convolution,
    "maxpool": _read_pool,
    "local_avgpool": _read_pool,
    "local_avg": _read_pool,
    "upsample": _read_upsample,
    "route": _read_route,
    "shortcut": _read_shortcut,
    "sam": _read_product,
    "scale_channels": _read_product,
    "avgpool": _read_average,
    "reorg": _read_reorganize,
    "reorg3d": _read_reorganize,
    "dropout": _read_dropout,
    "contrastive": _read_dropout,
    "yolo": _read_yolo,
    "region": _read_region,
}


def _windows(side: int, size: int, stride: int, padding: int) -> int:
    """Count the windows along a side; ``padding`` is that of both ends together."""
    return (side + padding - size) // stride + 1


def _activation(section: Section, default: str) -> str:
    name = section.options.get("activation", default)
    if name not in ACTIVATIONS:
        raise section.error(f"activation={name[:40]} is unknown, expected one of {', '.join(ACTIVATIONS)}")
    return name
