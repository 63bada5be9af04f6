"""Sheets: targets and their nearest neighbors as a grid of pictures (the paper's figures 2 and 5)."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import cycle
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath

from objectspace.analyses.explanation import Explanation
from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.figures.explanation import heated_picture
from objectspace.figures.style import BLUE, GRAY, ORANGE
from objectspace.images import Pixels
from objectspace.search import IMAGE, Answer, SpaceSearch, choose_targets, distance_text
from objectspace.search.tiles import SheetRow, Tile, sheet_rows
from objectspace.store import Store

# Inches. A picture of 128 pixels in 0.8 inches is drawn pixel by pixel at 160 or 320 dots per inch.
PICTURE = 0.8
COLUMN = 0.98
ROW = 1.17
LINE = 0.115
TARGET_GAP = 0.22
MARGIN = 0.14
HEADER = 0.26
FOOTER = 0.62
NARROWEST = 3.6
BAR, PARTS_LEGEND = 0.06, 0.2
TEXT_SIZE = 6.5
WORD_LINES = 7

# The parts of a similarity in a joint space, which differ in black and white too.
SHADES = ("#3b3b3b", "#a6a6a6", "#d9d9d9", "#6e6e6e")

# Of 255: up to BLACK a pixel is background; pictures with a median below DARK have it brought to LIGHT.
BLACK, DARK, LIGHT = 8, 60, 100


@typed
def draw_sheet(
    rows: Sequence[SheetRow], *, caption: str = "", why: Sequence[Sequence[Explanation]] = ()
) -> Figure:
    """Draw a row for each target: the target, then its neighbors with label and distance.

    A neighbor of the target's label has a solid blue frame, one of another label a dashed orange frame, which
    differ in black and white too. Where the target's label is not known, all frames are gray. Dark pictures
    are lightened, and the footer says so. In a joint space a bar under each neighbor has a shade for each
    part's contribution to the similarity; the full width of a frame is a similarity of 1. ``caption`` (the
    space, the metric) is written under the grid.

    why: an explanation of each neighbor of each row, as :func:`explain_neighbors` gives them. Pictures are
        then what the network saw, with the shares of their cells in the distance: of the target the mean
        over its neighbors; one scale a row

    Raises InputError without rows.

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> answers = search.nearest(search.stored(osp.choose_targets(search, 2)), k=3)
    >>> osp.write_figure(osp.draw_sheet(osp.sheet_rows(store, answers)), Path("sheet.png"))
    """
    if not rows:
        raise InputError("a sheet needs at least one target; the space holds no object that was asked for")
    if why:
        rows = [_heated(row, own) for row, own in zip(rows, why, strict=True)]
        caption = " · ".join(filter(None, (caption, "blue cells join the two, orange ones drive them apart")))
    columns = max(len(row.neighbors) for row in rows)
    width = max(NARROWEST, 2 * MARGIN + COLUMN + TARGET_GAP + columns * COLUMN)
    parts = list(dict.fromkeys(name for row in rows for tile in row.neighbors for name in tile.parts))
    pitch = ROW + LINE * max((row.target.note or "").count("\n") for row in rows) + BAR * bool(parts)
    tiles = [tile for row in rows for tile in (row.target, *row.neighbors) if tile.words is None]
    dark = any(is_dark(tile.picture) for tile in tiles)
    if dark:
        caption = " · ".join(filter(None, (caption, "dark pictures are lightened")))
    height = HEADER + pitch * len(rows) + FOOTER + LINE * dark + PARTS_LEGEND * bool(parts)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    _draw_header(axes, columns)
    for number, row in enumerate(rows):
        top = HEADER + number * pitch
        _draw_tile(axes, row.target, _column_left(0), top, color="black", style="-")
        for column, tile in enumerate(row.neighbors, start=1):
            color, style = _frame(tile, row.target)
            _draw_tile(axes, tile, _column_left(column), top, color=color, style=style)
    labels = any(row.target.label is not None for row in rows)
    _draw_footer(axes, HEADER + pitch * len(rows), caption, legend=labels, parts=parts)
    return figure


def _heated(row: SheetRow, why: Sequence[Explanation]) -> SheetRow:
    """Return a row whose pictures have their cells' shares drawn over what the network saw."""
    if not why:
        return row
    strongest = max(float(np.abs(cell.own).max()) for one in why for cell in one.cells) or 1.0
    own = replace(why[0].cells[0], heat=np.mean([one.cells[0].heat for one in why], axis=0))
    seen = [heated_picture(one, 1 / strongest) for one in (own, *(one.cells[1] for one in why))]
    tiles = (row.target, *row.neighbors)
    target, *neighbors = (replace(tile, picture=one) for tile, one in zip(tiles, seen, strict=True))
    return SheetRow(target, tuple(neighbors))


