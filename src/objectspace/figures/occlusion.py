"""Drawings of occlusion: predictions before and after windows are zeroed, and importance maps (figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from objectspace.analyses.occlusion import Occlusion
from objectspace.arguments import typed
from objectspace.errors import InputError, counted
from objectspace.figures.style import BLUE, GRAY, ORANGE
from objectspace.images import Pixels, halved

# Inches.
WIDTH = 10.0
TITLE = 0.32
FOOT = 0.9

#: Importance maps in a row, and at most.
COLUMNS = 4
MOST_MAPS = 8
MOST_EXAMPLES = 2
TEXT_SIZE = 7.0
#: How a box is drawn.
Style = Literal["-", "--", ":"]

#: The room that a letter at a box takes, in inches, with the border around it.
LETTER_WH = (0.058, 0.17)

#: The summed shares of boxes and texts that a text may hide; one that would hide more is its number alone.
MOST_HIDDEN = 0.1

#: Pixels a side from which a picture is halved: a panel has no more at 320 dots an inch.
MOST_PIXELS = (1000, 1000)

#: Orange where zeroing costs score, blue where it gains score; where it does neither, the picture shows.
CHANGE = LinearSegmentedColormap.from_list(
    "change",
    [
        (0.0, to_rgba(ORANGE, 0.95)),
        (0.5, to_rgba(ORANGE, 0.0)),
        (0.5, to_rgba(BLUE, 0.0)),
        (1.0, to_rgba(BLUE, 0.95)),
    ],
)
SCALE = Normalize(-1, 1, clip=True)
_HALO: list[patheffects.AbstractPathEffect] = [patheffects.withStroke(linewidth=2.6, foreground="white")]


@typed
def draw_occlusion(result: Occlusion, pixels: Pixels) -> Figure:
    """Draw the predictions, the windows that cost most, and an importance map for each prediction.

    pixels: (h, w, 3) of the image that was measured, in any scale. At most two windows are shown, as
    :func:`choose_windows` finds them, and the maps of the eight highest-scoring predictions.
    Raises InputError for pixels of another shape than the image's.

    >>> detector = osp.load_detector("demo", precision="float32")
    >>> figure = osp.draw_occlusion(osp.measure_occlusion(detector, image, sizes=(3,)), image.pixels)
    >>> osp.write_figure(figure, Path("occluded.png"))
    """
    width, height = result.frame.image_wh
    if pixels.ndim != 3 or abs(pixels.shape[1] * height - pixels.shape[0] * width) > max(width, height) * 8:
        raise InputError(f"pixels of shape {pixels.shape} are not of the picture of {width} x {height}")
    pixels = halved(pixels, at_least=MOST_PIXELS)
    examples = choose_windows(result)
    maps = min(len(result.objects), MOST_MAPS)
    aspect = height / width
    above = max(1, len(examples)) * (WIDTH / 3 * aspect + TITLE)
    middle = -(-maps // COLUMNS) * (WIDTH / COLUMNS * aspect + TITLE)
    heights = [above, middle, FOOT] if maps else [above]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_examples(parts[0], result, pixels, examples)
    if maps:
        _draw_maps(parts[1], result, pixels, maps)
        _draw_footer(parts[2], result, maps)
    return figure


def choose_windows(result: Occlusion) -> list[int]:
    """Return the numbers of at most two windows to draw; none without predictions.

    The first is, of the smallest windows under which a prediction disappears, the one under which most do.
    The second is the smallest under which one disappears that the first leaves. Where none disappears, it is
    the window with the largest loss of score.
    """
    if not len(result.objects) or not len(result.windows):
        return []
    gone = result.disappeared
    if not gone.any():
        return [int(result.score_change.min(1).argmin())]
    small = result.windows.size == result.windows.size[gone.any(1)].min()
    first = int(np.where(small, gone.sum(1), 0).argmax())
    rest = gone & ~gone[first]
    second = [int(rest.any(1).argmax())] if rest.any() else []
    return [first, *second][:MOST_EXAMPLES]


def _draw_examples(figure: SubFigure, result: Occlusion, pixels: Pixels, examples: list[int]) -> None:
    """Draw the untouched picture at the left, then for each window the map with it, and the picture after."""
    grid = figure.add_gridspec(max(1, len(examples)), 3)
    columns, rows = result.grid_wh
    name = "pixels" if result.tap == "pixels" else f"layer {result.tap}"
    before = f"before: {counted(len(result.objects), 'prediction')}"
    axes = _panel(figure, grid[:, 0], result, pixels, before, "a")
    _draw_boxes(axes, _boxes(result, result.objects.score))
    if not examples:
        axes = _panel(figure, grid[0, 1], result, pixels, f"{name}: {columns} x {rows} cells", "b", gray=True)
        _draw_strength(axes, result)
    for number, window in enumerate(examples):
        size = int(result.windows.size[window])
        title = f"{name}: {size} x {size} of {columns} x {rows} cells zeroed"
        axes = _panel(figure, grid[number, 1], result, pixels, title, "bd"[number], gray=True)
        _draw_strength(axes, result)
        _draw_crosses(axes, result, window)
        axes = _panel(figure, grid[number, 2], result, pixels, _summary(result, window), "ce"[number])
        _draw_after(axes, result, window)


def _draw_maps(figure: SubFigure, result: Occlusion, pixels: Pixels, maps: int) -> None:
    """Draw an importance map for each prediction, as a share of its own score, so that all can be read."""
    grid = figure.add_gridspec(-(-maps // COLUMNS), COLUMNS)
    for index in range(maps):
        label = f"{result.objects.label[index]} {result.objects.score[index]:.2f}"
        cell = grid[index // COLUMNS, index % COLUMNS]
        axes = _panel(figure, cell, result, pixels, label, str(index + 1), gray=True)
        axes.imshow(
            -result.importance(index) / result.objects.score[index],
            extent=_extent(result),
            cmap=CHANGE,
            norm=SCALE,
            interpolation="nearest",
            zorder=2,
        )
        _draw_grid(axes, result, alpha=0.35)
        _draw_outline(axes, result.objects.xyxy[index], BLUE, "-")
        _mark_cell(axes, result, index)


def _draw_footer(figure: SubFigure, result: Occlusion, maps: int) -> None:
    """Draw the maps' scale, the explanation and the key of the boxes' lines."""
    scale, words, key = figure.subplots(1, 3, width_ratios=[2.6, 5.6, 1.8])
    for axes in (scale, words, key):
        axes.axis("off")
    bar = figure.colorbar(
        matplotlib.cm.ScalarMappable(SCALE, CHANGE),
        cax=scale.inset_axes((0.1, 0.66, 0.8, 0.18)),
        orientation="horizontal",
    )
    bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["−100 %", "−50 %", "0", "+50 %", "+100 %"])
    bar.ax.tick_params(labelsize=TEXT_SIZE)
    bar.outline.set_linewidth(0.5)
    words.text(0, 1, _words(result, maps), size=TEXT_SIZE + 0.5, va="top", color=GRAY)
    lines: tuple[tuple[str, Style, str], ...] = (
        (BLUE, "-", "stays, new score"),
        (ORANGE, "--", "disappeared"),
        ("black", ":", "appeared"),
    )
    handles = [Line2D([], [], color=color, linestyle=style, linewidth=1.8) for color, style, _ in lines]
    names = [text for *_, text in lines]
    key.legend(
        handles,
        names,
        loc="upper left",
        frameon=False,
        fontsize=TEXT_SIZE + 0.5,
        labelcolor=GRAY,
        borderpad=0,
    )


def _words(result: Occlusion, maps: int) -> str:
    sizes = sorted(set(result.windows.size.tolist()))
    span = f"{sizes[0]} to {sizes[-1]} cells" if len(sizes) > 1 else f"{sizes[0]} cells"
    all_shown = maps == len(result.objects)
    shown = "" if all_shown else f"\nThe {maps} highest-scoring of {len(result.objects)} are shown."
    note = (
        "Only single cells are read after this layer: a score can only fall where its own cell is covered."
        if result.own_cell_only
        else "Neighboring cells are read after this layer: an object's surroundings count too."
    )
    return (
        f"Maps: mean change of the score over the windows ({span}) that cover a cell, in % of the score;\n"
        f"cells covered together share it. The ring marks the cell that made the prediction.{shown}\n"
        f"Heat: brighter cells are stronger (root mean square of the channels, up to its 98th percentile).\n"
        f"{note}"
    )


def _panel(
    figure: SubFigure,
    cell: SubplotSpec,
    result: Occlusion,
    pixels: Pixels,
    title: str,
    letter: str,
    *,
    gray: bool = False,
) -> Axes:
    """Return axes in pixels of the image that show it, faded to gray where a map comes over it."""
    axes = figure.add_subplot(cell)
    width, height = result.frame.image_wh
    shown: NDArray[Any] = pixels
    if gray:
        light = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        shown = np.repeat((90 + light * 165 / 255)[:, :, None], 3, axis=2).astype(np.uint8)
    axes.imshow(shown, extent=(0, width, height, 0), interpolation="antialiased", zorder=1)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_autoscale_on(False)
    axes.spines[:].set(linewidth=0.5, color=GRAY)
    axes.set_title(letter, size=TEXT_SIZE + 1.5, weight="bold", loc="left", pad=4)
    axes.annotate(
        title,
        (0, 1),
        (13, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        size=TEXT_SIZE + 1,
        parse_math=False,
    ).set_in_layout(False)
    return axes


def _draw_strength(axes: Axes, result: Occlusion) -> None:
    axes.imshow(
        result.strength,
        extent=_extent(result),
        cmap="viridis",
        alpha=0.55,
        vmax=float(np.quantile(result.strength, 0.98)),
        interpolation="nearest",
        zorder=2,
    )
    _draw_grid(axes, result, alpha=0.7)


def _draw_grid(axes: Axes, result: Occlusion, *, alpha: float) -> None:
    cells = result.cell_xyxy
    for x in [*cells[0, :, 0], cells[0, -1, 2]]:
        axes.axvline(x, color="white", linewidth=0.4, alpha=alpha, zorder=3)
    for y in [*cells[:, 0, 1], cells[-1, 0, 3]]:
        axes.axhline(y, color="white", linewidth=0.4, alpha=alpha, zorder=3)


def _draw_crosses(axes: Axes, result: Occlusion, window: int) -> None:
    cells = result.cell_xyxy
    x, y, size = (int(column[window]) for column in (result.windows.x, result.windows.y, result.windows.size))
    for left, top, right, bottom in cells[y : y + size, x : x + size].reshape(-1, 4):
        for ends in ((top, bottom), (bottom, top)):
            axes.plot([left, right], ends, color="black", linewidth=1.3, zorder=5, path_effects=_HALO)
    left, top = cells[y, x, :2]
    right, bottom = cells[y + size - 1, x + size - 1, 2:]
    frame = Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=1.3, zorder=5)
    frame.set_path_effects(_HALO)
    axes.add_patch(frame)


def _draw_after(axes: Axes, result: Occlusion, window: int) -> None:
    new = result.appeared
    appeared = [
        _Box(new.xyxy[row], "black", ":", f"{new.label[row]} {new.score[row]:.2f}", str(new.label[row]))
        for row in np.flatnonzero(new.window == window)
    ]
    gone = result.disappeared[window]
    _draw_boxes(axes, [*_boxes(result, result.scores[window], gone), *appeared])


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    """A box in pixels of the image, how it is drawn, and its text; ``short`` where there is little room."""

    xyxy: NDArray[np.float32]
    color: str
    style: Style
    text: str
    short: str


def _boxes(
    result: Occlusion, scores: NDArray[np.float32], gone: NDArray[np.bool_] | None = None
) -> list[_Box]:
    """Return the untouched predictions with scores (p,), those ``gone`` (p,) drawn apart.

    Where there are many, texts would hide the picture: only those that are gone have more than a number.
    """
    boxes = []
    many = len(result.objects) > MOST_MAPS
    for index, label in enumerate(result.objects.label.tolist()):
        xyxy = result.objects.xyxy[index]
        lost = gone is not None and bool(gone[index])
        number = f"{index + 1}"
        text = number if many and not lost else f"{number} {label} {float(scores[index]):.2f}"
        style: Style = "--" if lost else "-"
        boxes.append(_Box(xyxy, ORANGE if lost else BLUE, style, text, number))
    return boxes


def _draw_boxes(axes: Axes, boxes: Sequence[_Box]) -> None:
    """Draw boxes, and their texts where they hide least of the boxes and of other texts."""
    outlines = np.array([box.xyxy for box in boxes], np.float64).reshape(-1, 4)
    taken = np.zeros((0, 4))
    for box in boxes:
        _draw_outline(axes, box.xyxy, box.color, box.style)
        text, place = _text_place(axes, box, outlines, taken)
        taken = np.vstack([taken, place])
        axes.text(
            place[0],
            (place[1] + place[3]) / 2,
            text,
            size=TEXT_SIZE,
            color="white",
            va="center",
            zorder=7,
            clip_on=True,
            parse_math=False,  # a label may hold dollar signs
            bbox={"facecolor": box.color, "edgecolor": "none", "pad": 1.2},
        )


def _draw_outline(axes: Axes, xyxy: NDArray[np.float32], color: str, style: Style) -> None:
    left, top, right, bottom = (float(side) for side in xyxy)
    outline = Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=1.5, zorder=6)
    outline.set_edgecolor(color)
    outline.set_linestyle(style)
    outline.set_path_effects(_HALO)
    axes.add_patch(outline)


def _text_place(
    axes: Axes, box: _Box, outlines: NDArray[np.float64], taken: NDArray[np.float64]
) -> tuple[str, NDArray[np.float64]]:
    """Return a box's text and its rectangle (4,): above it, below, beside or inside, where it hides least.

    Hidden area counts as a share of each box, so that small boxes stay visible, and ten times for texts.
    Where the text would hide too much, it is the short one.
    """
    for text in (box.text, box.short):
        places = _text_places(axes, box.xyxy, len(text))
        hidden = (_shares(places, outlines) + 10 * _shares(places, taken)).round(3)
        best = int(hidden.argmin())
        if hidden[best] <= MOST_HIDDEN:
            break
    return text, places[best]


def _text_places(axes: Axes, xyxy: NDArray[np.float32], letters: int) -> NDArray[np.float64]:
    """Return the rectangles (n, 4) at a box where a text of so many letters could be."""
    width, height = axes.get_xlim()[1], axes.get_ylim()[0]
    pixels_an_inch = max(width / (WIDTH / 3), 1)
    wide, high = LETTER_WH[0] * pixels_an_inch * (letters + 1), LETTER_WH[1] * pixels_an_inch
    left, top, right, bottom = (float(side) for side in xyxy)
    corners = [(left, top - high), (left, bottom), (right - wide, top - high), (right - wide, bottom)]
    corners += [(right, top), (left - wide, top), (left, top), (left, bottom - high)]
    corners += [(left, top + step * high) for step in range(1, 8)]
    x, y = np.array(corners).T
    x, y = np.clip(x, 0, max(width - wide, 0)), np.clip(y, 0, max(height - high, 0))
    places: NDArray[np.float64] = np.stack([x, y, x + wide, y + high], axis=1)
    return places


def _shares(places: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each place (n, 4) the summed shares of the boxes (m, 4) that it covers."""
    low = np.maximum(places[:, None, :2], boxes[None, :, :2])
    high = np.minimum(places[:, None, 2:], boxes[None, :, 2:])
    area = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1)
    shares: NDArray[np.float64] = (np.maximum(high - low, 0).prod(2) / area).sum(1)
    return shares


def _mark_cell(axes: Axes, result: Occlusion, index: int) -> None:
    """Draw a ring at the center of the head's cell that made the prediction."""
    cells = result.objects.provenance
    middle = (np.array([cells.cell_x[index], cells.cell_y[index]]) + 0.5) * cells.stride[index]
    x, y = result.frame.to_image(np.tile(middle, 2)[None].astype(np.float32))[0, :2]
    axes.plot(
        x, y, "o", markersize=6, markerfacecolor="none", markeredgecolor="black", zorder=6, path_effects=_HALO
    )


def _extent(result: Occlusion) -> tuple[float, float, float, float]:
    cells = result.cell_xyxy
    return float(cells[0, 0, 0]), float(cells[-1, -1, 2]), float(cells[-1, -1, 3]), float(cells[0, 0, 1])


def _summary(result: Occlusion, window: int) -> str:
    gone = int(result.disappeared[window].sum())
    new = int((result.appeared.window == window).sum())
    return f"after: {gone} of {len(result.objects)} disappeared, {new} appeared"
