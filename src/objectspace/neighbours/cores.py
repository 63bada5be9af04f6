"""Searches side by side, a core each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from objectspace.cores import SharedContext, core_count

T = TypeVar("T")


def side_by_side(work: Callable[[T], None], parts: Sequence[T]) -> None:
    """Do the work on all parts, a core each. Raises what the work raises."""
    with _PRODUCTS_IN_ONE_THREAD.held(), ThreadPoolExecutor(core_count()) as pool:
        for done in [pool.submit(work, part) for part in parts]:
            done.result()


@cache
def _controller() -> ThreadpoolController:
    """The libraries of matrix products that are loaded; looking them up takes milliseconds."""
    return ThreadpoolController()


_PRODUCTS_IN_ONE_THREAD = SharedContext(lambda: _controller().limit(limits=1, user_api="blas"))
