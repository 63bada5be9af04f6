"""Which images a job finished before it began."""

from __future__ import annotations

from collections.abc import Iterable

from objectspace.files import content_id, recipe_digest
from objectspace.pipeline.loaded_job import LoadedJob
from objectspace.store import Writer, indexed_key


class Finished:
    """Which photos were finished before, each under a name of all that decided what was made of it.

    A job that replaces has finished a photo only as long as the store holds the objects that it left there:
    another job may have added some since.
    """

    def __init__(self, job: LoadedJob, writer: Writer) -> None:
        self._settings, self._replaces = job.digest(), job.replaces
        self._before = writer.finished()
        held = writer.object_ids(job.sources()) if job.replaces else {}
        self._held = {image_id: _digest_of(ids) for image_id, ids in held.items()}

    def has(self, image_id: str, contents: str | None) -> bool:
        """Whether the job finished a photo before, whose annotations are these."""
        name = self._name(contents, self._held.get(image_id, _digest_of(())))
        return indexed_key(image_id, name) in self._before

    def name(self, contents: str | None, object_ids: Iterable[str]) -> str:
        """The name under which a photo is finished, all of whose objects these are."""
        return self._name(contents, _digest_of(object_ids))

    def _name(self, contents: str | None, objects: str) -> str:
        if contents is None:
            return self._settings
        left = {"objects": objects} if self._replaces else {}
        return recipe_digest({"settings": self._settings, "contents": contents, **left})


def _digest_of(object_ids: Iterable[str]) -> str:
    return content_id("\n".join(sorted(object_ids)).encode())
