"""The images that earlier runs of a job finished."""

from __future__ import annotations

from objectspace.files import recipe_digest
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.store import Writer, indexed_key


class Finished:
    """The images that were finished before, by a digest of everything that determined their results.

    A job that replaces has finished an image only as long as the store holds exactly the objects that were
    found in it: another job may have added some since.
    """

    def __init__(self, job: LoadedJob, writer: Writer) -> None:
        self._settings = job.digest
        self._before = writer.finished(tuple(job.sources) if job.replaces else ())

    def has(self, image_id: str, contents: str | None) -> bool:
        """Return whether the job finished an image before, whose annotations are these."""
        return indexed_key(image_id, self.name(contents)) in self._before

    def name(self, contents: str | None) -> str:
        """Return the name under which the job finishes an image, whose annotations are these."""
        if contents is None:
            return self._settings
        return recipe_digest({"settings": self._settings, "contents": contents})
