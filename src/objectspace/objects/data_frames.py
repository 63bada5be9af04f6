"""Columns → a data frame of pandas, which is no dependency: only ``to_pandas`` needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError

if TYPE_CHECKING:
    import pandas


def data_frame(columns: Mapping[str, NDArray[Any]]) -> pandas.DataFrame:
    """Return columns (n,) as a data frame; boxes ``xyxy`` (n, 4) become x1, y1, x2 and y2.

    Raises InputError where pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError(
            "to_pandas needs the package pandas, which is not installed: pip install pandas"
        ) from None
    flat: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        if name == "xyxy":
            flat |= dict(zip(("x1", "y1", "x2", "y2"), np.asarray(column).T, strict=True))
        else:
            flat[name] = column
    return pandas.DataFrame(flat)
