"""How much memory an index job takes, measured from outside on many photos, and on a few of phone size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import PIL.Image
import pytest

import objectspace

# On two cores, so that a machine with more does not need more; a few objects a photo, as few as commits are
# rare with. The peak is this process's own: getrusage counts the parent's size at the fork.
CHILD = """
import os, re, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
from pathlib import Path
from objectspace.images import find_images
from objectspace.jobs.index import index
from objectspace.pipeline.job import Job
from tests.jobs.fakes import FakeDetector, MeanColor

def resident(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

photos, job = find_images([sys.argv[1]]), Job(detector=FakeDetector(batch_size=1), encoder=MeanColor())
index(photos[:1], sys.argv[2], job)
before = resident("VmRSS")
summary = index(photos, sys.argv[2], job)
print(summary.indexed, resident("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize(
    ("size", "photos", "bound"), [((2000, 1500), 30, 200), ((6000, 4000), 9, 650)], ids=["3 MP", "24 MP"]
)
def test_memory_does_not_grow_with_the_photos(
    tmp_path: Path, size: tuple[int, int], photos: int, bound: float
) -> None:
    """Kept until the commit, the pixels alone would be more: 260 and 580 MB, beside what decoding takes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    PIL.Image.new("RGB", size, (90, 120, 150)).save(tmp_path / "one.jpg")
    data = (tmp_path / "one.jpg").read_bytes()
    for number in range(photos):
        # Bytes after a JPEG's end change its content id and nothing else.
        (folder / f"{number:02}.jpg").write_bytes(data + bytes([number]))
    root = Path(objectspace.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(Path(__file__).parents[2])])}
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(tmp_path / "s.osp")],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    indexed, grown = run.stdout.split()
    assert int(indexed) == photos - 1
    assert float(grown) < bound
