"""Numbers that docs/store-format.md, docs/cluster.md and the docstrings state."""

from __future__ import annotations

import importlib
from datetime import timedelta

import pytest


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        ("manifest.FORMAT_VERSION", 2),
        ("marks.FORMAT_VERSION", 1),
        ("selections.FORMAT_VERSION", 1),
        ("tables.FULL_FRAGMENT", 16_384),
        ("tables.UNPINNED_KEEP", timedelta(minutes=10)),
        ("tables.REMOTE_KEEP", timedelta(days=1)),
        ("lease.TAKEN_OVER_AFTER", timedelta(minutes=2)),
        ("border.THUMBNAIL_LIMIT", 65_536),
        ("border.MASK_LIMIT", 1_073_741_824),
        ("marks._LONGEST_LABEL", 200),
        ("reader.FEWEST_DIGITS", 4),
        ("segments.FEWEST", 512),
    ],
)
def test_a_number_is_what_is_stated(stated: str, number: object) -> None:
    """stated: its module and name, not the number, by which a test would be named."""
    module, name = stated.split(".")
    assert getattr(importlib.import_module(f"objectspace.store.{module}"), name) == number
