"""Images: find the files, decode them, give each an id by its content."""

from __future__ import annotations

from objectspace.images.decoding import (
    FORMATS,
    PIXEL_LIMIT,
    Image,
    Pixels,
    decode_image,
    decode_thumbnail,
    encode_thumbnail,
    halved,
    image_from_array,
    read_file,
    read_image,
)
from objectspace.images.photos import Failure, PhotoSearch, find_photos, passed_over_text, search_photos

__all__ = [
    "FORMATS",
    "PIXEL_LIMIT",
    "Failure",
    "Image",
    "PhotoSearch",
    "Pixels",
    "decode_image",
    "decode_thumbnail",
    "encode_thumbnail",
    "find_photos",
    "halved",
    "image_from_array",
    "passed_over_text",
    "read_file",
    "read_image",
    "search_photos",
]
