"""The cores of this machine, and what threads beside each other share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock


def core_count() -> int:
    """Cores that this process may use; where the system does not say (macOS, Windows), all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SharedContext:
    """A setting of the whole process that threads hold side by side: the first sets it, the last resets it.

    If each thread set it and restored what it found, the last to leave could restore the setting of another.

    setting: makes the context manager that sets it and takes it back
    """

    def __init__(self, setting: Callable[[], AbstractContextManager[object]]) -> None:
        self._setting, self._lock, self._holders, self._held = setting, Lock(), 0, ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The setting holds from here to the end of the block, and on while another thread holds it."""
        with self._lock:
            if not self._holders:
                self._held.enter_context(self._setting())
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._held.close()


def _products_in_one_thread() -> AbstractContextManager[object]:
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits


#: ``with PRODUCTS_IN_ONE_THREAD.held():`` matrix products stay in the thread that calls them.
PRODUCTS_IN_ONE_THREAD = SharedContext(_products_in_one_thread)
