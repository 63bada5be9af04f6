"""Cores and threads: how many there are, work ahead in order, and settings that threads share."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from objectspace.threads import (
    SharedContext,
    compute_ahead,
    core_count,
    one_core_threads,
    run_side_by_side,
    work_ahead,
    worker_count,
)


def test_the_cores_a_process_is_held_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert core_count() == 3


@pytest.mark.parametrize(("cores", "workers"), [(1, 2), (2, 2), (6, 6), (64, 64)])
def test_a_worker_for_each_core(monkeypatch: pytest.MonkeyPatch, cores: int, workers: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert worker_count() == workers


def test_all_cores_count_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert core_count() == 6


class Setting:
    """A setting of the process, which notes how often it was made."""

    def __init__(self) -> None:
        self.value, self.made = "before", 0

    @contextmanager
    def on(self) -> Iterator[None]:
        before, self.value = self.value, "on"
        self.made += 1
        yield
        self.value = before


def test_a_shared_setting_holds_until_the_last_has_left() -> None:
    setting = Setting()
    shared = SharedContext(setting.on)
    first, second = shared.held(), shared.held()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert setting.value == "on"
    second.__exit__(None, None, None)
    assert setting.value == "before"
    assert setting.made == 1


def test_a_shared_setting_is_reset_when_the_work_fails() -> None:
    setting = Setting()
    with pytest.raises(ValueError, match="work"), SharedContext(setting.on).held():
        raise ValueError("work")
    assert setting.value == "before"


def test_a_shared_setting_can_be_held_again() -> None:
    setting = Setting()
    shared = SharedContext(setting.on)
    for _ in range(2):
        with shared.held():
            assert setting.value == "on"
    assert setting.made == 2


# Work ahead


def test_results_come_in_order_though_tasks_end_out_of_order() -> None:
    def task(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0)
        return number

    assert list(work_ahead(range(20), task, workers=4, ahead=6)) == list(range(20))


def test_no_more_results_exist_than_asked_for() -> None:
    begun: list[int] = []
    results = work_ahead(range(50), lambda number: begun.append(number) or number, workers=2, ahead=5)
    for held in results:
        time.sleep(0.002)
        assert len(begun) <= held + 5


def test_an_exception_comes_out_at_its_place() -> None:
    results = work_ahead([1, 0, 2], lambda number: 1 / number, workers=2, ahead=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def threads_ahead() -> set[threading.Thread]:
    """The threads of work ahead that run now, those of earlier tests among them."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("ahead")}


def test_stopping_early_ends_the_threads_and_drops_the_rest() -> None:
    before = threads_ahead()
    begun: list[int] = []
    results = work_ahead(range(1000), lambda number: begun.append(number), workers=2, ahead=8)
    next(results)
    results.close()  # type: ignore[attr-defined]
    count = len(begun)
    assert count <= 8
    assert threads_ahead() <= before


def test_an_interrupt_in_the_caller_ends_the_threads() -> None:
    before = threads_ahead()

    def interrupted(step: Callable[[], None]) -> None:
        for _ in work_ahead(range(100), lambda number: number, workers=2, ahead=4):
            step()

    def step() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(step)
    assert threads_ahead() <= before


# torch in the threads of compute_ahead


def torch_threads() -> int:
    """The number of threads with which torch computes in a new thread."""
    with ThreadPoolExecutor(1) as new_thread:
        return new_thread.submit(torch.get_num_threads).result()


def set_torch_threads(count: int) -> None:
    with ThreadPoolExecutor(1) as new_thread:
        new_thread.submit(torch.set_num_threads, count).result()


@pytest.fixture
def five_torch_threads() -> Iterator[None]:
    """torch as on a machine of five cores, in threads that are started during the test."""
    before = torch_threads()
    set_torch_threads(5)
    yield
    set_torch_threads(before)


@pytest.mark.usefixtures("five_torch_threads")
def test_torch_computes_in_one_thread_meanwhile_and_in_all_afterwards() -> None:
    assert list(compute_ahead(range(3), lambda _: torch.get_num_threads())) == [1, 1, 1]
    assert torch_threads() == 5


