"""Images as the networks read them, through the image processor that was published with each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from objectspace.images import Image, Pixels

#: An image that is longer is stretched across: the processors would round its other side down to nothing.
_LONGEST = 32


def processed(image_processor: Any, images: Sequence[Image]) -> Any:
    """Run the image processor: ``pixel_values`` (b, 3, h, w) and what it returns beside them."""
    # Told so, because an image one or three pixels high would be taken for one with its channels first.
    return image_processor(
        images=[_stretched(image.pixels) for image in images],
        input_data_format="channels_last",
        return_tensors="pt",
    )


def _stretched(pixels: Pixels) -> Pixels:
    """Repeat rows or columns where a side is more than 32 times the other.

    Boxes are relative to the image and masks are brought to its size, so nothing else has to know.
    """
    height, width = pixels.shape[:2]
    rows, columns = -(-width // (_LONGEST * height)), -(-height // (_LONGEST * width))
    return np.repeat(np.repeat(pixels, rows, axis=0), columns, axis=1)


def preprocessing(image_processor: Any) -> dict[str, Any]:
    """Describe how images become the network's input, in plain JSON values for a recipe."""
    settings = image_processor.to_dict()
    wanted = ("do_resize", "size", "resample", "image_mean", "image_std", "pad_size")
    present = {name: settings[name] for name in wanted if settings.get(name) is not None}
    plain: dict[str, Any] = json.loads(json.dumps(present, default=_plain))
    return plain


def _plain(size: Any) -> dict[str, int]:
    """Return a size of transformers, without the sides that it leaves open."""
    return {name: side for name, side in dict(size).items() if side is not None}
