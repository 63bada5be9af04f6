"""Numbers on which figures depend, as docs/measures.md and the docstrings state them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from inspect import Parameter, getmembers, isfunction, signature

import numpy as np
import pytest
import scipy.stats

import objectspace.analyses
from objectspace.analyses import context, factor_values, jackknife, ridge
from objectspace.analyses.comparison import compare_spaces
from objectspace.analyses.factors import measure_factor, measure_neighbors


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        ("statistics.RESAMPLES", 2000),
        ("statistics.PERMUTATIONS", 999),
        ("statistics.PERMUTATIONS_OF_MANY", 199),
        ("groups.MOST_OBJECTS", 20_000),
        ("groups.FEWEST_DRAWN", 100),
        ("probes.PERMUTED", 199),
        ("probes.FOLDS", 5),
        ("circular_geometry.PERMUTED", 399),
        ("circular_geometry.MOST_PAIRS", 100_000),
        ("context.shares.PERMUTED", 99),
        ("context.shares.COMPONENTS", 64),
        ("context.MOST_OBJECTS", 2000),
        ("alignment.MOST_OBJECTS", 4000),
        ("alignment.PARTS", 20),
        ("projection.COMPONENTS", 50),
        ("projection.FIRST", (2, 10, 50)),
        ("projection.WAVES", 6),
        ("projection.PERPLEXITY", 30),
        ("erasure.LANDMARKS", 200),
        ("erasure.SHRINKAGE", 0.001),
        ("factor_values.MOST_LEVELS", 32),
        ("factor_values.CLASSES", 10),
        ("occlusion.suppression.MATCH_IOU", 0.5),
        ("occlusion.SIZES", (1, 2, 3, 4, 5)),
        ("statistics.LEVEL", 0.05),
        ("jackknife.BLOCKS", 20),
        ("jackknife.FEWEST", 5),
        ("jackknife.LARGEST", 0.5),
        ("jackknife.WIDEST", 3),
        ("probes.BLOCKS", 10),
        ("probes.FEW_BLOCKS", 20),
        ("probes.GUIDES", 4),
        ("ridge.SINGLE", 2048),
        ("circular_geometry.BINS", 9),
        ("subsets.DRAWS", 20),
        ("explanation.COVERED", (1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8)),
        ("audit.calibration.FIRST", (0.01, 0.05, 0.1)),
        ("audit.calibration.ASSUMED_SHARE", 0.1),
        ("audit.calibration.MOST_REAL", 0.5),
        ("audit.copy_rule.COPY_LIKE", 0.9),
        ("audit.held_out.PENALTY", 0.5),
        ("audit.label_margins.PRIOR_VOTES", 1),
        ("audit.label_margins.OWN_K", 10),
        ("audit.label_model.WITHOUT_OWN", 0.75),
        ("audit.label_swaps.SWAPPED", 0.05),
        ("audit.labels.DRAWS", 3),
        ("audit.outliers.K", 10),
    ],
)
def test_a_number_is_what_is_stated(stated: str, number: object) -> None:
    """stated: its module and name, not the number, by which a test would be named."""
    module, _, name = stated.rpartition(".")
    assert getattr(importlib.import_module(f"objectspace.analyses.{module}"), name) == number


def test_penalties_are_powers_of_ten_from_a_hundredth() -> None:
    np.testing.assert_allclose(ridge.PENALTIES, [0.01, 0.1, 1, 10, 100, 1000, 10_000])


def test_an_effect_is_found_in_80_percent_where_it_is_that_many_errors_beyond_what_is_critical() -> None:
    assert scipy.stats.norm.cdf(jackknife.POWER) == pytest.approx(0.8, abs=1e-5)


def parameters() -> Iterator[tuple[str, Parameter]]:
    """Every parameter of every function of the analyses, and of their classes' methods."""
    for module in pkgutil.walk_packages(objectspace.analyses.__path__, "objectspace.analyses."):
        members = [one for _, one in getmembers(importlib.import_module(module.name))]
        members += [one for owner in members if isinstance(owner, type) for _, one in getmembers(owner)]
        for function in members:
            if isfunction(function) and function.__module__ == module.name:
                for name, parameter in signature(function).parameters.items():
                    yield f"{module.name}.{function.__qualname__}({name}=)", parameter


def test_the_seed_is_0_unless_another_is_given() -> None:
    seeds = {where: one.default for where, one in parameters() if one.name == "seed"}
    given = {where: seed for where, seed in seeds.items() if seed is not Parameter.empty}
    assert len(given) > 20
    assert given == dict.fromkeys(given, 0)


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
