"""Full disks, two writers, and what a long job leaves on disk."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from objectspace.errors import StoreBusyError, StoreError
from objectspace.objects.records import no_objects
from objectspace.store import Batch, ImageRow, open_store, open_writer, tables
from objectspace.store.keys import Keys


def test_a_writer_may_be_closed_by_another_thread(tmp_path):
    writer = open_writer(tmp_path / "s.osp")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(writer.close).result()
    open_writer(tmp_path / "s.osp").close()


def test_a_full_disk_keeps_what_was_there_and_goes_on_when_there_is_room(
    small_disk, tmp_path, make_batch, read_all
):
    path = small_disk / "dogs.osp"
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
        before = read_all(path)
        filler = fill(small_disk)
        for _ in range(2):
            with pytest.raises(StoreError, match=r"the disk is full: the store at .*dogs.osp keeps what"):
                writer.commit(make_batch(2))
            assert read_all(path) == before
        filler.unlink()
        writer.commit(make_batch(2))
    with open_writer(tmp_path / "undisturbed.osp") as writer:
        writer.commit(make_batch(1))
        writer.commit(make_batch(2))
    assert read_all(path) == read_all(tmp_path / "undisturbed.osp")


def test_a_disk_that_fills_up_in_the_middle(small_disk, make_batch):
    path = small_disk / "dogs.osp"
    (small_disk / "others").write_bytes(bytes(2_900_000))

    def commit_until_full():
        with open_writer(path) as writer:
            for number in range(500):  # a dozen fill it
                writer.commit(make_batch(number))

    with pytest.raises(StoreError, match="the disk is full"):
        commit_until_full()
    store = open_store(path)
    commits = len(store.failures())
    assert commits > 3
    assert len(store.objects()) == len(store.space("resnet50-crop")) == 4 * commits
    assert len(store.images()) == 2 * commits


def fill(disk: Path) -> Path:
    """Leave no block free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(b"\0" * 4096):
            pass
    return filler


def test_a_full_disk_from_the_start(small_disk, make_batch):
    filler = fill(small_disk)
    with pytest.raises(StoreError, match=r"the disk is full|No space left"):
        open_writer(small_disk / "dogs.osp")
    filler.unlink()
    with open_writer(small_disk / "dogs.osp") as writer:
        writer.commit(make_batch(1))
    assert len(open_store(small_disk / "dogs.osp").objects()) == 4


def test_a_full_disk_at_the_manifest(tmp_path, make_batch, read_all, monkeypatch):
    path = tmp_path / "dogs.osp"
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
        before = read_all(path)

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(StoreError, match="the disk is full"):
                writer.commit(make_batch(2))
        assert read_all(path) == before
        writer.commit(make_batch(2))
    assert len(open_store(path).objects()) == 8


def test_interrupted_in_a_commit(tmp_path, make_batch, monkeypatch):
    path = tmp_path / "dogs.osp"

    def interrupt(table, rows):
        raise KeyboardInterrupt

    with open_writer(path) as writer:
        writer.commit(make_batch(1))
        with monkeypatch.context() as patch:
            patch.setattr(tables, "append_rows", interrupt)
            with pytest.raises(KeyboardInterrupt):
                writer.commit(make_batch(2))
        assert len(open_store(path).objects()) == 4
        writer.commit(make_batch(2))
    assert len(open_store(path).objects()) == 8


def test_a_second_writer_is_told_at_once(tmp_path):
    path = tmp_path / "dogs.osp"
    sentence = r"another process is writing to .*dogs.osp \(it holds .*write.lock\)"
    with open_writer(path), pytest.raises(StoreBusyError, match=sentence):
        open_writer(path)
    open_writer(path).close()


def test_a_second_process_is_told_at_once(tmp_path):
    path = tmp_path / "dogs.osp"
    code = f"from objectspace.store import open_writer; open_writer({str(path)!r})"
    with open_writer(path):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "StoreBusyError: another process is writing to" in done.stderr


def test_an_error_in_the_with_block_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), open_writer(tmp_path / "dogs.osp"):
        raise ZeroDivisionError
    open_writer(tmp_path / "dogs.osp").close()


# A long job.


def many(number: int) -> Batch:
    return Batch([ImageRow(f"{number:032x}", f"{number}.jpg", 2, 2)], no_objects(), [], job="job")


def test_many_commits_leave_few_fragments_and_no_old_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MANY_FRAGMENTS", 8)
    monkeypatch.setattr(tables, "UNPINNED_KEEP", timedelta(0))
    path = tmp_path / "dogs.osp"
    with open_writer(path) as writer:
        for number in range(40):
            writer.commit(many(number))
        writer.finish()
    store = open_store(path)
    assert [row.path for row in store.images()] == [f"{number}.jpg" for number in range(40)]
    assert len(list((path / "images.lance" / "data").iterdir())) <= 9
    assert len(list((path / "images.lance" / "_versions").glob("*.manifest"))) <= 10


def test_tidying_up_keeps_what_an_open_reader_reads(tmp_path, make_batch, monkeypatch):
    monkeypatch.setattr(tables, "MANY_FRAGMENTS", 1)
    path = tmp_path / "dogs.osp"
    with open_writer(path) as writer:
        writer.commit(make_batch(1))
        readers = [open_store(path)]
        for number in range(2, 6):
            writer.commit(make_batch(number))
            readers.append(open_store(path))
        writer.finish()
    for number, store in enumerate(readers, 1):
        assert len(store.objects()) == len(store.space("resnet50-crop")) == 4 * number


def test_vectors_survive_compaction_bit_for_bit(tmp_path, make_batch, read_all, monkeypatch):
    path = tmp_path / "dogs.osp"
    with open_writer(path) as writer:
        for number in range(5):
            writer.commit(make_batch(number))
        before = read_all(path)
        monkeypatch.setattr(tables, "MANY_FRAGMENTS", 1)
        writer.finish()
    assert read_all(path) == before
    assert len(list((path / "images.lance" / "_versions").glob("*.manifest"))) > 5


def test_keys_are_a_set():
    random = np.random.default_rng(0)
    keys, truth = Keys(["a", "b"]), {"a", "b"}
    for _ in range(4):
        new = [f"{number:x}" for number in random.integers(0, 30_000, 9_000)]
        keys.add(new)
        truth.update(new)
        assert len(keys) == len(truth)
    assert all(f"{number:x}" in keys for number in range(30_000) if f"{number:x}" in truth)
    assert not any(f"{number:x}" in keys for number in range(30_000) if f"{number:x}" not in truth)
    gone = [f"{number:x}" for number in random.integers(0, 30_000, 25_000)]
    keys.discard(gone)
    truth.difference_update(gone)
    assert len(keys) == len(truth)
    keys.add(gone[:9_000])
    truth.update(gone[:9_000])
    assert [f"{number:x}" in keys for number in range(30_000)] == [
        f"{number:x}" in truth for number in range(30_000)
    ]
    assert "café" not in Keys(["cafe"])
    assert "café" in Keys(["café"])
    assert "a" not in Keys()
