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

store, *folders = sys.argv[1:]
job = Job(detector=FakeDetector(batch_size=1), encoder=MeanColor())
index(find_images(folders[:1])[:1], store, job)
before = resident("VmRSS")
for folder in folders:
    summary = index(find_images([folder]), store, job)
    print(summary.indexed, resident("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
def test_memory_does_not_grow_with_the_photos(tmp_path: Path) -> None:
    """Kept until the commit, the pixels alone would be more: 180 and 216 MB, beside what decoding takes.

    Photos of 3 and 12 megapixels, one after the other in one process: the peak of the first is the smaller.
    """
    folders = [tmp_path / "3 MP", tmp_path / "12 MP"]
    for folder, size, photos in zip(folders, [(2000, 1500), (4000, 3000)], [20, 6], strict=True):
        folder.mkdir()
        PIL.Image.new("RGB", size, (90, 120, 150)).save(tmp_path / "one.jpg")
        data = (tmp_path / "one.jpg").read_bytes()
        for number in range(photos):
            # Bytes after a JPEG's end change its content id and nothing else.
            (folder / f"{number:02}.jpg").write_bytes(data + bytes([number]))
    root = Path(objectspace.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(Path(__file__).parents[2])])}
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "s.osp"), *map(str, folders)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    (few, small), (all_of_them, large) = (line.split() for line in run.stdout.splitlines())
    assert (int(few), int(all_of_them)) == (19, 6)
    assert float(small) < 130
    assert float(large) < 260
