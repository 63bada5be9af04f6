"""Every exception that objectspace raises on purpose, and how its messages word counts, numbers and guesses.

::

    ObjectspaceError
    ├── InputError            an argument, option or file of the user's that cannot be used
    │   ├── ImageError        a photo that cannot be read; the job skips it and keeps the reason
    │   ├── AnnotationError   a label, mask or factor file that cannot be read
    │   ├── QueryError        a search that cannot be answered (unknown id, space, label ...)
    │   └── Float16Error      a number that float16 cannot hold; a job skips the image and keeps the reason
    ├── ModelError            a network that cannot be built or run
    │   ├── NonFiniteError    NaN or infinity for one image; the job skips it and keeps the reason
    │   ├── CfgError          the Darknet cfg file
    │   ├── WeightsError      the weight file: missing, short, over-long, of another network
    │   └── DownloadError     weights that are not here and could not be fetched
    └── StoreError            the store on disk
        ├── StoreVersionError written by another version of the format
        ├── StoreBusyError    another process is writing
        └── RecipeError       vectors of one recipe offered to a space of another

    ModelWarning              a warning: a network that runs, but not as it was trained

Each message is one sentence or two: what was expected, what came, what to do. The command line prints
exactly that message and exits 1, so no message holds a traceback or a bare number.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class ObjectspaceError(Exception):
    """Base of every error that objectspace raises on purpose."""


class InputError(ObjectspaceError):
    """An argument, option or file of the user's that cannot be used."""


class ImageError(InputError):
    """A photo that cannot be read.

    ``path`` is the file and ``reason`` the sentence without the path, as kept in the store's failures.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class AnnotationError(InputError):
    """A label, mask or factor file that cannot be read; ``path`` and ``reason`` as in ImageError."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class QueryError(InputError):
    """A search that cannot be answered: an unknown object, space, label or metric."""


class Float16Error(InputError):
    """A vector with a number beyond the range of float16, offered to a space that keeps float16."""


class ModelError(ObjectspaceError):
    """A network that cannot be built or run."""


class NonFiniteError(ModelError):
    """NaN or infinity that a network gave for one image; the other images of its batch are not affected.

    ``reason`` is the sentence without the image's id, as kept in the store's failures.
    """

    def __init__(self, network: str, image_id: str) -> None:
        self.reason = f"{network} gave NaN or infinity; are its weights whole, and those of this network?"
        super().__init__(f"image {image_id}: {self.reason}")


class CfgError(ModelError):
    """A Darknet cfg file that cannot be built; the message names the section and its line."""


class WeightsError(ModelError):
    """A weight file that does not fit its network; the message names the layer."""


class DownloadError(ModelError):
    """Weights that are not here and could not be fetched; the message says what file to put where."""


class StoreError(ObjectspaceError):
    """The store on disk cannot be read or written."""


class StoreVersionError(StoreError):
    """The store was written in another version of the format."""


class StoreBusyError(StoreError):
    """Another process is writing to the store."""


class RecipeError(StoreError):
    """Vectors of one recipe were offered to a space that holds another."""


class ModelWarning(UserWarning):
    """A network that runs, but not as it was trained; the command line prints the message and goes on."""


# ------------------------------------------------------------------------------------------ how to word it


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 photo`` or ``2 photos``; ``plural`` where it is not the noun and an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def number_text(number: float | None) -> str:
    """Return a number with three decimals, one from 10 on (``0.325``, ``90.1``); ``-`` for an unknown one."""
    if number is None or math.isnan(number):
        return "-"
    return f"{number:z.3f}" if abs(number) < 10 else f"{number:z.1f}"


@contextmanager
def named_errors(who: str, what: str) -> Iterator[None]:
    """Turn what another's code raises into one ModelError, which names that code."""
    try:
        yield
    except ObjectspaceError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{who}: {what} raised {type(error).__name__}: {reason}") from error


def guess(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return ``; did you mean dog?`` for a name that is nearly a known one, else ``otherwise``."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else otherwise
