"""A folder that FiftyOne imports: a sample per photo, a detection per object, with masks and vectors.

It is the JSON of ``fiftyone.types.FiftyOneDataset`` without a database version in ``metadata.json``, which
every FiftyOne from 0.8 reads sample by sample and gives the fields that it finds; so it depends on none.
Arrays are compressed ``.npy`` files: a mask as the text that FiftyOne's mask field takes, a vector in
MongoDB's extended JSON, by which FiftyOne knows an array in a field that it has not met.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import counted
from objectspace.export.coco import plain_factors, write_list
from objectspace.export.selection import Block, Selection
from objectspace.objects.boxes import whole_pixels
from objectspace.objects.masks import decode_box
from objectspace.store import ImageRow

#: The field of a sample that holds its objects.
FIELD = "objects"

# Attributes of a detection that FiftyOne or we give it.
_TAKEN = {
    *("id", "label", "bounding_box", "mask", "mask_path", "confidence", "index", "tags", "attributes"),
    *("instance", "object_id", "source", "dimensions", "location", "rotation", "logits", "dataset_id"),
}


def write(selection: Selection, path: Path) -> list[str]:
    """Write ``metadata.json`` with the recipes as the dataset's info, and ``samples.json``."""
    path.mkdir()
    info = {"objectspace": selection.recipes()}
    metadata = {"name": selection.store.path.stem, "media_type": "image", "info": info}
    (path / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    with (path / "samples.json").open("w", encoding="utf-8") as stream:
        stream.write('{"samples": ')
        write_list(stream, _samples(selection))
        stream.write("}\n")
    missing = sum(not Path(image.path).is_file() for image in selection.images)
    missed = f"{missing} of {counted(len(selection.images), 'photo')} {'is' if missing == 1 else 'are'}"
    return [f"{missed} not at the stored path any more"] if missing else []


def _samples(selection: Selection) -> Iterator[dict[str, Any]]:
    fields = field_names([f"vector_{space.name}" for space in selection.spaces], _TAKEN)
    for block in selection.blocks():
        vectors = {
            fields[f"vector_{space.name}"]: selection.vectors(space, block) for space in selection.spaces
        }
        names = field_names(block.objects.factors, {*_TAKEN, *fields.values()})
        rows = np.split(np.argsort(block.image_row, kind="stable"), _ends(block))
        for image, own in zip(block.images, rows, strict=False):
            detections = [_detection(block, row, image, names, vectors) for row in own.tolist()]
            yield {
                "_media_type": "image",
                "filepath": str(Path(image.path).absolute()),
                "tags": [],
                "metadata": {"_cls": "ImageMetadata", "width": image.width, "height": image.height},
                FIELD: {"_cls": "Detections", "detections": detections},
            }


def _ends(block: Block) -> NDArray[np.int64]:
    """Return where the objects of each image end among the block's."""
    ends: NDArray[np.int64] = np.cumsum(np.bincount(block.image_row, minlength=len(block.images)))
    return ends


def field_names(names: Any, taken: set[str]) -> Mapping[str, str]:
    """Return names that FiftyOne accepts for fields: letters, digits and _, not first _, each once."""
    found: dict[str, str] = {}
    for name in names:
        plain = field = re.sub(r"\W", "_", name).lstrip("_") or "factor"
        number = 2
        while field in taken or field in found.values():
            field, number = f"{plain}_{number}", number + 1
        found[name] = field
    return found


def _detection(
    block: Block,
    row: int,
    image: ImageRow,
    names: Mapping[str, str],
    vectors: Mapping[str, NDArray[np.float32]],
) -> dict[str, Any]:
    """Return one object as a detection, without keys for unknown values."""
    objects = block.objects
    x1, y1, x2, y2 = (float(side) for side in objects.xyxy[row])
    width, height = image.width, image.height
    known: dict[str, Any] = {
        "confidence": float(objects.score[row]),
        "mask": _packed(_box_mask(block, row, image)),
        **{names[name]: value for name, value in plain_factors(block, row).items()},
        **{field: _extended(column[row]) for field, column in vectors.items()},
    }
    return {
        "_cls": "Detection",
        "label": objects.label[row],
        "bounding_box": [x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height],
        "tags": [],
        "attributes": {},
        "object_id": str(objects.object_id[row]),
        "source": objects.source[row],
        **{name: value for name, value in known.items() if not _unknown(value)},
    }


def _box_mask(block: Block, row: int, image: ImageRow) -> NDArray[np.bool_] | None:
    """Return the part of the mask in the object's box, to whole pixels, as FiftyOne keeps it."""
    mask = block.objects.mask[row]
    if mask is None:
        return None
    return decode_box(mask, whole_pixels(block.objects.xyxy[row], (image.width, image.height)))


def _unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _extended(vector: NDArray[np.float32]) -> dict[str, Any] | None:
    """Return a vector in MongoDB's extended JSON; None where the object has none."""
    return None if np.isnan(vector[0]) else {"$binary": {"base64": _packed(vector), "subType": "00"}}


def _packed(array: NDArray[Any] | None) -> str | None:
    """Return a compressed ``.npy`` file as base64 text."""
    if array is None:
        return None
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return base64.b64encode(zlib.compress(stream.getvalue())).decode("ascii")
