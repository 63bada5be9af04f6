"""A short version of the simulation behind the table in docs/measures.md."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "tools" / "coverage.py"


@pytest.fixture
def coverage(monkeypatch: pytest.MonkeyPatch):
    spec = importlib.util.spec_from_file_location("simulated_coverage", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("effect", [0.0, 1.0])
@pytest.mark.slow
def test_intervals_of_new_photos_cover_and_those_of_a_fixed_store_do_not(coverage, effect: float) -> None:
    found = coverage.cover(coverage.Scenario("linear", "geometric", 15, effect), "neighbors", 60)
    # Of 60 stores .95 is 57; fewer than 51 come once in 500 times.
    assert found.value >= 51 / 60
    assert found.excess >= 51 / 60
    assert found.before < 51 / 60
    assert found.without_interval == 0


@pytest.mark.parametrize("factor", ["rare", "skewed"])
@pytest.mark.slow
def test_the_excess_of_factors_whose_spread_varies_is_covered(coverage, factor: str) -> None:
    """Chance, value and their errors vary with how frequent a label is, or how far values spread."""
    found = coverage.cover(coverage.Scenario(factor, "geometric", 15, 1.0), "neighbors", 100)
    assert found.excess >= 88 / 100


@pytest.mark.slow
def test_a_probe_covers(coverage) -> None:
    found = coverage.cover(coverage.Scenario("linear", "geometric", 15, 1.0), "probe", 30)
    assert found.value >= 24 / 30
    assert found.excess >= 24 / 30
