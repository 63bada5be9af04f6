"""The lease of a store in object storage, which keeps a second writer from work that would be in vain.

No system releases a lock there when a process dies, so a lease is an object that its holder writes again
every :data:`RENEWED` and that others may take over once it is older than :data:`TAKEN_OVER_AFTER`. A holder
that was only asleep then finds that the manifest is not the one it read, which is what keeps the store right:
the lease saves work and no more.
"""

from __future__ import annotations

import json
import os
import platform
import threading
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

from objectspace.errors import InputError, StoreBusyError, StoreError
from objectspace.places import RemotePath

RENEWED = timedelta(seconds=30)
TAKEN_OVER_AFTER = timedelta(minutes=2)


class Lease:
    """The right to write to a store in object storage, as long as it is renewed.

    Raises StoreBusyError where another process holds it, StoreError where the storage ignores conditional
    writes, which both the lease and Lance's commits rest on.
    """

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        self._ended = threading.Event()
        self._number, self._owner = 0, f"{platform.node()}, process {os.getpid()}"
        self._secret = uuid4().hex
        self.is_locked = True
        probe = path.with_name(f"write.probe-{self._secret}")
        try:
            check_conditional_writes(probe)
            self._tag = self._taken(probe)
        finally:
            probe.unlink()
        self._renewal = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._renewal.start()

    def release(self) -> None:
        """Give the store to other writers; a lease that was lost stays its new holder's."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._renewal.join()
        if self.is_locked:
            self.is_locked = False
            with suppress(OSError, InputError):  # it ends by itself
                if self._path.tag() == self._tag:
                    self._path.unlink()

    def lose(self) -> None:
        """Record that another process has taken the store over."""
        self.is_locked = False

    def _taken(self, now: RemotePath) -> str:
        """Return the tag of the lease, taken; ``now``: an object that was written just now."""
        try:
            return self._path.create(self._text())
        except FileExistsError:
            pass
        try:
            held, tag = self._path.read_tagged()
            age = self._path.age_beside(now)
            if age > TAKEN_OVER_AFTER:
                return self._path.replace_tagged(self._text(), tag)
        except (FileNotFoundError, FileExistsError):  # its holder has ended, or another takes it over
            raise self._busy("another process") from None
        left = max(1, round((TAKEN_OVER_AFTER - age).total_seconds()))
        raise self._busy(_holder(held), f"; if it was killed, the store is free in {left} s")

    def _busy(self, who: str, more: str = "") -> StoreBusyError:
        return StoreBusyError(
            f"another process is writing to {self._path.parent} ({who}); wait until it has ended{more}"
        )

    def _text(self) -> bytes:
        self._number += 1
        text = {"owner": self._owner, "secret": self._secret, "number": self._number}
        return json.dumps(text).encode()

    def _keep(self) -> None:
        while not self._ended.wait(RENEWED.total_seconds()):
            with suppress(OSError, InputError):  # a service that is away may be back before the lease ends
                try:
                    self._tag = self._path.replace_tagged(self._text(), self._tag)
                except (FileExistsError, FileNotFoundError):
                    if not self._is_ours():
                        self.lose()
                        return

    def _is_ours(self) -> bool:
        """Return whether the lease that is there is this one, of which an answer was lost."""
        data, tag = self._path.read_tagged()
        if self._secret.encode() not in data:
            return False
        self._tag = tag
        return True


def check_conditional_writes(probe: RemotePath) -> None:
    """Raise StoreError where object storage writes over an object that a writer asked it not to.

    probe: where two objects are written one over the other, and left
    """
    first = probe.create(b"1")
    for overwrite in (lambda: probe.create(b"2"), lambda: _replaced_twice(probe, first)):
        try:
            overwrite()
        except FileExistsError:
            continue
        except (OSError, InputError):
            pass
        raise StoreError(
            f"the object storage at {'//'.join(probe.parts[:2])} ignores conditional writes (If-None-Match, "
            f"If-Match), without which rows are lost unseen; keep the store in another, or on disk"
        )


def _replaced_twice(probe: RemotePath, tag: str) -> None:
    probe.replace_tagged(b"3", tag)
    probe.replace_tagged(b"4", tag)


def _holder(held: bytes) -> str:
    try:
        return str(json.loads(held)["owner"])
    except (ValueError, KeyError, TypeError):
        return "another process"