def draw_space(store: Store, space: str, *, targets: int = 12, k: int = 5) -> Figure:
    """Draw a sheet of a space: targets of all its labels and their nearest objects of other photos.

    Raises QueryError for an unknown space, InputError for an empty one.
    """
    search = SpaceSearch(store, space)
    queries = search.stored(choose_targets(search, targets))
    answers = search.nearest(queries, k=k)
    return draw_sheet(sheet_rows(store, answers), caption=sheet_caption(answers))


def sheet_caption(answers: Sequence[Answer]) -> str:
    """Return the caption of a sheet of these answers: space, metric, which neighbors were searched."""
    if not answers:
        return ""
    first, found = answers[0], "exact"
    if first.approximate is not None:
        found = f"approximate, recall at 10 {first.approximate.index.recall.recall_at_10:.3f}"
    column, others = first.filters.exclude_same, "neighbors from any photo"
    if column is not None:
        others = "neighbors from other photos only" if column == IMAGE else f"none of the target's {column}"
    near = "" if first.filters.within is None else f", within {first.filters.within:g}"
    bar = "" if first.parts is None else " · bar: similarity by part"
    return f"space {first.space} · {first.metric} distance under each, {found} · {others}{near}{bar}"


def _frame(tile: Tile, target: Tile) -> tuple[str, str]:
    """Return color and line of a neighbor's frame."""
    if target.label is None:
        return GRAY, "-"
    return (BLUE, "-") if tile.label == target.label else (ORANGE, "--")


def _column_left(column: int) -> float:
    return MARGIN + column * COLUMN + (TARGET_GAP if column else 0)


def _draw_header(axes: Axes, columns: int) -> None:
    for column in range(columns + 1):
        text = "target" if column == 0 else f"{column}"
        middle = _column_left(column) + COLUMN / 2
        axes.text(middle, HEADER - 0.06, text, ha="center", va="bottom", size=TEXT_SIZE + 0.5, color=GRAY)


def _draw_tile(axes: Axes, tile: Tile, left: float, top: float, *, color: str, style: str) -> None:
    height, width = tile.picture.shape[:2]
    scale = PICTURE / max(height, width)
    middle_x, middle_y = left + COLUMN / 2, top + PICTURE / 2 + 0.04
    half_w, half_h = width * scale / 2, height * scale / 2
    extent = (middle_x - half_w, middle_x + half_w, middle_y + half_h, middle_y - half_h)
    if tile.words is None:
        axes.imshow(lightened(tile.picture), extent=extent, aspect="auto", interpolation="bicubic", zorder=1)
    else:
        _write(axes, middle_x, middle_y, _wrapped(tile.words), va="center")
    corner = (middle_x - PICTURE / 2 - 0.02, middle_y - PICTURE / 2 - 0.02)
    side = PICTURE + 0.04
    axes.add_patch(
        Rectangle(corner, side, side, fill=False, edgecolor=color, linestyle=style, linewidth=1.3, zorder=2)
    )
    under = middle_y + PICTURE / 2 + 0.06
    if tile.parts:
        _draw_parts(axes, tile.parts, corner[0], under - 0.02, side)
        under += BAR
    name = "query" if tile.words is None else "text"
    _write(axes, middle_x, under, _shortened(name if tile.label is None else tile.label))
    second = distance_text(tile.distance) if tile.distance is not None else tile.note
    if second is not None:
        for number, line in enumerate(second.split("\n"), start=1):
            _write(axes, middle_x, under + number * LINE, _shortened(line), color=GRAY)


