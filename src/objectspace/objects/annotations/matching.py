"""Match images with the names that annotation files, label files and tables give them.

A name may have folders of another machine, Windows's separators, be a URL or percent-encoded; macOS writes é
as e and an accent. All of them are one name here, for every format.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar
from urllib.parse import unquote

Entry = TypeVar("Entry")


def plain_name(name: Path | str) -> str:
    r"""Return a file's name or path as names are compared: ``/`` between folders, accents composed (NFC).

    >>> plain_name(r"..\val\.\7.jpg"), plain_name("http://host/val/7.jpg?size=2")
    ('../val/7.jpg', 'http:/host/val/7.jpg')
    """
    text = str(name).replace("\\", "/")
    if "?d=" in text:  # Label Studio's local files
        text = text.partition("?d=")[2]
    if "://" in text:
        text = text.partition("?")[0]
    return unicodedata.normalize("NFC", str(PurePosixPath(text)))


def spellings(name: Path | str) -> tuple[str, ...]:
    """Return a plain name, and after it what its percent signs encode."""
    plain = plain_name(name)
    decoded = plain_name(unquote(plain)) if "%" in plain else plain
    return (plain,) if decoded == plain else (plain, decoded)


def _tails(path: str) -> Iterator[str]:
    """Yield a path, then ever shorter ends of it, down to the file's name."""
    parts = PurePosixPath(path).parts
    yield path
    yield from ("/".join(parts[depth:]) for depth in range(1, len(parts)))


class ImageNames(Generic[Entry]):
    """Entries by the names that a file gives their images; of one name written in two ways, the first counts.

    An image has the entry whose name is the longest tail of its path: ``/data/val/7.jpg`` comes before
    ``val/7.jpg`` and that before ``7.jpg``. Where none is, it has the one entry that shares the longest tail
    with it, be it the file's name alone, provided that no other entry shares as much and that the entry's own
    file is not there (``train/7.jpg`` is not the entry of ``val/7.jpg`` beside it).
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries: dict[str, Entry] = {}
        for level in (0, 1):  # as written, and only then percent-decoded
            for name, entry in entries.items():
                for spelling in spellings(name)[level : level + 1]:
                    self._entries.setdefault(spelling, entry)

    def of(self, image: Path | str) -> Entry | None:
        """Return the entry of an image; None where there is none."""
        named = self.named(image)
        return self._alike(image) if named is None else named

    def named(self, image: Path | str) -> Entry | None:
        """Return the entry whose name is a tail of the image's path; None where none is."""
        tails = (tail for path in spellings(Path(image).absolute()) for tail in _tails(path))
        return next((self._entries[tail] for tail in tails if tail in self._entries), None)

    def match(self, images: Sequence[Path | str]) -> list[Entry | None]:
        """Return the entries of all images of a job; an entry that is one image's by name is no other's."""
        named = [self.named(image) for image in images]
        taken = {id(entry) for entry in named}
        alike = (self._alike(image) if own is None else own for image, own in zip(images, named, strict=True))
        return [
            None if own is None and id(entry) in taken else entry
            for own, entry in zip(named, alike, strict=True)
        ]

    def alike(self, images: Iterable[Path | str]) -> Iterator[tuple[str, Entry]]:
        """Yield the images that have an entry of other folders, with it."""
        for image in images:
            if self.named(image) is None and (entry := self._alike(image)) is not None:
                yield str(image), entry

    def _alike(self, image: Path | str) -> Entry | None:
        """Return the one entry that shares the longest tail with an image, unless its file is there."""
        for path in spellings(Path(image).absolute()):
            for tail in _tails(path):
                if tail in self._by_tail:
                    name = self._by_tail[tail]
                    return None if name is None or _is_there(name, Path(image)) else self._entries[name]
        return None

    @cached_property
    def _by_tail(self) -> Mapping[str, str | None]:
        """The name that ends in each tail; None where names of several entries do."""
        found: dict[str, str | None] = {}
        for name, entry in self._entries.items():
            for tail in _tails(name):
                other = found.setdefault(tail, name)
                if other is not None and self._entries[other] is not entry:
                    found[tail] = None
        return found


def _is_there(name: str, image: Path) -> bool:
    """Tell whether the file that an entry names is there, from any folder above an image that it is not."""
    relative = posixpath.normpath(name).lstrip("./") if not name.startswith("/") else name
    try:
        return "/" in relative and any((folder / relative).is_file() for folder in image.absolute().parents)
    except OSError:
        return False


def files_by_name(folder: Path, files: Iterable[Path]) -> ImageNames[Path]:
    """Return files by their paths below a folder."""
    return ImageNames({str(path.relative_to(folder)): path for path in files})
