"""Continue from a tap on small patches of every layer, where a change can reach, instead of on whole maps.

A change of a few cells spreads by half a kernel a layer. Outside that a layer's output is that of the
baseline run, which is known, so only the patch inside is computed, from the changed patch before it and a
border of unchanged cells. Exact: the same sums as in the whole run, up to rounding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from objectspace.models.darknet.layers import (
    Convolution,
    GlobalAverage,
    Layer,
    LocalAverage,
    Maxpool,
    Product,
    Reorganize,
    Upsample,
    Yolo,
)
from objectspace.models.darknet.network import DarknetNetwork
from objectspace.models.precision import reproducible

#: From this share of its map on, a patch costs more than the whole map: it is copied out first.
_WHOLE = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """The part of a layer's output that each of n changes can reach; outside, the output is the baseline's.

    values: (n, c, h, w); y, x: (n,) int64, the map's row and column of each patch's first cell
    """

    values: Tensor
    y: Tensor
    x: Tensor

    @property
    def height(self) -> int:
        """Rows of each patch."""
        return self.values.shape[2]

    @property
    def width(self) -> int:
        """Columns of each patch."""
        return self.values.shape[3]


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """The extent of each patch along one axis: where it starts (n,), and how many cells it has."""

    start: Tensor
    size: int

    def bounded(self, side: int) -> _Span:
        """Return the span inside a map of ``side`` cells, moved in at its ends rather than cut off."""
        size = min(self.size, side)
        return _Span(self.start.clamp(0, side - size), size)


class PatchRunner:
    """Runs the layers ``path`` downstream of a tap on patches.

    baseline: by number, the outputs (1, c, h, w) of every layer that the path reads, in the unchanged run
    """

    def __init__(
        self, network: DarknetNetwork, tap: int, path: Sequence[Layer], baseline: Mapping[int, Tensor]
    ) -> None:
        self._network = network
        self._tap = tap
        self._path = path
        self._baseline = {number: _Padded(output) for number, output in baseline.items()}
        self._last_reader = {number: layer.number for layer in path for number in layer.inputs}

    @torch.no_grad()
    def run(self, changed: Patches, taps: Collection[int] = ()) -> dict[int, Patches]:
        """Return the raw output of each head on the path where it may have changed, by the head's number.

        Beside them the outputs of the layers ``taps`` on the path, by their numbers.
        """
        made = {self._tap: changed}
        heads = {}
        with reproducible(self._network.device):
            for layer in self._path:
                if isinstance(layer.settings, Yolo):
                    heads[layer.number] = made[layer.inputs[0]]
                else:
                    made[layer.number] = self._patches(layer, made)
                for number in layer.inputs:
                    if self._last_reader[number] <= layer.number and number not in taps:
                        made.pop(number, None)
        return heads | {number: made[number] for number in taps}

    def _patches(self, layer: Layer, made: Mapping[int, Patches]) -> Patches:
        match layer.settings:
            case Convolution(extent=extent, stride=stride, padding=padding) if (extent, stride, padding) != (
                1,
                1,
                0,
            ):
                return self._apply_sliding_window(layer, made, extent, stride, padding, padding, fill=0.0)
            case Maxpool(size, stride, padding):
                low, high = padding // 2, padding - padding // 2
                return self._apply_sliding_window(layer, made, size, stride, low, high, fill=-torch.inf)
            case Upsample(factor):
                before = made[layer.inputs[0]]
                values = self._network.output(layer, [before.values])
                return Patches(values, before.y * factor, before.x * factor)
            case GlobalAverage() | LocalAverage() | Reorganize():
                return self._on_whole_maps(layer, made)
            case Product() if layer.kind == "scale_channels":
                return self._on_whole_maps(layer, made)
            case _:
                return self._cell_by_cell(layer, made)

    def _apply_sliding_window(
        self,
        layer: Layer,
        made: Mapping[int, Patches],
        size: int,
        stride: int,
        low: int,
        high: int,
        *,
        fill: float,
    ) -> Patches:
        """Apply a sliding kernel to a map padded by ``low`` cells before it and ``high`` after."""
        number = layer.inputs[0]
        before = made[number]
        _, rows, columns = layer.shape
        y = _reached_outputs(_Span(before.y, before.height), size, stride, low).bounded(rows)
        x = _reached_outputs(_Span(before.x, before.width), size, stride, low).bounded(columns)
        y, x = _whole_if_large(y, x, rows, columns)
        if (y.size, x.size) == (rows, columns):
            values = self._network.output(layer, [self.whole(number, before)])
            return Patches(values, y.start, x.start)
        read_y = _Span(y.start * stride - low, (y.size - 1) * stride + size)
        read_x = _Span(x.start * stride - low, (x.size - 1) * stride + size)
        cut = self._baseline[number].cut(read_y, read_x, low, high, fill)
        cut = _scatter(cut, before, read_y, read_x)
        return Patches(self._network.output_on_padded(layer, cut), y.start, x.start)

    def _on_whole_maps(self, layer: Layer, made: Mapping[int, Patches]) -> Patches:
        """Apply a layer each of whose cells may depend on every cell of its inputs."""
        zeros = torch.zeros_like(next(made[number].y for number in layer.inputs if number in made))
        inputs = []
        for number in layer.inputs:
            rows, columns = (_Span(zeros, side) for side in self._baseline[number].shape)
            inputs.append(self._cut(number, made.get(number), rows, columns))
        return Patches(self._network.output(layer, inputs), zeros, zeros)

    def _cell_by_cell(self, layer: Layer, made: Mapping[int, Patches]) -> Patches:
        """Apply a layer each of whose cells depends on the same cell of its inputs."""
        changed = [made[number] for number in layer.inputs if number in made]
        _, rows, columns = layer.shape
        y = _union([_Span(patches.y, patches.height) for patches in changed]).bounded(rows)
        x = _union([_Span(patches.x, patches.width) for patches in changed]).bounded(columns)
        y, x = _whole_if_large(y, x, rows, columns)
        inputs = [self._cut(number, made.get(number), y, x) for number in layer.inputs]
        return Patches(self._network.output(layer, inputs), y.start, x.start)

    def _cut(self, number: int, patches: Patches | None, y: _Span, x: _Span) -> Tensor:
        """Return a layer's output within spans inside its map."""
        if patches is None:
            return self._baseline[number].cut(y, x, 0, 0, 0.0)
        if _same(patches, y, x):
            return patches.values
        return _scatter(self._baseline[number].cut(y, x, 0, 0, 0.0), patches, y, x)

    def whole(self, number: int, patches: Patches) -> Tensor:
        """Return the outputs (n, c, h, w) of a layer of the baseline, with the patches in them."""
        rows, columns = self._baseline[number].shape
        zeros = torch.zeros_like(patches.y)
        return self._cut(number, patches, _Span(zeros, rows), _Span(zeros, columns))


