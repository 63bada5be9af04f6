"""Drawings of a measured factor: each value beside its chance level, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from objectspace.analyses.circular_geometry import Geometry
from objectspace.analyses.factors import FactorMeasure
from objectspace.analyses.statistics import Estimate
from objectspace.arguments import typed
from objectspace.errors import counted
from objectspace.figures.style import BLUE, GRAY, ORANGE

# Inches.
PANEL = 4.0
ROW = 0.2
LOWEST = 0.42
CURVE = 1.9
AROUND = 1.0
TEXT_SIZE = 7.5
#: Labels that are drawn, those of most objects.
MOST_LABELS = 20
#: Characters of a name.
LONGEST = 22

Rows = Sequence[tuple[str, Estimate]]


@typed
def draw_factor(measured: FactorMeasure) -> Figure:
    """Draw panels from left to right: neighbors (all objects, then each label), probe, geometry of an angle.

    A blue dot is the value and the line its 95 % interval; the orange stroke is chance.

    >>> space = store.space("demo-crop")
    >>> measured = osp.measure_factor(space, space.objects, osp.FactorSpec("label"))
    >>> osp.write_figure(osp.draw_factor(measured), Path("label.png"))
    """
    labels = sorted(measured.neighbors.labels.items(), key=lambda item: (-item[1].n, item[0]))
    by_label = labels[:MOST_LABELS] if len(labels) > 1 else []
    rows = [("all objects", measured.neighbors.overall), *by_label]
    curve = measured.geometry is not None
    heights = [max(ROW * len(rows), LOWEST), *[LOWEST] * (measured.probe is not None), *[CURVE] * curve]
    figure = Figure(figsize=(PANEL * len(heights), max(heights) + AROUND), layout="constrained")
    axes = iter(_panels(figure, heights))
    draw_estimates(next(axes), rows, agreement_axis(measured))
    if measured.probe is not None:
        name = {"R2": "R²", "angular error": "mean angular error"}.get(
            measured.probe.metric, measured.probe.metric
        )
        draw_estimates(next(axes), [("probe", measured.probe.score)], f"linear probe: {name}")
    if measured.geometry is not None:
        draw_geometry(next(axes), measured.geometry)
    add_heading(figure, _heading(measured, len(labels) - len(by_label) if by_label else 0))
    add_key(figure)
    return figure


def _panels(figure: Figure, heights: Sequence[float]) -> list[Axes]:
    """Return axes side by side, aligned at their tops, of these heights in inches."""
    grid = figure.add_gridspec(1, len(heights))
    tallest = max(heights)
    axes = []
    for column, height in enumerate(heights):
        # The cell below stays empty; it may not have no height at all.
        cells = grid[0, column].subgridspec(2, 1, height_ratios=[height, tallest - height + 1e-3])
        axes.append(figure.add_subplot(cells[0, 0]))
    return axes


def draw_estimates(axes: Axes, rows: Rows, title: str) -> None:
    """Draw a line for each estimate, the first on top, on one scale with every interval and chance level."""
    for place, (_, one) in enumerate(rows):
        low, high = (one.value if np.isnan(end) else end for end in (one.low, one.high))
        axes.plot([low, high], [place, place], color=BLUE, linewidth=1.4, solid_capstyle="butt", zorder=2)
        axes.plot([one.value], [place], "o", color=BLUE, markersize=4, zorder=3)
        axes.plot([one.chance] * 2, [place - 0.36, place + 0.36], color=ORANGE, linewidth=1.6, zorder=4)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    names = [f"{_shortened(name)} ({one.n})" for name, one in rows]
    axes.set_yticks(range(len(rows)))
    for tick, name in zip(axes.set_yticklabels(names), names, strict=True):
        tick.set(parse_math=False, text=name)
    axes.set_xlabel(title, size=TEXT_SIZE, parse_math=False)
    axes.margins(x=0.08)
    _tidy(axes)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.grid(True, color="#E4E4E4", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)


def draw_geometry(axes: Axes, geometry: Geometry) -> None:
    """Draw distance by angle with its interval; the line at 1 is chance."""
    there = geometry.pairs > 0
    angle, distance = geometry.angle[there], geometry.distance[there]
    axes.axhline(1, color=ORANGE, linewidth=1.6, zorder=1)
    axes.fill_between(
        angle, geometry.low[there], geometry.high[there], color=BLUE, alpha=0.18, linewidth=0, zorder=2
    )
    axes.plot(angle, distance, "o-", color=BLUE, markersize=3.5, linewidth=1.3, zorder=3)
    half = geometry.angle[-1]
    axes.set_xlim(-half * 0.04, half * 1.04)
    axes.set_xticks(np.linspace(0, half, 5))
    axes.set_xlabel(f"angle between two views of one {geometry.same}", size=TEXT_SIZE, parse_math=False)
    one = geometry.opposite
    p = "" if one.p is None else f", p {one.p:.3f}"
    axes.set_ylabel(f"distance (1: mean of the {geometry.same})", size=TEXT_SIZE, parse_math=False)
    axes.set_title(
        f"opposite is farthest: {one.value:.2f} of views, chance {one.chance:.2f}{p}",
        size=TEXT_SIZE,
        color=GRAY,
        loc="left",
        parse_math=False,
    )
    _tidy(axes)


def agreement_axis(measured: FactorMeasure) -> str:
    """Return the axis label of the neighbors' value, with the better side where that is not plain."""
    return measured.agreement + ("" if measured.kind == "categorical" else " (smaller: better)")


def add_heading(figure: Figure, text: str) -> None:
    """Write a line above all panels, from the left edge."""
    figure.suptitle(text, x=0.01, ha="left", size=TEXT_SIZE + 1, parse_math=False)


def add_key(figure: Figure) -> None:
    """Draw the key of :func:`draw_estimates` below all panels."""
    interval = Line2D([], [], color=BLUE, linewidth=1.4, marker="o", markersize=4)
    chance = Line2D([], [], color=ORANGE, linestyle="none", marker="|", markersize=9, markeredgewidth=1.6)
    figure.legend(
        [interval, chance],
        ["value, 95 % interval", "chance"],
        loc="outside lower left",
        ncols=2,
        frameon=False,
        fontsize=TEXT_SIZE,
    )


def _heading(measured: FactorMeasure, hidden: int) -> str:
    spec = measured.spec
    group = "photo" if spec.group is None else f"{spec.group} group"
    parts = [f"{spec.factor} in {measured.space}", counted(measured.n, "object")]
    parts.append(counted(measured.groups, group))
    if spec.control is not None:
        parts.append(f"at one {spec.control}")
    if hidden:
        parts.append(counted(hidden, "rarer label is not drawn", "rarer labels are not drawn"))
    return " · ".join(parts)


def _tidy(axes: Axes) -> None:
    axes.tick_params(labelsize=TEXT_SIZE - 0.5, color=GRAY)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GRAY)


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
