"""How the benchmark of detectors on a GPU counts what two devices agree on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectspace.objects.records import Objects, make_objects


def objects(boxes: list[list[float]], labels: list[str], scores: list[float]) -> Objects:
    return make_objects(
        image_id="0" * 32,
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        label=labels,
        score=np.array(scores, np.float32),
        source="a test",
    )


def test_a_counterpart_has_the_box_and_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    from benchmarks.gpu_detectors import agreement

    here = objects(
        [[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60]], ["cup", "cup", "cat"], [0.9, 0.8, 0.7]
    )
    there = objects(
        [[20, 20, 40, 40.125], [0, 0, 10, 10], [50, 50, 60, 60]], ["cup", "dog", "cat"], [0.8, 0.9, 0.5]
    )
    found = agreement([here, here], [there, objects([], [], [])])
    assert found == {"here": 6, "there": 3, "agree": 2, "pixels": 0.125, "score": pytest.approx(0.2)}