def _draw_parts(axes: Axes, parts: Mapping[str, float], left: float, top: float, width: float) -> None:
    """Draw contributions to a similarity side by side; one below zero takes no room."""
    for shade, part in zip(cycle(SHADES), parts.values(), strict=False):
        length = width * max(0.0, part)
        axes.add_patch(Rectangle((left, top), length, BAR - 0.01, facecolor=shade, linewidth=0, zorder=2))
        left += length


def is_dark(picture: Pixels) -> bool:
    """Return whether nearly all of a picture (h, w, 3) is too dark to be seen on a page."""
    return 0 < _brightness(picture) < DARK


def lightened(picture: Pixels) -> Pixels:
    """Return a dark picture with its median brought to :data:`LIGHT` by a gamma, others unchanged."""
    if not is_dark(picture):
        return picture
    gamma = np.log(LIGHT / 255) / np.log(_brightness(picture) / 255)
    brighter: Pixels = np.rint(255 * (picture / 255) ** gamma).astype(np.uint8)
    return brighter


def _brightness(picture: Pixels) -> float:
    """Return the median of the brightest channel, without the black around an object.

    A high percentile would take a black chair with one bright screw for bright.
    """
    brightest = np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2])
    shown = brightest[brightest > BLACK]
    return float(np.median(shown)) if len(shown) else 0.0


def _draw_footer(axes: Axes, top: float, caption: str, *, legend: bool, parts: Sequence[str]) -> None:
    entries = ((BLUE, "-", "same label as the target"), (ORANGE, "--", "another label"))
    left = MARGIN + (COLUMN - PICTURE) / 2
    for color, style, text in entries if legend else ():
        axes.add_patch(
            Rectangle(
                (left, top + 0.1), 0.15, 0.15, fill=False, edgecolor=color, linestyle=style, linewidth=1.3
            )
        )
        _write(axes, left + 0.22, top + 0.175, text, ha="left", va="center")
        left += 1.62
    edge = left = MARGIN + (COLUMN - PICTURE) / 2
    if parts:
        top += PARTS_LEGEND
    for shade, name in zip(cycle(SHADES), map(_shortened, parts), strict=False):
        axes.add_patch(Rectangle((left, top + 0.145), 0.15, BAR - 0.01, facecolor=shade, linewidth=0))
        _write(axes, left + 0.22, top + 0.175, name, ha="left", va="center")
        left += 0.22 + _width(name) + 0.2
    _write(axes, edge, top + 0.36, caption, ha="left", color=GRAY, wrap=True)


def _write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    ha: Literal["left", "center"] = "center",
    va: Literal["top", "center"] = "top",
    color: str = "black",
    wrap: bool = False,
) -> None:
    # A label may hold dollar signs.
    axes.text(x, y, text, ha=ha, va=va, color=color, size=TEXT_SIZE, wrap=wrap, parse_math=False)


@lru_cache(maxsize=4096)  # a sheet repeats a few labels in many tiles
def _shortened(label: str) -> str:
    """Return the label, or as much of its beginning as a column has room for."""
    if _width(label) <= COLUMN:
        return label
    lengths = range(1, len(label))
    fitting = bisect.bisect_right(lengths, COLUMN, key=lambda length: _width(label[:length] + "…"))
    return label[:fitting] + "…"


def _wrapped(words: str) -> str:
    """Return words in lines as wide as a picture, seven at most; a wider word is broken."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if _width(longer) <= PICTURE - 0.04:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            lines[-1] += letter
            if _width(lines[-1]) > PICTURE - 0.08:
                lines.append("")
    lines = [line for line in lines if line]
    return "\n".join(lines if len(lines) <= WORD_LINES else [*lines[: WORD_LINES - 1], "…"])


def _width(text: str) -> float:
    """Return the width in inches."""
    points: float = TextToPath().get_text_width_height_descent(text, FontProperties(size=TEXT_SIZE), False)[0]
    return points / 72
