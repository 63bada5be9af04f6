"""Index images: objects and their embeddings, from files into a store."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from objectspace.arguments import typed
from objectspace.errors import InputError, guess
from objectspace.images import find_images
from objectspace.jobs.commits import CommitBuffer, Progress
from objectspace.jobs.default_space import settle_default
from objectspace.jobs.index_summary import IndexSummary
from objectspace.jobs.join import declare_both
from objectspace.jobs.written_vectors import write_vectors
from objectspace.pipeline.engine_ray import RayEngine
from objectspace.pipeline.engine_threads import IsFinished, run
from objectspace.pipeline.job import Job
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.pipeline.results import Outcome
from objectspace.places import Place, as_place
from objectspace.store import Writer, check_store_place, open_writer

logger = logging.getLogger("objectspace")


@typed
def index(
    images: Sequence[Place | str] | Place | str,
    store: Place | str,
    job: Job | LoadedJob | None = None,
    *,
    engine: RayEngine | None = None,
    prune: Sequence[Place | str] | Place | str = (),
    progress: Progress = lambda *_: None,
    **options: Any,
) -> IndexSummary:
    """Find and embed the objects of images and keep them in the store, which is made if there is none.

    images: files; or one file or folder, whose images are found
    job: a specification, or what it loads, where networks are to be loaded once for several stores; or in its
        place the options of one, such as ``detector="yolov3", encoder="resnet50"``
    engine: runs the job on many machines, which load it from its specification; None for threads of this one
    prune: folders, searched for the images, whose images that are gone the store forgets; none where one of
        the folders holds no image, or none that was stored for it, as of a disk that is not mounted
    progress: called as ``progress(images, objects)`` after each image with what has come since the last call

    Images that this job has finished are skipped. One that cannot be read, or for which a network gives NaN
    or infinity, is kept with its reason in the store's failures until it can be used, and the job goes on. An
    image that was moved is known by its content, and the store gets its new path. Where both routes ran,
    the joint space of both is declared at the end; the purity of labels in each space is measured, and the
    default space is fixed where the store has none.

    Raises InputError for an argument of another type, StoreBusyError, RecipeError (a space of that name has
    another recipe), StoreError, ModelError.

    >>> job = osp.Job(detector="demo", encoder="demo")
    >>> osp.index(photos, "found.osp", job).indexed
    12
    >>> osp.index(photos, "found.osp", job).known
    12
    >>> osp.index("world/images", "found.osp", detector="demo", encoder="demo").known
    12
    """
    if job is None:
        known = sorted(field.name for field in fields(Job))
        for name in options:
            if name not in known:
                otherwise = f", expected some of {', '.join(known)}"
                raise InputError(f"{name}= is no option of a job{guess(name, known, otherwise)}")
        job = Job(**options)
    elif options:
        raise InputError(
            f"{next(iter(options))}= is an option of a job, and job= is given; give it to the Job"
        )
    if engine is not None and not isinstance(job, Job):
        raise InputError("job is loaded, and other machines load it themselves; give the engine a Job")
    paths, folders = _paths(images), _folders(prune)
    started = time.monotonic()
    check_store_place(store)  # before the networks, which take long
    loaded = job.load(paths) if isinstance(job, Job) else job
    with open_writer(store) as writer:
        writer.check_recipes(loaded.recipes)
        logger.info("indexing %d images into %s", len(paths), store)
        buffer = CommitBuffer(loaded, writer, progress, folders)
        is_finished = buffer.finished.has
        try:
            with closing(_outcomes(paths, job, loaded, is_finished, writer, engine)) as outcomes:
                for some in outcomes:
                    buffer.add(some)
        finally:
            # A job that is stopped keeps the images it has finished.
            buffer.commit()
        buffer.finish()
        writer.finish()
        declare_both(writer, loaded)
        settle_default(writer)
    summary = buffer.summary(len(paths), time.monotonic() - started)
    logger.info("%s", summary)
    return summary


def _outcomes(
    paths: Sequence[Place],
    job: Job | LoadedJob,
    loaded: LoadedJob,
    is_finished: IsFinished,
    writer: Writer,
    engine: RayEngine | None,
) -> Generator[Sequence[Outcome], None, None]:
    """Yield what becomes of the images, in order, those together between which no commit should come."""
    if engine is None:
        with closing(run(paths, loaded, is_finished)) as outcomes:
            yield from ([outcome] for outcome in outcomes)
        return
    assert isinstance(job, Job)
    in_worker = partial(write_vectors, writer=writer.fragments())
    yield from engine.run(paths, job, loaded, is_finished, in_worker)


def _paths(images: Sequence[Place | str] | Place | str) -> list[Place]:
    """Return the images of one file or folder, or of files."""
    if isinstance(images, str | os.PathLike):
        return find_images([as_place(images)])
    return [as_place(image) for image in images]


def _folders(folders: Sequence[Place | str] | Place | str) -> list[Place]:
    """Return folders as places. Raises InputError for a file, of which nothing can be gone."""
    several = [folders] if isinstance(folders, str | os.PathLike) else folders
    places = [as_place(folder) for folder in several]
    if wrong := [place for place in places if isinstance(place, Path) and not place.is_dir()]:
        raise InputError(f"{wrong[0]} is no folder; prune= takes the folders that were searched for photos")
    return places
