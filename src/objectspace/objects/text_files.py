"""Files of the user's (names, labels, tables): read whole, every failure one AnnotationError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from objectspace.errors import AnnotationError
from objectspace.images import printable_path


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without its byte order mark; line ends are ``\\n``.

    Raises AnnotationError for a file that is missing, unreadable or not UTF-8.
    """
    with _one_error(path):
        return path.read_text(encoding="utf-8-sig")


def read_bytes(path: Path, *, limit: int) -> bytes:
    """The bytes of a file of no more than ``limit``. Raises AnnotationError as :func:`read_text` does."""
    with _one_error(path), path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise AnnotationError(
            printable_path(path), f"is larger than {limit >> 20} MiB, the limit for its kind"
        )
    return data


@contextmanager
def _one_error(path: Path) -> Iterator[None]:
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
