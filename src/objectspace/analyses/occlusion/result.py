"""The result of occlusion: windows, scores, predictions that disappear and that appear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.occlusion.zeroed_windows import Windows
from objectspace.arguments import typed
from objectspace.errors import InputError, counted
from objectspace.objects.boxes import Frame
from objectspace.objects.records import Objects, Provenance

#: The methods of computation.
CLOSED_FORM = "closed form"
LINEARITY = "linearity"
RUN_ON = "run on"


@dataclass(frozen=True, slots=True, eq=False)
class Appeared:
    """Predictions (m,) under windows that match none of the unchanged image, by window, best first.

    window: (m,) int64; xyxy: (m, 4) float32, pixels of the image; label: (m,) str; score: (m,) float32
    """

    window: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    label: NDArray[np.object_]
    score: NDArray[np.float32]
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.window)


@dataclass(frozen=True, slots=True, eq=False)
class Occlusion:
    """The effect of zeroing each of n windows of a tap on the p objects of the unchanged image.

    tap: the layer's name, or "pixels"
    grid_wh: the cells that windows are made of, across and down; cell_px: the sides of one in pixels of the
        network's input
    frame: the mapping between the network's input and the image
    method: "closed form", "linearity" or "run on"
    own_cell_only: whether a cell of the heads depends on that cell of the tap alone, so that a score can only
        change where the object's own cell is covered
    objects: (p,) those of the unchanged image, highest score first
    scores: (n, p) float32, objectness * probability of the object's label, at its own head, cell and anchor
    disappeared: (n, p) after suppression no prediction of its label overlaps the object by 0.5 or more
    strength: (rows, columns) float32, root mean square of the tap's channels in each cell

    >>> detector = osp.load_detector("demo", precision="float32")
    >>> osp.measure_occlusion(detector, image, sizes=(3,)).importance(0).shape
    (26, 26)
    """

    tap: str
    grid_wh: tuple[int, int]
    cell_px: tuple[float, float]
    frame: Frame
    method: str
    own_cell_only: bool
    objects: Objects
    windows: Windows
    scores: NDArray[np.float32]
    disappeared: NDArray[np.bool_]
    appeared: Appeared
    strength: NDArray[np.float32]

    def __repr__(self) -> str:
        objects = counted(len(self.objects), "object")
        return f"Occlusion({self.tap}: {counted(len(self.windows), 'window')}, {objects})"

    @property
    def score_change(self) -> NDArray[np.float32]:
        """Scores under the windows minus those without one: (n, p) float32, negative where they fall."""
        change: NDArray[np.float32] = self.scores - self.objects.score
        return change

    @property
    def smallest(self) -> NDArray[np.int64]:
        """Return the first of the smallest windows under which each object disappears (p,), -1 for none."""
        if not len(self.windows):
            return np.full(len(self.objects), -1)
        first = self.disappeared.argmax(0)  # windows are sorted by size
        return np.where(self.disappeared.any(0), first, -1)

    @typed
    def importance(self, prediction: int, sizes: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Return the mean fall of one object's score over the windows that cover each cell: (rows, columns).

        ``sizes`` restricts it to windows of these sizes. Positive where covering the cell costs score; NaN in
        cells that no window covers. Raises InputError for an unknown object or size.
        """
        if not 0 <= prediction < len(self.objects):
            raise InputError(f"no prediction {prediction}, expected 0 to {len(self.objects) - 1}")
        used = np.ones(len(self.windows), bool) if sizes is None else np.isin(self.windows.size, list(sizes))
        if not used.any():
            raise InputError(f"no window of {sizes} cells was zeroed")
        columns, rows = self.grid_wh
        windows = self.windows.take(used)
        fall = -self.score_change[used, prediction].astype(np.float64)
        total, count = (_summed(windows, values, rows, columns) for values in (fall, np.ones(len(fall))))
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0.5)
        importance: NDArray[np.float32] = mean.astype(np.float32)
        return importance

    @property
    def cell_xyxy(self) -> NDArray[np.float32]:
        """Return each cell as a box in pixels of the image: (rows, columns, 4), not clipped to it."""
        columns, rows = self.grid_wh
        y, x = np.mgrid[:rows, :columns]
        corners = np.stack([x, y, x + 1, y + 1], axis=2).reshape(-1, 4) * np.array(self.cell_px * 2)
        return self.frame.to_image(corners.astype(np.float32)).reshape(rows, columns, 4)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; boxes in pixels of the image, numbers to six digits after the point."""
        new: list[list[dict[str, Any]]] = [[] for _ in range(len(self.windows))]
        for row, window in enumerate(self.appeared.window.tolist()):
            new[window].append(_prediction(self.appeared, row))
        return {
            "tap": self.tap,
            "grid": [self.grid_wh[1], self.grid_wh[0]],
            "method": self.method,
            "own_cell_only": self.own_cell_only,
            "predictions": [_prediction(self.objects, row) for row in range(len(self.objects))],
            "windows": [
                {
                    "x": int(self.windows.x[row]),
                    "y": int(self.windows.y[row]),
                    "size": int(self.windows.size[row]),
                    "disappeared": np.flatnonzero(self.disappeared[row]).tolist(),
                    "appeared": new[row],
                    "score_change": _rounded(self.score_change[row]),
                }
                for row in range(len(self.windows))
            ],
        }


def _prediction(found: Objects | Appeared, row: int) -> dict[str, Any]:
    cells = found.provenance
    return {
        "label": str(found.label[row]),
        "score": round(float(found.score[row]), 6),
        "xyxy": [round(float(side), 2) for side in found.xyxy[row]],
        "head": int(cells.head[row]),
        "cell": [int(cells.cell_x[row]), int(cells.cell_y[row])],
        "anchor": int(cells.anchor[row]),
    }


def _rounded(values: NDArray[np.float32]) -> list[float]:
    return [round(value, 6) + 0.0 for value in values.tolist()]


def _summed(windows: Windows, values: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the sum of the values of the windows over each cell, by a summed-area table of their corners."""
    marks = np.zeros((rows + 1, columns + 1))
    for y, x, sign in (
        (windows.y, windows.x, 1),
        (windows.y + windows.size, windows.x, -1),
        (windows.y, windows.x + windows.size, -1),
        (windows.y + windows.size, windows.x + windows.size, 1),
    ):
        np.add.at(marks, (y, x), sign * values)
    summed: NDArray[np.float64] = marks.cumsum(0).cumsum(1)[:rows, :columns]
    return summed
