"""Defaults that the docstrings and the command line state: the same wherever a query is made."""

from __future__ import annotations

import inspect

import pytest

from objectspace.search import SpaceSearch, approximate, purity, space_search
from objectspace.search.audit import copies, neighborhood
from objectspace.search.filters import SearchFilters
from objectspace.search.queries import cell_views
from objectspace.search.queries.cells import query_cell
from objectspace.search.queries.images import query_image
from objectspace.search.queries.networks import joint_job, space_job
from objectspace.search.queries.points import query_point


@pytest.mark.parametrize("query", [query_image, query_point, space_job, joint_job])
def test_objects_are_detected_from_a_quarter(query) -> None:
    assert inspect.signature(query).parameters["confidence"].default == 0.25


def test_ten_neighbors_are_found() -> None:
    assert inspect.signature(SpaceSearch.nearest).parameters["k"].default == SearchFilters().k == 10


@pytest.mark.parametrize("query", [query_image, query_point, query_cell, space_job, joint_job])
def test_networks_run_on_the_processor(query) -> None:
    assert inspect.signature(query).parameters["device"].default == "cpu"


def test_limits_are_those_that_docs_search_states() -> None:
    assert approximate.FEW == 2048
    assert (approximate._SAMPLE, approximate.NEIGHBORS) == (200, 10)
    assert space_search.IN_MEMORY == 2 * 1024**3
    assert (purity.K, purity.QUERIES) == (5, 2000)


def test_cells_of_what_is_covered_are_those_that_docs_explain_states() -> None:
    assert cell_views.OCCLUDED == 7


def test_neighbors_that_are_looked_at_are_those_that_docs_audit_states() -> None:
    assert (neighborhood.K, copies.COMPARED) == (20, 3)
    assert neighborhood.IN_MEMORY == 2 * 1024**3
