"""Images that the store holds, known by their content."""

from __future__ import annotations

from pathlib import Path

from objectspace.files import content_id
from objectspace.images import read_file
from objectspace.store import ImageRow, Store


def stored_image(store: Store, image_path: Path | str) -> ImageRow | None:
    """Return the row of a photo in the store, None where the store does not hold it. Raises ImageError."""
    image_id = content_id(read_file(Path(image_path)))
    return store.images_by_id([image_id]).get(image_id)


def stored_objects_of(store: Store, image_path: Path | str) -> list[str]:
    """Return the ids of the stored objects of a photo; none where the store does not hold it."""
    image_id = content_id(read_file(Path(image_path)))
    return [str(name) for name in store.objects_of_images([image_id]).object_id]
