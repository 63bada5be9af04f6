"""The tables and the figure of the location study, from the lines that tools/location_study.py wrote.

python tools/location_tables.py location.jsonl --figure docs/pictures/location-study.png
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binomtest

from objectspace.analyses.statistics import mean_interval
from objectspace.figures.style import BLUE, ORANGE, write_figure

GROUNDS = {"black": "black", "gray": "gray", "photo": "another photo"}
STRIDES, WINDOWS = (32, 16), (1, 2, 3, 5)
#: A component *is* the phase (the place) where it predicts half of the component's variance or more.
HALF = 0.5
REST = "#D9D9D9"


def main() -> None:
    """Print the shares, what the first two components are, and the verdict; draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    lines = [json.loads(line) for line in given.file.read_text().splitlines()]
    spaces = {
        (ground, stride, window): [
            {"object": line["object"], **space}
            for line in lines
            if line["background"] == ground
            for space in line["spaces"]
            if (space["stride"], space["window"]) == (stride, window)
        ]
        for ground, stride, window in product(GROUNDS, STRIDES, WINDOWS)
    }
    spaces = {key: rows for key, rows in spaces.items() if rows}
    labels = {line["label"] for line in lines}
    places = {line["places"] for line in lines}
    print(f"{len({line['object'] for line in lines})} objects of {len(labels)} labels, places {places}\n")
    print_shares(spaces)
    print_verdict(spaces)
    if given.figure:
        write_figure(draw_shares(spaces), given.figure)


def print_shares(spaces: dict[tuple[str, int, int], list[dict[str, Any]]]) -> None:
    """Print mean shares of the variance, with intervals over objects, and what the first components are."""
    print("| background | stride | window | objects | phase | place | the rest | first two components |")
    print("| --- | ---: | ---: | ---: | --- | --- | --- | --- |")
    for (ground, stride, window), rows in spaces.items():
        parts = [_mean([part[name] for part in map(_parts, rows)]) for name in ("phase", "place", "rest")]
        kinds = Counter(_kind(row) for row in rows)
        count = ", ".join(f"{kind} {number}" for kind, number in kinds.most_common())
        cells = " | ".join(parts)
        print(f"| {GROUNDS[ground]} | {stride} | {window} | {len(rows)} | {cells} | {count} |")


def print_verdict(spaces: dict[tuple[str, int, int], list[dict[str, Any]]]) -> None:
    """Print R2 on the first two components: of the edges, the worse, and of the phases, the better."""
    print(
        "\n| background | stride | window | R2 of x1, y1 | R2 of the phases | difference | place ahead in |"
    )
    print("| --- | ---: | ---: | --- | --- | --- | --- |")
    for (ground, stride, window), rows in spaces.items():
        edges = np.array([min(row["r2_first_2"][name] for name in ("x1", "y1")) for row in rows])
        phases = np.array([max(row["r2_first_2"][name] for name in ("phase_x", "phase_y")) for row in rows])
        ahead = int((edges > phases).sum())
        p = binomtest(ahead, len(rows)).pvalue
        cells = " | ".join(_mean(part) for part in (edges, phases, edges - phases))
        count = f"{ahead} of {len(rows)}, p {max(p, 0.001):.3f}"
        print(f"| {GROUNDS[ground]} | {stride} | {window} | {cells} | {count} |")


def _mean(values: Sequence[float] | np.ndarray) -> str:
    numbers = np.asarray(values, np.float64)
    low, high = mean_interval(numbers, np.arange(len(numbers)))
    return f"{numbers.mean():.2f} ({low:.2f} to {high:.2f})"


def _parts(row: dict[str, Any]) -> dict[str, float]:
    """Return phase, place and rest of a space; below 0 a held-out share is none.

    The sum of both is fitted too. Where that predicts worse than the two alone, the rest is what they leave.
    """
    phase, place = max(row["phase"], 0.0), max(row["place"], 0.0)
    return {"phase": phase, "place": place, "rest": 1 - max(row["both"], phase, place)}


def _kind(row: dict[str, Any]) -> str:
    """Return what the first two components are: "phase", "place", one of each, or something else."""
    kinds = {_component(*shares[:2]) for shares in row["components"]}
    if len(kinds) == 1:
        return kinds.pop()
    return "phase and place" if kinds == {"phase", "place"} else f"{min(kinds - {'neither'})} and neither"


def _component(phase: float, place: float) -> str:
    if max(phase, place) < HALF:
        return "neither"
    return "phase" if phase >= place else "place"


def draw_shares(spaces: dict[tuple[str, int, int], list[dict[str, Any]]]) -> Figure:
    """Draw a bar an object, of phase, place and rest: a row a background and stride, a column a window."""
    rows = [
        (ground, stride)
        for ground, stride in product(GROUNDS, STRIDES)
        if (ground, stride, WINDOWS[0]) in spaces
    ]
    figure = Figure(figsize=(9, 1.25 * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots(len(rows), len(WINDOWS), squeeze=False, sharey=True)
    for line, (ground, stride) in zip(axes, rows, strict=True):
        for ax, window in zip(line, WINDOWS, strict=True):
            _draw_bars(ax, spaces[ground, stride, window])
            if ax in axes[0]:
                ax.set_title(f"{window} x {window} cells", fontsize=9)
        line[0].set_ylabel(f"{GROUNDS[ground]}\nstride {stride}", fontsize=8)
    axes[-1][0].set_xlabel("objects, by phase", fontsize=8)
    figure.supylabel("share of the variance", fontsize=8)
    handles = [
        axes[0][0].bar(0, 0, color=color, label=label)
        for color, label in ((ORANGE, "phase"), (BLUE, "place"), (REST, "the rest"))
    ]
    figure.legend(handles=handles, loc="outside lower right", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw_bars(ax: Axes, rows: list[dict[str, Any]]) -> None:
    parts = sorted(map(_parts, rows), key=lambda part: -part["phase"])
    phase, place = (np.array([part[name] for part in parts]) for name in ("phase", "place"))
    place = np.minimum(place, 1 - phase)
    at = np.arange(len(parts))
    ax.bar(at, np.ones(len(parts)), 1.0, color=REST)
    ax.bar(at, phase, 1.0, color=ORANGE)
    ax.bar(at, place, 1.0, bottom=phase, color=BLUE)
    ax.set(xlim=(-0.5, len(parts) - 0.5), ylim=(0, 1), xticks=[], yticks=[0, 0.5, 1])
    ax.tick_params(labelsize=7)


if __name__ == "__main__":
    main()
