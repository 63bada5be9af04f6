"""The kind of a factor column, by its type and name."""

from __future__ import annotations

import numpy as np
import pytest

from objectspace.analyses.factor_columns import FactorColumn, angle_period, describe_column

NUMBERS = np.array([0.0, np.nan, 90.0, 0.0])
TEXTS = np.array(["a", None, "b", "c"], object)


@pytest.mark.parametrize(
    ("name", "column", "period"),
    [
        ("yaw", NUMBERS, 360.0),
        ("azimuth", NUMBERS, 360.0),
        ("angle", NUMBERS, 360.0),
        ("elevation", NUMBERS, None),  # from above to below is no circle
        ("angle", TEXTS, None),
        ("triangle", NUMBERS, None),
    ],
)
def test_numbers_with_an_angles_name_are_an_angle(name, column, period):
    assert angle_period(name, column) == period


def test_a_column_is_described():
    assert describe_column("yaw", NUMBERS) == FactorColumn("yaw", "circular", 2, 1)
    assert describe_column("x", NUMBERS) == FactorColumn("x", "linear", 2, 1)
    assert describe_column("coat", TEXTS) == FactorColumn("coat", "categorical", 3, 1)
