"""A COCO annotation file: boxes, run-length masks and factors, for pycocotools and ``objectspace index``.

https://cocodataset.org/#format-data; ``attributes`` and ``score`` beside an annotation's own keys are CVAT's
and the results format's, ``object_id`` and ``source`` ours.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from objectspace._version import __version__
from objectspace.export.selection import Block, Selection
from objectspace.objects.masks import mask_area
from objectspace.store import ImageRow


def write(selection: Selection, path: Path) -> list[str]:
    """Write all images of the store, categories by name, and an annotation per object."""
    folder = common_folder(selection)
    categories = {label: number for number, label in enumerate(selection.labels(), start=1)}
    info = {
        "description": f"objects of {selection.store.path.name}, objectspace {__version__}",
        "sources": selection.store.sources,
        "folder": str(folder),
    }
    with path.open("w", encoding="utf-8") as stream:
        stream.write(f'{{"info": {json.dumps(info)},\n"categories": ')
        write_list(stream, ({"id": number, "name": label} for label, number in categories.items()))
        stream.write(',\n"images": ')
        write_list(stream, _images(selection, folder))
        stream.write(',\n"annotations": ')
        write_list(stream, _annotations(selection, categories))
        stream.write("}\n")
    return []


def write_list(stream: TextIO, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON list, an entry a line, none kept in memory."""
    stream.write("[")
    for number, entry in enumerate(entries):
        stream.write(",\n" if number else "\n")
        json.dump(entry, stream, ensure_ascii=False, allow_nan=False)
    stream.write("]")


def common_folder(selection: Selection) -> Path:
    """Return the folder of all images. Their names start from it, so that it can be moved or renamed."""
    folders = {os.path.abspath(Path(image.path).parent) for image in selection.images}  # noqa: PTH100
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # no image, or on two drives
        return Path()


def name_in(folder: Path, image: ImageRow) -> Path:
    """Return an image's path from the folder of all images, where it is in it."""
    name = Path(os.path.abspath(image.path))  # noqa: PTH100
    return name.relative_to(folder) if name.is_relative_to(folder) else name


def _images(selection: Selection, folder: Path) -> Iterator[dict[str, Any]]:
    for number, image in enumerate(selection.images, start=1):
        yield {
            "id": number,
            "file_name": name_in(folder, image).as_posix(),
            "width": image.width,
            "height": image.height,
        }


def _annotations(selection: Selection, categories: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    first_image = 1
    for block in selection.blocks():
        for row in range(len(block)):
            yield {
                "id": block.start + row + 1,
                "image_id": first_image + int(block.image_row[row]),
                "category_id": categories[block.objects.label[row]],
                **_shape(block, row),
                "iscrowd": 0,
                "attributes": plain_factors(block, row),
                "object_id": str(block.objects.object_id[row]),
                "source": block.objects.source[row],
            }
        first_image += len(block.images)


def _shape(block: Block, row: int) -> dict[str, Any]:
    """Return box, area and ``segmentation``, empty without a mask; ``score`` of an object that was scored."""
    # Differences of float32 sides are exact in float64, so that readers get the same box back.
    x1, y1, x2, y2 = (float(side) for side in block.objects.xyxy[row])
    mask, score = block.objects.mask[row], float(block.objects.score[row])
    shape: dict[str, Any] = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
    shape["segmentation"] = []  # readers ask for the key
    if mask is not None:
        shape["area"] = mask_area(mask)
        shape["segmentation"] = {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")}
    if not math.isnan(score):
        shape["score"] = score
    return shape


def plain_factors(block: Block, row: int) -> dict[str, Any]:
    """Return the factors of one object as JSON values, null where unknown."""
    values = {name: column[row] for name, column in block.objects.factors.items()}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    return None if math.isnan(value) else float(value)
