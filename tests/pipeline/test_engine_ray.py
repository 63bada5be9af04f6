"""How chunks are given to workers, by a Ray that runs one after another; tests/cluster has the real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from objectspace.errors import InputError
from objectspace.images import Failure
from objectspace.pipeline import engine_ray
from objectspace.pipeline.engine_ray import RayEngine, _Pool, _Start, _without_copies, _Worker
from objectspace.pipeline.results import SkippedImage

IMAGES = [Path(f"{number:02}.png") for number in range(40)]


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


@dataclass(eq=False)
class Promise:
    worker: FakeWorker
    method: str
    images: list[Path] = field(default_factory=list)


class FakeWorker:
    def __init__(self, ray: FakeRay) -> None:
        self.is_dead = False
        self.load = SimpleNamespace(remote=lambda: ray.begun(Promise(self, "load")))
        self.run = SimpleNamespace(remote=lambda images: ray.begun(Promise(self, "run", images)))


class FakeRay:
    """Ends what is ready in the order that ``next_of`` chooses; whatever ``dies`` names ends its worker."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(
        self,
        next_of: Callable[[list[Promise]], Promise] = lambda running: running[0],
        dies: Callable[[Promise], bool] = lambda promise: False,
    ) -> None:
        self._next_of, self._dies = next_of, dies
        self.begun_chunks: list[int] = []
        self.killed = 0

    def begun(self, promise: Promise) -> Promise:
        if promise.images:
            self.begun_chunks.append(int(promise.images[0].stem))
        return promise

    def wait(self, running: list[Promise], num_returns: int) -> tuple[list[Promise], None]:
        assert running, "nothing runs, so nothing will ever end"
        return [self._next_of(running)], None

    def get(self, promise: Promise) -> Any:
        promise.worker.is_dead = promise.worker.is_dead or self._dies(promise)
        if promise.worker.is_dead:
            raise RayError("the worker died")
        return "digest" if promise.method == "load" else [done(path) for path in promise.images]

    def kill(self, worker: FakeWorker) -> None:
        self.killed += 1


def done(path: Path) -> Failure:
    return Failure(path.name, "is done")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_ray, "CHUNK", 2)
    monkeypatch.setattr(engine_ray, "_AHEAD", 3)


def pool(ray: FakeRay, workers: int) -> _Pool:
    actor = SimpleNamespace(remote=lambda: FakeWorker(ray))
    return _Pool(ray, _Start(actor, (), "digest"), workers)


def test_outcomes_come_in_order_whichever_chunk_ends_first() -> None:
    for next_of in (lambda running: running[0], lambda running: running[-1]):
        outcomes = pool(FakeRay(next_of), 3).outcomes(IMAGES)
        assert [one for chunk in outcomes for one in chunk] == [done(path) for path in IMAGES]


def test_a_chunk_that_others_wait_for_is_run_again_after_its_worker_died() -> None:
    """The first chunk's worker dies when all that may be done ahead of it is done."""
    died = []

    def the_first_last(running: list[Promise]) -> Promise:
        others = [promise for promise in running if Path("00.png") not in promise.images]
        return (others or running)[0]

    def dies_once(promise: Promise) -> bool:
        if Path("00.png") in promise.images and not died:
            died.append(promise)
            return True
        return False

    ray = FakeRay(the_first_last, dies_once)
    outcomes = pool(ray, 2).outcomes(IMAGES)
    assert [one for chunk in outcomes for one in chunk] == [done(path) for path in IMAGES]
    # Six chunks of two, its own among them, were begun before it was begun again.
    assert ray.begun_chunks[:6] == [0, 2, 4, 6, 8, 10]
    assert ray.begun_chunks[6:].count(0) == 1


def test_workers_have_their_next_chunk_before_the_caller_commits() -> None:
    ray = FakeRay()
    outcomes = pool(ray, 2).outcomes(IMAGES)
    assert next(outcomes) == [done(path) for path in IMAGES[:2]]
    # Two chunks for each of two workers, and the next of the one that has ended its first.
    assert ray.begun_chunks == [0, 2, 4, 6, 8]
    outcomes.close()
    assert ray.killed == 2


def test_a_photo_that_ends_every_worker_is_found_and_the_others_are_done() -> None:
    ray = FakeRay(dies=lambda promise: Path("17.png") in promise.images)
    outcomes = [one for chunk in pool(ray, 3).outcomes(IMAGES) for one in chunk]
    assert outcomes[:17] + outcomes[18:] == [done(path) for path in IMAGES if path.stem != "17"]
    # Three times with the photo before it, and three times alone.
    assert (ray.begun_chunks.count(16), ray.begun_chunks.count(17)) == (4, 3)
    # The one chunk that its first worker had beside it is run once more, by a worker that has no other.
    assert sorted(set(ray.begun_chunks) - {17}) == list(range(0, 40, 2))
    assert len(ray.begun_chunks) == 20 + 3 + 3 + 1
    assert outcomes[17].path == "17.png"
    assert outcomes[17].reason.startswith("ended the process that read it, 3 times")


def test_a_worker_runs_a_chunk_while_it_writes_another_and_never_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first chunk is written only when the second has been run."""
    second_was_run, running, most = threading.Event(), threading.Semaphore(1), []

    def run(images: list[Path], *_: Any) -> Iterator[Failure]:
        most.append(running.acquire(blocking=False))
        yield from map(done, images)
        running.release()

    def write(outcomes: list[Failure]) -> list[Failure]:
        if outcomes[0] == done(IMAGES[0]):
            assert second_was_run.wait(timeout=60)
        else:
            second_was_run.set()
        return outcomes

    monkeypatch.setattr(engine_ray, "run", run)
    worker = _Worker(
        SimpleNamespace(load=lambda images: SimpleNamespace(digest="digest")), [], None, write, 1
    )
    monkeypatch.setattr(engine_ray, "limit_cores", lambda count: None)
    worker.load()
    with ThreadPoolExecutor(2) as threads:
        results = threads.map(worker.run, (IMAGES[:2], IMAGES[2:4]))
        assert list(results) == [[done(path) for path in IMAGES[:2]], [done(path) for path in IMAGES[2:4]]]
    assert most == [True, True]


@pytest.mark.parametrize("gpus", [0, 0.25, 0.9, 1, 3])
def test_gpus_of_a_worker_are_whole_or_a_share_of_one(gpus: float) -> None:
    assert RayEngine(gpus_per_worker=gpus).gpus_per_worker == gpus


@pytest.mark.parametrize("gpus", [-1, 1.5, -0.5])
def test_other_gpus_of_a_worker_are_refused(gpus: float) -> None:
    with pytest.raises(InputError, match=f"gpus_per_worker={gpus}, expected 1 or more workers, and a whole"):
        RayEngine(gpus_per_worker=gpus)


def test_a_failure_twice_is_no_copy() -> None:
    outcomes = [Failure("a", "is broken"), Failure("b", "is broken"), SkippedImage("c", "1")]
    assert list(_without_copies([outcomes[:1], outcomes[1:]])) == [outcomes[:1], outcomes[1:]]
