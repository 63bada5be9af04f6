"""Cores that a process may use."""

from __future__ import annotations

import os

import pytest

from objectspace.cores import core_count


def test_the_cores_a_process_is_held_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert core_count() == 3


def test_all_cores_count_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert core_count() == 6