class _Padded:
    """A baseline output (1, c, h, w), from which patches are cut; its padded copies are kept."""

    def __init__(self, output: Tensor) -> None:
        self.shape = (output.shape[2], output.shape[3])
        self._output = output
        self._copies: dict[tuple[int, int], Tensor] = {}

    def cut(self, y: _Span, x: _Span, low: int, high: int, fill: float) -> Tensor:
        """Return the cells (n, c, h, w) in two spans of the map padded by ``low`` and ``high`` cells."""
        if (low, high) not in self._copies:
            padded = functional.pad(self._output, (low, high, low, high), value=fill)
            self._copies[low, high] = padded[0].permute(1, 2, 0).contiguous()
        cells = self._copies[low, high]
        rows = _cell_indices(y) + low
        columns = _cell_indices(x) + low
        index = rows[:, :, None] * cells.shape[1] + columns[:, None, :]
        flat = cells.reshape(-1, cells.shape[2]).index_select(0, index.reshape(-1))
        return flat.reshape(*index.shape, -1).permute(0, 3, 1, 2)


def _reached_outputs(before: _Span, size: int, stride: int, low: int) -> _Span:
    """Return the outputs of a sliding kernel that read a cell of ``before``, not yet bounded by the map."""
    start = -((size - 1 - low - before.start) // stride)
    return _Span(start, (before.size + size - 2) // stride + 1)


def _union(spans: Sequence[_Span]) -> _Span:
    if len(spans) == 1:
        return spans[0]
    start = torch.stack([span.start for span in spans]).amin(0)
    end = torch.stack([span.start + span.size for span in spans]).amax(0)
    return _Span(start, int((end - start).max()))


def _whole_if_large(y: _Span, x: _Span, rows: int, columns: int) -> tuple[_Span, _Span]:
    if y.size * x.size < _WHOLE * rows * columns:
        return y, x
    zeros = torch.zeros_like(y.start)
    return _Span(zeros, rows), _Span(zeros, columns)


def _cell_indices(span: _Span) -> Tensor:
    """Return the indices (n, size) of each patch's cells along one axis."""
    return span.start[:, None] + torch.arange(span.size, device=span.start.device)


def _same(patches: Patches, y: _Span, x: _Span) -> bool:
    if (patches.height, patches.width) != (y.size, x.size):
        return False
    return torch.equal(patches.y, y.start) and torch.equal(patches.x, x.start)


def _scatter(cut: Tensor, patches: Patches, y: _Span, x: _Span) -> Tensor:
    """Write the changed patches into ``cut``, which belongs to this module, and return it."""
    count, channels, height, width = cut.shape
    rows = _cell_indices(_Span(patches.y - y.start, patches.height))
    columns = _cell_indices(_Span(patches.x - x.start, patches.width))
    first = torch.arange(count, device=cut.device)[:, None, None] * (height * width)
    index = first + rows[:, :, None] * width + columns[:, None, :]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    cells = cut.permute(0, 2, 3, 1).reshape(-1, channels)  # a view: cut is laid out cell by cell
    changed = patches.values.permute(0, 2, 3, 1)
    if bool(inside.all()):
        cells.index_copy_(0, index.reshape(-1), changed.reshape(-1, channels))
    else:
        cells.index_copy_(0, index[inside], changed[inside])
    return cut
