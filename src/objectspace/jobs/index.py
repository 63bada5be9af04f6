"""Index images: objects and their embeddings, from files into a store."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from objectspace.jobs.commits import CommitBuffer, IndexSummary, Progress
from objectspace.jobs.default_space import settle_default
from objectspace.jobs.join import declare_both
from objectspace.pipeline.engine_threads import run
from objectspace.pipeline.job import Job
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.store import open_writer

logger = logging.getLogger("objectspace")


def index(
    images: Sequence[Path],
    store: Path | str,
    job: Job | LoadedJob,
    *,
    progress: Progress = lambda *_: None,
) -> IndexSummary:
    """Find and embed the objects of images and keep them in the store, which is made if there is none.

    job: a specification, or what it loads, where networks are to be loaded once for several stores
    progress: called as ``progress(images, objects)`` after each image with what has come since the last call

    Images that this job has finished are skipped. One that cannot be read, or for which a network gives NaN
    or infinity, is kept with its reason in the store's failures until it can be used, and the job goes on. An
    image that was moved is known by its content, and the store gets its new path. Where both routes ran,
    the joint space of both is declared at the end; the purity of labels in each space is measured, and the
    default space is fixed where the store has none.

    Raises StoreBusyError, RecipeError (a space of that name has another recipe), StoreError, ModelError,
    InputError.

    >>> job = osp.Job(detector="demo", encoder="demo")
    >>> osp.index(photos, "found.osp", job).indexed
    12
    >>> osp.index(photos, "found.osp", job).known
    12
    """
    started = time.monotonic()
    loaded = job.load(images) if isinstance(job, Job) else job
    with open_writer(store) as writer:
        writer.check_recipes(loaded.recipes())
        logger.info("indexing %d images into %s", len(images), store)
        buffer = CommitBuffer(loaded, writer, progress)
        try:
            with closing(run(images, loaded, buffer.finished.has)) as outcomes:
                for outcome in outcomes:
                    buffer.add(outcome)
        finally:
            # A job that is stopped keeps the images it has finished.
            buffer.commit()
        buffer.finish()
        writer.finish()
        declare_both(writer, loaded)
        settle_default(writer)
    summary = buffer.summary(len(images), time.monotonic() - started)
    logger.info("%s", summary)
    return summary
