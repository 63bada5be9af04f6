"""What tests of several files of jobs share."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_default_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no space: it takes a third of such a job, and is tested in tests/search/test_purity.py."""
    monkeypatch.setattr("objectspace.jobs.index.settle_default", lambda writer: None)
