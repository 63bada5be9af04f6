"""The engine of many machines: workers, actors of Ray, run the engine of one machine on chunks of images.

::

    driver (one): chunks of images in order ──▶ workers (many): read, decode, find, cut, encode
                                                         write the chunk's vectors
                  outcomes in order         ◀──          an outcome of each image

What a worker writes is nothing until whoever takes the driver's outcomes commits it, so that a chunk may be
run any number of times and its rows come once. A chunk whose worker dies is run again, by a worker that has
no other, as nobody knows which of its chunks ended the first. One over which :data:`DEATHS` workers died is
split, so that a photo which ends every process that reads it is found, and becomes a failure.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from objectspace.arguments import typed
from objectspace.errors import InputError, ModelError, counted
from objectspace.files import printable_path
from objectspace.images import Failure
from objectspace.pipeline.engine_threads import IsFinished, run
from objectspace.pipeline.job import Job
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.ray_cluster import (
    DEATHS,
    RayWorkers,
    cause,
    check_package,
    connect,
    last_line,
    shares,
)
from objectspace.pipeline.results import ImageResult, Outcome, SkippedImage
from objectspace.places import Place
from objectspace.threads import limit_cores

#: Called in a worker with the outcomes of a chunk; returns them as they are to be sent. Pickles.
InWorker = Callable[[Sequence[Outcome]], list[Outcome]]

logger = logging.getLogger("objectspace")

#: Images that a worker is given at a time. Ray takes some 27 ms of a processor for each chunk.
CHUNK = 64
#: Workers that may fail to start, one after another.
_STARTS = 3
#: How many chunks, for each worker, are begun before the first that is not done.
_AHEAD = 4
#: Chunks that a worker has at a time: it runs one while it writes what came of another, and waits for none.
_AT_ONCE = 2


@typed
@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Runs a job on a cluster of Ray, whose machines have this package and reach photos and weights alike.

    address: of the cluster, ``auto`` for the one that this machine is part of; None starts one here
    workers: processes that run the job; by default one for each GPU that is asked for, or each machine
    gpus_per_worker: GPUs of each, a whole number, or a share below 1: several workers to a GPU keep it busier
        than one, which prepares photos under one interpreter's lock

    >>> osp.RayEngine(address="auto", workers=8, gpus_per_worker=1)
    RayEngine(address='auto', workers=8, gpus_per_worker=1)
    """

    address: str | None = None
    workers: int | None = None
    gpus_per_worker: float = 0

    def __post_init__(self) -> None:
        whole_or_share = 0 <= self.gpus_per_worker < 1 or float(self.gpus_per_worker).is_integer()
        if (self.workers is not None and self.workers < 1) or self.gpus_per_worker < 0 or not whole_or_share:
            raise InputError(
                f"workers={self.workers} and gpus_per_worker={self.gpus_per_worker}, expected 1 or more "
                f"workers, and a whole number of GPUs for each or a share below 1"
            )

    def run(
        self,
        images: Sequence[Place],
        job: Job,
        loaded: LoadedJob,
        is_finished: IsFinished,
        in_worker: InWorker,
    ) -> Generator[list[Outcome], None, None]:
        """Yield what becomes of each image, in their order, as the engine of one machine does; by chunks.

        loaded: the same job in the memory of this process; is_finished, in_worker: pickle
        Raises InputError where there is no cluster, no worker with this package or an object in the job.
        """
        with self.connect() as workers:
            ray, cores = workers.ray, workers.cores
            named = images if job.factors is not None else ()
            start = _Start(
                ray.remote(_Worker).options(
                    num_cpus=cores, num_gpus=self.gpus_per_worker, max_concurrency=_AT_ONCE
                ),
                (ray.put(job), ray.put(list(named)), ray.put(is_finished), in_worker, cores),
                loaded.digest,
            )
            with closing(_Pool(ray, start, workers.size).outcomes(images)) as chunks:
                yield from _without_copies(chunks)

    @contextmanager
    def connect(self) -> Iterator[RayWorkers]:
        """Connect to the cluster, for work of any kind. Raises InputError where there is none or no room."""
        with connect(self.address) as ray:
            workers, cores = shares(ray.nodes(), self.workers, self.gpus_per_worker)
            logger.info("%s of %s on Ray", counted(workers, "worker"), counted(cores, "core"))
            yield RayWorkers(ray, workers, cores)


def _without_copies(chunks: Iterable[Sequence[Outcome]]) -> Iterator[list[Outcome]]:
    """Yield the outcomes, but those of copies of an earlier image as skipped."""
    seen: set[tuple[str, str | None]] = set()

    def told(outcome: Outcome) -> Outcome:
        if isinstance(outcome, ImageResult):
            content = (outcome.image_id, outcome.contents)
            if content in seen:
                return SkippedImage(outcome.path, outcome.image_id)
            seen.add(content)
        return outcome

    for outcomes in chunks:
        yield [told(outcome) for outcome in outcomes]


class _Worker:
    """Runs chunks of images in a process of its own."""

    def __init__(
        self, job: Job, images: Sequence[Place], is_finished: IsFinished, in_worker: InWorker, cores: int
    ) -> None:
        self._spec, self._images, self._is_finished, self._cores = job, images, is_finished, cores
        self._in_worker = in_worker
        self._job: LoadedJob | None = None
        # Networks of somebody else's may not be safe to call from several threads.
        self._networks = Lock()

    def load(self) -> str:
        """Load the job's networks; return the job's digest."""
        limit_cores(self._cores)
        self._job = self._spec.load(self._images)
        return self._job.digest

    def run(self, images: Sequence[Place]) -> list[Outcome]:
        """Return what becomes of each image, and what was made of that here; safe from several threads."""
        assert self._job is not None
        with self._networks, closing(run(images, self._job, self._is_finished)) as outcomes:
            found = list(outcomes)
        return self._in_worker(found)


