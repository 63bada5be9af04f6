"""A measured factor drawn: each figure beside its chance level, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from objectspace.analyses.circular_geometry import Geometry
from objectspace.analyses.factors import FactorMeasure
from objectspace.analyses.statistics import Estimate
from objectspace.errors import counted
from objectspace.figures.style import BLUE, GRAY, ORANGE

# Inches.
PANEL = 2.9
NAMES = 1.45
GAP = 0.6
ROW = 0.2
LOWEST = 0.42
CURVE = 1.9
TOP, BOTTOM = 0.62, 0.72
TEXT_SIZE = 7.5
#: Labels that are drawn, those of most objects.
MOST_LABELS = 20
#: Characters of a name.
LONGEST = 22

Rows = Sequence[tuple[str, Estimate]]


def draw_factor(measured: FactorMeasure) -> Figure:
    """Panels from left to right: neighbors (all objects, then each label), probe, and geometry of an angle.

    A blue dot is the value and the line its 95 % interval; the orange stroke is chance.
    """
    labels = sorted(measured.neighbors.labels.items(), key=lambda item: (-item[1].n, item[0]))
    by_label = labels[:MOST_LABELS] if len(labels) > 1 else []
    rows = [("all objects", measured.neighbors.overall), *by_label]
    curve = measured.geometry is not None
    panels = 1 + (measured.probe is not None) + curve
    heights = [max(ROW * len(rows), LOWEST), *[LOWEST] * (measured.probe is not None), *[CURVE] * curve]
    height = TOP + max(heights) + BOTTOM
    width = NAMES + panels * (PANEL + GAP) - GAP + 0.3 * curve
    figure = Figure(figsize=(width, height))
    axes = [
        figure.add_axes(
            (
                (NAMES + number * (PANEL + GAP)) / width,
                (height - TOP - high) / height,
                (PANEL - 0.2) / width,
                high / height,
            )
        )
        for number, high in enumerate(heights)
    ]
    draw_estimates(axes[0], rows, agreement_axis(measured))
    others = iter(axes[1:])
    if measured.probe is not None:
        name = {"R2": "R²", "angular error": "mean angular error"}.get(
            measured.probe.metric, measured.probe.metric
        )
        draw_estimates(next(others), [("probe", measured.probe.score)], f"linear probe: {name}")
    if measured.geometry is not None:
        draw_geometry(next(others), measured.geometry)
    _write_heading(figure, measured, len(labels) - len(by_label) if by_label else 0)
    return figure


def draw_estimates(axes: Axes, rows: Rows, title: str) -> None:
    """A line for each estimate, the first on top, on one scale that has every interval and chance level."""
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
    """Distance by angle with its interval; the line at 1 is what it is by chance."""
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
    """What the neighbors' figure is, and which side is the better one where that is not plain."""
    return measured.agreement + ("" if measured.kind == "categorical" else " (smaller: better)")


def add_key(figure: Figure, x: float, y: float) -> None:
    """The key of :func:`draw_estimates`, from the left at (x, y) of the figure, 0 to 1."""
    entries = ((BLUE, "value, 95 % interval"), (ORANGE, "chance"))
    step = 1.35 / figure.get_figwidth()
    for place, (color, text) in zip((x, x + step), entries, strict=True):
        figure.text(place, y, f"■ {text}", color=color, size=TEXT_SIZE, va="center")


def _write_heading(figure: Figure, measured: FactorMeasure, hidden: int) -> None:
    spec = measured.spec
    group = "photo" if spec.group is None else f"{spec.group} group"
    parts = [f"{spec.factor} in {measured.space}", counted(measured.n, "object")]
    parts.append(counted(measured.groups, group))
    if spec.control is not None:
        parts.append(f"at one {spec.control}")
    if hidden:
        parts.append(counted(hidden, "rarer label is not drawn", "rarer labels are not drawn"))
    height, left = figure.get_figheight(), 0.12 / figure.get_figwidth()
    figure.text(left, 1 - 0.2 / height, " · ".join(parts), size=TEXT_SIZE + 1, va="center", parse_math=False)
    add_key(figure, left, 0.16 / height)


def _tidy(axes: Axes) -> None:
    axes.tick_params(labelsize=TEXT_SIZE - 0.5, color=GRAY)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GRAY)


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
