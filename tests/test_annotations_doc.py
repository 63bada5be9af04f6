"""docs/annotations.md: its Python runs as it stands, on three photos of bright squares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "annotations.md"


def test_the_python_blocks_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        pixels = np.zeros((40, 60, 3), np.uint8)
        pixels[10:30, 10 * number : 10 * number + 20] = (220, 30, 30)
        PIL.Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 - the page's own text
    assert (names["summary"].objects, names["summary"].failures) == (3, ())
    held = names["held"]
    assert sorted(held.xyxy.tolist()) == [[10.0 * n, 10, 10.0 * n + 20, 30] for n in range(3)]
    np.testing.assert_allclose(held.score, 0.9)
    assert set(held.label) == {"apple"}
    assert set(held.source) == {"my-yolo"}
    assert names["detections"].data["object_id"].tolist() == names["one"].object_id.tolist()
