"""Objects whose boxes hold exactly the same pixels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import ImageError
from objectspace.files import content_id
from objectspace.images import read_image
from objectspace.objects.boxes import whole_pixels
from objectspace.objects.records import Objects


def equal_boxes(
    objects: Objects, first: NDArray[np.int64], second: NDArray[np.int64], paths: Mapping[str, str]
) -> NDArray[np.bool_]:
    """Return for pairs of objects (p,) whether their boxes are equal pixel by pixel.

    paths: image id -> its photo; where one cannot be read, its objects are equal to none
    """
    digests = _digests(objects, np.unique(np.concatenate([first, second])), paths)
    return np.array(
        [
            digests[one] is not None and digests[one] == digests[other]
            for one, other in zip(first.tolist(), second.tolist(), strict=True)
        ],
        bool,
    )


def _digests(objects: Objects, rows: NDArray[np.int64], paths: Mapping[str, str]) -> dict[int, str | None]:
    """Return a digest of the pixels in the boxes of some rows; each photo is decoded once."""
    found: dict[int, str | None] = {}
    for image_id in np.unique(objects.image_id[rows]).tolist():
        here = rows[objects.image_id[rows] == image_id].tolist()
        try:
            image = read_image(paths[image_id], image_id=image_id)
        except ImageError:
            found |= dict.fromkeys(here)
            continue
        for row in here:
            left, top, right, bottom = whole_pixels(objects.xyxy[row], (image.width, image.height))
            block = image.pixels[top:bottom, left:right]
            found[row] = content_id(f"{block.shape}".encode() + np.ascontiguousarray(block).tobytes())
    return found
