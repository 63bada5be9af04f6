"""Threads: the cores there are, work done ahead in order, one core for each thread, the limits of BLAS."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


_LIMIT: int | None = None


def core_count() -> int:
    """Return how many cores this process may use: all of them where nothing limits it."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return there if _LIMIT is None else min(there, _LIMIT)


def limit_cores(count: int) -> None:
    """Let this process use so many cores at most, as it shares the machine with others of its kind."""
    global _LIMIT
    _LIMIT = count


def worker_count() -> int:
    """Return how many threads to compute in: one for each core, and two on a single core.

    The second one reads files while the first one computes.
    """
    return max(2, core_count())


# ------------------------------------------------------------------------------------------ work in order


def work_ahead(
    items: Iterable[Item],
    task: Callable[[Item], Result],
    *,
    workers: int,
    ahead: int,
    at_start: Callable[[], None] | None = None,
) -> Generator[Result, None, None]:
    """Yield ``task(item)`` of every item, in order, computed in threads ahead of the caller.

    At most ``ahead`` results exist at once, the caller's among them, so memory is bounded however slow the
    caller is. Each thread calls ``at_start`` first. An exception of ``task`` is raised at its place in the
    order. Closing the generator drops what has not begun, waits for the threads to end and closes ``items``
    where they are a generator. Who gives it to a function that may fail closes it (``contextlib.closing``): a
    traceback that is kept would keep its threads.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead", initializer=at_start)
    try:
        for item in items:
            waiting.append(pool.submit(task, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(items, Generator):
            items.close()


def compute_ahead(
    items: Iterable[Item],
    task: Callable[[Item], Result],
    *,
    workers: int | None = None,
    ahead: int = 3,
) -> Generator[Result, None, None]:
    """Yield ``task(item)`` of every item, in order, from threads in which torch uses one core each.

    workers: the threads; None for :func:`worker_count`
    ahead: how many results exist at once for each thread

    Threads that others start afterwards compute with as many cores as before, once the generator has ended
    or was closed.
    """
    workers = workers or worker_count()
    with _TORCH_DEFAULT_KEPT.held():
        yield from work_ahead(
            items, task, workers=workers, ahead=ahead * workers, at_start=use_one_torch_thread
        )


@contextmanager
def one_core_threads() -> Iterator[ThreadPoolExecutor]:
    """Give a pool of a thread for each core, in which torch uses one core each.

    At the end of the block what has not begun is dropped, and the threads have ended.
    """
    with _TORCH_DEFAULT_KEPT.held():
        pool = ThreadPoolExecutor(
            core_count(), thread_name_prefix="one core", initializer=use_one_torch_thread
        )
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def run_side_by_side(work: Callable[[Item], object], parts: Sequence[Item]) -> None:
    """Call ``work`` on every part, one core each, and raise what it raises."""
    with BLAS_IN_ONE_THREAD.held():
        for _ in work_ahead(parts, work, workers=core_count(), ahead=2 * core_count()):
            pass


# ------------------------------------------------------------------------- settings of the whole process


class SharedContext:
    """A setting of the whole process that threads hold together: the first sets it, the last resets it.

    If each thread set it and restored what it found, the last to leave could restore the setting of another.

    setting: makes the context manager that sets it and resets it
    """

    def __init__(self, setting: Callable[[], AbstractContextManager[object]]) -> None:
        self._setting, self._holders, self._held = setting, 0, ExitStack()
        # Garbage is collected anywhere, here too: a generator that was forgotten leaves its block then.
        self._lock = RLock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the setting until the end of the block, and longer while another thread needs it."""
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


def use_one_torch_thread() -> None:
    """Restrict torch to the calling thread, for threads that share the cores among themselves.

    Otherwise each of them starts as many more as there are cores, and all of them wait for one another.
    torch then does the same in every thread that is started later (:func:`compute_ahead` undoes that).
    """
    import torch

    torch.set_num_threads(1)


@contextmanager
def _torch_default_kept() -> Iterator[None]:
    import torch

    # A thread of its own: the number that a new thread gets is read and set in one, and the caller's number,
    # which may be another, stays as it is. It takes no lock of others, which the caller may hold at the end:
    # that may come from a garbage collection.
    kept, ended = Event(), Event()

    def keep() -> None:
        before = torch.get_num_threads()
        kept.set()
        ended.wait()
        torch.set_num_threads(before)

    keeper = Thread(target=keep, name="torch default", daemon=True)
    keeper.start()
    kept.wait()
    try:
        yield
    finally:
        ended.set()
        if not sys.is_finalizing():  # when Python ends, such a thread does not run any more
            keeper.join()


#: The packages that bring a BLAS of their own, beside NumPy.
_WITH_BLAS = ("cv2", "faiss", "scipy.linalg", "torch")


def _blas_in_one_thread() -> AbstractContextManager[object]:
    loaded = tuple(name for name in _WITH_BLAS if name in sys.modules)
    limits: AbstractContextManager[object] = _blas_of(loaded).limit(limits=1, user_api="blas")
    return limits


@cache
def _blas_of(loaded: tuple[str, ...]) -> ThreadpoolController:
    """Return what sets the threads of every BLAS: to look for them takes longer than a small search."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_TORCH_DEFAULT_KEPT = SharedContext(_torch_default_kept)

#: ``with BLAS_IN_ONE_THREAD.held():`` matrix products run in the thread that calls them.
BLAS_IN_ONE_THREAD = SharedContext(_blas_in_one_thread)
