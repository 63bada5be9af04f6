"""The files of TensorBoard's Embedding Projector: vectors, their metadata, a sprite of all thumbnails.

``tensorboard --logdir FOLDER`` opens them (tab Projector). The formats are those that TensorBoard's projector
plugin reads: tab-separated text without quotes, and a text protocol buffer that names the files.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import PIL.Image
import PIL.ImageOps
import pyarrow as pa
import pyarrow.csv

from objectspace.export.coco import plain_factors
from objectspace.export.selection import Block, Selection, factor_names

#: The longest side of a sprite that browsers draw, and the sides of a thumbnail in it: wished, and smallest.
SPRITE_SIDE = 8192
THUMBNAIL_SIDE = 64
SMALLEST_SIDE = 16

#: Points that the projector shows; it leaves the rest of a file out.
SHOWN = 100_000

_COLUMNS = ("label", "object_id", "path", "score", "x1", "y1", "x2", "y2", "source")

# Whatever some reader takes for the end of a cell or of a line.
_BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def write(selection: Selection, path: Path) -> list[str]:
    """Write a folder of ``tensors.tsv``, ``metadata.tsv``, ``sprite.png`` and ``projector_config.pbtxt``."""
    path.mkdir()
    side = sprite_side(len(selection))
    sprite = _Sprite(len(selection), side) if side else None
    with (path / "tensors.tsv").open("wb") as tensors, _text(path / "metadata.tsv") as metadata:
        for block in selection.blocks():
            if not len(block):
                continue
            _write_vectors(selection, block, tensors)
            _write_metadata(block, metadata)
            if sprite is not None:
                sprite.add(block)
    if sprite is not None:
        sprite.picture.save(path / "sprite.png")
    _write_config(selection, side, path / "projector_config.pbtxt")
    return _notes(len(selection), side)


def sprite_side(count: int) -> int:
    """Return the side of a thumbnail in pixels, so that ``count`` of them fit into a sprite; 0 for no sprite.

    >>> sprite_side(1000), sprite_side(100_000), sprite_side(1_000_000)
    (64, 25, 0)
    """
    side = min(THUMBNAIL_SIDE, SPRITE_SIDE // _across(count))
    return side if side >= SMALLEST_SIDE else 0


def _across(count: int) -> int:
    """Return the thumbnails in a row of the sprite, which is square."""
    return math.isqrt(max(count, 1) - 1) + 1


def _notes(count: int, side: int) -> list[str]:
    notes = []
    if not side:
        notes.append(
            f"no sprite was drawn: {count} thumbnails do not fit into {SPRITE_SIDE} x {SPRITE_SIDE} pixels"
        )
    elif side < THUMBNAIL_SIDE:
        notes.append(
            f"thumbnails are {side} pixels a side: {count} of them must fit into "
            f"{SPRITE_SIDE} x {SPRITE_SIDE} pixels"
        )
    if count > SHOWN:
        notes.append(f"the projector shows the first {SHOWN} of {count} objects")
    return notes


class _Sprite:
    """One picture of all thumbnails, row after row, as the projector cuts it up again."""

    def __init__(self, count: int, side: int) -> None:
        self._side, self._across = side, _across(count)
        rows = math.ceil(count / self._across)
        self.picture = PIL.Image.new("RGB", (self._across * side, rows * side), "white")

    def add(self, block: Block) -> None:
        """Paste the thumbnails of a block at their places."""
        for number, jpeg in enumerate(block.thumbnails(), start=block.start):
            row, column = divmod(number, self._across)
            with PIL.Image.open(io.BytesIO(jpeg)) as picture:
                picture.draft("RGB", (self._side, self._side))  # decodes at reduced size
                fitted = PIL.ImageOps.pad(picture.convert("RGB"), (self._side, self._side), color="white")
            self.picture.paste(fitted, (column * self._side, row * self._side))


def _write_vectors(selection: Selection, block: Block, stream: Any) -> None:
    """Write the vectors of a block, a line each, in the fewest digits that give the same float32 back."""
    (space,) = selection.spaces
    columns = [pa.array(column) for column in selection.vectors(space, block).T.copy()]
    table = pa.table(columns, names=[str(number) for number in range(len(columns))])
    options = pyarrow.csv.WriteOptions(
        include_header=False, delimiter="\t", quoting_style="none", batch_size=len(table)
    )
    pyarrow.csv.write_csv(table, stream, options)


def _write_metadata(block: Block, stream: TextIO) -> None:
    names = factor_names(block.objects.factors, _COLUMNS)
    if block.start == 0:
        stream.write("\t".join([*_COLUMNS, *names.values()]) + "\n")
    for cells in _cells(block):
        stream.write("\t".join(_BREAKS.sub(" ", cell) for cell in cells) + "\n")


def _cells(block: Block) -> Iterator[list[str]]:
    objects = block.objects
    for row, path in enumerate(block.paths):
        score = float(objects.score[row])
        yield [
            objects.label[row],
            str(objects.object_id[row]),
            path,
            "" if math.isnan(score) else f"{score:g}",
            *(f"{side:g}" for side in objects.xyxy[row].tolist()),
            objects.source[row],
            *("" if value is None else f"{value}" for value in plain_factors(block, row).values()),
        ]


def _write_config(selection: Selection, side: int, path: Path) -> None:
    """Write the text protocol buffer ``ProjectorConfig``, which names the files; text is quoted as JSON."""
    (space,) = selection.spaces
    lines = [
        f"tensor_name: {json.dumps(space.name)}",
        f"tensor_shape: [{len(selection)}, {space.dimension}]",
        'tensor_path: "tensors.tsv"',
        'metadata_path: "metadata.tsv"',
    ]
    if side:
        lines.append(f'sprite {{ image_path: "sprite.png" single_image_dim: [{side}, {side}] }}')
    path.write_text("embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n", encoding="utf-8")


def _text(path: Path) -> TextIO:
    # The same line ends on every system: the projector cuts at "\n" alone.
    return path.open("w", encoding="utf-8", newline="\n")
