"""Threads that compute side by side."""

from __future__ import annotations

import os

import pytest

from objectspace.networks.threads import worker_count


def test_threads_use_all_cores_where_the_system_does_not_say_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert worker_count() == 6
