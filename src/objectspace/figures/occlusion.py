"""Occlusion drawn: predictions before and after windows were zeroed, and what each hangs on (figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from objectspace.analyses.occlusion import Occlusion
from objectspace.errors import InputError, counted
from objectspace.figures.style import BLUE, GREY, ORANGE
from objectspace.images import Pixels

#: Inches.
WIDTH = 10.0
MARGIN = 0.18
GAP = 0.22
TITLE = 0.30
BAR = 0.74

#: Importance maps in a row, and rows of them: more than that nobody reads.
COLUMNS = 4
MOST_MAPS = 8
MOST_EXAMPLES = 2
TEXT_SIZE = 7.0
#: How a box is drawn.
Style = Literal["-", "--", ":"]

#: The room that a letter at a box takes, as shares of a panel.
TEXT_SHARE_WH = (0.0175, 0.06)

#: What costs score is orange, what gains it is blue, what does neither shows the picture.
FALL = LinearSegmentedColormap.from_list(
    "fall",
    [
        (0.0, to_rgba(BLUE, 0.95)),
        (0.5, to_rgba(BLUE, 0.0)),
        (0.5, to_rgba(ORANGE, 0.0)),
        (1.0, to_rgba(ORANGE, 0.95)),
    ],
)
_HALO: list[patheffects.AbstractPathEffect] = [patheffects.withStroke(linewidth=2.6, foreground="white")]


def draw_occlusion(result: Occlusion, pixels: Pixels) -> Figure:
    """The picture and its predictions, the windows that cost most, and an importance map for each prediction.

    pixels: (h, w, 3) of the image that was measured, in any scale. At most two windows are shown, as
    :func:`choose_windows` finds them, and the maps of the eight surest predictions.
    Raises InputError for pixels of another shape than the image's.
    """
    width, height = result.frame.image_wh
    if pixels.ndim != 3 or abs(pixels.shape[1] * height - pixels.shape[0] * width) > max(width, height) * 8:
        raise InputError(f"pixels of shape {pixels.shape} are not of the picture of {width} x {height}")
    examples = choose_windows(result)
    maps = min(len(result.objects), MOST_MAPS)
    panel = (WIDTH - 2 * MARGIN - 2 * GAP) / 3
    top_rows = max(1, len(examples))
    small = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
    aspect = height / width
    map_rows = -(-maps // COLUMNS)
    below = map_rows * (small * aspect + TITLE + GAP) + (BAR if maps else 0)
    total = MARGIN + top_rows * (panel * aspect + TITLE + GAP) + below + MARGIN
    figure = Figure(figsize=(WIDTH, total))
    _draw_examples(figure, result, pixels, examples, panel, total)
    if maps:
        _draw_maps(figure, result, pixels, maps, small, total, below)
    return figure


def choose_windows(result: Occlusion) -> list[int]:
    """At most two windows that are worth a picture, by their numbers; none without predictions.

    The first is the smallest of those that make most predictions disappear, the second the smallest that
    fells one which the first leaves. Where nothing falls, the window with the deepest loss of score.
    """
    if not len(result.objects) or not len(result.windows):
        return []
    fell = result.disappeared
    if not fell.any():
        return [int(result.score_change.min(1).argmin())]
    small = result.windows.size == result.windows.size[fell.any(1)].min()
    first = int(np.where(small, fell.sum(1), 0).argmax())
    rest = fell & ~fell[first]
    second = [int(rest.any(1).argmax())] if rest.any() else []
    return [first, *second][:MOST_EXAMPLES]


def _draw_examples(
    figure: Figure, result: Occlusion, pixels: Pixels, examples: list[int], panel: float, total: float
) -> None:
    """Left the untouched picture, then for each window the map with its crosses, and what is left."""
    height = panel * result.frame.image_wh[1] / result.frame.image_wh[0]
    lefts = [MARGIN + column * (panel + GAP) for column in range(3)]
    row_height = height + TITLE + GAP
    first = MARGIN + TITLE
    middle = first + (max(1, len(examples)) - 1) * row_height / 2
    axes = _panel(figure, result, lefts[0], middle, panel, height, total)
    _show(axes, result, pixels)
    _title(axes, f"before: {counted(len(result.objects), 'prediction')}", letter="a")
    _draw_boxes(axes, _boxes(result, result.objects.score))
    columns, rows = result.grid_wh
    name = "pixels" if result.tap == "pixels" else f"layer {result.tap}"
    if not examples:
        axes = _panel(figure, result, lefts[1], first, panel, height, total)
        _show(axes, result, pixels, grey=True)
        _draw_strength(axes, result)
        _title(axes, f"{name}: {columns} x {rows} cells", letter="b")
    for number, window in enumerate(examples):
        top = first + number * row_height
        axes = _panel(figure, result, lefts[1], top, panel, height, total)
        _show(axes, result, pixels, grey=True)
        _draw_strength(axes, result)
        _draw_crosses(axes, result, window)
        size = int(result.windows.size[window])
        _title(axes, f"{name}: {size} x {size} of {columns} x {rows} cells zeroed", letter="bd"[number])
        axes = _panel(figure, result, lefts[2], top, panel, height, total)
        _show(axes, result, pixels)
        _draw_after(axes, result, window)
        _title(axes, _summary(result, window), letter="ce"[number])


def _draw_maps(
    figure: Figure, result: Occlusion, pixels: Pixels, maps: int, small: float, total: float, below: float
) -> None:
    """One importance map a prediction, as a share of its own score, so that weak ones can be read too."""
    falls = [result.importance(index) / result.objects.score[index] for index in range(maps)]
    scale = Normalize(-1, 1, clip=True)
    height = small * result.frame.image_wh[1] / result.frame.image_wh[0]
    start = total - MARGIN - below
    for index, fall in enumerate(falls):
        row, column = divmod(index, COLUMNS)
        left = MARGIN + column * (small + GAP)
        top = start + row * (height + TITLE + GAP) + TITLE
        axes = _panel(figure, result, left, top, small, height, total)
        _show(axes, result, pixels, grey=True)
        axes.imshow(
            fall,
            extent=_extent(result),
            cmap=FALL,
            norm=scale,
            interpolation="nearest",
            zorder=2,
            aspect="auto",
        )
        _draw_grid(axes, result, alpha=0.35)
        _draw_outline(axes, result.objects.xyxy[index], BLUE, "-")
        _mark_cell(axes, result, index)
        label = f"{result.objects.label[index]} {result.objects.score[index]:.2f}"
        _title(axes, label, letter=str(index + 1))
    _draw_footer(figure, result, maps, scale, total)


def _draw_footer(figure: Figure, result: Occlusion, maps: int, scale: Normalize, total: float) -> None:
    """The maps' scale, what is shown in words, and the lines of the boxes."""
    place = ((MARGIN + 0.2) / WIDTH, (MARGIN + BAR - 0.23) / total, 2.2 / WIDTH, 0.13 / total)
    bar = figure.colorbar(
        matplotlib.cm.ScalarMappable(scale, FALL), cax=figure.add_axes(place), orientation="horizontal"
    )
    bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["+100 %", "+50 %", "0", "−50 %", "−100 %"])
    bar.ax.tick_params(labelsize=TEXT_SIZE)
    bar.outline.set_linewidth(0.5)
    left = (MARGIN + 2.75) / WIDTH
    figure.text(
        left, (MARGIN + BAR - 0.1) / total, _words(result, maps), size=TEXT_SIZE + 0.5, va="top", color=GREY
    )
    axes = figure.add_axes(((WIDTH - MARGIN - 1.6) / WIDTH, MARGIN / total, 1.6 / WIDTH, BAR / total))
    axes.set_xlim(0, 1.6)
    axes.set_ylim(BAR, 0)
    axes.axis("off")
    lines = ((BLUE, "-", "stays, new score"), (ORANGE, "--", "disappeared"), ("black", ":", "appeared"))
    for row, (color, style, text) in enumerate(lines):
        axes.plot([0.05, 0.4], [0.16 + 0.17 * row] * 2, color=color, linestyle=style, linewidth=1.8)
        axes.text(0.5, 0.16 + 0.17 * row, text, size=TEXT_SIZE + 0.5, va="center", color=GREY)


