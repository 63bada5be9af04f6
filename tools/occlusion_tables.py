"""The tables of the occlusion study, from the lines that tools/occlusion_study.py wrote.

python tools/occlusion_tables.py occlusion.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from objectspace.analyses.groups import codes
from objectspace.analyses.statistics import mean_interval

TAPS = {
    "14": "14, before the deepest head",
    "21": "21, before the finer head",
    "13": "13, one 3 x 3 layer earlier",
    "12": "12",
    "pixels": "pixels",
}
HEADS = {16: "deepest", 23: "finer"}
WINDOWS = {"own": "its own cell", "around": "its 3 x 3", "others": "a 3 x 3 elsewhere"}


def main(file: Path) -> None:
    """Print the share of predictions that fall and are lost, and who finds the others again."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    rows = [
        {"photo": line["photo"], "tap": line["tap"], **found}
        for line in lines
        for found in line["predictions"]
    ]
    print("| tap | predictions of | window | n (photos) | its score falls | lost | found again |")
    print("| --- | --- | --- | ---: | --- | --- | --- |")
    for tap, tap_name in TAPS.items():
        for head, head_name in HEADS.items():
            chosen = [row for row in rows if (row["tap"], row["head"]) == (tap, head)]
            if any(row["changes"] for row in chosen):
                _print_fates(f"{tap_name} | {head_name} head", chosen)
    _print_finders([row for row in rows if row["tap"] == "14"])


def _print_fates(start: str, rows: list[dict[str, Any]]) -> None:
    photos = codes(np.array([row["photo"] for row in rows]))
    for window, name in WINDOWS.items():
        figures = [
            _mean(np.array([row[window][fate] for row in rows], np.float64), photos)
            for fate in ("fallen", "lost", "found again")
        ]
        print(f"| {start} | {name} | {len(rows)} ({len(set(photos))}) | {' | '.join(figures)} |")


def _print_finders(rows: list[dict[str, Any]]) -> None:
    """Print who predicts an object too, before suppression, in the unchanged photo."""
    print("\n| predictions of | n (photos) | another cell too | the other head too | both | nobody else |")
    print("| --- | ---: | --- | --- | --- | --- |")
    for head, name in HEADS.items():
        own = [row for row in rows if row["head"] == head]
        if not own:
            continue
        photos = codes(np.array([row["photo"] for row in own]))
        cell, other = (np.array([row[key] for row in own], bool) for key in ("other cell", "other head"))
        kinds = (cell, other, cell & other, ~cell & ~other)
        figures = [_mean(kind.astype(np.float64), photos) for kind in kinds]
        print(f"| {name} head | {len(own)} ({len(set(photos))}) | {' | '.join(figures)} |")


def _mean(values: np.ndarray, photos: np.ndarray) -> str:
    low, high = mean_interval(values, photos)
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
