"""The lease of a store in object storage, on objects in memory; tests/cluster has a server's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest

from objectspace.errors import StoreBusyError, StoreError
from objectspace.store import lease
from objectspace.store.lease import Lease


class Bucket:
    """Objects by name, with a tag each; ``ages``: of some; ``careless``: writes over what is there."""

    def __init__(self, *, careless: bool = False) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.ages: dict[str, timedelta] = {}
        self.careless, self.written, self.lock = careless, 0, threading.RLock()

    def put(self, name: str, data: bytes) -> str:
        with self.lock:
            self.written += 1
            self.objects[name] = data, f"tag {self.written}"
            return self.objects[name][1]


class Object:
    """A path in a bucket, as far as a lease needs one."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket, self.name = bucket, name
        self.parent, self.parts = PurePosixPath("dogs.osp"), ("s3:", "photos", "dogs.osp", name)

    def with_name(self, name: str) -> Object:
        return Object(self._bucket, name)

    def create(self, data: bytes) -> str:
        if self.name in self._bucket.objects and not self._bucket.careless:
            raise FileExistsError(self.name)
        return self._bucket.put(self.name, data)

    def replace_tagged(self, data: bytes, tag: str) -> str:
        with self._bucket.lock:
            if self.name not in self._bucket.objects:
                raise FileNotFoundError(self.name)
            if self.tag() != tag and not self._bucket.careless:
                raise FileExistsError(self.name)
            return self._bucket.put(self.name, data)

    def read_tagged(self) -> tuple[bytes, str]:
        return self._bucket.objects[self.name]

    def tag(self) -> str:
        return self._bucket.objects[self.name][1]

    def age_beside(self, now: Object) -> timedelta:
        assert now.name in self._bucket.objects
        return self._bucket.ages.get(self.name, timedelta(seconds=5))

    def unlink(self) -> None:
        self._bucket.objects.pop(self.name)


def take(bucket: Bucket) -> Lease:
    return Lease(Object(bucket, "write.lease"))  # type: ignore[arg-type]


def wait_for(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def renewed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWED", timedelta(seconds=0.01))


def test_a_lease_is_one_holders_until_it_is_released() -> None:
    bucket = Bucket()
    held = take(bucket)
    assert held.is_locked
    assert set(bucket.objects) == {"write.lease"}  # the probe is gone
    with pytest.raises(
        StoreBusyError, match=r"writing to dogs.osp \(.*, process \d+\); wait .* free in 115 s"
    ):
        take(bucket)
    assert set(bucket.objects) == {"write.lease"}
    held.release()
    assert not held.is_locked
    assert bucket.objects == {}
    take(bucket).release()
    held.release()  # once more does nothing


def test_an_old_lease_is_taken_over_and_left_to_its_new_holder() -> None:
    bucket = Bucket()
    first = take(bucket)
    bucket.ages["write.lease"] = lease.TAKEN_OVER_AFTER
    with pytest.raises(StoreBusyError, match="free in 1 s"):
        take(bucket)
    bucket.ages["write.lease"] = lease.TAKEN_OVER_AFTER + timedelta(seconds=1)
    second = take(bucket)
    first.release()
    assert (first.is_locked, second.is_locked) == (False, True)
    assert set(bucket.objects) == {"write.lease"}
    second.release()
    assert bucket.objects == {}


@pytest.mark.usefixtures("renewed_soon")
def test_a_lease_is_renewed_and_released_by_its_last_tag() -> None:
    bucket = Bucket()
    held = take(bucket)
    before = bucket.written
    wait_for(lambda: bucket.written > before + 3)
    assert held.is_locked
    held.release()
    assert bucket.objects == {}


@pytest.mark.usefixtures("renewed_soon")
def test_a_lease_that_another_has_taken_over_is_lost() -> None:
    bucket = Bucket()
    held = take(bucket)
    bucket.put("write.lease", b"another's")
    wait_for(lambda: not held.is_locked)
    held.release()
    assert bucket.objects["write.lease"][0] == b"another's"


@pytest.mark.usefixtures("renewed_soon")
def test_a_renewal_of_which_the_answer_was_lost_is_still_ours() -> None:
    bucket = Bucket()
    held = take(bucket)
    written = bucket.written
    bucket.put("write.lease", bucket.objects["write.lease"][0])
    wait_for(lambda: bucket.written > written + 3)
    assert held.is_locked
    held.release()
    assert bucket.objects == {}


def test_a_storage_that_writes_over_objects_is_refused() -> None:
    bucket = Bucket(careless=True)
    with pytest.raises(StoreError, match="storage at s3://photos ignores conditional writes"):
        take(bucket)
    assert bucket.objects == {}


def test_a_holder_that_says_nothing_of_itself_is_another_process() -> None:
    bucket = Bucket()
    for data in (b"", b"[]", b"{}", b"\xff"):
        bucket.put("write.lease", data)
        with pytest.raises(StoreBusyError, match=r"\(another process\)"):
            take(bucket)
