"""Cores that a process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from objectspace.cores import SharedContext, core_count


def test_the_cores_a_process_is_held_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert core_count() == 3


def test_all_cores_count_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert core_count() == 6


class Setting:
    """A setting of the process, which notes how often it was made."""

    def __init__(self) -> None:
        self.value, self.made = "before", 0

    @contextmanager
    def on(self) -> Iterator[None]:
        before, self.value = self.value, "on"
        self.made += 1
        yield
        self.value = before


def test_a_shared_setting_holds_until_the_last_has_left() -> None:
    setting = Setting()
    shared = SharedContext(setting.on)
    first, second = shared.held(), shared.held()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert setting.value == "on"
    second.__exit__(None, None, None)
    assert setting.value == "before"
    assert setting.made == 1


def test_a_shared_setting_is_reset_when_the_work_fails() -> None:
    setting = Setting()
    with pytest.raises(ValueError, match="work"), SharedContext(setting.on).held():
        raise ValueError("work")
    assert setting.value == "before"


def test_a_shared_setting_can_be_held_again() -> None:
    setting = Setting()
    shared = SharedContext(setting.on)
    for _ in range(2):
        with shared.held():
            assert setting.value == "on"
    assert setting.made == 2