@pytest.mark.usefixtures("five_torch_threads")
def test_threads_of_one_core_compute_with_one_and_give_torch_its_threads_back() -> None:
    with one_core_threads() as threads:
        assert threads.submit(torch.get_num_threads).result() == 1
    assert torch_threads() == 5


def test_threads_of_one_core_drop_what_has_not_begun_when_the_block_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("objectspace.threads.core_count", lambda: 1)
    begun, go = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go.wait()

    with one_core_threads() as pool:
        running, waiting = pool.submit(wait), pool.submit(wait)
        begun.wait()
        threading.Timer(0.05, go.set).start()
    assert running.done()
    assert waiting.cancelled()


@pytest.mark.usefixtures("five_torch_threads")
def test_the_callers_own_number_of_torch_threads_stays() -> None:
    def query() -> list[int]:
        torch.set_num_threads(3)
        list(compute_ahead(range(3), lambda item: item))
        return [torch.get_num_threads()]

    with ThreadPoolExecutor(1) as caller:
        assert caller.submit(query).result() == [3]


@pytest.mark.usefixtures("five_torch_threads")
@pytest.mark.parametrize("end", ["closed", "failed"])
def test_torch_has_its_threads_back_however_the_work_ends(end: str) -> None:
    work = compute_ahead([1, 0], lambda number: 1 / number)
    next(work)
    if end == "closed":
        work.close()
    else:
        with pytest.raises(ZeroDivisionError):
            next(work)
    assert torch_threads() == 5


@pytest.mark.usefixtures("five_torch_threads")
def test_work_beside_other_work_gives_torch_its_threads_back_once_both_have_ended() -> None:
    first, second = (compute_ahead(range(9), lambda item: item) for _ in range(2))
    next(first)
    next(second)
    first.close()
    assert torch_threads() == 1
    second.close()
    assert torch_threads() == 5


@pytest.mark.usefixtures("five_torch_threads")
def test_work_that_was_forgotten_may_be_collected_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even while another pool starts a thread, under a lock that all pools share."""

    class Holder:
        pass

    holder = Holder()
    holder.work, holder.itself = compute_ahead(range(9), lambda item: item), holder  # type: ignore[attr-defined]
    next(holder.work)  # type: ignore[attr-defined]
    del holder
    start = threading.Thread.start

    def collect_first(thread: threading.Thread) -> None:
        if thread.name.startswith("pool"):
            gc.collect()
        start(thread)

    def use_a_pool() -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
            pool.submit(int).result()

    monkeypatch.setattr(threading.Thread, "start", collect_first)
    caller = threading.Thread(target=use_a_pool, daemon=True)
    caller.start()
    caller.join(20)
    assert not caller.is_alive()
    assert torch_threads() == 5


def test_work_closes_what_it_reads_from() -> None:
    ended = []

    def items() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            ended.append(True)

    work = work_ahead(items(), lambda item: item, workers=1, ahead=2)
    next(work)
    work.close()
    assert ended


def test_threads_load_no_torch() -> None:
    code = "import sys, objectspace.threads; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# Side by side


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_products_run_in_one_thread_beside_each_other_and_in_all_afterwards():
    seen: list[list[int]] = []
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        run_side_by_side(lambda part: seen.append(blas_threads()), [1, 2])
        assert blas_threads() == before
    assert seen == [[1] * len(before)] * 2


def test_a_blas_that_is_loaded_later_is_held_too():
    code = """
from threadpoolctl import threadpool_info, threadpool_limits
from objectspace.threads import BLAS_IN_ONE_THREAD

import numpy
with BLAS_IN_ONE_THREAD.held():
    pass
import scipy.linalg
with BLAS_IN_ONE_THREAD.held():
    print([library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"])
"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    assert set(json.loads(done.stdout)) <= {1}


def test_what_fails_in_a_thread_fails_here():
    def fail(part: int) -> None:
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 3"):
        run_side_by_side(fail, [3])


def test_numbers_are_as_wide_in_a_thread_as_in_the_main_one() -> None:
    """In numpy below 2.1.2 a float32 array times a float64 number was float32, in other threads alone."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append((np.ones(2, np.float32) * np.float64(3)).dtype))
    thread.start()
    thread.join()
    assert found == [(np.ones(2, np.float32) * np.float64(3)).dtype]
