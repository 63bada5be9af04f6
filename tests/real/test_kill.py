"""kill -9 at 20 random moments of an index job; resumed, each store equals an undisturbed one row by row."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.process
import random
import runpy
import signal
import time
from collections.abc import Callable
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
job = make_job(REAL)
Path(STORE).with_suffix(".begun").touch()
index(find_images([PHOTOS]), STORE, job)
"""
)


Start = Callable[[Path], multiprocessing.process.BaseProcess]


@pytest.fixture
def start(real: Path, photos: Path, tmp_path: Path) -> Start:
    """A function store -> the child that indexes the photos into it, when its networks are loaded."""
    # Children fork from a process that has torch and Lance imported, which saves five seconds each.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lance", "objectspace.jobs.index", "objectspace.models.detectors"])
    script = tmp_path / "job.py"
    script.write_text(CHILD)

    def run(store: Path) -> multiprocessing.process.BaseProcess:
        names = {"REAL": str(real), "PHOTOS": str(photos), "STORE": str(store)}
        child = context.Process(target=runpy.run_path, args=(str(script), names))
        child.start()
        wait_for(store.with_suffix(".begun"), child)
        return child

    return run


def wait_for(path: Path, child: multiprocessing.process.BaseProcess) -> None:
    while not path.exists() and child.is_alive():
        time.sleep(0.002)


@pytest.fixture
def photos(real: Path, tmp_path: Path) -> Path:
    """A folder of 24 photos, and one broken file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in sorted((real / "photos" / "coco128" / "images").glob("*.jpg"))[:24]:
        (folder / photo.name).symlink_to(photo.resolve())
    (folder / "000000000100.jpg").write_bytes(b"\xff\xd8 no photo")
    return folder


def contents(store: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, at the version that the store names, in order."""
    open_store(store)
    versions = json.loads((store / "manifest.json").read_text())["tables"]
    return {
        name: lance.dataset(str(store / f"{name}.lance"), version=version).to_table().to_pylist()
        for name, version in versions.items()
    }


def test_killed_jobs_end_in_the_same_store(real: Path, photos: Path, start: Start, tmp_path: Path) -> None:
    """Half of the moments lie anywhere in the job, half between its first commit and its end."""
    scope: dict[str, object] = {}
    exec(JOB, scope)  # noqa: S102 - our own text above
    job = scope["make_job"](real)  # type: ignore[operator]
    images = find_images([photos])

    undisturbed = tmp_path / "undisturbed.osp"
    child, started = start(undisturbed), time.monotonic()
    wait_for(undisturbed / "manifest.json", child)
    first = time.monotonic() - started
    child.join()
    seconds = time.monotonic() - started
    assert child.exitcode == 0
    expected = contents(undisturbed)

    rng = random.Random(0)
    killed = partly = 0
    for moment in range(MOMENTS):
        store = tmp_path / f"{moment}.osp"
        child = start(store)
        if moment % 2:
            wait_for(store / "manifest.json", child)
        time.sleep(rng.uniform(0, 0.8 * (seconds - first) if moment % 2 else seconds))
        child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
        if (store / "manifest.json").exists():
            partly += 0 < len(open_store(store).images()) < len(expected["images"])
        index(images, store, job)  # type: ignore[arg-type]
        assert contents(store) == expected, f"moment {moment}"
    print(f"{killed} of {MOMENTS} jobs were killed before their end, {partly} with some photos committed")
    assert killed >= MOMENTS // 2
    assert partly >= 3