def _words(result: Occlusion, maps: int) -> str:
    sizes = sorted(set(result.windows.size.tolist()))
    span = f"{sizes[0]} to {sizes[-1]} cells" if len(sizes) > 1 else f"{sizes[0]} cells"
    shown = "" if maps == len(result.objects) else f"\nThe {maps} surest of {len(result.objects)} are shown."
    note = (
        "Only single cells are read after this layer: a score can only fall where its own cell is covered."
        if result.own_cell_only
        else "Neighbouring cells are read after this layer: what is around an object counts too."
    )
    return (
        f"Maps: mean change of the score over the windows ({span}) that cover a cell, in % of the score;\n"
        f"cells covered together share it. The ring marks the cell that made the prediction.{shown}\n"
        f"Heat: brighter cells are stronger (root mean square of the channels).\n{note}"
    )


def _panel(
    figure: Figure, result: Occlusion, left: float, top: float, width: float, height: float, total: float
) -> Axes:
    """Axes in pixels of the image at a place in inches from the top left."""
    axes = figure.add_axes((left / WIDTH, 1 - (top + height) / total, width / WIDTH, height / total))
    image_width, image_height = result.frame.image_wh
    axes.set_xlim(0, image_width)
    axes.set_ylim(image_height, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)
        spine.set_color(GREY)
    axes.set_autoscale_on(False)
    return axes


