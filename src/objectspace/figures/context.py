"""Context drawn: what three spaces have seen, and what of the embedding and its neighbors follows which."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from objectspace.analyses.context import Context
from objectspace.errors import counted
from objectspace.figures.context_crops import ViewedObject
from objectspace.figures.factors import Rows, add_key, draw_estimates
from objectspace.figures.style import GRAY

# Inches.
PICTURE, GAP = 1.02, 0.05
NAMES = 1.5
PANEL, BETWEEN = 2.35, 1.62
PANEL_HEIGHT = 1.55
TOP, FOOT = 0.38, 0.98
TEXT_SIZE = 7.5

_VIEWS = {"alone": "object alone", "both": "both", "around": "surroundings\nalone"}


def draw_context(measured: Context, pictures: Sequence[ViewedObject] = ()) -> Figure:
    """Above: as many objects in the three crops as fit. Below: shares, pairs, and people on chairs.

    A blue dot is the value and the line its 95 % interval; the orange stroke is chance.
    """
    panels = _panels(measured)
    above = (0.26 + 3 * (PICTURE + GAP) + 0.15) if pictures else 0.0
    height = TOP + above + PANEL_HEIGHT + FOOT
    width = NAMES + len(panels) * PANEL + (len(panels) - 1) * BETWEEN + 0.2
    figure = Figure(figsize=(width, height))
    fitting = int((width - NAMES) / (PICTURE + GAP))
    for column, one in enumerate(pictures[:fitting]):
        _draw_object(figure, one, column, TOP + 0.26)
    if pictures:
        for row, name in enumerate(_VIEWS.values()):
            middle = TOP + 0.26 + row * (PICTURE + GAP) + PICTURE / 2
            _write(figure, NAMES - 0.1, middle, name, ha="right")
    for number, (title, rows) in enumerate(panels):
        left = NAMES + number * (PANEL + BETWEEN)
        place = (left / width, (FOOT - 0.3) / height, PANEL / width, PANEL_HEIGHT / height)
        axes = figure.add_axes(place)
        draw_estimates(axes, rows, title)
        if number < 2:
            _zero_to_one(axes, rows)
    _write(figure, 0.12, 0.2, _heading(measured), size=TEXT_SIZE + 1)
    add_key(figure, 0.12 / width, 0.16 / height)
    return figure


def _panels(measured: Context) -> list[tuple[str, Rows]]:
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
    people = []
    for view, test in measured.chairs.items():
        name = {"alone": "object", "both": "both", "around": "surroundings"}[view]
        people += [(f"{name}: on", test.on)] + ([(f"{name}: beside", test.beside)] if test.beside else [])
    if people:
        panels.append(("share of the nearest people that are on a chair", people))
    return panels


def _zero_to_one(axes: Axes, rows: Rows) -> None:
    """Shares are read from 0, whatever the least of them is."""
    low = min(min(one.value, one.chance, one.low) for _, one in rows)
    axes.set_xlim(min(-0.02, low * 1.1), 1.02)


def _draw_object(figure: Figure, one: ViewedObject, column: int, top: float) -> None:
    width, height = figure.get_size_inches()
    left = NAMES + column * (PICTURE + GAP)
    for row, view in enumerate(_VIEWS):
        below = top + row * (PICTURE + GAP) + PICTURE
        axes = figure.add_axes((left / width, 1 - below / height, PICTURE / width, PICTURE / height))
        axes.imshow(getattr(one, view), interpolation="antialiased")
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():
            side.set_color("#CCCCCC")
    _write(figure, left + PICTURE / 2, top - 0.1, one.label, ha="center")


def _write(
    figure: Figure, x: float, y: float, text: str, *, ha: str = "left", size: float = TEXT_SIZE
) -> None:
    """Text at inches from the left and from the top."""
    width, height = figure.get_size_inches()
    color = GRAY if ha == "right" else "black"
    figure.text(x / width, 1 - y / height, text, ha=ha, va="center", size=size, color=color, parse_math=False)


def _heading(measured: Context) -> str:
    spaces = " · ".join(measured.spaces[view] for view in _VIEWS)
    return f"{spaces} · {counted(measured.n, 'object')} of {counted(measured.photos, 'photo')}"
