"""The sheet of an audit: the first objects of each list, as pictures to be judged at a glance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from objectspace.arguments import typed
from objectspace.errors import InputError, counted, number_text
from objectspace.figures.sheet import lightened
from objectspace.figures.style import BLUE, GRAY, ORANGE
from objectspace.search.audit.lists import Audit, AuditList
from objectspace.search.audit.tiles import AuditTile, object_tiles, photo_tiles
from objectspace.store import Store

# Inches.
PICTURE, COLUMN, ROW, MARGIN, HEADING, LINE = 1.0, 1.16, 1.66, 0.14, 0.42, 0.12
TEXT_SIZE = 6.5
COLUMNS, ROWS = 10, 3
#: Letters of a line under a tile, and of the end of a photo's name, whose digits are wide.
_LETTERS, _NAME = 25, 20


@typed
def draw_audit(store: Store, audit: Audit) -> Figure:
    """Draw the first objects of each list, most suspicious first, under what the list finds.

    An object is drawn in its surroundings, half of its size on each side, with its box, or by its thumbnail
    where its photo cannot be read. Copies stand beside the one that is kept (solid blue frame; a copy's is
    dashed orange), leaks beside the object of the other split; under an outlier is its label, under a
    suspicious label yours and the one proposed, and under each tile the name of its photo. What the ranking
    has after a list that names few or none is drawn in gray frames. Raises InputError for an audit without
    any list.

    >>> found = osp.audit(store, space="demo-crop", only=["outliers", "labels"], uncalibrated=True)
    >>> osp.write_figure(osp.draw_audit(store, found), Path("audit.png"))
    """
    parts = [(one, list(_tiles(one))[: COLUMNS * ROWS]) for one in audit.lists.values()]
    if not any(tiles for _, tiles in parts):
        raise InputError("this audit ranks no object, so that there is nothing to draw")
    rows = [max(1, -(-len(tiles) // COLUMNS)) if tiles else 0 for _, tiles in parts]
    width = 2 * MARGIN + COLUMNS * COLUMN
    height = MARGIN + sum(HEADING + count * ROW for count in rows) + MARGIN
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    pictures = _pictures(store, parts)
    top = MARGIN
    for (one, tiles), count in zip(parts, rows, strict=True):
        _write(axes, MARGIN, top + 0.12, _heading(one), size=TEXT_SIZE + 2, weight="bold")
        _write(axes, MARGIN, top + 0.27, _figures(one), color=GRAY)
        for number, tile in enumerate(tiles):
            left = MARGIN + number % COLUMNS * COLUMN
            _draw_tile(axes, pictures[tile["id"]], tile, left, top + HEADING + number // COLUMNS * ROW)
        top += HEADING + count * ROW
    return figure


def _pictures(store: Store, parts: list[tuple[AuditList, list[dict[str, Any]]]]) -> dict[str, AuditTile]:
    """Return what is drawn of each object and of each photo, by its id."""
    shown: dict[str, list[str]] = {"object": [], "photo": []}
    for one, tiles in parts:
        shown[one.noun] += [tile["id"] for tile in tiles]
    objects = object_tiles(store, list(dict.fromkeys(shown["object"])))
    return {**objects, **photo_tiles(store, shown["photo"])}


def _tiles(one: AuditList) -> Iterator[dict[str, Any]]:
    """Yield what is drawn of each row of a list: its id, lines of text, color and style of the frame."""
    # A row of the ranking where the list names fewer, so that a person sees where it begins to be wrong.
    rows = list(islice(one.iter_rows(), max(len(one.first), COLUMNS) if len(one.first) else COLUMNS * ROWS))
    if one.name in ("photos", "duplicates") and one.listed:
        yield from _copies(rows[: one.listed], one.id_name)
        return
    shown = set()
    for rank, row in enumerate(rows):
        frame = (ORANGE, "--") if rank < len(one.first) else (GRAY, "-")
        # Two objects that are nearest to each other are one pair.
        other = row.get("nearest") or row.get("leaks_to")
        if other is not None and (other, row[one.id_name]) in shown:
            continue
        shown.add((row[one.id_name], other))
        lines = [*_lines(one, row), _file_name(row["image"])]
        yield {"id": row[one.id_name], "lines": lines, "frame": frame}
        if one.name == "leaks":
            lines = [str(row["other_split"]), _file_name(row["other_image"])]
            yield {"id": row["leaks_to"], "lines": lines, "frame": (BLUE, "-")}
        if other is not None and one.name != "leaks":
            lines = ["nearest", _file_name(row["other_image"])]
            yield {"id": other, "lines": lines, "frame": (BLUE, "-")}


def _copies(rows: list[dict[str, Any]], id_name: str) -> Iterator[dict[str, Any]]:
    """Yield each kept object and then its copies, the nearest group first."""
    by_keeper: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["copy_of"] is not None:
            by_keeper.setdefault(row["copy_of"], []).append(row)
    for keeper, copies in by_keeper.items():
        kept = ["kept", _file_name(copies[0]["other_image"])]
        yield {"id": keeper, "lines": kept, "frame": (BLUE, "-")}
        for row in copies:
            lines = [row.get("kind", "copy"), number_text(row["difference"]), _file_name(row["image"])]
            yield {"id": row[id_name], "lines": lines, "frame": (ORANGE, "--")}


def _lines(one: AuditList, row: dict[str, Any]) -> list[str]:
    score = number_text(row[one.score_name])
    if one.name == "labels":
        return [f"yours: {row['label']}", f"proposed: {row['proposed']}", score]
    if one.name == "leaks":
        return [str(row["split"]), score]
    return [str(row.get("label", "")), score] if "label" in row else [score]


def _file_name(path: str) -> str:
    """Return the end of a photo's name, as much of it as a tile has room for."""
    name = PurePath(path).name
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"


