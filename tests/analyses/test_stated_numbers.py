"""Numbers on which figures depend, as docs/measures.md and the docstrings state them."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest

from objectspace.analyses import (
    alignment,
    circular_geometry,
    context,
    erasure,
    factor_values,
    groups,
    probes,
    projection,
    ridge,
    statistics,
)
from objectspace.analyses.comparison import compare_spaces
from objectspace.analyses.context import shares
from objectspace.analyses.factors import measure_factor, measure_neighbors
from objectspace.analyses.occlusion import SIZES, suppression


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        (statistics.RESAMPLES, 2000),
        (statistics.PERMUTATIONS, 999),
        (statistics.PERMUTATIONS_OF_MANY, 199),
        (groups.MOST_OBJECTS, 20_000),
        (groups.FEWEST_DRAWN, 100),
        (probes.PERMUTED, 199),
        (probes.FOLDS, 5),
        (circular_geometry.PERMUTED, 399),
        (circular_geometry.MOST_PAIRS, 100_000),
        (shares.PERMUTED, 99),
        (shares.COMPONENTS, 64),
        (context.MOST_OBJECTS, 2000),
        (alignment.MOST_OBJECTS, 4000),
        (alignment.PARTS, 20),
        (projection.COMPONENTS, 50),
        (projection.FIRST, (2, 10, 50)),
        (projection.WAVES, 6),
        (projection.PERPLEXITY, 30),
        (erasure.LANDMARKS, 200),
        (erasure.SHRINKAGE, 0.001),
        (factor_values.MOST_LEVELS, 32),
        (factor_values.CLASSES, 10),
        (suppression.MATCH_IOU, 0.5),
        (SIZES, (1, 2, 3, 4, 5)),
    ],
)
def test_a_number_is_what_is_stated(stated: object, number: object) -> None:
    assert stated == number


def test_penalties_are_powers_of_ten_from_a_hundredth() -> None:
    np.testing.assert_allclose(ridge.PENALTIES, [0.01, 0.1, 1, 10, 100, 1000, 10_000])


@pytest.mark.parametrize(
    "measure",
    [measure_factor, measure_neighbors, compare_spaces, context.measure_context, context.measure_pairs],
)
def test_five_neighbors_are_measured(measure) -> None:
    stated = signature(measure).parameters
    assert (stated["k"].default, stated["seed"].default) == (5, 0)


@pytest.mark.parametrize(("count", "classes"), [(32, 32), (33, 10)])
def test_a_control_of_more_than_32_numbers_is_cut_into_ten_classes(count: int, classes: int) -> None:
    column = np.random.default_rng(0).permutation(np.repeat(np.arange(count) * 1.5, 3))
    levels = factor_values.control_levels(column)
    assert len(np.unique(levels)) == classes
    edges = np.quantile(column, np.arange(1, 10) / 10)
    if classes == 10:
        assert levels.tolist() == [int((edges <= one).sum()) for one in column]
