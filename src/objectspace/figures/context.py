"""Drawings of context: objects in three crops, and the shares of embedding and neighbor pairs."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from objectspace.analyses.context import Context
from objectspace.arguments import typed
from objectspace.errors import counted
from objectspace.figures.context_crops import ViewedObject
from objectspace.figures.factors import Rows, add_heading, add_key, draw_estimates

# Inches.
PICTURE = 1.07
NAMES = 0.9
PANEL, PANEL_HEIGHT = 3.9, 2.3
TEXT_SIZE = 7.5

_VIEWS = {"alone": "object alone", "both": "both", "around": "surroundings\nalone"}


@typed
def draw_context(measured: Context, pictures: Sequence[ViewedObject] = (), people: Rows = ()) -> Figure:
    """Draw as many objects in the three crops as fit; below them shares, pairs and people on chairs.

    people: names and estimates of the share of the nearest people that are on a chair
    A blue dot is the value and the line its 95 % interval; the orange stroke is chance.

    >>> names = ("demo-crop-margin0.5", "demo-crop-keep-margin0.5", "demo-crop-only-margin0.5")
    >>> alone, both, around = (store.space(name) for name in names)
    >>> views = osp.view_objects(alone, both, around, store.objects(alone.object_id))
    >>> osp.write_figure(osp.draw_context(osp.measure_context(views)), Path("context.png"))
    """
    panels = _panels(measured, people)
    width = PANEL * len(panels)
    fitting = pictures[: int((width - NAMES) / PICTURE)]
    above = len(_VIEWS) * PICTURE + 0.25 if fitting else 0.0
    figure = Figure(figsize=(width, above + PANEL_HEIGHT), layout="constrained")
    below: Figure | SubFigure = figure
    if fitting:
        parts = figure.subfigures(2, 1, height_ratios=[above, PANEL_HEIGHT], squeeze=False)
        below = parts[1, 0]
        _draw_objects(parts[0, 0], fitting)
    grid = below.subplots(1, len(panels), squeeze=False)[0]
    for number, (axes, (title, rows)) in enumerate(zip(grid, panels, strict=True)):
        draw_estimates(axes, rows, title)
        if number < 2:
            _zero_to_one(axes, rows)
    add_heading(figure, _heading(measured))
    add_key(figure)
    return figure


def _panels(measured: Context, people: Rows) -> list[tuple[str, Rows]]:
    """Return title and rows of each panel of estimates."""
    shares, pairs = measured.shares, measured.pairs
    embedding = [
        ("object", shares.object),
        ("surroundings", shares.surroundings),
        ("the two", shares.together),
        ("– object only", shares.only_object),
        ("– either", shares.shared),
        ("– surroundings only", shares.only_surroundings),
    ]
    near = [
        ("rank by object", pairs.object),
        ("rank by surroundings", pairs.surroundings),
        ("context share", pairs.context),
    ]
    panels: list[tuple[str, Rows]] = [
        ("share of the embedding (held-out R²)", embedding),
        (f"the {measured.k} nearest of each (rank: 0 nearest, 1 farthest)", near),
    ]
    if people:
        panels.append(("share of the nearest people that are on a chair", people))
    return panels


def _zero_to_one(axes: Axes, rows: Rows) -> None:
    """Start the axis of shares at 0, or below where a share is negative."""
    low = min(min(one.value, one.chance, one.low) for _, one in rows)
    axes.set_xlim(min(-0.02, low * 1.1), 1.02)


def _draw_objects(figure: SubFigure, objects: Sequence[ViewedObject]) -> None:
    """Draw a column for each object, its label above, and a row for each view."""
    grid = figure.subplots(len(_VIEWS), len(objects), squeeze=False)
    for row, (view, name) in zip(grid, _VIEWS.items(), strict=True):
        row[0].set_ylabel(name, size=TEXT_SIZE, rotation=0, ha="right", va="center")
        for axes, one in zip(row, objects, strict=True):
            axes.imshow(getattr(one, view), interpolation="antialiased")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color("#CCCCCC")
    for axes, one in zip(grid[0], objects, strict=True):
        axes.set_title(one.label, size=TEXT_SIZE, parse_math=False, pad=3)


def _heading(measured: Context) -> str:
    spaces = " · ".join(measured.spaces[view] for view in _VIEWS)
    return f"{spaces} · {counted(measured.n, 'object')} of {counted(measured.photos, 'photo')}"
