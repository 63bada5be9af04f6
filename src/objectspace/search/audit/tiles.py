"""Pictures of audited objects in their surroundings, and of audited photos, to be judged at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.errors import ImageError
from objectspace.images import Image, Pixels, decode_thumbnail, read_image
from objectspace.store import ImageRow, Store

#: How much of an object's size is shown around it on each side, and the pixels of a side that are shown of a
#: small one at least.
AROUND, LEAST = 0.5, 48

#: The longest side of a tile's picture in pixels.
TILE_SIDE = 256


@dataclass(frozen=True, slots=True, eq=False)
class AuditTile:
    """A picture (h, w, 3) uint8; xyxy: the object's box in it in pixels, None where it is all of it."""

    picture: Pixels
    xyxy: NDArray[np.float64] | None


def object_tiles(store: Store, object_ids: Sequence[str]) -> dict[str, AuditTile]:
    """Return objects in their photos, by id; by its thumbnail one whose photo cannot be read."""
    objects = store.objects(object_ids)
    images = store.images_by_id(objects.image_id.tolist())
    thumbnails = dict(zip(object_ids, store.thumbnails(object_ids), strict=True))
    made: dict[str, AuditTile] = {}
    for image_id in dict.fromkeys(objects.image_id.tolist()):
        here = np.flatnonzero(objects.image_id == image_id)
        photo = _photo(images[image_id])
        for row in here.tolist():
            object_id = str(objects.object_id[row])
            made[object_id] = (
                AuditTile(decode_thumbnail(thumbnails[object_id]), None)
                if photo is None
                else _in_surroundings(photo, objects.xyxy[row].astype(np.float64))
            )
    return made


def photo_tiles(store: Store, image_ids: Sequence[str]) -> Mapping[str, AuditTile]:
    """Return photos by id; a gray field for one that cannot be read."""
    made = {}
    for image_id, row in store.images_by_id(image_ids).items():
        photo = _photo(row)
        pixels = np.full((9, 9, 3), 200, np.uint8) if photo is None else _shrunk(photo.pixels)[0]
        made[image_id] = AuditTile(pixels, None)
    return made


def _photo(image: ImageRow) -> Image | None:
    try:
        return read_image(image.path, image_id=image.image_id)
    except ImageError:
        return None


def _in_surroundings(photo: Image, box: NDArray[np.float64]) -> AuditTile:
    frame = np.array([photo.width, photo.height], np.float64)
    size = box[2:] - box[:2]
    margin = np.maximum(AROUND * size, (LEAST - size) / 2)
    low = np.floor(np.maximum(box[:2] - margin, 0)).astype(int)
    high = np.ceil(np.minimum(box[2:] + margin, frame)).astype(int)
    picture, scale = _shrunk(photo.pixels[low[1] : high[1], low[0] : high[0]])
    return AuditTile(picture, (box - np.tile(low, 2)) * scale)


def _shrunk(pixels: Pixels) -> tuple[Pixels, float]:
    """Return pixels of at most :data:`TILE_SIDE` a side, and the scale."""
    scale = min(1.0, TILE_SIDE / max(pixels.shape[:2]))
    wh = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return np.asarray(PIL.Image.fromarray(np.ascontiguousarray(pixels)).resize(wh)), scale
