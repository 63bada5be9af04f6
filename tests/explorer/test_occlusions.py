"""Occlusions measured in the background."""

from __future__ import annotations

import time

import pytest

from objectspace.explorer.occlusions import Occlusions
from objectspace.store import open_store, open_writer


def test_whatever_goes_wrong_reaches_who_asks(tmp_path):
    with open_writer(tmp_path / "s.osp"):
        pass

    def read():
        raise ZeroDivisionError("while the photo was read")

    occlusions = Occlusions(open_store(tmp_path / "s.osp"))

    def ask_until(end):
        while time.monotonic() < end:
            assert occlusions.of(0, "a source", 0.5, read) == 0
            time.sleep(0.01)

    with pytest.raises(ZeroDivisionError, match="while the photo was read"):
        ask_until(time.monotonic() + 60)
