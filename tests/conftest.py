"""Fixtures of every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real photos and weights; tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("OBJECTSPACE_REAL") or Path(__file__).parents[2] / "shared" / "real")
    if not folder.is_dir():
        pytest.skip(f"no real photos and weights at {folder}; set OBJECTSPACE_REAL to their folder")
    return folder
