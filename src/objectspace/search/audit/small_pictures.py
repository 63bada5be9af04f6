"""Small pictures of objects and photos, by which copies are compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.analyses.audit.registration import SIDE
from objectspace.images import Pixels, decode_thumbnail
from objectspace.store import Store

Float32 = NDArray[np.float32]
Codes = NDArray[np.int64]

#: Pixels a side at which pictures are compared as they are, to choose which are laid over each other.
COARSE = 12

# Thumbnails that are read at once.
_BLOCK = 4096


class Pictures(Protocol):
    """Pictures (n) to be compared: as they are at :data:`COARSE` pixels a side, and at SIDE pixels."""

    @property
    def reduced(self) -> NDArray[np.uint8]:
        """The pictures (n, 3, COARSE, COARSE)."""
        ...

    def levels(self, rows: Codes) -> NDArray[np.uint8]:
        """Return some of the pictures (m, 3, SIDE, SIDE)."""
        ...

    def take(self, rows: Codes) -> Pictures:
        """Return some of the pictures."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PicturesInMemory:
    """Pictures that are held: 3.5 kB each.

    whole: (n, 3, SIDE, SIDE) uint8; reduced: (n, 3, COARSE, COARSE) uint8
    """

    whole: NDArray[np.uint8]
    reduced: NDArray[np.uint8]

    def levels(self, rows: Codes) -> NDArray[np.uint8]:
        """Return some of the pictures (m, 3, SIDE, SIDE)."""
        return self.whole[rows]

    def take(self, rows: Codes) -> PicturesInMemory:
        """Return some of the pictures."""
        return PicturesInMemory(self.whole[rows], self.reduced[rows])


@dataclass(frozen=True, slots=True, eq=False)
class StoredPictures:
    """Thumbnails of a store, of which 432 bytes each are held: of many objects few are laid over another.

    row: (n,) of the objects table; reduced: (n, 3, COARSE, COARSE) uint8
    """

    store: Store
    row: Codes
    reduced: NDArray[np.uint8]

    def levels(self, rows: Codes) -> NDArray[np.uint8]:
        """Return some of the pictures (m, 3, SIDE, SIDE); their thumbnails are read, each once."""
        once, place = np.unique(self.row[rows], return_inverse=True)
        return _resized(map(decode_thumbnail, self.store.thumbnails_at(once)), SIDE)[place]

    def take(self, rows: Codes) -> StoredPictures:
        """Return some of the pictures."""
        return StoredPictures(self.store, self.row[rows], self.reduced[rows])


def make_pictures(pictures: Iterable[Pixels]) -> PicturesInMemory:
    """Return pictures (h, w, 3) of any size, their aspect given up."""
    both = [(_small(pixels, SIDE), _small(pixels, COARSE)) for pixels in pictures]
    whole, reduced = ([pair[place] for pair in both] for place in (0, 1))
    return PicturesInMemory(_stacked(whole, SIDE), _stacked(reduced, COARSE))


def thumbnail_pictures(thumbnails: Iterable[bytes]) -> PicturesInMemory:
    """Return the pictures (n) of thumbnails."""
    return make_pictures(map(decode_thumbnail, thumbnails))


def stored_pictures(store: Store, row: Codes) -> StoredPictures:
    """Return the pictures of the objects at some rows (n,) of the objects table."""
    reduced = np.empty((len(row), 3, COARSE, COARSE), np.uint8)
    for start in range(0, len(row), _BLOCK):
        part = slice(start, start + _BLOCK)
        reduced[part] = _resized(map(decode_thumbnail, store.thumbnails_at(row[part])), COARSE)
    return StoredPictures(store, row, reduced)


def coarse(reduced: NDArray[np.uint8]) -> Float32:
    """Return reduced pictures (..., 3, COARSE, COARSE) as (..., 3 x COARSE x COARSE), 0 for flat ones.

    Their products are correlations of colors, each color around its own mean.
    """
    values = reduced.astype(np.float32)
    values -= values.mean((-2, -1), keepdims=True)
    flat = values.reshape(*reduced.shape[:-3], 3 * COARSE * COARSE)
    length = np.sqrt(np.einsum("...i,...i->...", flat, flat))
    # The shortest of those that are not flat, of one color a level off in one pixel, has a length of 0.997.
    flat /= np.maximum(length, 0.5)[..., None]
    return flat


def _resized(pictures: Iterable[Pixels], side: int) -> NDArray[np.uint8]:
    return _stacked([_small(pixels, side) for pixels in pictures], side)


def _small(pixels: Pixels, side: int) -> NDArray[np.uint8]:
    small = PIL.Image.fromarray(pixels).resize((side, side), PIL.Image.Resampling.BOX)
    return np.asarray(small, np.uint8).transpose(2, 0, 1)


def _stacked(pictures: list[NDArray[np.uint8]], side: int) -> NDArray[np.uint8]:
    return np.array(pictures, np.uint8).reshape(-1, 3, side, side)
