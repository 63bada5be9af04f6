"""The images of a store that are gone from the folders in which they were found."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from objectspace.errors import counted
from objectspace.places import Place, RemotePath, as_place


def gone_images(
    stored: Mapping[str, str], read: Mapping[str, str], folders: Sequence[Place]
) -> tuple[dict[str, str], str]:
    """Return the stored images (id -> path) that are gone from some folders, and why others are kept, or "".

    stored: the images of the store before a job over the folders, id -> path; read: what the job read,
        path -> id; paths as the store has them

    An image is gone where the job did not meet it, and nothing or another image is at its path. A disk that
    is not mounted, or a folder of the same name elsewhere, must not empty a store: an image whose folder is
    empty stays, and all stay where one of the folders holds no image, or none of those stored for it.
    """
    met, places = set(read.values()), set(map(_located, read))
    located = {image_id: _located(path) for image_id, path in stored.items()}
    gone = {
        image_id: stored[image_id]
        for image_id, place in located.items()
        if image_id not in met and _is_below(place, folders) and (place in places or _is_missing(place))
    }
    for folder in folders if gone else ():
        why = ""
        if not any(_is_below(place, [folder]) for place in places):
            why = "holds no photo"
        elif (of := {name for name, place in located.items() if _is_below(place, [folder])}) and not of & met:
            why = f"holds none of the {counted(len(of), 'photo')} that the store knows from there"
        if why:
            return {}, f"{counted(len(gone), 'photo seems', 'photos seem')} gone, but {folder} {why}"
    return gone, ""


def _located(path: Place | str) -> Place:
    """Return a path from the root, without looking for links."""
    place = as_place(path)
    return place if isinstance(place, RemotePath) else Path(os.path.abspath(place))  # noqa: PTH100 - links stay


def _is_below(place: Place, folders: Sequence[Place]) -> bool:
    return any(_located(folder) in place.parents for folder in folders)


def _is_missing(place: Place) -> bool:
    """Return whether nothing is at a path, while the folder nearest above it holds something."""
    if isinstance(place, RemotePath):
        return not place.is_file()
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        above = next(folder for folder in place.parents if folder.is_dir())
        return os.access(above, os.R_OK) and any(above.iterdir())
    except (OSError, ValueError):  # it cannot be looked at: a disk that does not answer
        return False
    return False
