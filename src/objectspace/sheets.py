"""Sheets: answers as rows of pictures, taken from the store's thumbnails; no photo is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.images import decode_thumbnail
from objectspace.objects.boxes import whole_pixels
from objectspace.objects.masks import decode_box
from objectspace.objects.records import Mask, Objects
from objectspace.search import UNLABELLED, Answer
from objectspace.store import Store

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One object on a sheet.

    picture: (h, w, 3) uint8; label: None where it is not known; distance: to the target, None for itself
    """

    picture: Picture
    label: str | None
    distance: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SheetRow:
    """A target and its neighbours, nearest first."""

    target: Tile
    neighbours: tuple[Tile, ...]


def sheet_rows(store: Store, answers: Sequence[Answer]) -> list[SheetRow]:
    """A row for each answer, with the pictures that its space has seen.

    In a crop space on a black background an object with a mask is shown as its encoder saw it, the rest
    blacked out (the paper's figure 2); otherwise the box is shown whole. A target from outside the store is
    shown by the thumbnail that came with it, an empty grey tile where none did.
    """
    rows = []
    for answer in answers:
        recipe = store.recipe(answer.space)
        masked = recipe.crop is not None and recipe.crop.get("background") == "black"
        target = _pictures(_query_thumbnails(store, answer), answer.query, masked)[0]
        pictures = _pictures(store.thumbnails(answer.neighbours.object_id), answer.neighbours, masked)
        tiles = zip(pictures, answer.neighbours.label.tolist(), answer.distance.tolist(), strict=True)
        label = answer.query.label[0] if answer.stored or answer.query.label[0] != UNLABELLED else None
        rows.append(SheetRow(Tile(target, label), tuple(Tile(*tile) for tile in tiles)))
    return rows


_EMPTY: Picture = np.full((128, 128, 3), 200, np.uint8)


def _query_thumbnails(store: Store, answer: Answer) -> list[bytes | None]:
    return [*store.thumbnails(answer.query.object_id)] if answer.stored else [answer.query_thumbnail]


def _pictures(thumbnails: Sequence[bytes | None], objects: Objects, masked: bool) -> list[Picture]:
    pictures = [_EMPTY if data is None else decode_thumbnail(data) for data in thumbnails]
    if not masked:
        return pictures
    return [
        picture if mask is None else _blacked_out(picture, mask, box)
        for picture, mask, box in zip(pictures, objects.mask, objects.xyxy, strict=True)
    ]


def _blacked_out(picture: Picture, mask: Mask, box: NDArray[np.float32]) -> Picture:
    """The thumbnail of a box with what lies outside the object's mask in black."""
    inside = decode_box(mask, whole_pixels(box, (mask.width, mask.height)))
    height, width = picture.shape[:2]
    scaled = PIL.Image.fromarray(inside.astype(np.uint8) * 255).resize(
        (width, height), PIL.Image.Resampling.BOX
    )
    weight = np.asarray(scaled, np.float32)[..., None] / 255
    return np.round(picture * weight).astype(np.uint8)
