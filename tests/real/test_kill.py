"""kill -9 at 20 random moments of an index job; resumed, each store equals an undisturbed one row by row."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import lance
import pytest

from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.store import open_store

pytestmark = pytest.mark.real

MOMENTS = 20

# The job of both parent and child: the real detector, crops through a mean color (real encoders take the
# same path, and minutes), a commit every three photos, one broken file among the photos.
JOB = """
import sys
from pathlib import Path
import numpy as np, torch
from objectspace.jobs import commits
from objectspace.jobs.index import index
from objectspace.images import find_images
from objectspace.models.detectors import load_detector
from objectspace.pipeline.job import Job

commits.COMMIT_IMAGES = 3

class MeanColor:
    name, dimension, input_size, interpolation, weights = "color", 3, 32, "bilinear", "e" * 64
    tap, precision, batch_size, device = "mean", "float32", 8, torch.device("cpu")
    preprocessing, loaded_from = {"size": 32}, {"name": "color"}

    def embed(self, crops):
        return crops.astype(np.float32).mean((1, 2))

def make_job(real):
    cfg = Path(real) / "weights" / "yolo-fastest-1.1.cfg"
    detector = load_detector(cfg, weights=cfg.with_suffix(".weights"))
    return Job(detector=detector, encoder=MeanColor(), pools=("window1", "window3"))
"""
CHILD = (
    JOB
    + """
real, photos, store = sys.argv[1:]
job = make_job(real)
print("begin", flush=True)
index(find_images([photos]), store, job)
print("end", flush=True)
"""
)


def start(real: Path, photos: Path, store: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(real), str(photos), str(store)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begin\n"
    return child


def contents(store: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, at the version that the store names, in order."""
    open_store(store)
    versions = json.loads((store / "manifest.json").read_text())["tables"]
    return {
        name: lance.dataset(str(store / f"{name}.lance"), version=version).to_table().to_pylist()
        for name, version in versions.items()
    }


def test_killed_jobs_end_in_the_same_store(real: Path, tmp_path: Path) -> None:
    scope: dict[str, object] = {}
    exec(JOB, scope)  # noqa: S102 - our own text above
    job = scope["make_job"](real)  # type: ignore[operator]
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in sorted((real / "photos" / "coco128" / "images").glob("*.jpg"))[:24]:
        (folder / photo.name).symlink_to(photo.resolve())
    (folder / "000000000100.jpg").write_bytes(b"\xff\xd8 no photo")
    photos = find_images([folder])

    child = start(real, folder, tmp_path / "undisturbed.osp")
    started = time.monotonic()
    assert child.wait() == 0
    seconds = time.monotonic() - started
    expected = contents(tmp_path / "undisturbed.osp")

    rng = random.Random(0)
    killed = partly = 0
    for moment in range(MOMENTS):
        store = tmp_path / f"{moment}.osp"
        child = start(real, folder, store)
        time.sleep(rng.uniform(0, seconds))
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
        if (store / "manifest.json").exists():
            partly += 0 < len(open_store(store).images()) < len(expected["images"])
        index(photos, store, job)  # type: ignore[arg-type]
        assert contents(store) == expected, f"moment {moment}"
    print(f"{killed} of {MOMENTS} jobs were killed before their end, {partly} with some photos committed")
    assert killed >= MOMENTS // 2
    assert partly >= 3
