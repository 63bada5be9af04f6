"""What a running job has done: which photos are new, what the next commit holds, and what to report of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from objectspace.errors import ImageError
from objectspace.files import content_id, printable_path
from objectspace.images import Image, Pixels, read_file
from objectspace.jobs import Finished, Job
from objectspace.objects.records import Objects, concatenate
from objectspace.store import Batch, Failure, ImageRow, SpaceRows, Writer

#: A commit is due after so many photos, objects or seconds, whichever comes first.
COMMIT_PHOTOS = 256
COMMIT_OBJECTS = 256
COMMIT_SECONDS = 30.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a job did.

    photos: files that were named; indexed: photos that were done; known: photos that this job had done
    before, repeated files among them; objects: found in the photos that were done; failures: files that could
    not be used, or a part of them; seconds: that it took
    """

    photos: int
    indexed: int
    known: int
    objects: int
    failures: tuple[Failure, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "photos": self.photos,
            "indexed": self.indexed,
            "known": self.known,
            "objects": self.objects,
            "failures": [failure._asdict() for failure in self.failures],
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One photo on its way to the store: its objects, and what has been made of them so far."""

    image: Image
    objects: Objects
    problems: tuple[Failure, ...] = ()
    contents: str | None = None
    vectors: Mapping[str, SpaceRows] = field(default_factory=dict)
    thumbnails: tuple[bytes, ...] = ()
    crops: Pixels | None = None


class Tally:
    """Counts the photos of a running job, and commits what is ready when enough has come together.

    finished: which photos are done before it begins
    """

    def __init__(self, job: Job, writer: Writer, progress: Progress) -> None:
        self._job, self._writer, self._progress = job, writer, progress
        self.finished = Finished(job, writer)
        self._seen: set[str] = set()
        self._pending: list[Finding] = []
        self._unwritten: list[Failure] = []
        self._committed_at = time.monotonic()
        self._factors: dict[str, Mapping[str, float | str | None]] = {}
        self._places: dict[str, str] = {}
        self._used: set[str] = set()
        self._failed_before = {failure.path for failure in writer.failures()}
        self._failures: list[Failure] = []
        self._indexed = self._known = self._objects = 0

    def fail_photo(self, failure: Failure) -> None:
        """A photo could not be opened."""
        self._fail(failure)
        self._progress(1, 0)

    def know(self, path: Path, image_id: str) -> None:
        """A photo was done before; its factors may be others now, and of several copies the first counts."""
        if self._job.factors is not None and image_id not in self._seen:
            values = self._job.factors.of(path)
            self._factors[image_id] = {name: value for name, value in values.items() if name != "label"}
        self._seen.add(image_id)
        self._pass_over(path, image_id)

    def begin(self, path: Path | str, image_id: str) -> bool:
        """Whether a photo is to be done; a copy of one that this job has come by is passed over."""
        if image_id in self._seen:
            self._pass_over(path, image_id)
            return False
        self._seen.add(image_id)
        self._use(path, image_id)
        return True

    def add(self, finding: Finding) -> None:
        """A photo is ready for the store."""
        for problem in finding.problems:
            self._fail(problem)
        if self._job.factors is not None:
            columns = self._job.factors.for_objects(finding.image.path, len(finding.objects))
            finding = replace(finding, objects=finding.objects.with_factors(columns))
        self._pending.append(finding)
        self._progress(1, len(finding.objects))
        late = time.monotonic() - self._committed_at > COMMIT_SECONDS
        objects = sum(len(waiting.objects) for waiting in self._pending)
        if late or len(self._pending) >= COMMIT_PHOTOS or objects >= COMMIT_OBJECTS:
            self.commit()

    def commit(self) -> None:
        """Write what is ready."""
        findings, failures = self._pending, self._unwritten
        self._pending, self._unwritten = [], []
        self._committed_at = time.monotonic()
        images, table = [finding.image for finding in findings], self._job.factors
        batch = Batch(
            images=[ImageRow(i.image_id, printable_path(i.path), i.width, i.height) for i in images],
            objects=concatenate([finding.objects for finding in findings]),
            thumbnails=[picture for finding in findings for picture in finding.thumbnails],
            # Labels that could not be read say nothing of the objects: they are looked at again next time.
            job={f.image.image_id: self.finished.name(f.contents) for f in findings if not f.problems},
            vectors=_joined([finding.vectors for finding in findings]),
            failures=failures,
            sources=self._job.sources(),
            models=self._job.models(),
            replaces=self._job.replaces,
            unnamed={} if table is None else {i.image_id: table.silent_on(i.path) for i in images},
        )
        self._writer.commit(batch)
        self._indexed += len(findings)
        self._objects += len(batch.objects)

    def finish(self) -> None:
        """What a second run says of photos that were done before: other factors, other paths, no failure."""
        self._writer.set_factors(self._factors)
        stored = self._writer.paths()
        moved = {
            image_id: path
            for image_id, path in self._places.items()
            if path != stored.get(image_id, path) and not _lies_at(stored[image_id], image_id)
        }
        self._writer.set_paths(moved)
        self._writer.clear_failures(self._used, self._failures)

    def report(self, photos: int, seconds: float) -> Report:
        """What the job did, of so many files in so many seconds."""
        return Report(photos, self._indexed, self._known, self._objects, tuple(self._failures), seconds)

    def _fail(self, failure: Failure) -> None:
        self._failures.append(failure)
        self._unwritten.append(failure)

    def _use(self, path: Path | str, image_id: str) -> None:
        """Remember that a photo was read, where, and which label files with it."""
        self._places.setdefault(image_id, printable_path(path))
        if self._failed_before:
            labels = () if self._job.annotations is None else self._job.annotations.files(path)
            self._used.update(map(printable_path, (path, *labels)))

    def _pass_over(self, path: Path | str, image_id: str) -> None:
        self._known += 1
        self._progress(1, 0)
        self._use(path, image_id)


def _lies_at(path: str, image_id: str) -> bool:
    """Whether a photo still lies at a path, and not another one."""
    try:
        return content_id(read_file(Path(path))) == image_id
    except ImageError:
        return False


def _joined(parts: Sequence[Mapping[str, SpaceRows]]) -> dict[str, SpaceRows]:
    """The rows of each space over all photos."""
    by_space: dict[str, list[SpaceRows]] = {}
    for part in parts:
        for name, rows in part.items():
            by_space.setdefault(name, []).append(rows)
    return {
        name: SpaceRows(
            rows[0].recipe,
            np.concatenate([row.object_id for row in rows]),
            np.concatenate([row.vectors for row in rows]),
            {column: np.concatenate([row.cells[column] for row in rows]) for column in rows[0].cells},
        )
        for name, rows in by_space.items()
    }
