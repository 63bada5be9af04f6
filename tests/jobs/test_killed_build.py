"""A process that is killed while it builds an index leaves the store as it was, or with index and recall."""

from __future__ import annotations

import multiprocessing
import runpy
import shutil
import signal
import sys

import numpy as np
import pytest

from objectspace.jobs.add_embeddings import add_embeddings
from objectspace.jobs.build_index import index_space
from objectspace.jobs.join import join_spaces
from objectspace.search import SpaceSearch, approximate
from objectspace.store import open_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork servers are Unix's"),
]

#: Objects whose neighbors are searched for to measure a recall: it takes longer than the index.
SAMPLE = 20

# A child that is told a MOMENT kills itself there, or builds the index to the end.
BUILD = """
import os, signal
from pathlib import Path
from objectspace.jobs import build_index
from objectspace.search import approximate
from objectspace.store import tables

approximate._SAMPLE = SAMPLE

def stepped(function, name):
    def call(*arguments, **options):
        if MOMENT == "before " + name:
            os.kill(os.getpid(), signal.SIGKILL)
        value = function(*arguments, **options)
        if MOMENT == "after " + name:
            os.kill(os.getpid(), signal.SIGKILL)
        return value
    return call

tables.build_index = stepped(tables.build_index, "the build")
build_index.measure_recall = stepped(build_index.measure_recall, "measuring")
Path.replace = stepped(Path.replace, "the manifest")
build_index.index_space(STORE, SPACE, kind="ivf-pq", metric="euclidean")
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A function (store, moment, space) -> the child that is to build the index."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lance", "objectspace.jobs.build_index"])
    script = tmp_path_factory.mktemp("build") / "build.py"
    script.write_text(BUILD)

    def run(store, moment=None, space="a-crop"):
        names = {"STORE": str(store), "MOMENT": moment, "SPACE": space, "SAMPLE": SAMPLE if moment else 200}
        child = context.Process(target=runpy.run_path, args=(str(script), names))
        child.start()
        return child

    return run


@pytest.fixture(scope="module", autouse=True)
def small_sample():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "_SAMPLE", SAMPLE)
        yield


def told(path):
    """What a reader sees of the space: its vectors, its index, and the nearest of a few."""
    store = open_store(path)
    held = store.stored_space("a-crop")
    order = np.argsort(held.object_id)
    search = SpaceSearch(store, "a-crop", metric="euclidean")
    answers = search.nearest(search.stored(held.object_id[order[:5]].tolist()))
    near = [answer.neighbors.object_id.tolist() for answer in answers]
    return held.vectors[order].tolist(), held.index, near


@pytest.fixture(scope="module")
def plain(tmp_path_factory, add_objects, noise):
    path = tmp_path_factory.mktemp("store") / "plain.osp"
    add_objects(path, noise[:300])
    return path


@pytest.mark.parametrize("before", [None, "ivf-hnsw-sq"])
@pytest.mark.parametrize("moment", ["before the build", "after the build", "before the manifest"])
def test_a_killed_build_changes_nothing(tmp_path, plain, build, before, moment):
    path = tmp_path / "s.osp"
    shutil.copytree(plain, path)
    if before is not None:
        index_space(path, "a-crop", metric="euclidean", kind=before)
    held = told(path)
    child = build(path, moment)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert told(path) == held
    # The next build undoes the half-made one, and is like any other.
    assert index_space(path, "a-crop", metric="euclidean", kind="ivf-pq").recall.n == SAMPLE
    assert told(path)[0] == held[0]


def test_killed_after_the_manifest_the_index_and_its_recall_are_there(tmp_path, plain, build):
    path = tmp_path / "s.osp"
    shutil.copytree(plain, path)
    child = build(path, "after the manifest")
    child.join()
    assert child.exitcode == -signal.SIGKILL
    search = SpaceSearch(open_store(path), "a-crop", metric="euclidean", approximate=True)
    assert search.approximate.index.recall.n == SAMPLE
    assert search.approximate.unindexed == 0


def test_killed_at_random_moments(tmp_path, plain, build):
    path = tmp_path / "s.osp"
    shutil.copytree(plain, path)
    vectors, _, near = told(path)
    for moment in np.random.default_rng(4).uniform(0, 0.4, 6):
        child = build(path)
        child.join(moment)
        child.kill()
        child.join()
        assert told(path)[0] == vectors
        assert told(path)[2] == near
    child = build(path)
    child.join()
    assert child.exitcode == 0
    assert told(path)[1].kind == "ivf-pq"


@pytest.mark.parametrize("moment", ["before the build", "after the build", "before the manifest"])
def test_a_killed_build_of_a_joint_space_leaves_it_searchable(tmp_path, plain, build, noise, moment):
    path = tmp_path / "s.osp"
    shutil.copytree(plain, path)
    ids = open_store(path).members("a-crop")
    add_embeddings(path, "b", ids, noise[300:600], model="mine")
    join_spaces(path, ("a-crop", "b"), name="both")

    def nearest():
        search = SpaceSearch(open_store(path), "both")
        return [answer.to_json() for answer in search.nearest(search.stored(ids[:5]), k=4)]

    before = nearest()
    child = build(path, moment, "both")
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert nearest() == before
    assert open_store(path).stored_space("both").index is None
    index_space(path, "both", kind="ivf-pq")
    assert SpaceSearch(open_store(path), "both", approximate=True).approximate.index.recall.n == SAMPLE