def _show(axes: Axes, result: Occlusion, pixels: Pixels, *, grey: bool = False) -> None:
    """The picture; faded to grey under a map."""
    width, height = result.frame.image_wh
    shown: NDArray[Any] = pixels
    if grey:
        light = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        shown = np.repeat((90 + light * 165 / 255)[:, :, None], 3, axis=2).astype(np.uint8)
    axes.imshow(shown, extent=(0, width, height, 0), aspect="auto", interpolation="antialiased", zorder=1)


def _draw_strength(axes: Axes, result: Occlusion) -> None:
    axes.imshow(
        result.strength,
        extent=_extent(result),
        cmap="viridis",
        alpha=0.55,
        interpolation="nearest",
        zorder=2,
        aspect="auto",
    )
    _draw_grid(axes, result, alpha=0.7)


def _draw_grid(axes: Axes, result: Occlusion, *, alpha: float) -> None:
    cells = result.cell_xyxy()
    for x in [*cells[0, :, 0], cells[0, -1, 2]]:
        axes.axvline(x, color="white", linewidth=0.4, alpha=alpha, zorder=3)
    for y in [*cells[:, 0, 1], cells[-1, 0, 3]]:
        axes.axhline(y, color="white", linewidth=0.4, alpha=alpha, zorder=3)


def _draw_crosses(axes: Axes, result: Occlusion, window: int) -> None:
    cells = result.cell_xyxy()
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
        _Box(new.xyxy[row], "black", ":", f"{new.label[row]} {new.score[row]:.2f}")
        for row in np.flatnonzero(new.window == window)
    ]
    gone = result.disappeared[window]
    _draw_boxes(axes, [*_boxes(result, result.scores[window], gone), *appeared])


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    """A box in pixels of the image, how it is drawn, and what stands at it."""

    xyxy: NDArray[np.float32]
    color: str
    style: Style
    text: str


