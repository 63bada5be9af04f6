"""Threads that compute side by side, one core each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from objectspace.cores import core_count

#: More threads than this wait for Python's lock rather than compute.
_MOST = 8


def worker_count() -> int:
    """Threads that are worth having beside each other on this machine."""
    return max(2, min(_MOST, core_count()))


def compute_alone() -> None:
    """Let torch compute in the calling thread alone, for threads that share the cores among themselves.

    Otherwise each of them starts as many more as there are cores, and all of them wait for one another.
    """
    torch.set_num_threads(1)


@contextmanager
def threads_restored() -> Iterator[None]:
    """Give torch its number of threads back at the end; :func:`compute_alone` changes it for new threads."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
