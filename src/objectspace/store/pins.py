"""Versions that open readers have pinned, which cleaning up leaves alone.

A pin is a small file in the store's folder ``readers`` and a lock beside it, which the system releases when
the process ends, however it ends: LMDB's table of readers, with a file for each so that no reader waits.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Mapping
from contextlib import suppress
from uuid import uuid4

import filelock

from objectspace.files import open_regular
from objectspace.places import Place, RemotePath

READERS = "readers"


class Pin:
    """Keeps versions of a store's tables until it is garbage collected or its process ends.

    Where nothing can be written, as on a disk that is mounted read-only, nothing is pinned; nor in object
    storage, which has no locks.
    """

    def __init__(self, folder: Place, versions: Mapping[str, int]) -> None:
        if isinstance(folder, RemotePath):
            return
        path = folder / READERS / f"{uuid4().hex}.json"
        lock = _lock_of(path)
        try:
            lock.acquire()
            path.write_text(json.dumps(dict(versions)))
        except (OSError, NotImplementedError):
            lock.release()
            return
        weakref.finalize(self, _release, path, lock, os.getpid())


def pinned_versions(folder: Place) -> dict[str, set[int]]:
    """Return the versions of each table that open readers have pinned, and remove pins of ended processes."""
    pinned: dict[str, set[int]] = {}
    if isinstance(folder, RemotePath):
        return pinned
    for path in (folder / READERS).glob("*.json"):
        lock = _lock_of(path)
        try:
            lock.acquire()
        except (OSError, NotImplementedError):  # locked, as filelock.Timeout is an OSError; or another user's
            for name, version in _versions_in(path).items():
                pinned.setdefault(name, set()).add(version)
        else:
            _release(path, lock, os.getpid())
    return pinned


def _versions_in(path: Place) -> dict[str, int]:
    try:
        with open_regular(path) as stream:
            versions: dict[str, int] = json.load(stream)
    except (OSError, ValueError):
        # The reader has just ended, or has just begun: its versions are young, and kept for that.
        return {}
    return versions


def _lock_of(path: Place) -> filelock.BaseFileLock:
    return filelock.FileLock(path.with_suffix(".lock"), timeout=0, thread_local=False)


def _release(path: Place, lock: filelock.BaseFileLock, process: int) -> None:
    # A forked child shares the lock and must not release its parent's.
    if os.getpid() != process:
        return
    with suppress(OSError):  # the store may have been removed meanwhile
        path.unlink()
    lock.release()
    with suppress(OSError):
        path.with_suffix(".lock").unlink()