def _heading(one: AuditList) -> str:
    names = {"photos": "copies of photos", "labels": "suspicious labels", "leaks": "leaks between splits"}
    title = names.get(one.name, one.name)
    if one.listed is None:
        return f"{title}: the first of {len(one)}, not calibrated"
    if not one.listed:
        return f"{title}: none within the threshold, the first of {len(one)}"
    return f"{title}: {counted(one.listed, one.noun)}"


def _figures(one: AuditList) -> str:
    if one.calibration is None:
        return "nothing was planted: nothing says how good this list is"
    return one.calibration.text


def _draw_tile(axes: Axes, shown: AuditTile, tile: dict[str, Any], left: float, top: float) -> None:
    height, width = shown.picture.shape[:2]
    scale = PICTURE / max(height, width)
    half = np.array([width, height]) * scale / 2
    x, y = left + COLUMN / 2, top + PICTURE / 2
    axes.imshow(
        lightened(shown.picture),
        extent=(x - half[0], x + half[0], y + half[1], y - half[1]),
        aspect="auto",
        interpolation="bicubic",
        zorder=1,
    )
    if shown.xyxy is not None:
        corner = np.array([x, y]) - half + shown.xyxy[:2] * scale
        wh = (shown.xyxy[2:] - shown.xyxy[:2]) * scale
        for line_width, line_color in ((1.8, "white"), (0.8, "black")):
            box = Rectangle(
                tuple(corner), *wh, fill=False, edgecolor=line_color, linewidth=line_width, zorder=2
            )
            axes.add_patch(box)
    color, style = tile["frame"]
    side = PICTURE + 0.04
    corner = (x - side / 2, y - side / 2)
    axes.add_patch(
        Rectangle(corner, side, side, fill=False, edgecolor=color, linestyle=style, linewidth=1.3, zorder=2)
    )
    for number, line in enumerate(tile["lines"]):
        _write(axes, x, y + side / 2 + 0.09 + number * LINE, line[:_LETTERS], ha="center")


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    # A label may hold dollar signs.
    axes.text(x, y, text, va="center", parse_math=False, **{"size": TEXT_SIZE, **style})
