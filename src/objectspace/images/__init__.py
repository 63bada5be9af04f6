"""Images: find the files, decode them, give each an id by its content."""

from __future__ import annotations

from objectspace.images.decoding import (
    FORMATS,
    PIXEL_LIMIT,
    Image,
    Pixels,
    check_thumbnail,
    decode_image,
    decode_thumbnail,
    encode_thumbnail,
    halved,
    image_from_array,
    read_file,
    read_image,
)
from objectspace.images.finding import Failure, ImageSearch, find_images, passed_over_text, search_images

__all__ = [
    "FORMATS",
    "PIXEL_LIMIT",
    "Failure",
    "Image",
    "ImageSearch",
    "Pixels",
    "check_thumbnail",
    "decode_image",
    "decode_thumbnail",
    "encode_thumbnail",
    "find_images",
    "halved",
    "image_from_array",
    "passed_over_text",
    "read_file",
    "read_image",
    "search_images",
]
