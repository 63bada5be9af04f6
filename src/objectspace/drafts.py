"""Files and folders that appear when they are complete, with the permissions that the user's umask gives."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objectspace.errors import InputError

#: How the folder of a draft begins; one that stays is of a process that was killed.
DRAFT = ".objectspace-draft-"


@contextmanager
def draft_beside(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A path on the same disk to make a file or a folder at; it is renamed to ``path`` when the block ends.

    Missing parent folders are made. Nothing stays of the draft where the block raises, and what lay at
    ``path`` stays as it was. Raises InputError for a ``path`` that exists, unless it is to be replaced, and
    for one that cannot be written.
    """
    check_place(path)
    if not replace and os.path.lexists(path):
        raise InputError(f"{path} exists already; give a new path, or remove it first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=DRAFT))
        try:
            yield scratch / path.name
            _put(scratch / path.name, path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def check_place(path: Path) -> None:
    """Raise InputError where nothing can be written at ``path``; called before the work, not after it.

    Folders above it that do not exist are fine, as they can be made.
    """
    try:
        path.lstat()  # also says that a name is too long, and that a folder may not be entered
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unwritable(path, error) from None
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: nothing may be added to {above} (permission denied)")


def names_in(folder: Path) -> set[str]:
    """The names of what lies in a folder, but drafts; none where there is no folder yet.

    Raises InputError where it is no folder, or cannot be read.
    """
    try:
        return {path.name for path in folder.iterdir() if not path.name.startswith(DRAFT)}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise _unwritable(folder, error) from None


def _put(draft: Path, path: Path) -> None:
    if not (draft.is_dir() and path.is_dir()):
        draft.replace(path)
        return
    # A folder takes the place of another in two steps, unless that one is empty.
    aside = Path(tempfile.mkdtemp(dir=draft.parent)) / path.name
    path.rename(aside)
    try:
        draft.rename(path)
    except OSError:
        aside.rename(path)
        raise


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be written: {error.strerror or error}")
