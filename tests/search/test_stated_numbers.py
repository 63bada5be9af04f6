"""Numbers on which answers and lists depend, as the documents and the docstrings state them."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        ("answers.SHOWN", 12),
        ("purity.K", 5),
        ("purity.QUERIES", 2000),
        ("approximate.FEW", 2048),
        ("approximate.NEIGHBORS", 10),
        ("approximate._SAMPLE", 200),
        ("queries.cell_views.OCCLUDED", 7),
        ("queries.cell_views.ROUNDING", 0.02),
        ("queries.stored.SAME_OBJECT", 0.9),
        ("queries.points._LISTED", 8),
        ("audit.neighborhood.K", 20),
        ("audit.small_pictures.COARSE", 12),
        ("audit.copies.COMPARED", 3),
        ("audit.copies.AT_LEAST", 20_000),
        ("audit.copies.PLANTED_SHARE", 0.99),
        ("audit.photos.NEAREST", 10),
        ("audit.photos.MOST_COPIES", 255),
        ("audit.plants.LARGEST_PIXELS", 12_000_000),
        ("audit.plants._TRIES", 50),
        ("audit.plants._COVERED", 0.1),
        ("audit.planting.OBJECTS", 200),
        ("audit.planting.OF_AN_IMAGE", 3),
        ("audit.planting.DRAWN", 100),
        ("audit.tiles.AROUND", 0.5),
        ("audit.tiles.LEAST", 48),
        ("audit.tiles.TILE_SIDE", 256),
    ],
)
def test_a_number_is_what_is_stated(stated: str, number: object) -> None:
    """stated: its module and name, not the number, by which a test would be named."""
    module, _, name = stated.rpartition(".")
    assert getattr(importlib.import_module(f"objectspace.search.{module}"), name) == number
