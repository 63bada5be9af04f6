"""Searches side by side, a core each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from objectspace.cores import PRODUCTS_IN_ONE_THREAD, core_count

T = TypeVar("T")


def side_by_side(work: Callable[[T], None], parts: Sequence[T]) -> None:
    """Do the work on all parts, a core each. Raises what the work raises."""
    with PRODUCTS_IN_ONE_THREAD.held(), ThreadPoolExecutor(core_count()) as pool:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()
