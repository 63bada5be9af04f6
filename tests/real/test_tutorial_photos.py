"""The second tutorial runs on the real photos, with the light pair."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nbclient")

from tests.tools.pages.test_tutorial import EXAMPLES, pictures, texts
from tools.pages.notebooks import run_notebook

pytestmark = pytest.mark.real


def test_it_runs(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECTSPACE_REAL", str(real.resolve()))

    ran = run_notebook(EXAMPLES / "tutorial-photos.ipynb", tmp_path)

    assert texts(ran)[0] == "128 photos\n"
    assert pictures(ran) == 1
