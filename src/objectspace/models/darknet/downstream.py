"""The layers downstream of a tap: those that a change of its output reaches on the way to the heads."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from objectspace.models.darknet.layers import (
    INPUT,
    Convolution,
    Dropout,
    Layer,
    Layers,
    Product,
    Route,
    Shortcut,
    Yolo,
)

#: Names of the network's input as a tap.
PIXELS = ("pixels", "input")


def tap_number(layers: Layers, name: str) -> int:
    """Return the number of the layer that a tap names, -1 for the pixels. Raises InputError."""
    return INPUT if name in PIXELS else layers.tap(name).number


def downstream(layers: Layers, tap: int, heads: Collection[int]) -> tuple[Layer, ...]:
    """Return the layers after ``tap`` that depend on it and that one of ``heads`` needs, in order."""
    reached = {tap}
    for layer in layers.layers:
        if not reached.isdisjoint(layer.inputs):
            reached.add(layer.number)
    needed = set(heads)
    for layer in reversed(layers.layers):
        if layer.number in needed:
            needed.update(layer.inputs)
    return tuple(layer for layer in layers.layers if layer.number in reached & needed and layer.number != tap)


def is_pointwise(start: int, path: Sequence[Layer]) -> bool:
    """Return whether each cell of the output of ``path`` depends on that cell of layer ``start`` alone.

    So it is where every layer works on one cell at a time and reads nothing but ``start`` and the path.
    """
    inside = {start, *(layer.number for layer in path)}
    return all(_works_on_cells(layer) and inside.issuperset(layer.inputs) for layer in path)


def _works_on_cells(layer: Layer) -> bool:
    match layer.settings:
        case Convolution(size=size, stride=stride, padding=padding):
            return (size, stride, padding) == (1, 1, 0)
        case Dropout() | Route() | Shortcut() | Yolo():
            return True
        case Product():
            return layer.kind == "sam"
        case _:
            return False
