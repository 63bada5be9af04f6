"""The engine of many machines makes the store of an undisturbed local run, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

import objectspace as osp
from objectspace.errors import InputError, StoreBusyError
from objectspace.pipeline import engine_ray
from objectspace.pipeline.engine_ray import RayEngine
from objectspace.places import RemotePath
from tests.cluster.conftest import MEMORY, NETWORKS, Machines, contents, descendants, workers_of

pytestmark = pytest.mark.slow

#: Workers that are killed in one run.
KILLS = int(os.environ.get("OBJECTSPACE_TEST_KILLS", "3"))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four images at a time."""
    monkeypatch.setattr(engine_ray, "CHUNK", 4)


# --------------------------------------------------------------------------------------------- on one machine


def test_rows_are_those_of_the_local_engine(
    one_machine: Any, photos: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "a.osp"
    summary = osp.index(photos, store, osp.Job(**NETWORKS), engine=RayEngine(workers=2))
    assert contents(store) == undisturbed
    assert (summary.photos, summary.indexed, summary.known) == (50, 48, 1)
    assert [Path(failure.path).name for failure in summary.failures] == ["broken.png"]
    # The same command again has nothing to do.
    again = osp.index(photos, store, osp.Job(**NETWORKS), engine=RayEngine(workers=2))
    assert (again.indexed, again.known) == (0, 49)
    assert contents(store) == undisturbed


def test_a_bucket_of_photos_becomes_a_store_in_it(
    one_machine: Any, bucket: str, photos: Path, undisturbed: dict[str, Any]
) -> None:
    one_machine.shutdown()  # its workers have not the credentials of this bucket
    one_machine.init(num_cpus=2, object_store_memory=MEMORY, include_dashboard=False, log_to_driver=False)
    for path in photos.iterdir():
        (RemotePath(bucket) / "photos" / path.name).write_bytes(path.read_bytes())
    osp.index(f"{bucket}/photos", f"{bucket}/a.osp", osp.Job(**NETWORKS), engine=RayEngine(workers=1))
    assert contents(f"{bucket}/a.osp") == undisturbed


def test_labels_that_are_gone_take_their_objects(one_machine: Any, tmp_path: Path) -> None:
    """--replace, by both engines, from labels of which one object is taken away."""
    osp.write_world(tmp_path / "world", count=6, seed=1)
    photos, labels = tmp_path / "world" / "images", tmp_path / "world" / "annotations.json"
    job = osp.Job(annotations=osp.AnnotationSpec(labels, "coco"), encoder="demo", replaces=True)
    for store, engine in (("threads.osp", None), ("ray.osp", RayEngine(workers=1))):
        osp.index(photos, tmp_path / store, job, engine=engine)
    document = json.loads(labels.read_text())
    gone = document["annotations"].pop()
    labels.write_text(json.dumps(document))
    for store, engine in (("threads.osp", None), ("ray.osp", RayEngine(workers=1))):
        osp.index(photos, tmp_path / store, job, engine=engine)
    assert contents(tmp_path / "ray.osp") == contents(tmp_path / "threads.osp")
    assert len(osp.open_store(tmp_path / "ray.osp")) == len(document["annotations"])
    assert gone


def test_killed_workers_lose_and_double_nothing(
    one_machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers are killed at random moments while they run a chunk, each process once."""
    monkeypatch.setattr(engine_ray, "CHUNK", 1)
    osp.write_world(tmp_path / "world", count=8 * KILLS, seed=3)
    photos = tmp_path / "world" / "images"
    chance = random.Random(0)
    killed: list[int] = []

    def kill(images: int, objects: int) -> None:
        if len(killed) == KILLS:
            return
        time.sleep(chance.random() / 20)
        if running := [number for number in workers_of(doing="run") if number not in killed]:
            killed.append(chance.choice(running))
            os.kill(killed[-1], signal.SIGKILL)

    osp.index(photos, tmp_path / "a.osp", osp.Job(**NETWORKS), engine=RayEngine(workers=2), progress=kill)
    osp.index(photos, tmp_path / "plain.osp", osp.Job(**NETWORKS))
    assert contents(tmp_path / "a.osp") == contents(tmp_path / "plain.osp")
    assert len(killed) == KILLS


def test_files_of_a_worker_that_died_before_it_told_are_left_over(
    ray: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first two processes that read a file of vectors back, for its checksum, die there.
    (tmp_path / "deadly").mkdir()
    (tmp_path / "deadly" / "sitecustomize.py").write_text(
        textwrap.dedent(f"""
            import os, signal, sys

            def die(event, arguments):
                if event == "open" and ".lance/data/" in str(arguments[0]):
                    for number in range(2):
                        try:
                            os.mkdir({str(tmp_path)!r} + f"/died-{{number}}")
                        except FileExistsError:
                            continue
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(die)
        """)
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'deadly'}:{os.environ.get('PYTHONPATH', '')}")
    ray.init(num_cpus=2, object_store_memory=MEMORY, include_dashboard=False, log_to_driver=False)
    store, some = tmp_path / "a.osp", sorted(photos.iterdir())[:9]
    osp.index(some, tmp_path / "plain.osp", osp.Job(**NETWORKS))
    osp.index(some, store, osp.Job(**NETWORKS), engine=RayEngine(workers=1))
    assert contents(store) == contents(tmp_path / "plain.osp")
    named = json.loads((store / "manifest.json").read_text())["files"]
    left = [
        path
        for path in store.glob("spaces/*/data/*")
        if f"data/{path.name}" not in named[f"spaces/{path.parts[-3].removesuffix('.lance')}"]
    ]
    # Those of the two that died, and maybe of the chunk that one of them had beside.
    assert 2 <= len(left) <= 4


def test_a_photo_that_kills_its_process_is_a_failure(
    ray: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every process in which this folder is on the path dies when it opens a file of that name.
    (tmp_path / "deadly").mkdir()
    (tmp_path / "deadly" / "sitecustomize.py").write_text(
        textwrap.dedent("""
            import os, signal, sys

            def die(event, arguments):
                if event == "open" and str(arguments[0]).endswith("poison.png"):
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(die)
        """)
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'deadly'}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(engine_ray, "DEATHS", 2)
    (tmp_path / "photos").mkdir()
    for path in sorted(photos.iterdir())[:7]:
        (tmp_path / "photos" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "photos" / "poison.png").write_bytes(path.read_bytes())
    ray.init(num_cpus=2, object_store_memory=MEMORY, include_dashboard=False, log_to_driver=False)
    summary = osp.index(
        tmp_path / "photos", tmp_path / "a.osp", osp.Job(**NETWORKS), engine=RayEngine(workers=1)
    )
    assert summary.indexed == 7
    (failure,) = osp.open_store(tmp_path / "a.osp").failures()
    assert failure.path.endswith("poison.png")
    assert failure.reason.startswith("ended the process that read it, 2 times")


# ------------------------------------------------------------------------------------------ on three machines


def test_a_machine_that_is_lost_loses_and_doubles_nothing(
    two_machines: Machines, photos: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    seen = 0

    def lose(images: int, objects: int) -> None:
        nonlocal seen
        seen += images
        if seen == 10:
            two_machines.lose_one()

    osp.index(photos, tmp_path / "a.osp", osp.Job(**NETWORKS), engine=RayEngine(), progress=lose)
    assert len(two_machines.nodes) == 1
    assert contents(tmp_path / "a.osp") == undisturbed


# ------------------------------------------------------------------------------------------------- the driver

DRIVER = """
import sys
import objectspace as osp
from objectspace.jobs import commits
from objectspace.pipeline import engine_ray
from objectspace.pipeline.engine_ray import RayEngine
engine_ray.CHUNK, commits.COMMIT_IMAGES = 4, 6
osp.index(sys.argv[1], sys.argv[2], osp.Job(detector="demo", encoder="demo"), engine=RayEngine(workers=2),
          progress=lambda images, objects: print(images, flush=True))
"""


def start_driver(photos: Path, store: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, photos, store], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )


def test_a_killed_driver_goes_on_by_the_same_command(
    ray: Any, photos: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "a.osp"
    for stop_after in (9, 17):
        driver = start_driver(photos, store)
        assert driver.stdout is not None
        for _, _ in zip(range(stop_after), driver.stdout, strict=False):
            pass
        below = descendants(driver.pid)
        driver.kill()
        driver.wait()
        end(below)
    finished = start_driver(photos, store)
    finished.communicate(timeout=300)
    assert finished.returncode == 0
    assert contents(store) == undisturbed


def end(processes: list[tuple[int, str]]) -> None:
    """Wait until the processes of a killed driver have ended, and end those that have not."""
    deadline = time.monotonic() + 15
    while (left := [number for number, _ in processes if Path(f"/proc/{number}").exists()]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.5)
    for number in left:
        os.kill(number, signal.SIGKILL)


def test_a_second_driver_is_turned_away(one_machine: Any, bucket: str, photos: Path) -> None:
    with (
        osp.open_writer(f"{bucket}/a.osp"),
        pytest.raises(StoreBusyError, match="another process is writing to s3://"),
    ):
        osp.index(photos, f"{bucket}/a.osp", osp.Job(**NETWORKS), engine=RayEngine(workers=1))


# ------------------------------------------------------------------------------------------------- bad input


def test_a_loaded_job_cannot_be_sent(tmp_path: Path) -> None:
    osp.write_world(tmp_path / "world", count=1, seed=3)
    photos, job = tmp_path / "world" / "images", osp.Job(**NETWORKS).load()
    with pytest.raises(InputError, match="other machines load it themselves; give the engine a Job"):
        osp.index(photos, tmp_path / "a.osp", job, engine=RayEngine())


def test_no_cluster_at_an_address_is_one_sentence(ray: Any, photos: Path, tmp_path: Path) -> None:
    engine = RayEngine(address="127.0.0.1:9")
    with pytest.raises(InputError, match=r"no Ray cluster can be used at 127.0.0.1:9: .*; start one"):
        osp.index(photos, tmp_path / "a.osp", osp.Job(**NETWORKS), engine=engine)


def test_a_worker_without_the_package_is_one_sentence(ray: Any, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "without" / "objectspace").mkdir(parents=True)
    hidden = """
        import sys

        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name == "objectspace":
                    raise ModuleNotFoundError("No module named 'objectspace'", name=name)

        sys.meta_path.insert(0, Hidden())
    """
    (tmp_path / "without" / "sitecustomize.py").write_text(textwrap.dedent(hidden))
    environment = {"env_vars": {"PYTHONPATH": str(tmp_path / "without")}}
    ray.init(
        num_cpus=2,
        object_store_memory=MEMORY,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env=environment,
    )
    with pytest.raises(InputError, match="a worker of the cluster cannot import objectspace; install it"):
        osp.index(photos, tmp_path / "a.osp", osp.Job(**NETWORKS), engine=RayEngine(workers=1))
