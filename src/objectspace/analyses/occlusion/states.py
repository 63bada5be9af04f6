"""The outputs of a head's cells under windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectspace.errors import ModelError
from objectspace.models.detectors.predictions import HeadReader


@dataclass(frozen=True, slots=True, eq=False)
class HeadStates:
    """One head under n windows: the different outputs (states) of its cells, each listed once.

    state: (n, rows, columns) int32, the state of each cell under each window, -1 where it is unchanged
    cell: (s,) int64, the cell of each state, numbered row by row
    numbers: (s, anchors * (5 + classes)) float32 on the CPU, the cell's raw numbers in that state
    """

    reader: HeadReader
    state: NDArray[np.int32]
    cell: NDArray[np.int64]
    numbers: Tensor

    def __post_init__(self) -> None:
        if not bool(self.numbers.sum().isfinite()):
            raise ModelError(
                f"layer {self.reader.head.layer} gave NaN or infinity once a window was zeroed; "
                "are the weights those of this cfg?"
            )

    @property
    def x(self) -> NDArray[np.int64]:
        """The column of each state's cell."""
        columns: NDArray[np.int64] = self.cell % self.state.shape[2]
        return columns

    @property
    def y(self) -> NDArray[np.int64]:
        """The row of each state's cell."""
        rows: NDArray[np.int64] = self.cell // self.state.shape[2]
        return rows
