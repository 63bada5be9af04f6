"""The GPU benchmark: it runs on a machine with torch, torchvision, timm, numpy and Pillow alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import draw_photo, ellipse_mask, packed_runs
from objectspace.objects.masks import decode, encode

ROOT = Path(__file__).parents[2]

#: Runs the script as if the package's other requirements were not there.
BARE = """
import runpy, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lance", "pyarrow", "pycocotools", "pooch", "typer", "matplotlib"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.mark.slow
def test_every_figure_is_printed_without_a_store() -> None:
    script = str(ROOT / "benchmarks" / "gpu.py")
    options = ["--device", "cpu", "--small", "--no-compile", "--seconds", "0.01", "--rounds", "1"]
    networks = ["--encoders", "test_efficientnet", "--detector", "demo"]
    run = subprocess.run(
        [sys.executable, "-c", BARE, script, *options, *networks],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    lines = {line["figure"]: line for line in map(json.loads, run.stdout.splitlines())}
    assert {"machine", "photos", "same_vectors", "encoder_alone", "where_time_goes"} <= set(lines)
    assert lines["crops"]["objects_per_s"] > 0
    assert lines["windows"]["objects_per_s"] > 0
    assert lines["same_windows"]["windows_max"] == 0


def test_ellipses_are_masks_of_their_boxes() -> None:
    mask = decode(ellipse_mask(np.array([3, 2, 13, 8], np.float32), 20, 10))
    y, x = np.mgrid[:10, :20] + 0.5
    assert np.array_equal(mask, ((x - 8) / 5) ** 2 + ((y - 5) / 3) ** 2 <= 1)


def test_runs_are_packed_as_coco_packs_them() -> None:
    pixels = np.random.default_rng(0).random((90, 70)) < 0.3
    flat = np.concatenate([[False], pixels.T.reshape(-1), [not pixels[-1, -1]]])
    runs = np.diff(np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1])]))
    assert packed_runs(runs.tolist()) == encode(pixels).counts


def test_a_drawn_photo_holds_its_boxes() -> None:
    photo = draw_photo(64, 48, 0)
    assert len(photo.objects) == 8
    assert (photo.objects.xyxy[:, 2:] <= (64, 48)).all()
