"""What an open reader reads stays, whatever is committed, joined and cleaned up meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from objectspace.errors import StoreError
from objectspace.store import open_store, open_writer, tables


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Every commit joins fragments, and every clean-up takes all that is not pinned."""
    monkeypatch.setattr(tables, "MANY_FRAGMENTS", 0)
    monkeypatch.setattr(tables, "UNPINNED_KEEP", timedelta(0))


@pytest.fixture
def path(tmp_path, make_batch):
    write(tmp_path / "s.osp", make_batch(0), make_batch(1))
    return tmp_path / "s.osp"


def write(path, *batches):
    with open_writer(path) as writer:
        for batch in batches:
            writer.commit(batch)
            writer.finish()


def versions(path, table):
    return len(list((path / f"{table}.lance" / "_versions").glob("*.manifest")))


def everything(store):
    """What a store says, in plain values."""
    ids = store.objects().object_id
    stored = store.stored_space("resnet50-crop")
    return (
        store.info().to_json(),
        {name: repr(column.tolist()) for name, column in store.objects().columns.items()},
        store.thumbnails(ids[::-1]),
        store.images(),
        store.failures(),
        store.indexed(),
        [store.space(name).vectors.tolist() for name in store.space_names],
        stored.vectors[::3].tolist(),
        stored.object_id.tolist(),
        store.cells("yolo-window")["cell_x"].tolist(),
    )


def test_a_reader_that_has_read_nothing_yet(path, make_batch):
    before, store = everything(open_store(path)), open_store(path)
    write(path, *(make_batch(number) for number in range(2, 5)))
    assert everything(store) == before
    assert len(open_store(path)) == 20


def test_each_of_several_readers_keeps_its_own(path, make_batch):
    stores = [open_store(path)]
    for number in range(2, 5):
        write(path, make_batch(number))
        stores.append(open_store(path))
    assert [len(store.objects()) for store in stores] == [8, 12, 16, 20]
    assert [len(store.images()) for store in stores] == [4, 6, 8, 10]


def test_a_read_that_is_under_way(path, make_batch):
    store = open_store(path)
    whole = store.space("resnet50-crop").vectors
    vectors = store.stored_space("resnet50-crop").vectors
    batches = tables.read_batches(store._table("objects"), ["object_id"])
    first = vectors[:3]
    expected = store.objects().object_id.tolist()
    del store  # vectors keep what they read without it
    write(path, make_batch(2), make_batch(3))
    np.testing.assert_array_equal(np.concatenate([first, vectors[3:]]), whole)
    assert [name for batch in batches for name in batch["object_id"].to_pylist()] == expected


def test_what_nobody_reads_any_more_is_cleaned_up(path, make_batch):
    store = open_store(path)
    write(path, make_batch(2))
    assert versions(path, "objects") == 2
    assert len(list((path / "readers").iterdir())) == 2
    del store
    assert list((path / "readers").iterdir()) == []
    write(path, make_batch(3))
    assert versions(path, "objects") == 1


def read_and_die(path):
    store = open_store(path)
    assert len(store) == 8
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
@pytest.mark.slow
def test_a_reader_that_was_killed_keeps_nothing(path, make_batch):
    child = multiprocessing.get_context("spawn").Process(target=read_and_die, args=(path,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert len(list((path / "readers").iterdir())) == 2
    write(path, make_batch(2))
    assert versions(path, "objects") == 1
    assert list((path / "readers").iterdir()) == []


def test_where_nothing_can_be_pinned_the_store_says_to_open_it_again(path, make_batch):
    (path / "readers").rmdir()
    (path / "readers").touch()
    store = open_store(path)
    assert len(store.images()) == 4
    (path / "readers").unlink()
    write(path, make_batch(2))
    sentence = "has changed since it was opened, and what it held then is cleaned up; open it again"
    with pytest.raises(StoreError, match=sentence):
        store.objects()
    assert len(open_store(path)) == 12


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="sets the zone of the process")
def test_a_version_is_as_old_in_every_time_zone(monkeypatch):
    """A clock that goes back shows an hour twice: the later one counts, so that nothing goes too early."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert tables._in_utc(datetime(2026, 7, 1, 12)) == datetime(2026, 7, 1, 10, tzinfo=UTC)
        assert tables._in_utc(datetime(2026, 10, 25, 2, 30)) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
