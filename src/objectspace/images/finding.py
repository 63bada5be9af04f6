"""Find the images in files and folders, and count the files of unsupported formats."""

from __future__ import annotations

import functools
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import NamedTuple

import PIL.Image

from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.files import guess_path
from objectspace.images.decoding import readable_formats
from objectspace.places import Place, RemotePath, as_place

#: Suffixes of formats that are not read. A folder's files of these are reported, as their owner expects
#: them to be found; a camera's raw file beside its own JPEG is not missed.
UNREAD = {
    *(".heic", ".heif", ".hif", ".jxl", ".avif", ".svg", ".psd", ".eps", ".tga", ".xcf"),
    *(".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw"),
}


#: Folders of thumbnails, deleted files and archives' leftovers: of Synology, QNAP, Windows and macOS.
NOT_PHOTOS = {"@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX"}


class Failure(NamedTuple):
    """An image that could not be used, and the sentence that says why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """The images found in files and folders.

    photos: the photos, sorted by path, each once
    passed_over: pictures of folders that cannot be read, suffix -> how many, the most frequent first
    folders: those of the paths that are folders
    """

    images: list[Place]
    passed_over: Mapping[str, int]
    folders: list[Place]


@typed
def find_images(paths: Sequence[Place | str], *, exclude: Sequence[str] = ()) -> list[Place]:
    """Return the images that files and folders name, sorted by path, each once: see :func:`search_images`.

    >>> [path.name for path in osp.find_images(["world"])][:2]
    ['000000.png', '000001.png']
    """
    return search_images(paths, exclude=exclude).images


def search_images(paths: Sequence[Place | str], *, exclude: Sequence[str] = ()) -> ImageSearch:
    """Return the images that files and folders name, and the counts of files in unsupported formats.

    A folder is searched with its subfolders for the suffixes of :data:`FORMATS`; hidden files and folders
    and linked folders are passed over, and so are those that network drives and archives fill with thumbnails
    and deleted files (:data:`NOT_PHOTOS`). A file is taken with any suffix. A subfolder that may not be
    read stands in the list itself, so that reading it reports the reason. Raises InputError for a path that
    is missing and where there is no photo at all.

    exclude: patterns (``thumbs``, ``*_small.jpg``, ``val/*``) of files and subfolders of the folders that are
        passed over; one with a ``/`` is of the path below the folder, one without of any name in it
    """
    found: dict[str, Place] = {}
    unread: dict[str, Place] = {}
    folders: list[Place] = []
    for path in map(as_place, paths):
        folders += [path] if (is_folder := _is_folder(path)) else []
        for picture, readable in _pictures_in(path, exclude) if is_folder else [(path, True)]:
            remote = isinstance(picture, RemotePath)
            place = str(picture) if remote else os.path.abspath(picture)  # noqa: PTH100 - links stay links
            (found if readable else unread).setdefault(place, picture)
    there = {PurePath(place).with_suffix("") for place in found} if unread else set()
    missed = (PurePath(place) for place in unread if PurePath(place).with_suffix("") not in there)
    passed_over = dict(Counter(path.suffix.lower() for path in missed).most_common())
    if not found:
        names = ", ".join(map(str, paths)) or "no path"
        reason = (
            passed_over_text(passed_over) if passed_over else "expected files such as .jpg, .png or .webp"
        )
        raise InputError(f"{names}: a folder without photos, {reason}")
    return ImageSearch(sorted(found.values()), passed_over, folders)


def passed_over_text(counts: Mapping[str, int]) -> str:
    """Return ``37 .heic and 2 .cr2 files passed over: convert them to JPEG first``."""
    kinds = [f"{count} {suffix}" for suffix, count in counts.items()]
    listed = ", ".join(kinds[:-1]) + " and " + kinds[-1] if len(kinds) > 1 else kinds[0]
    files, them = ("file", "it") if sum(counts.values()) == 1 else ("files", "them")
    return f"{listed} {files} passed over: convert {them} to JPEG first"


@functools.cache
def _suffixes() -> frozenset[str]:
    PIL.Image.init()
    return frozenset(suffix for suffix, name in PIL.Image.EXTENSION.items() if name in readable_formats())


def _is_folder(path: Place) -> bool:
    if isinstance(path, RemotePath):
        return not path.key or not path.is_file()
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise InputError(_missing(path)) from error
    except OSError:  # it exists; reading it will raise the reason
        return False


def _pictures_in(folder: Place, exclude: Sequence[str]) -> Iterator[tuple[Place, bool]]:
    """Yield the image files below a folder, and whether their formats are read."""
    if isinstance(folder, RemotePath):
        yield from _remote_pictures_in(folder, exclude)
        return
    unreadable: list[OSError] = []

    def wanted(parent: str, name: str) -> bool:
        return _is_wanted(Path(parent, name).relative_to(folder), exclude)

    for parent, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if wanted(parent, name)]
        for name in files:
            suffix = Path(name).suffix.lower()
            if wanted(parent, name) and (suffix in _suffixes() or suffix in UNREAD):
                yield Path(parent, name), suffix in _suffixes()
    yield from ((Path(error.filename), True) for error in unreadable)


def _remote_pictures_in(folder: RemotePath, exclude: Sequence[str]) -> Iterator[tuple[Place, bool]]:
    empty = True
    for path in folder.objects_below():
        empty, suffix, below = False, path.suffix.lower(), path.relative_to(folder)
        if suffix not in _suffixes() and suffix not in UNREAD:
            continue
        if all(_is_wanted(part, exclude) for part in (below, *below.parents[:-1])):
            yield path, suffix in _suffixes()
    if empty:
        raise InputError(_missing(folder))


def _is_wanted(below: PurePath, exclude: Sequence[str]) -> bool:
    """Return whether a file or a folder, by its path below the one that is searched, is not passed over."""
    if below.name.startswith(".") or below.name in NOT_PHOTOS:
        return False
    return not any(
        fnmatchcase(below.as_posix() if "/" in pattern else below.name, pattern) for pattern in exclude
    )


def _missing(path: Place) -> str:
    return f"{path}: there is no such file or folder{guess_path(path, meant=_may_hold_images)}"


def _may_hold_images(path: Path) -> bool:
    return path.suffix.lower() in _suffixes() or path.is_dir()
