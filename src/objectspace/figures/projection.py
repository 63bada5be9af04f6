"""Drawings of projections (the paper's figure 7): a map colored by place and by phase, and each component's
share of the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from objectspace.analyses.grid_positions import PHASES
from objectspace.analyses.projection import Projection
from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.figures.style import BLUE, GRAY, ORANGE

# Inches.
PANEL = 2.55
BAR = 2.1
KEY = 1.25
AROUND = 0.3
TEXT_SIZE = 7.5
REST = "#D9D9D9"
#: Components in the bars.
BARS = 10

_PLACE = "colored by\nplace: the box\nin its photo"
_KEYS = {
    PHASES: "colored by\nphase: the box\nin its window",
    ("x", "y"): _PLACE,
    ("x1", "y1"): _PLACE,
}


@typed
def draw_projection(projections: Sequence[Projection], *, red: str, blue: str) -> Figure:
    """Draw a column for each projection, all by the same method.

    First row: the first two coordinates, each object colored by two factors, redder with ``red`` and bluer
    with ``blue`` (the paper's colors). Then, where the vectors are windows, the same points colored by the
    position of the box's center in its window, and the share of either in each principal component.
    Raises InputError without projections.

    >>> space = store.space("demo-crop")
    >>> objects = space.objects
    >>> projection = osp.project(space, objects, {name: objects.factors[name] for name in ("x", "y")})
    >>> osp.write_figure(osp.draw_projection([projection], red="x", blue="y"), Path("map.png"))
    """
    if not projections:
        raise InputError("there is no projection to draw; name a space")
    phased = all(name in one.factors for one in projections for name in PHASES)
    bars = all(len(one.explained) for one in projections)
    colorings = [(red, blue), PHASES] if phased and (red, blue) != PHASES else [(red, blue)]
    heights = [*[PANEL] * len(colorings), *[BAR] * bars]
    widths = [KEY, *[PANEL] * len(projections)]
    figure = Figure(figsize=(sum(widths), sum(heights) + AROUND), layout="constrained")
    grid = figure.add_gridspec(len(heights), len(widths), width_ratios=widths, height_ratios=heights)
    for row, pair in enumerate(colorings):
        _draw_key(figure.add_subplot(grid[row, 0]), *pair)
        for column, one in enumerate(projections, start=1):
            axes = figure.add_subplot(grid[row, column])
            _draw_points(axes, one, *pair)
            if row == 0:
                axes.set_title(one.space, size=_title_size(one.space), parse_math=False, pad=14)
                _subtitle(axes, one)
    if bars:
        _draw_bars(figure, grid, projections)
    return figure


def _title_size(text: str) -> float:
    """Return the size in points at which a space's name is no wider than its panel."""
    return min(TEXT_SIZE + 1, 72 * PANEL / (0.56 * len(text)))


def _subtitle(axes: Axes, one: Projection) -> None:
    text = f"n = {len(one.coordinates)}"
    if one.shares is not None:
        text = f"{_percent(one.shares.phase)} phase · {_percent(one.shares.place)} place · {text}"
    axes.text(
        0.5, 1.02, text, transform=axes.transAxes, ha="center", va="bottom", size=TEXT_SIZE - 1.2, color=GRAY
    )


def _draw_points(axes: Axes, one: Projection, red: str, blue: str) -> None:
    x, y = one.coordinates[:, 0], one.coordinates[:, 1]
    colors = _colors(_unit(one.factors[red]), _unit(one.factors[blue]))
    axes.scatter(x, y, s=max(2.0, min(14.0, 6000 / len(x))), c=colors, linewidths=0, alpha=0.85)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_box_aspect(1)
    for side in axes.spines.values():
        side.set_color("#BBBBBB")
    names = [_axis_name(one, component) for component in (0, 1)]
    axes.set_xlabel(names[0], size=TEXT_SIZE - 0.8, color=GRAY, labelpad=2)
    axes.set_ylabel(names[1], size=TEXT_SIZE - 0.8, color=GRAY, labelpad=2)


def _axis_name(one: Projection, component: int) -> str:
    if not len(one.explained):
        return f"t-SNE {component + 1}"
    return f"component {component + 1} ({_percent(one.explained[component])})"


def _draw_key(axes: Axes, red: str, blue: str) -> None:
    """Draw the square of colors: across the red factor, down the blue one, as in a photo."""
    steps = np.linspace(0, 1, 32)
    across, down = np.meshgrid(steps, steps)
    axes.imshow(_colors(across, down), extent=(0, 1, 1, 0))
    axes.set_anchor("W")
    axes.set_box_aspect(1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(f"{red} →", size=TEXT_SIZE, parse_math=False, labelpad=2)
    axes.set_ylabel(f"← {blue}", size=TEXT_SIZE, parse_math=False, labelpad=2)
    title = _KEYS.get((red, blue), f"colored by\n{red} and {blue}")
    axes.set_title(title, size=TEXT_SIZE, loc="left", pad=5, parse_math=False)


def _draw_bars(figure: Figure, grid: GridSpec, projections: Sequence[Projection]) -> None:
    top = max(float(one.explained[:BARS].max()) for one in projections)
    key = figure.add_subplot(grid[-1, 0])
    key.axis("off")
    if all(one.shares is not None for one in projections):
        for number, (color, text) in enumerate(((ORANGE, "phase"), (BLUE, "place"), (REST, "neither alone"))):
            key.add_patch(_swatch(0.0, 0.74 - 0.16 * number, color))
            key.text(0.18, 0.79 - 0.16 * number, text, size=TEXT_SIZE, va="center")
        key.text(0, 1.0, "each component\nfollows", size=TEXT_SIZE, va="top", linespacing=1.2)
    for column, one in enumerate(projections, start=1):
        axes = figure.add_subplot(grid[-1, column])
        _draw_components(axes, one)
        axes.set_ylim(0, 108 * top)
        if column == 1:
            axes.set_ylabel("% of the variance", size=TEXT_SIZE)
        else:
            axes.set_yticklabels([])
        axes.set_xlabel("component", size=TEXT_SIZE)


def _swatch(left: float, bottom: float, color: str) -> Rectangle:
    return Rectangle((left, bottom), 0.12, 0.1, facecolor=color, edgecolor="none")


def _draw_components(axes: Axes, one: Projection) -> None:
    height = 100 * one.explained[:BARS]
    numbers = np.arange(1, len(height) + 1)
    axes.bar(numbers, height, 0.74, color=REST)
    if one.shares is not None:
        phase, place = _split(one.shares.components[: len(height)])
        axes.bar(numbers, height * phase, 0.74, color=ORANGE)
        axes.bar(numbers, height * place, 0.74, bottom=height * phase, color=BLUE)
    axes.set_xticks(numbers)
    axes.tick_params(labelsize=TEXT_SIZE - 1, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _split(shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split the share that both explain together in the proportion that each explains alone."""
    phase, place, both = np.clip(shares, 0, 1).T
    sum_ = np.maximum(phase + place, 1e-9)
    return both * phase / sum_, both * place / sum_


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(np.ptp(values)) or 1.0
    unit: NDArray[np.float64] = (values - values.min()) / spread
    return unit


def _colors(red: NDArray[np.float64], blue: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return RGB (..., 3): the paper's red and blue, with a little green so that neither is too dark."""
    return np.stack([0.06 + 0.94 * red, 0.06 + 0.1 * (red + blue) / 2, 0.06 + 0.94 * blue], axis=-1)


def _percent(share: float) -> str:
    return f"{100 * max(share, 0):.0f} %"
