"""A write that fails or is cut short, wherever it comes: the commit fails, and the store is what it was."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from objectspace.errors import StoreError
from objectspace.store import open_writer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux's")

# Commits a first batch, then a second one once for each of its writes, which fails; prints what became of it.
CHILD = """
import ctypes, json, pickle, shutil, sys
from pathlib import Path
from objectspace.errors import StoreError
from objectspace.store import checksums, open_store, open_writer

checksums.flush_to_disk = lambda path: None  # takes time and writes nothing
shim = ctypes.CDLL(sys.argv[1])
first, second = pickle.loads(Path(sys.argv[2]).read_bytes())
work = Path(sys.argv[3])
with open_writer(work / "first.osp") as writer:
    writer.commit(first)

def counts(path):
    store = open_store(path)
    vectors = sum(len(store.space(name)) for name in store.space_names)
    return [len(store.images()), len(store.objects()), vectors, len(store.failures())]

before = counts(work / "first.osp")

def attempt(number, half):
    path = work / f"{number}-{half}.osp"
    shutil.copytree(work / "first.osp", path)
    error = None
    with open_writer(path) as writer:
        shim.fail_at(number, half)
        try:
            writer.commit(second)
        except StoreError as failed:
            error = str(failed)
        seen = shim.writes_seen()
        shim.fail_at(0, 0)
        after = counts(path)
        writer.commit(second)
    outcome = {"at": number, "half": half, "error": error, "before": before, "after": after,
               "again": counts(path)}
    shutil.rmtree(path)
    return seen, outcome

seen, undisturbed = attempt(0, 0)
print(json.dumps(undisturbed))
for half in (0, 1):
    for number in range(1 + half, seen + 1, 2 + half):
        print(json.dumps(attempt(number, half)[1]))
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> Path:
    """The library that makes writes fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is here to build what makes writes fail")
    library = tmp_path_factory.mktemp("shim") / "failing_writes.so"
    source = Path(__file__).with_name("failing_writes.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def test_any_write_that_fails(shim, tmp_path, make_batch):
    (tmp_path / "batches").write_bytes(pickle.dumps((make_batch(1), make_batch(2))))
    run = subprocess.run(
        [sys.executable, "-c", CHILD, shim, tmp_path / "batches", tmp_path],
        env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    undisturbed, *outcomes = map(json.loads, run.stdout.splitlines())
    assert undisturbed["error"] is None
    assert len(outcomes) > 20
    assert any(outcome["error"] for outcome in outcomes)
    for outcome in outcomes:
        # A failed commit has changed nothing; one that ended well, as its failed write was tried again or
        # nothing reads what it wrote, is all there.
        assert outcome["after"] == (undisturbed["after"] if outcome["error"] is None else outcome["before"])
        assert outcome["again"] == undisturbed["again"], outcome
        if outcome["error"] is not None:
            assert "keeps what it had; run the same command again" in outcome["error"]
            assert "Traceback" not in outcome["error"]


def test_any_flush_that_fails(tmp_path, make_batch, read_all, monkeypatch):
    """An fsync of a commit, refused once: the commit fails, and the store is that before or after it."""
    first, second = make_batch(1), make_batch(2)
    with open_writer(tmp_path / "first.osp") as writer:
        writer.commit(first)
    before = read_all(tmp_path / "first.osp")
    flush, seen, failing = os.fsync, 0, 0

    def fsync(descriptor: int) -> None:
        nonlocal seen
        seen += 1
        if seen == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(descriptor)

    def commit(number: int) -> tuple[str, Path]:
        """Commit the second batch while that flush fails; the error."""
        nonlocal seen, failing
        path = shutil.copytree(tmp_path / "first.osp", tmp_path / f"{number}.osp")
        told = ""
        with open_writer(path) as writer:
            seen, failing = 0, number
            try:
                writer.commit(second)
            except StoreError as error:
                told = str(error)
                assert read_all(path) in (before, after)
            failing = 0
            flushes = seen
            writer.commit(second)
        seen = flushes
        return told, path

    monkeypatch.setattr(os, "fsync", fsync)
    after = None
    told, path = commit(0)
    assert told == ""
    after, flushes = read_all(path), seen
    assert flushes > 5
    # The first and the last, which is the manifest's folder, and every third between them.
    for number in {*range(1, flushes + 1, 3), flushes}:
        told, path = commit(number)
        assert "Input/output error" in told
        assert read_all(path) == after
