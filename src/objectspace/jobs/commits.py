"""The commits of a running job: what the next one holds, when it is due, and what all of them did."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from objectspace.embeddings.spaces import SpaceRows
from objectspace.errors import ImageError, counted
from objectspace.files import content_id, printable_path
from objectspace.images import Failure, read_file
from objectspace.jobs.finished import Finished
from objectspace.jobs.gone_images import gone_images
from objectspace.jobs.index_summary import IndexSummary
from objectspace.objects.records import concatenate
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.results import ImageResult, Outcome, SkippedImage
from objectspace.places import Place, as_place
from objectspace.store import Batch, ImageRow, Writer

logger = logging.getLogger("objectspace")

#: A commit is due after so many images, objects or seconds, whichever comes first.
COMMIT_IMAGES = 256
COMMIT_OBJECTS = 256
COMMIT_SECONDS = 30.0

Progress = Callable[[int, int], None]


class CommitBuffer:
    """Collects the outcomes of a running job, and commits them when enough have come together.

    prune: the folders whose images that are gone are forgotten at the end
    finished: which images the job finished before it began
    """

    def __init__(
        self, job: LoadedJob, writer: Writer, progress: Progress, prune: Sequence[Place] = ()
    ) -> None:
        self._job, self._writer, self._progress, self._prune = job, writer, progress, prune
        self._stored = writer.paths() if prune else {}
        self._read: dict[str, str] = {}
        self._forgotten: tuple[str, ...] = ()
        self.finished = Finished(job, writer)
        self._seen: set[str] = set()
        self._kept: set[str] = set()
        self._first: dict[str, str] = {}
        self._copies: list[tuple[str, str]] = []
        self._unlike: list[str] = []
        self._pending: list[ImageResult] = []
        self._unwritten: list[Failure] = []
        self._committed_at = time.monotonic()
        self._factors: dict[str, Mapping[str, float | str | None]] = {}
        self._paths: dict[str, str] = {}
        self._used: set[str] = set()
        self._failed_before = {failure.path for failure in writer.failures()}
        self._failures: list[Failure] = []
        self._indexed = self._known = self._objects = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Add the outcomes of the next images, and commit if that is due."""
        for outcome in outcomes:
            self._add(outcome)
        if self._due():
            self.commit()

    def _add(self, outcome: Outcome) -> None:
        objects = 0
        if isinstance(outcome, Failure):
            self._fail(outcome)
        elif isinstance(outcome, SkippedImage):
            self._skip(outcome)
        else:
            objects = len(outcome.objects)
            self._keep(outcome)
        self._progress(1, objects)

    def _fail(self, failure: Failure) -> None:
        logger.info("failed: %s: %s", *failure)
        self._failures.append(failure)
        self._unwritten.append(failure)

    def _skip(self, image: SkippedImage) -> None:
        """Count an image, whose factors may have changed since; of several copies the first's count."""
        if (factors := self._job.factors) is not None:
            values = factors.of(image.path)
            if image.image_id not in self._seen:
                self._factors[image.image_id] = {n: value for n, value in values.items() if n != "label"}
            elif values != factors.of(self._first[image.image_id]):
                self._unlike.append(image.path)
        self._known += 1
        self._use(image.path, image.image_id)

    def _keep(self, result: ImageResult) -> None:
        """Take an image's result; that of a copy with other annotations is added, as by a run of its own."""
        for problem in result.problems:
            self._fail(problem)
        if self._job.factors is not None:
            columns = self._job.factors.for_objects(result.path, len(result.objects))
            result = replace(result, objects=result.objects.with_factors(columns))
        added = result.image_id in self._kept
        if added:
            self.commit()
        self._kept.add(result.image_id)
        self._pending.append(result)
        self._use(result.path, result.image_id)
        if added:
            self.commit(replaces=False)

    def _use(self, path: str, image_id: str) -> None:
        """Record that an image was read, its path, and its label files."""
        self._seen.add(image_id)
        if (first := self._first.setdefault(image_id, path)) != path:
            self._copies.append((printable_path(path), printable_path(first)))
        self._paths.setdefault(image_id, printable_path(path))
        if self._prune:
            self._read[printable_path(path)] = image_id
        if self._failed_before:
            annotations = self._job.annotations
            self._used.add(printable_path(path))
            self._used.update(map(printable_path, () if annotations is None else annotations.files(path)))

    def _due(self) -> bool:
        late = time.monotonic() - self._committed_at > COMMIT_SECONDS
        objects = sum(len(result.objects) for result in self._pending)
        return late or len(self._pending) >= COMMIT_IMAGES or objects >= COMMIT_OBJECTS

    def commit(self, *, replaces: bool = True) -> None:
        """Write the images that are ready, and the failures since the last commit.

        replaces: whether they may remove objects, if the job does
        """
        results, failures = self._pending, self._unwritten
        self._pending, self._unwritten = [], []
        table, started = self._job.factors, time.monotonic()
        batch = Batch(
            images=[ImageRow(r.image_id, printable_path(r.path), r.width, r.height) for r in results],
            objects=concatenate([result.objects for result in results]),
            thumbnails=[thumbnail for result in results for thumbnail in result.thumbnails],
            # Labels that could not be read are no evidence about the objects: they are read again next time.
            job={r.image_id: self.finished.name(r.contents) for r in results if not r.problems},
            vectors=joined_rows(result.vectors for result in results),
            written=_by_space(result.written for result in results),
            failures=failures,
            sources=self._job.sources,
            models=self._job.models,
            replaces=self._job.replaces and replaces,
            unnamed={} if table is None else {r.image_id: table.silent_on(r.path) for r in results},
        )
        self._writer.commit(batch)
        self._indexed += len(results)
        self._objects += len(batch.objects)
        self._committed_at = time.monotonic()
        logger.info(
            "committed %d images, %d objects, %d failures in %.2f s",
            *(len(results), len(batch.objects), len(failures)),
            self._committed_at - started,
        )

    def finish(self) -> None:
        """Write what has changed of images that were finished before, and forget those that are gone."""
        if self._unlike:
            copies = counted(len(self._unlike), "photo is a copy", "photos are copies")
            first = printable_path(self._unlike[0])
            logger.warning("%s of another with other factors, whose factors count, such as %s", copies, first)
        self._writer.set_factors(self._factors)
        stored = self._writer.paths()
        moved = {
            image_id: path
            for image_id, path in self._paths.items()
            if path != stored.get(image_id, path) and not _is_at(stored[image_id], image_id)
        }
        self._writer.set_paths(moved)
        self._writer.clear_failures(self._used, self._failures)
        self._forget_gone()

    def _forget_gone(self) -> None:
        """Remove the images that are gone, and failures of files that are."""
        if not self._prune:
            return
        # A file that failed has no id, its path stands for one; what failed again is no old failure.
        failed = {f.path: f.path for f in self._writer.failures() - set(self._failures)}
        gone, kept = gone_images(self._stored | failed, self._read, self._prune)
        if kept:
            logger.warning("%s; nothing was forgotten: is the disk there?", kept)
        self._writer.remove_images(gone.keys() - failed.keys())
        self._writer.clear_failures(gone.values(), self._failures)
        self._forgotten = tuple(sorted(gone[image_id] for image_id in gone.keys() & self._stored.keys()))

    def summary(self, photos: int, seconds: float) -> IndexSummary:
        """Return what the job did, of so many files in so many seconds."""
        failures = tuple(self._failures)
        return IndexSummary(
            photos=photos,
            indexed=self._indexed,
            known=self._known,
            objects=self._objects,
            failures=failures,
            seconds=seconds,
            forgotten=self._forgotten,
            copies=tuple(self._copies),
        )


def _is_at(path: str, image_id: str) -> bool:
    """Return whether an image is still at a path, and not another one."""
    try:
        return content_id(read_file(as_place(path))) == image_id
    except ImageError:
        return False


_Rows = TypeVar("_Rows")


def _by_space(parts: Iterable[Mapping[str, _Rows]]) -> dict[str, list[_Rows]]:
    """Return the rows of each space, image by image."""
    by_space: dict[str, list[_Rows]] = {}
    for part in parts:
        for name, rows in part.items():
            by_space.setdefault(name, []).append(rows)
    return by_space


def joined_rows(parts: Iterable[Mapping[str, SpaceRows]]) -> dict[str, SpaceRows]:
    """Return the rows of each space over all images."""
    return {
        name: SpaceRows(
            rows[0].recipe,
            np.concatenate([row.object_id for row in rows]),
            np.concatenate([row.vectors for row in rows]),
            {column: np.concatenate([row.cells[column] for row in rows]) for column in rows[0].cells},
        )
        for name, rows in _by_space(parts).items()
    }
