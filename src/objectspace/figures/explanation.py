"""Drawings of explanations: the shares of cells in a distance, over what the network saw of each object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from objectspace.analyses.explanation import CellHeat, Contrast, Explanation
from objectspace.arguments import typed
from objectspace.figures.style import BLUE, GRAY, ORANGE

# Inches.
PICTURE, NAMES, HEADING, KEY = 1.9, 0.9, 0.3, 0.3
TEXT_SIZE = 8.0

#: From what joins two objects to what drives them apart.
_COLORS = LinearSegmentedColormap.from_list("shares", [BLUE, "#FFFFFF", ORANGE])

#: How much of a picture still shows under the strongest share.
_SEEN = 0.25


@typed
def draw_explanation(why: Explanation | Contrast, labels: Sequence[str] = ()) -> Figure:
    """Draw each object as the network saw it, and below it the shares of its cells.

    labels: of the two objects, or of the three of a contrast
    Blue cells join the two, orange ones drive them apart; in a contrast blue ones make the first like the
    second and unlike the third. One scale holds for all objects of a part. A joint space has two rows a part.

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> first, second = (search.stored([name]) for name in osp.choose_targets(search, 2, label="chair"))
    >>> osp.write_figure(osp.draw_explanation(osp.explain(search, first, second)), Path("why.png"))
    """
    parts = why.parts or {"": why}
    drawn = {name: part for name, part in parts.items() if part.cells}
    columns = 3 if isinstance(why, Contrast) else 2
    rows = 2 * max(len(drawn), 1)
    figure = Figure(
        figsize=(max(columns * PICTURE + NAMES, 5.6), rows * PICTURE + HEADING + KEY), layout="constrained"
    )
    grid = figure.subplots(rows, columns, squeeze=False)
    for number, (name, part) in enumerate(drawn.items()):
        _draw_part(grid[2 * number : 2 * number + 2].tolist(), part, name)
    for axes, label in zip(grid[0], labels, strict=False):
        axes.set_title(label, size=TEXT_SIZE, parse_math=False, pad=3)
    figure.suptitle(_heading(why), size=TEXT_SIZE, parse_math=False)
    _add_key(figure, isinstance(why, Contrast))
    return figure


def _draw_part(grid: list[list[Axes]], part: Explanation | Contrast, name: str) -> None:
    """Draw the pictures of a part in the first row of axes, the shares in the second."""
    strongest = max(float(np.abs(one.own).max()) for one in part.cells) or 1.0
    sign = -1 if isinstance(part, Contrast) else 1
    for pictured, heated, one in zip(*grid, part.cells, strict=True):
        pictured.imshow(one.picture, interpolation="antialiased")
        heated.imshow(heated_picture(one, sign / strongest), interpolation="antialiased")
        heated.set_xlabel(f"sum {one.heat.sum():.4g}", size=TEXT_SIZE)
        for axes in (pictured, heated):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color("#CCCCCC")
    space = (part.near if isinstance(part, Contrast) else part).space
    grid[0][0].set_ylabel(name or space, size=TEXT_SIZE, parse_math=False)
    grid[1][0].set_ylabel(f"shares\nstrongest {strongest:.3g}", size=TEXT_SIZE)


def heated_picture(one: CellHeat, scale: float) -> NDArray[np.uint8]:
    """Return a picture in light gray, each cell in its color as far as its share is strong (h, w, 3).

    scale: what brings the cells' own shares to -1 (blue) to 1 (orange); a cell that adds nothing is gray
    """
    rows, columns = one.heat.shape
    height, width = one.picture.shape[:2]
    row = np.minimum((np.arange(height) + 0.5) * rows / height, rows - 1).astype(int)
    column = np.minimum((np.arange(width) + 0.5) * columns / width, columns - 1).astype(int)
    share = (one.own * scale)[np.ix_(row, column)]
    color = _COLORS((np.sign(share) + 1) / 2)[..., :3] * 255
    gray = 150 + one.picture.mean(2, keepdims=True) * (105 / 255)
    weight = (1 - _SEEN) * np.abs(share)[..., None] ** 0.7
    blended: NDArray[np.uint8] = np.rint(gray * (1 - weight) + color * weight).astype(np.uint8)
    return blended


def _heading(why: Explanation | Contrast) -> str:
    if isinstance(why, Contrast):
        near, far = why.near.distance, why.far.distance
        margin = " + ".join(f"{one.heat.sum():.4g}" for one in why.cells) or "the parts' sum"
        if why.near.method == "occlusion":
            margin = "by occlusion"
        return (
            f"{why.near.space} · {why.near.metric} distances {near:.4g} and {far:.4g} · "
            f"margin {why.margin:.4g} = {margin}"
        )
    sums = f"{why.total:.4g} = " + " + ".join(f"{one.heat.sum():.4g}" for one in why.cells)
    if why.parts:
        sums = "1 − cosine " + " + ".join(f"{part.total:.3g} {name}" for name, part in why.parts.items())
    elif why.method == "occlusion":
        sums = "by occlusion: shares do not sum to it"
    elif why.metric == "euclidean":
        sums = f"squared {sums}"
    return f"{why.space} · {why.metric} distance {why.distance:.4g} · {sums}"


def _add_key(figure: Figure, contrast: bool) -> None:
    texts = {BLUE: "joins them", ORANGE: "drives them apart"}
    if contrast:
        texts = {BLUE: "like the second, unlike the third", ORANGE: "unlike the second, like the third"}
    squares = [
        Line2D([], [], marker="s", linestyle="", color=color, markersize=7, label=text)
        for color, text in texts.items()
    ]
    figure.legend(
        handles=squares,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=TEXT_SIZE,
        labelcolor=GRAY,
    )
