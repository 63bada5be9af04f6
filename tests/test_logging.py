"""What a user can follow: the logger "objectspace" at level INFO."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objectspace.jobs.build_index import index_space
from objectspace.models import weights
from objectspace.models.weights import WeightsFile, fetch


@pytest.fixture
def lines(logged: list[logging.LogRecord]) -> Callable[[], list[str]]:
    return lambda: [record.getMessage() for record in logged if record.name == "objectspace"]


def test_an_index_is_followed(
    tmp_path: Path, add_objects: Callable[..., None], noise: np.ndarray, lines: Callable[[], list[str]]
) -> None:
    add_objects(tmp_path / "s.osp", noise[:300])
    index = index_space(tmp_path / "s.osp", "a-crop")
    begun = f"indexing space a-crop of {tmp_path / 's.osp'}: 300 vectors, ivf-hnsw-sq, cosine"
    assert lines() == [begun, repr(index)]


def test_a_download_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Callable[[], list[str]]
) -> None:
    monkeypatch.setenv("OBJECTSPACE_CACHE", str(tmp_path))
    monkeypatch.setattr("pooch.retrieve", lambda url, **_: str(tmp_path / "net.pth"))
    file = WeightsFile("net.pth", "0" * 64, ("https://example.org/net.pth",), 1000, "MIT", "nobody")
    assert fetch(file) == tmp_path / "net.pth"
    assert lines() == ["fetching net.pth (1000 bytes) from https://example.org/net.pth"]


def test_the_library_prints_nothing() -> None:
    package = Path(weights.__file__).parents[1]
    sources = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] != "cli"]
    assert [path for path in sources if "\n    print(" in path.read_text()] == []