def _boxes(
    result: Occlusion, scores: NDArray[np.float32], gone: NDArray[np.bool_] | None = None
) -> list[_Box]:
    """The untouched predictions with scores (p,), those ``gone`` (p,) told apart.

    Many have only their numbers, as their texts would hide the picture; what is gone is always named.
    """
    boxes = []
    many = len(result.objects) > MOST_MAPS
    for index, label in enumerate(result.objects.label.tolist()):
        xyxy = result.objects.xyxy[index]
        fell = gone is not None and bool(gone[index])
        text = f"{index + 1}" if many and not fell else f"{index + 1} {label} {float(scores[index]):.2f}"
        boxes.append(_Box(xyxy, ORANGE, "--", text) if fell else _Box(xyxy, BLUE, "-", text))
    return boxes


def _draw_boxes(axes: Axes, boxes: Sequence[_Box]) -> None:
    """Boxes, and their texts at corners where none stands yet."""
    taken: list[tuple[float, float, float]] = []
    for box in boxes:
        _draw_outline(axes, box.xyxy, box.color, box.style)
        x, end, y = _free_room(axes, box, taken)
        taken.append((x, end, y))
        axes.text(
            x,
            y,
            box.text,
            size=TEXT_SIZE,
            color="white",
            va="bottom",
            zorder=7,
            clip_on=True,
            parse_math=False,  # a label is text, whatever dollar signs it has
            bbox={"facecolor": box.color, "edgecolor": "none", "pad": 1.2},
        )


def _draw_outline(axes: Axes, xyxy: NDArray[np.float32], color: str, style: Style) -> None:
    left, top, right, bottom = (float(side) for side in xyxy)
    outline = Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=1.5, zorder=6)
    outline.set_edgecolor(color)
    outline.set_linestyle(style)
    outline.set_path_effects(_HALO)
    axes.add_patch(outline)


def _free_room(
    axes: Axes, box: _Box, taken: Sequence[tuple[float, float, float]]
) -> tuple[float, float, float]:
    """Where a text begins, ends and stands: at its box's top, else at its bottom, else further down."""
    width, height = axes.get_xlim()[1], axes.get_ylim()[0]
    wide, high = TEXT_SHARE_WH[0] * width * (len(box.text) + 1), TEXT_SHARE_WH[1] * height
    left, top, _, bottom = (float(side) for side in box.xyxy)
    x = min(max(left, 0.005 * width), width - wide)
    places = [top, bottom + high, *(top + step * high for step in range(1, 12))]
    inside = [min(max(y, high), height) for y in places]
    free = (
        y
        for y in inside
        if all(x >= end or x + wide <= start or abs(y - other) >= high for start, end, other in taken)
    )
    return x, x + wide, next(free, inside[0])


def _mark_cell(axes: Axes, result: Occlusion, index: int) -> None:
    """A ring at the middle of the cell of the head that made the prediction."""
    cells = result.objects.provenance
    middle = (np.array([cells.cell_x[index], cells.cell_y[index]]) + 0.5) * cells.stride[index]
    x, y = result.frame.to_image(np.tile(middle, 2)[None].astype(np.float32))[0, :2]
    axes.plot(
        x, y, "o", markersize=6, markerfacecolor="none", markeredgecolor="black", zorder=6, path_effects=_HALO
    )


def _extent(result: Occlusion) -> tuple[float, float, float, float]:
    cells = result.cell_xyxy()
    return float(cells[0, 0, 0]), float(cells[-1, -1, 2]), float(cells[-1, -1, 3]), float(cells[0, 0, 1])


def _title(axes: Axes, text: str, *, letter: str) -> None:
    axes.annotate(
        letter,
        (0, 1),
        (0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        size=TEXT_SIZE + 1.5,
        weight="bold",
    )
    axes.annotate(
        text,
        (0, 1),
        (11, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        size=TEXT_SIZE + 1,
        parse_math=False,
    )


def _summary(result: Occlusion, window: int) -> str:
    gone = int(result.disappeared[window].sum())
    new = int((result.appeared.window == window).sum())
    return f"after: {gone} of {len(result.objects)} disappeared, {new} appeared"
