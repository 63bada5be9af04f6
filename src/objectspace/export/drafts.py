"""Files and folders that appear when they are complete."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objectspace.errors import InputError


@contextmanager
def draft_beside(path: Path) -> Iterator[Path]:
    """A path on the same disk to make a file or a folder at; it is renamed to ``path`` when the block ends.

    Nothing stays of it where the block raises. Raises InputError for a ``path`` that exists, so that no
    earlier export and no store is lost, and for one that cannot be written.
    """
    if path.exists():
        raise InputError(f"{path} exists already; give a new path, or remove it first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        try:
            yield scratch / path.name
            (scratch / path.name).replace(path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
