"""Files that are alike byte for byte: one image of a store, which keeps one path of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from objectspace.errors import ImageError, InputError
from objectspace.files import content_id, printable_path
from objectspace.images import find_images
from objectspace.images.decoding import read_file
from objectspace.places import as_place
from objectspace.store import ImageRow


def find_byte_copies(images: Sequence[ImageRow]) -> dict[str, str]:
    """Return the files that are copies byte for byte of stored photos, each with the path of that photo.

    They are looked for in the folders that hold the photos, and below: only files as large as one of the
    photos are read. Copies in other folders, and photos in object storage, are not.
    """
    stored: dict[str, ImageRow] = {}
    sizes: set[int] = set()
    for image in images:
        path = as_place(image.path)
        if isinstance(path, Path) and (size := _size(path)) is not None:
            stored[os.path.abspath(path)] = image  # noqa: PTH100 - links stay links
            sizes.add(size)
    paths = {image.image_id: image.path for image in stored.values()}
    copies: dict[str, str] = {}
    for path in _photos_in({Path(path).parent for path in stored}):
        if str(path) not in stored and _size(path) in sizes and (of := paths.get(_content(path))):
            copies[printable_path(path)] = of
    return copies


def _photos_in(folders: set[Path]) -> list[Path]:
    """Return the photos in folders and below."""
    topmost = sorted(folder for folder in folders if folders.isdisjoint(folder.parents))
    try:
        return [path for path in find_images(topmost) if isinstance(path, Path)]
    except InputError:
        # A folder that is gone, or holds none of the formats that are read by their suffix.
        return []


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _content(path: Path) -> str:
    try:
        return content_id(read_file(path))
    except ImageError:
        return ""
