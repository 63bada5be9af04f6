"""Files that are alike byte for byte: one image of a store, which keeps one path of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from objectspace.errors import ImageError
from objectspace.files import content_id, printable_path
from objectspace.images.decoding import read_file
from objectspace.places import as_place
from objectspace.store import ImageRow


def find_byte_copies(images: Sequence[ImageRow]) -> dict[str, str]:
    """Return the files that are copies byte for byte of stored photos, each with the path of that photo.

    They are looked for in the folders that hold the photos, and only files as large as one of the photos are
    read. Copies in other folders, and of photos in object storage, are not found.
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
    for path in _files_in({Path(path).parent for path in stored}):
        if str(path) not in stored and _size(path) in sizes and (of := paths.get(_content(path))):
            copies[printable_path(path)] = of
    return copies


def _files_in(folders: set[Path]) -> Iterator[Path]:
    """Yield what is in folders; nothing of one that may not be read."""
    for folder in sorted(folders):
        try:
            yield from sorted(folder.iterdir())
        except OSError:
            continue


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
