"""Drawings of compared spaces: the neighbors that each pair shares, and each factor in each space."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from objectspace.analyses.comparison import Comparison, FactorInSpaces
from objectspace.arguments import typed
from objectspace.errors import counted
from objectspace.figures.factors import (
    PANEL,
    TEXT_SIZE,
    add_heading,
    add_key,
    agreement_axis,
    draw_estimates,
)
from objectspace.figures.style import GRAY

# Inches.
CELL = 0.62
NAMES = 2.2
ROW = 0.24
AROUND = 1.6


@typed
def draw_comparison(compared: Comparison) -> Figure:
    """Draw neighbor overlap (below the diagonal) and unbiased CKA (above it) of each pair of spaces.

    To the right, for each factor, a panel for its neighbors and under it one for its probe. Spaces have
    numbers, and their names at the left.

    >>> spaces = [store.space(name) for name in ("demo-crop", "demo-window3-deepest")]
    >>> compared = osp.compare_spaces(spaces, store.objects())
    >>> osp.write_figure(osp.draw_comparison(compared), Path("compared.png"))
    """
    count, factors = len(compared.spaces), len(compared.factors)
    square, panel = CELL * count, max(ROW * count, 0.6)
    height = max(square, 2 * panel + 0.7 if factors else 0.0) + AROUND
    figure = Figure(figsize=(NAMES + square + 0.4 + factors * PANEL, height), layout="constrained")
    grid = figure.add_gridspec(2, 1 + factors, width_ratios=[NAMES + square, *[PANEL] * factors])
    pairs = figure.add_subplot(grid[:, 0], anchor="NE")
    _draw_pairs(pairs, compared)
    for column, factor in enumerate(compared.factors, start=1):
        _draw_factor(figure.add_subplot(grid[0, column]), figure.add_subplot(grid[1, column]), factor)
    held = f"{counted(compared.n, 'object')} in all spaces · {counted(compared.groups, 'group')}"
    add_heading(figure, f"{held} · {compared.k} nearest")
    if factors:
        add_key(figure)
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
    names = [f"{_shortened(name)}  {number}" for number, name in enumerate(compared.spaces, start=1)]
    axes.set_yticks(range(count), names)
    axes.set_xticks(range(count), [str(number) for number in range(1, count + 1)])
    for tick in axes.get_yticklabels():
        tick.set_parse_math(False)
    axes.tick_params(labelsize=TEXT_SIZE - 0.5, length=0)
    axes.spines[:].set_visible(False)
    chance = compared.pairs[0].overlap.chance
    axes.set_xlabel(
        f"below the diagonal: shared neighbors\n(chance {chance:.3f}); above: CKA, unbiased",
        size=TEXT_SIZE,
        color=GRAY,
    )


def _matrix(compared: Comparison) -> NDArray[np.float64]:
    """Return overlap below the diagonal, CKA above it, NaN on it."""
    place = {name: row for row, name in enumerate(compared.spaces)}
    values = np.full((len(place), len(place)), np.nan)
    for pair in compared.pairs:
        one, other = sorted((place[pair.first], place[pair.second]))
        values[other, one], values[one, other] = pair.overlap.value, pair.cka.value
    return values


def _shortened(name: str) -> str:
    return name if len(name) <= 34 else name[:16] + "…" + name[-17:]
