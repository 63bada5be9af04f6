"""Files: hash them, read them whole or not at all, write them whole or not at all, print their paths."""

from __future__ import annotations

import difflib
import errno
import hashlib
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from objectspace.errors import AnnotationError, InputError
from objectspace.places import Place, RemotePath

#: How the name of a temporary folder begins; one that is left over is of a process that was killed.
TEMPORARY_PREFIX = ".objectspace-tmp-"

#: The largest text file that is read; the annotations of COCO's train2017 are a quarter of it.
TEXT_LIMIT = 2 << 30

#: What is no regular file, by the test that knows it.
_OTHER_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def printable_path(path: Place | str) -> str:
    """Return a path as printable text: bytes that are not UTF-8 become ``\\xff`` escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# ------------------------------------------------------------------------------------------------- hash


def content_id(data: bytes) -> str:
    """Return the first 32 hex digits of the sha256 of bytes: an image's id is that of its file."""
    return hashlib.sha256(data).hexdigest()[:32]


def file_sha256(path: Place) -> str:
    """Return the 64 hex digits of a file's sha256, read in blocks."""
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """Return the first 12 hex digits of the sha256 of a JSON value, for any order of its keys.

    Raises InputError for values that JSON cannot hold.
    """
    text = json_text(recipe, "a recipe", sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def plain_json(value: Any, whose: str) -> Any:
    """Return a value as it comes back from JSON: tuples as lists, keys as text. Raises as json_text."""
    return json.loads(json_text(value, whose))


def json_text(value: Any, whose: str, **style: Any) -> str:
    """Return a value as JSON. Raises InputError that names ``whose`` it is, the key, and what came there."""
    try:
        return json.dumps(value, **style)
    except (TypeError, ValueError, RecursionError) as error:
        key, kind = _not_json(value)
        where = f" under {key!r}" if key else ""
        raise InputError(
            f"{whose} holds {kind}{where}, expected what JSON holds: text, numbers, true, false, None, lists "
            f"and mappings of these by text; convert it, as with str() or float()"
        ) from error


def _not_json(value: Any, key: str = "", depth: int = 0) -> tuple[str, str]:
    """Return the key and the type of the first value that JSON cannot hold."""
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if _is_list(value) else ()
    for name, part in parts if depth < 8 else ():
        try:
            json.dumps(part)
        except (TypeError, ValueError, RecursionError):
            return _not_json(part, f"{key}.{name}".lstrip("."), depth + 1)
    return key, "a key that is no text" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


# ------------------------------------------------------------------------------------------------- read


@contextmanager
def open_regular(path: Place) -> Iterator[io.BufferedReader]:
    """Open a regular file, or an object in object storage, to read its bytes.

    Raises OSError, also for a folder, FIFO, socket or device: reading one may wait forever or never end.
    """
    if isinstance(path, RemotePath):
        yield io.BufferedReader(io.BytesIO(path.read_bytes()))
        return
    check_regular(path)
    with path.open("rb") as stream:
        yield stream


def check_regular(path: Path) -> None:
    """Raise OSError where there is no regular file at ``path``; nothing is opened."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _OTHER_KINDS if is_kind(mode)), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, expected a regular file", str(path))


def read_text(path: Path, *, limit: int = TEXT_LIMIT) -> str:
    """Return the text of a UTF-8 file, without its byte order mark; line ends are ``\\n``.

    Raises AnnotationError for a file that is missing, unreadable, larger than ``limit`` bytes or not UTF-8.
    """
    data = read_bytes(path, limit=limit)
    with _annotation_errors(path):
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path, *, limit: int) -> bytes:
    """Return the bytes of a regular file that has at most ``limit``.

    Raises AnnotationError for a file that is missing, unreadable or larger.
    """
    with _annotation_errors(path), open_regular(path) as stream:
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
        raise AnnotationError(printable_path(path), f"there is no such file{guess_path(path)}") from error
    except IsADirectoryError as error:
        raise AnnotationError(printable_path(path), "is a folder, expected a text file") from error
    except OSError as error:
        raise AnnotationError(printable_path(path), f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise AnnotationError(printable_path(path), f"cannot be read: {error}") from error


def guess_path(path: Place, *, meant: Callable[[Path], bool] = Path.exists) -> str:
    """Return ``; did you mean dogs.osp?`` for a missing path, of the names beside it, or nothing.

    meant: whether a path beside it could be the one
    """
    if isinstance(path, RemotePath):
        return ""
    try:
        if path.exists():
            return ""
        beside = [entry.name for entry in path.parent.iterdir() if meant(entry)]
    except (OSError, ValueError):
        return ""
    near = difflib.get_close_matches(path.name, beside, n=3)
    return f"; did you mean {' or '.join(str(path.with_name(name)) for name in near)}?" if near else ""


# ------------------------------------------------------------------------------------------------ write


@contextmanager
def atomic_path(path: Place, *, replaces_folder: bool = False) -> Iterator[Path]:
    """Yield a temporary path on the same disk to write a file or a folder at; rename it when the block ends.

    A file for object storage is written on this machine and sent there whole.

    Missing parent folders are made, and the permissions are those that the user's umask gives. Where the
    block raises, nothing is left over and what was at ``path`` stays as it was. What may be there before is
    what :func:`check_writable` lets pass, which raises InputError; in object storage an object is replaced.
    """
    if isinstance(path, RemotePath):
        with _sent(path) as temporary:
            yield temporary
        return
    check_writable(path, replaces_folder=replaces_folder)
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


@contextmanager
def _sent(path: RemotePath) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX) as scratch:
        temporary = Path(scratch, path.name)
        yield temporary
        try:
            path.write_bytes(temporary.read_bytes())
        except OSError as error:
            raise _unwritable(path, error) from None


def check_writable(path: Path, *, replaces_folder: bool = False) -> None:
    """Raise InputError where nothing can be written at ``path``; to be called before the work, not after it.

    A file that is there is replaced; a folder is not, unless the caller has seen that it is empty or its own
    (``replaces_folder``), nor is a device. Missing folders above are fine, as they can be made.
    """
    try:
        path.lstat()  # also finds a name that is too long, and a folder that may not be entered
        if path.is_dir() and not replaces_folder:
            raise InputError(
                f"{path} is a folder, which is not overwritten; give another path, or remove it first"
            )
        if path.exists() and not (path.is_dir() or path.is_file()):
            raise InputError(f"{path} is no file that could be overwritten; give the path of a file")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unwritable(path, error) from None
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: nothing may be added to {above} (permission denied)")


def names_in(folder: Place) -> set[str]:
    """Return the names in a folder, without temporary ones; none for a missing folder.

    Raises InputError where it is no folder, or cannot be read.
    """
    try:
        if isinstance(folder, RemotePath):
            return folder.names()
        return {path.name for path in folder.iterdir() if not path.name.startswith(TEMPORARY_PREFIX)}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise _unwritable(folder, error) from None


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; Windows cannot do that of a folder."""
    if os.name == "nt" and path.is_dir():
        return
    # Windows flushes only what is open for writing.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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


def _unwritable(path: Place, error: OSError) -> InputError:
    return InputError(f"{path} cannot be written: {error.strerror or error}")
