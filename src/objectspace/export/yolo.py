"""A YOLO data set of boxes: ``data.yaml`` and a text file for each image, as Ultralytics reads it.

https://docs.ultralytics.com/datasets/detect/: each line is a class, then the box's center, width and height
as shares of the image's. Its images are looked for in ``images``, in the folders of ``labels``.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from objectspace.errors import InputError
from objectspace.export.coco import common_folder, name_in
from objectspace.export.selection import Block, Selection
from objectspace.store import ImageRow


def write(selection: Selection, path: Path) -> list[str]:
    """Write the label files of all images, also of those without objects, and the names of the classes.

    Raises InputError where two images would have one label file, as ``a.jpg`` and ``a.png`` have, and for a
    path that a tampered store has and no file can.
    """
    folder, names = common_folder(selection), selection.labels()
    classes = {label: number for number, label in enumerate(names)}
    written: dict[Path, str] = {}
    for block in selection.blocks():
        for place, image in enumerate(block.images):
            if "\0" in image.path:
                raise InputError(
                    f"no label file can be named by {image.path!r}, as it has a NUL; export coco instead"
                )
            name = name_in(folder, image)
            label = name.relative_to(name.anchor).with_suffix(".txt")
            if label in written:
                raise InputError(f"{written[label]} and {image.path} have one label file in YOLO; rename one")
            written[label] = image.path
            target = path / "labels" / label
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(_lines(block, place, image, classes)), "utf-8")
    document = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(names))}
    (path / "data.yaml").write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), "utf-8")
    return [f"the photos are not copied: put those of {folder} beside labels, as images"]


def _lines(block: Block, place: int, image: ImageRow, classes: dict[str, int]) -> list[str]:
    """Return the lines of one image's objects, by its place in the block."""
    lines = []
    for row in (block.image_row == place).nonzero()[0].tolist():
        x1, y1, x2, y2 = (float(side) for side in block.objects.xyxy[row])
        center = (x1 + x2) / 2 / image.width, (y1 + y2) / 2 / image.height
        size = (x2 - x1) / image.width, (y2 - y1) / image.height
        numbers = " ".join(f"{share:.8g}" for share in (*center, *size))
        lines.append(f"{classes[block.objects.label[row]]} {numbers}\n")
    return lines
