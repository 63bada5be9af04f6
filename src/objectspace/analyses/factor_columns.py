"""The factor columns of a store: their kind, by one rule, and how much is known of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.objects.records import known_values

#: Columns of numbers with these names are angles of a full turn, in degrees, unless it is said otherwise.
ANGLES = ("yaw", "azimuth", "angle")
FULL_TURN = 360.0


@dataclass(frozen=True, slots=True)
class FactorColumn:
    """A factor column: its name, kind, different values that are known, and objects of which it is unknown.

    kind: "categorical" of texts, "circular" of numbers that are angles by their name, else "linear"
    """

    name: str
    kind: str
    values: int
    unknown: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def angle_period(name: str, column: NDArray[Any]) -> float | None:
    """Return the period of a column that is an angle by its name, None for texts and for other names.

    >>> angle_period("azimuth", np.array([0.0, 90.0])), angle_period("elevation", np.array([0.0, 90.0]))
    (360.0, None)
    """
    return FULL_TURN if column.dtype.kind == "f" and name in ANGLES else None


def describe_column(name: str, column: NDArray[Any]) -> FactorColumn:
    """Return what a factor column (n,), float64 or texts, holds.

    >>> describe_column("coat", np.array(["black", None, "red", "red"], object))
    FactorColumn(name='coat', kind='categorical', values=2, unknown=1)
    """
    known = known_values(column)
    kind = "linear" if column.dtype.kind == "f" else "categorical"
    if angle_period(name, column) is not None:
        kind = "circular"
    return FactorColumn(name, kind, len(np.unique(column[known])), int((~known).sum()))
