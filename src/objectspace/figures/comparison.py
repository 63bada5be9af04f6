"""Spaces compared, drawn: who shares neighbors with whom, and each factor in each space."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from objectspace.analyses.comparison import Comparison, FactorInSpaces
from objectspace.errors import counted
from objectspace.figures.factors import (
    PANEL,
    TEXT_SIZE,
    add_key,
    agreement_axis,
    draw_estimates,
)
from objectspace.figures.style import GRAY

# Inches.
CELL = 0.62
NAMES = 2.5
NUMBERS = 0.85
ROW = 0.24


def draw_comparison(compared: Comparison) -> Figure:
    """Left, neighbor overlap (below the diagonal) and unbiased CKA (above it); for each factor a panel
    for its neighbors and, under it, one for its probe. Spaces have numbers, and their names at the left.
    """
    count, factors = len(compared.spaces), len(compared.factors)
    square = CELL * count
    panel = max(ROW * count, 0.6)
    height = max(square + 1.45, (2 * panel + 2.1) if factors else 0.0)
    width = NAMES + square + 0.4 + factors * (NUMBERS + PANEL)
    figure = Figure(figsize=(width, height))

    def axes_at(left: float, top: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / width, (height - top - high) / height, wide / width, high / height))

    _draw_pairs(axes_at(NAMES, 0.5, square, square), compared)
    for number, factor in enumerate(compared.factors):
        left = NAMES + square + 0.4 + number * (NUMBERS + PANEL) + NUMBERS
        neighbors = axes_at(left, 0.5, PANEL - 0.25, panel)
        probe = axes_at(left, 0.5 + panel + 0.72, PANEL - 0.25, panel)
        _draw_factor(neighbors, probe, factor)
    held = f"{counted(compared.n, 'object')} in all spaces · {counted(compared.groups, 'group')}"
    title = f"{held} · {compared.k} nearest"
    figure.text(0.12 / width, 1 - 0.2 / height, title, size=TEXT_SIZE + 1, va="center", parse_math=False)
    if factors:
        add_key(figure, 0.12 / width, 0.16 / height)
    return figure


def _draw_factor(neighbors: Axes, probe: Axes, factor: FactorInSpaces) -> None:
    first = factor.measures[0]
    draw_estimates(
        neighbors,
        [(str(number), one.neighbors.overall) for number, one in enumerate(factor.measures, start=1)],
        agreement_axis(first),
    )
    neighbors.set_title(first.spec.factor, size=TEXT_SIZE + 0.5, loc="left", parse_math=False)
    rows = [
        (str(number), one.probe.score)
        for number, one in enumerate(factor.measures, start=1)
        if one.probe is not None
    ]
    if rows and first.probe is not None:
        draw_estimates(probe, rows, f"linear probe: {first.probe.metric.replace('R2', 'R²')}")
    else:
        probe.set_axis_off()


def _draw_pairs(axes: Axes, compared: Comparison) -> None:
    count = len(compared.spaces)
    values = _matrix(compared)
    axes.imshow(np.ma.masked_invalid(values), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(count, count):
        if row != column:
            value = values[row, column]
            text = "–" if np.isnan(value) else f"{value:.2f}"
            color = "white" if value > 0.6 else "black"
            axes.text(column, row, text, ha="center", va="center", size=TEXT_SIZE, color=color)
    names = [_wrapped(name) for name in compared.spaces]
    axes.set_yticks(range(count), names)
    axes.set_xticks(range(count), [str(number) for number in range(1, count + 1)])
    for number, tick in enumerate(axes.get_yticklabels()):
        tick.set(parse_math=False, text=f"{names[number]}  {number + 1}")
    axes.tick_params(labelsize=TEXT_SIZE - 0.5, length=0)
    axes.spines[:].set_visible(False)
    chance = compared.pairs[0].overlap.chance
    axes.set_xlabel(
        f"below the diagonal: neighbors shared\n(chance {chance:.3f}); above: CKA, unbiased",
        size=TEXT_SIZE,
        color=GRAY,
    )


def _matrix(compared: Comparison) -> NDArray[np.float64]:
    """Overlap below the diagonal, CKA above it, NaN on it."""
    place = {name: row for row, name in enumerate(compared.spaces)}
    values = np.full((len(place), len(place)), np.nan)
    for pair in compared.pairs:
        one, other = sorted((place[pair.first], place[pair.second]))
        values[other, one], values[one, other] = pair.overlap.value, pair.cka.value
    return values


def _wrapped(name: str) -> str:
    return name if len(name) <= 34 else name[:16] + "…" + name[-17:]
