"""Files: hash them, read them whole or not at all, write them whole or not at all, print their paths."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from objectspace.errors import AnnotationError, InputError

#: How the name of a temporary folder begins; one that is left over is of a process that was killed.
TEMPORARY_PREFIX = ".objectspace-tmp-"


def printable_path(path: Path | str) -> str:
    """Return a path as printable text: bytes that are not UTF-8 become ``\\xff`` escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# ------------------------------------------------------------------------------------------------- hash


def content_id(data: bytes) -> str:
    """Return the first 32 hex digits of the sha256 of bytes: an image's id is that of its file."""
    return hashlib.sha256(data).hexdigest()[:32]


def file_sha256(path: Path) -> str:
    """Return the 64 hex digits of a file's sha256, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """Return the first 12 hex digits of the sha256 of a JSON value, for any order of its keys."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# ------------------------------------------------------------------------------------------------- read


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without its byte order mark; line ends are ``\\n``.

    Raises AnnotationError for a file that is missing, unreadable or not UTF-8.
    """
    with _annotation_errors(path):
        return path.read_text(encoding="utf-8-sig")


def read_bytes(path: Path, *, limit: int) -> bytes:
    """Return the bytes of a file that has at most ``limit``.

    Raises AnnotationError for a file that is missing, unreadable or larger.
    """
    with _annotation_errors(path), path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise AnnotationError(
            printable_path(path), f"is larger than {limit >> 20} MiB, the limit for its kind"
        )
    return data


@contextmanager
def _annotation_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise AnnotationError(
            printable_path(path), f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except FileNotFoundError as error:
        raise AnnotationError(printable_path(path), "there is no such file") from error
    except IsADirectoryError as error:
        raise AnnotationError(printable_path(path), "is a folder, expected a text file") from error
    except (OSError, ValueError) as error:
        raise AnnotationError(printable_path(path), f"cannot be read: {error}") from error


# ------------------------------------------------------------------------------------------------ write


@contextmanager
def atomic_path(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary path on the same disk to write a file or a folder at; rename it when the block ends.

    Missing parent folders are made, and the permissions are those that the user's umask gives. Where the
    block raises, nothing is left over and what was at ``path`` stays as it was.

    Raises InputError for a ``path`` that exists, unless ``replace``, and for one that cannot be written.
    """
    check_writable(path)
    if not replace and os.path.lexists(path):
        raise InputError(f"{path} exists already; give a new path, or remove it first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=TEMPORARY_PREFIX))
        try:
            yield scratch / path.name
            _move(scratch / path.name, path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def check_writable(path: Path) -> None:
    """Raise InputError where nothing can be written at ``path``; to be called before the work, not after it.

    Missing folders above it are fine, as they can be made.
    """
    try:
        path.lstat()  # also finds a name that is too long, and a folder that may not be entered
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unwritable(path, error) from None
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: nothing may be added to {above} (permission denied)")


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder, without temporary ones; none for a missing folder.

    Raises InputError where it is no folder, or cannot be read.
    """
    try:
        return {path.name for path in folder.iterdir() if not path.name.startswith(TEMPORARY_PREFIX)}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise _unwritable(folder, error) from None


def _move(temporary: Path, path: Path) -> None:
    if not (temporary.is_dir() and path.is_dir()):
        temporary.replace(path)
        return
    # A folder replaces another one in two steps, unless that one is empty.
    moved = Path(tempfile.mkdtemp(dir=temporary.parent)) / path.name
    path.rename(moved)
    try:
        temporary.rename(path)
    except OSError:
        moved.rename(path)
        raise


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be written: {error.strerror or error}")
