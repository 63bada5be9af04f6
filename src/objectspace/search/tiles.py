"""Answers as rows of pictures, taken from the store's thumbnails; no image file is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import PIL.Image
import PIL.ImageOps
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.images import decode_thumbnail
from objectspace.objects.boxes import whole_pixels
from objectspace.objects.masks import decode_box
from objectspace.objects.records import Mask, Objects
from objectspace.places import Place
from objectspace.search import UNLABELED, Answer, distance_text
from objectspace.store import Store, as_store

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tile:
    """One object on a sheet.

    picture: (h, w, 3) uint8; label: None where it is not known; distance: to the target, None for itself
    words: a text, shown in the picture's place; note: more about a target, in short lines
    parts: in a joint space, what each part contributes to the similarity, by name; otherwise empty
    """

    picture: Picture
    label: str | None
    distance: float | None = None
    words: str | None = None
    note: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        height, width = self.picture.shape[:2]
        at = "" if self.distance is None else f" at {distance_text(self.distance)}"
        return f"Tile({self.words or self.label!r}{at}, {width} x {height})"


@dataclass(frozen=True, slots=True, eq=False)
class SheetRow:
    """A target and its neighbors, nearest first."""

    target: Tile
    neighbors: tuple[Tile, ...]


@typed
def sheet_rows(store: Store | Place | str, answers: Sequence[Answer]) -> list[SheetRow]:
    """Return a row of tiles for each answer, with the pixels that its space was made from.

    In a crop space on a black background an object with a mask is shown as its encoder saw it, the rest
    blacked out (the paper's figure 2); otherwise the box is shown whole. A target from outside the store is
    shown by the thumbnail that came with it, an empty gray tile where none did; several objects that are one
    target side by side; a text by its words.

    >>> search = osp.SpaceSearch(store, "demo-crop")
    >>> answers = search.nearest(search.stored(osp.choose_targets(search, 2)), k=3)
    >>> [len(row.neighbors) for row in osp.sheet_rows(store, answers)]
    [3, 3]
    """
    store = as_store(store)
    thumbnails = _stored_thumbnails(store, answers)
    rows = []
    for answer in answers:
        recipe = store.recipe(answer.space)
        masked = recipe.crop is not None and recipe.crop.get("background") == "black"
        near = answer.neighbors
        pictures = _pictures([thumbnails[str(name)] for name in near.object_id], near, masked)
        columns = zip(pictures, near.label.tolist(), answer.distance.tolist(), _parts(answer), strict=True)
        tiles = tuple(Tile(one, label, far, parts=parts) for one, label, far, parts in columns)
        rows.append(SheetRow(_target(thumbnails, answer, masked), tiles))
    return rows


def _parts(answer: Answer) -> list[dict[str, float]]:
    """Return what each part contributes to the similarity of each neighbor; nothing in a plain space."""
    if answer.parts is None:
        return [{} for _ in answer.images]
    rows = answer.parts.similarities.tolist()
    return [dict(zip(answer.parts.names, row, strict=True)) for row in rows]


def _stored_thumbnails(store: Store, answers: Sequence[Answer]) -> dict[str, bytes]:
    """Return the JPEG of each stored object of some answers, all read at once."""
    parts = [answer.neighbors.object_id for answer in answers]
    parts += [answer.query.object_id for answer in answers if answer.stored]
    ids = np.unique(np.concatenate([np.empty(0, np.str_), *parts]))
    return dict(zip(ids.tolist(), store.thumbnails(ids), strict=True))


def _target(thumbnails: Mapping[str, bytes], answer: Answer, masked: bool) -> Tile:
    if answer.texts:
        return Tile(_EMPTY, None, words=" · ".join(answer.texts))
    labels = set(answer.query.label.tolist())
    label = labels.pop() if len(labels) == 1 else None
    notes = [f"mean of {len(answer.query)}"] if len(answer.query) > 1 else []
    if len(answer.unlike):
        notes.append("unlike " + ", ".join(sorted(set(answer.unlike.label.tolist()))))
    pictures = _pictures(_query_thumbnails(thumbnails, answer), answer.query, masked)
    known = label if answer.stored or label != UNLABELED else None
    return Tile(_side_by_side(pictures), known, note="\n".join(notes) or None)


_EMPTY: Picture = np.full((128, 128, 3), 200, np.uint8)


def _query_thumbnails(thumbnails: Mapping[str, bytes], answer: Answer) -> list[bytes | None]:
    if answer.stored:
        return [thumbnails[str(name)] for name in answer.query.object_id]
    return [*answer.query_thumbnails] or [None] * len(answer.query)


def _pictures(thumbnails: Sequence[bytes | None], objects: Objects, masked: bool) -> list[Picture]:
    pictures = [_EMPTY if data is None else decode_thumbnail(data) for data in thumbnails]
    if not masked:
        return pictures
    return [
        picture if mask is None else _blacked_out(picture, mask, box)
        for picture, mask, box in zip(pictures, objects.mask, objects.xyxy, strict=True)
    ]


def _side_by_side(pictures: Sequence[Picture]) -> Picture:
    """Return one picture unchanged; several as a square grid, row by row, the first nine of them."""
    if len(pictures) == 1:
        return pictures[0]
    side = 2 if len(pictures) <= 4 else 3
    cell = 128 // side
    grid = np.full((side * cell, side * cell, 3), 255, np.uint8)
    for place, picture in enumerate(pictures[: side * side]):
        small = PIL.ImageOps.contain(PIL.Image.fromarray(picture), (cell - 2, cell - 2))
        left = place % side * cell + (cell - small.width) // 2
        top = place // side * cell + (cell - small.height) // 2
        grid[top : top + small.height, left : left + small.width] = np.asarray(small)
    return grid


def _blacked_out(picture: Picture, mask: Mask, box: NDArray[np.float32]) -> Picture:
    """Return the thumbnail of a box with the pixels outside the object's mask in black."""
    inside = decode_box(mask, whole_pixels(box, (mask.width, mask.height)))
    height, width = picture.shape[:2]
    scaled = PIL.Image.fromarray(inside.astype(np.uint8) * 255).resize(
        (width, height), PIL.Image.Resampling.BOX
    )
    weight = np.asarray(scaled, np.float32)[..., None] / 255
    return np.round(picture * weight).astype(np.uint8)
