"""Text files of the user's (names, labels, tables): read whole, every failure one AnnotationError."""

from __future__ import annotations

from pathlib import Path

from objectspace.errors import AnnotationError
from objectspace.images import printable_path


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without its byte order mark; line ends are ``\\n``.

    Raises AnnotationError for a file that is missing, unreadable or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
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
