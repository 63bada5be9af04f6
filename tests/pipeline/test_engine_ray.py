"""How chunks are given to workers, by a Ray that runs one after another; tests/cluster has the real one."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from objectspace.errors import InputError, ModelError
from objectspace.images import Failure
from objectspace.pipeline import engine_ray, engine_threads
from objectspace.pipeline.engine_ray import RayEngine, _Pool, _Start, _without_copies, _Worker
from objectspace.pipeline.job import Job
from objectspace.pipeline.results import ImageResult, Outcome, SkippedImage
from tests.jobs.fakes import FakePrompter, MeanColor, save

IMAGES = [Path(f"{number:02}.png") for number in range(40)]


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, raised: Exception) -> None:
        super().__init__(f"Traceback:\n{raised}")
        self.cause = raised


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
        assert num_returns == 1
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


def test_a_photo_that_ends_every_worker_is_found_and_the_others_are_done(
    logged: list[logging.LogRecord],
) -> None:
    ray = FakeRay(dies=lambda promise: Path("17.png") in promise.images)
    outcomes = [one for chunk in pool(ray, 3).outcomes(IMAGES) for one in chunk]
    assert outcomes[:17] + outcomes[18:] == [done(path) for path in IMAGES if path.stem != "17"]
    told = [record.getMessage() for record in logged if record.name == "objectspace"]
    assert [line for line in told if "18.png" not in line] == [
        "a worker died over 2 photos from 16.png on"
    ] * 3 + ["a worker died over 1 photo from 17.png on"] * 3
    # The chunk that the first of these workers had beside.
    assert len(told) == 6 + 1
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


def test_two_photos_that_end_every_worker_are_both_found() -> None:
    """Of one chunk and of two; each chunk is run at most three times whole and three times by halves."""
    deadly = {"04", "05", "38"}
    ray = FakeRay(dies=lambda promise: any(path.stem in deadly for path in promise.images))
    outcomes = [one for chunk in pool(ray, 2).outcomes(IMAGES) for one in chunk]
    assert [one.path for one in outcomes] == [path.name for path in IMAGES]
    assert {one.path for one in outcomes if one.reason != "is done"} == {"04.png", "05.png", "38.png"}
    # 39 and 6 once more each, as the worker that had them died over what it had beside.
    assert [ray.begun_chunks.count(number) for number in (4, 5, 38, 39, 6)] == [6, 3, 6, 2, 2]


def test_starts_that_fail_three_times_in_a_row_end_the_job() -> None:
    starts: list[Promise] = []

    def loads_first(running: list[Promise]) -> Promise:
        return next((promise for promise in running if promise.method == "load"), running[0])

    def dies(promise: Promise) -> bool:
        starts.extend([promise] if promise.method == "load" else [])
        return promise.method == "load" and len(starts) not in lucky

    lucky: set[int] = set()
    with pytest.raises(ModelError, match="workers end before they have loaded the job: the worker died"):
        list(pool(FakeRay(dies=dies), 1).outcomes(IMAGES))
    assert len(starts) == 3
    # One that succeeds begins the count anew: of two workers the third and the sixth start do.
    starts.clear()
    lucky = {3, 6}
    outcomes = pool(FakeRay(dies=dies), 2).outcomes(IMAGES)
    assert [one for chunk in outcomes for one in chunk] == [done(path) for path in IMAGES]
    assert len(starts) == 6
    # Three in a row end it after a success, too: while a worker runs, the other one's starts fail.
    starts.clear()
    lucky = {1}
    with pytest.raises(ModelError, match="workers end before they have loaded the job"):
        list(pool(FakeRay(loads_first, dies), 2).outcomes(IMAGES))
    assert len(starts) == 4


def test_a_worker_whose_job_is_another_ends_the_job() -> None:
    ray = FakeRay()
    other = replace(pool(ray, 2).start, digest="another")
    with pytest.raises(InputError, match="a worker's job is not the same as here"):
        list(_Pool(ray, other, 2).outcomes(IMAGES))
    assert ray.killed


def test_no_more_workers_start_than_there_are_chunks() -> None:
    for count, workers in ((3, 2), (4, 2), (5, 3), (40, 5)):
        ray = FakeRay()
        assert sum(map(len, pool(ray, 5).outcomes(IMAGES[:count]))) == count
        assert ray.killed == workers


@pytest.mark.parametrize("gpus", [0, 0.25, 0.9, 1, 3])
def test_gpus_of_a_worker_are_whole_or_a_share_of_one(gpus: float) -> None:
    assert RayEngine(gpus_per_worker=gpus).gpus_per_worker == gpus


@pytest.mark.parametrize("gpus", [-1, 1.5, -0.5])
def test_other_gpus_of_a_worker_are_refused(gpus: float) -> None:
    with pytest.raises(InputError, match=f"gpus_per_worker={gpus}, expected 1 or more workers, and a whole"):
        RayEngine(gpus_per_worker=gpus)


def test_no_workers_are_refused_and_one_is_not() -> None:
    assert RayEngine(workers=1).workers == 1
    for workers in (0, -1):
        with pytest.raises(InputError, match=f"workers={workers} and gpus_per_worker=0, expected 1 or more"):
            RayEngine(workers=workers)


def test_a_failure_twice_is_no_copy() -> None:
    outcomes = [Failure("a", "is broken"), Failure("b", "is broken"), SkippedImage("c", "1")]
    assert list(_without_copies([outcomes[:1], outcomes[1:]])) == [outcomes[:1], outcomes[1:]]


# ---------------------------------------------------------------------------------------------- a whole job


class InProcess:
    """The package ray: two machines, whose workers are objects of this process and work when waited for.

    options: of each worker; limited: the cores that each was limited to
    """

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.made: list[Any] = []
        self.killed: list[Any] = []
        self.limited: list[int] = []

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": cores, "GPU": 1}} for cores in (4, 2)]

    def put(self, value: Any) -> Any:
        return value

    def remote(self, kind: type) -> Any:
        def start(*arguments: Any) -> Any:
            worker = kind(*arguments)
            self.made.append(handle := SimpleNamespace())
            for name in ("load", "run"):
                method = getattr(worker, name)
                setattr(
                    handle, name, SimpleNamespace(remote=lambda *given, method=method: Call(method, given))
                )
            return handle

        def options(**given: Any) -> Any:
            self.options = given
            return SimpleNamespace(remote=start)

        return SimpleNamespace(options=options)

    def wait(self, running: list[Call], num_returns: int) -> tuple[list[Call], list[Call]]:
        # First all load, then the chunks end out of order.
        assert num_returns == 1
        loading = [call for call in running if call.method.__name__ == "load"]
        return (loading or running)[-num_returns:], []

    def get(self, call: Call) -> Any:
        try:
            return call.method(*call.arguments)
        except Exception as error:
            raise RayTaskError(error) from error

    def kill(self, worker: Any) -> None:
        self.killed.append(worker)


@dataclass(eq=False)
class Call:
    method: Callable[..., Any]
    arguments: tuple[Any, ...]


class ReadyJob(Job):
    """A job of objects, as all processes are this one; what it was loaded with is kept."""

    loaded_with: list[list[Any]] = []  # noqa: RUF012 - of all of them

    def load(self, images: Sequence[Any] = ()) -> Any:
        self.loaded_with.append(list(images))
        return super().load(images)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """The package ray is the fake one."""
    monkeypatch.setitem(sys.modules, "ray", ray := InProcess())  # type: ignore[arg-type]
    monkeypatch.setattr(engine_ray, "limit_cores", ray.limited.append)
    monkeypatch.setattr(ReadyJob, "loaded_with", [])
    return ray


def photos_of(folder: Path) -> list[Path]:
    """Eleven photos: one broken, one finished before (9), and copies of the first, third and fourth."""
    photos = [folder / f"{number:02}.png" for number in range(11)]
    for number, photo in enumerate(photos):
        save(photo, {2: 0, 7: 3, 10: 5}.get(number, number), small=(10 * number, 0, 0))
    for copy, first in ((2, 0), (7, 3), (10, 5)):
        photos[copy].write_bytes(photos[first].read_bytes())
    photos[6].write_bytes(b"no photo")
    return photos


def described(outcome: Outcome) -> tuple[Any, ...]:
    if isinstance(outcome, ImageResult):
        vectors = {name: rows.vectors.round(3).tolist() for name, rows in outcome.vectors.items()}
        return outcome.path, outcome.objects.object_id.tolist(), vectors, outcome.thumbnails
    return outcome.path, type(outcome)


@pytest.mark.parametrize(("gpus", "workers"), [(0, 2), (0.5, 4)])
def test_a_job_on_workers_is_that_of_the_threads(
    in_process: InProcess, tmp_path: Path, gpus: float, workers: int
) -> None:
    photos = photos_of(tmp_path)
    job = ReadyJob(prompts=FakePrompter(), encoder=MeanColor())  # type: ignore[arg-type]
    loaded = job.load()
    (before,) = engine_threads.run(photos[9:10], loaded, lambda *_: False)
    assert isinstance(before, ImageResult)

    def finished(image_id: str, contents: str | None) -> bool:
        return image_id == before.image_id

    chunks: list[list[str]] = []

    def in_worker(outcomes: Sequence[Outcome]) -> list[Outcome]:
        chunks.append([outcome.path for outcome in outcomes])
        return [
            replace(one, thumbnails=(b"seen",)) if isinstance(one, ImageResult) else one for one in outcomes
        ]

    engine = RayEngine(workers=workers, gpus_per_worker=gpus)
    found = list(engine.run(photos, job, loaded, finished, in_worker))
    expected = [
        (path, *rest[:-1], (b"seen",)) if len(rest) > 1 else (path, *rest)
        for path, *rest in map(described, engine_threads.run(photos, loaded, finished))
    ]
    assert [described(one) for chunk in found for one in chunk] == expected
    assert sorted(path for chunk in chunks for path in chunk) == list(map(str, photos))
    assert max(map(len, chunks)) == 2
    kinds = [type(one).__name__[0] for chunk in found for one in chunk]
    assert "".join(kinds) == "IISIIIFSISS"
    cores = {2: 2, 4: 1}[workers]
    assert in_process.options == {"num_cpus": cores, "num_gpus": gpus, "max_concurrency": 2}
    assert len(in_process.made) == workers == len(in_process.killed)
    assert in_process.limited == [{2: 2, 4: 1}[workers]] * workers
    # Only a factor table is joined to the names of all photos.
    assert ReadyJob.loaded_with == [[]] * (1 + workers)


def test_workers_read_the_factors_of_all_photos(in_process: InProcess, tmp_path: Path) -> None:
    photos = photos_of(tmp_path)[:5]
    (tmp_path / "angles.csv").write_text("file,angle\n" + "".join(f"{n:02}.png,{n}\n" for n in range(5)))
    job = ReadyJob(
        prompts=FakePrompter(),  # type: ignore[arg-type]
        encoder=MeanColor(),
        factors=tmp_path / "angles.csv",
    )
    loaded = job.load(photos)
    found = list(RayEngine(workers=1).run(photos, job, loaded, lambda *_: False, list))
    assert sum(map(len, found)) == 5
    assert ReadyJob.loaded_with == [photos, photos]


def test_what_a_worker_raises_ends_the_job(in_process: InProcess, tmp_path: Path) -> None:
    class Breaks(MeanColor):
        def embed(self, crops: np.ndarray) -> np.ndarray:
            raise KeyError("layer 7")

    job = ReadyJob(prompts=FakePrompter(), encoder=Breaks())  # type: ignore[arg-type]
    run = RayEngine(workers=1).run(photos_of(tmp_path), job, job.load(), lambda *_: False, list)
    with pytest.raises(ModelError, match=r"^encoder color: embed of \d crops raised KeyError"):
        list(run)