# ------------------------------------------------------------------------------------------------ the driver


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Images from a place in the job's order on, and how many workers died over them."""

    place: int
    images: Sequence[Place]
    deaths: int = 0

    @property
    def room(self) -> int:
        """What it takes of a worker's :data:`_AT_ONCE`: all of it where a worker died over the chunk."""
        return _AT_ONCE if self.deaths else 1

    def halves(self) -> list[_Chunk]:
        middle = len(self.images) // 2
        return [
            _Chunk(self.place, self.images[:middle]),
            _Chunk(self.place + middle, self.images[middle:]),
        ]


@dataclass(frozen=True, slots=True)
class _Start:
    """How a worker is made, and the digest of the job that it must find."""

    actor: Any
    arguments: tuple[Any, ...]
    digest: str


@dataclass(eq=False)
class _Member:
    """A worker of the pool, and for how many chunks it has room; ``is_lost``: it died."""

    actor: Any
    room: int = 0
    is_lost: bool = False


@dataclass
class _Pool:
    """Workers, what each is doing, and the outcomes that wait for those of earlier chunks.

    running: a promise of Ray -> the worker and its chunk; None while it loads the job
    """

    ray: Any
    start: _Start
    size: int
    members: list[_Member] = field(default_factory=list)
    running: dict[Any, tuple[_Member, _Chunk | None]] = field(default_factory=dict)
    done: dict[int, list[Outcome]] = field(default_factory=dict)
    failed_starts: int = 0

    def outcomes(self, images: Sequence[Place]) -> Generator[list[Outcome], None, None]:
        """Yield the outcomes of each chunk, in order."""
        waiting = deque(_Chunk(at, images[at : at + CHUNK]) for at in range(0, len(images), CHUNK))
        place = 0
        try:
            for _ in range(min(self.size, len(waiting))):
                self._add_worker()
            while place < len(images):
                waiting.extendleft(reversed(self._next_finished()))
                ready = []
                while (found := self.done.pop(place, None)) is not None:
                    ready.append(found)
                    place += len(found)
                # First, as the caller commits what it is given, and workers would wait.
                self._give_out(waiting, place)
                yield from ready
        finally:
            for member in self.members:
                self.ray.kill(member.actor)

    def _add_worker(self) -> None:
        member = _Member(self.start.actor.remote(*self.start.arguments))
        self.members.append(member)
        self.running[member.actor.load.remote()] = (member, None)

    def _lose(self, member: _Member) -> None:
        """Put a new worker in the place of one that died, which may have had several chunks."""
        if not member.is_lost:
            member.is_lost = True
            self.ray.kill(member.actor)
            self.members.remove(member)
            self._add_worker()

    def _give_out(self, waiting: deque[_Chunk], place: int) -> None:
        """Give chunks to the workers with most room; ``place``: the first image that is not done."""
        end = place + _AHEAD * self.size * CHUNK
        while waiting and waiting[0].place < end:
            member = max(self.members, key=lambda one: one.room)
            if member.room < waiting[0].room:
                return
            chunk = waiting.popleft()
            member.room -= chunk.room
            self.running[member.actor.run.remote(chunk.images)] = (member, chunk)

    def _next_finished(self) -> list[_Chunk]:
        """Wait for one worker; return the chunks that are to be run again."""
        ready, _ = self.ray.wait(list(self.running), num_returns=1)
        member, chunk = self.running.pop(ready[0])
        try:
            result = self.ray.get(ready[0])
        except self.ray.exceptions.RayTaskError as error:
            raise cause(error) from error
        except self.ray.exceptions.RayError as error:
            if chunk is None:
                self._count_failed_start(error)
            self._lose(member)
            return [] if chunk is None else self._again(replace(chunk, deaths=chunk.deaths + 1))
        if chunk is None:
            self._check(result)
            member.room = _AT_ONCE
        else:
            self.done[chunk.place] = result
            member.room += chunk.room
        return []

    def _again(self, chunk: _Chunk) -> list[_Chunk]:
        """Return what is to be run of a chunk over which a worker died; a photo alone becomes a failure."""
        first = printable_path(chunk.images[0])
        logger.warning("a worker died over %s from %s on", counted(len(chunk.images), "photo"), first)
        if chunk.deaths < DEATHS:
            return [chunk]
        if len(chunk.images) > 1:
            return chunk.halves()
        reason = f"ended the process that read it, {DEATHS} times; is memory short, or the photo broken?"
        self.done[chunk.place] = [Failure(first, reason)]
        return []

    def _count_failed_start(self, error: Exception) -> None:
        check_package(error)
        self.failed_starts += 1
        if self.failed_starts >= _STARTS:
            raise ModelError(f"workers end before they have loaded the job: {last_line(error)}") from None

    def _check(self, digest: str) -> None:
        self.failed_starts = 0
        if digest != self.start.digest:
            raise InputError(
                "a worker's job is not the same as here: its networks, weights, annotations or precision "
                "differ; give it the same files and package, and name precision and device"
            )
