"""A writer that is killed at any moment, and then run again, makes the store of an undisturbed run."""

from __future__ import annotations

import multiprocessing
import pickle
import random
import runpy
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from objectspace.embeddings.joint import JointPart, joint_recipe
from objectspace.embeddings.spaces import Recipe
from objectspace.store import Batch, open_store, open_writer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork servers are Unix's"),
]

# The job of a child: as objectspace index, it skips what is done, adds the rest and tidies up. A child that
# is told a STEP kills itself there; steps lie before and after every write.
JOB = """
import os, pickle, signal
from pathlib import Path
from objectspace.store import indexed_key, manifest, tables, writer
tables.MANY_FRAGMENTS, tables.FULL_FRAGMENT = 3, 10

steps = 0
def step():
    global steps
    steps += 1
    if steps == STEP:
        os.kill(os.getpid(), signal.SIGKILL)

def stepped(function):
    def call(*arguments, **options):
        step()
        value = function(*arguments, **options)
        step()
        return value
    return call

for name in ("create_table", "append_rows", "update_rows", "delete_rows", "delete_at", "compact",
             "index_keys", "clean_up", "roll_back"):
    setattr(tables, name, stepped(getattr(tables, name)))
writer.write_manifest = stepped(writer.write_manifest)
Path.replace = stepped(Path.replace)

batches, factors, paths, joint = pickle.loads(Path(BATCHES).read_bytes())
with writer.open_writer(STORE) as store:
    done = store.finished()
    for batch in batches:
        if not all(indexed_key(row.image_id, "job") in done for row in batch.images):
            store.commit(batch)
    store.set_factors(factors)
    store.set_paths(paths)
    store.finish()
    store.declare_joint("both", joint)
Path(STORE, "..", "steps").resolve().write_text(str(steps))
"""


def halved(batch: Batch) -> Batch:
    """The batch with its crops kept as float16."""
    crops = batch.vectors["resnet50-crop"]
    kept = replace(crops, recipe=replace(crops.recipe, vectors="float16"))
    return replace(batch, vectors={**batch.vectors, "resnet50-crop": kept})


def joint_of(batch: Batch) -> Recipe:
    """The recipe of a joint space of all spaces of a batch."""
    parts = [JointPart(name, (name,), missing=0.25) for name in batch.vectors]
    return joint_recipe(parts, {name: rows.recipe for name, rows in batch.vectors.items()})


@pytest.fixture(scope="module")
def server():
    """Children fork from a process that has Lance imported, which saves a second each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lance", "objectspace.store"])
    return context


@pytest.fixture
def start(server, tmp_path, make_batch):
    """A function (store, number of batches, step) -> the running child."""
    (tmp_path / "job.py").write_text(JOB)

    def run(store: Path, count: int, step: int | None = None) -> multiprocessing.Process:
        batches = [halved(make_batch(number)) for number in range(count)]
        factors = {batches[0].images[0].image_id: {"angle": 99.0, "late": "yes"}}
        paths = {batches[1].images[1].image_id: "moved.jpg"}
        (tmp_path / "batches").write_bytes(pickle.dumps((batches, factors, paths, joint_of(batches[0]))))
        names = {"STORE": str(store), "BATCHES": str(tmp_path / "batches"), "STEP": step}
        child = server.Process(target=runpy.run_path, args=(str(tmp_path / "job.py"), names))
        child.start()
        return child

    return run


@pytest.fixture
def finish(start, read_all):
    """A function (store, number of batches) -> what the store says after an undisturbed child."""

    def run(store: Path, count: int) -> dict[str, Any]:
        child = start(store, count)
        child.join()
        assert child.exitcode == 0
        return read_all(store)

    return run


def check_whole(path: Path) -> None:
    """Whatever a killed writer left: what is visible is some number of whole commits."""
    if not (path / "manifest.json").exists():
        return
    store = open_store(path)
    info = store.info()
    crops, windows = [space.count for space in info.spaces if space.name != "both"] or (0, 0)
    assert [space.count for space in info.spaces if space.name == "both"] in ([], [info.objects])
    assert info.objects == crops == 2 * windows == 2 * info.images == 4 * len(info.failures)
    assert info.images == sum(len(images) for images in store.indexed().values())


def test_killed_at_a_dozen_random_moments(start, finish, tmp_path):
    moments = random.Random(12)
    store = tmp_path / "killed.osp"
    for _ in range(12):
        child = start(store, 20)
        child.join(moments.uniform(0, 0.15))
        child.kill()
        child.join()
        assert child.exitcode in (-signal.SIGKILL, 0)
        check_whole(store)
    assert finish(store, 20) == finish(tmp_path / "undisturbed.osp", 20)


def test_killed_before_or_after_any_write(start, finish, tmp_path):
    undisturbed = finish(tmp_path / "undisturbed.osp", 4)
    steps = int((tmp_path / "steps").read_text())
    assert steps > 60
    for step in range(1, steps + 1, steps // 6):
        store = tmp_path / f"killed {step}.osp"
        child = start(store, 4, step)
        child.join()
        assert child.exitcode == -signal.SIGKILL, step
        check_whole(store)
        assert finish(store, 4) == undisturbed, step


def test_a_killed_writer_holds_no_lock(start, tmp_path):
    store = tmp_path / "killed.osp"
    child = start(store, 2, 30)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    open_writer(store).close()
