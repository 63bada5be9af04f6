"""How unlike two objects are as copies of each other: by their vectors and by their thumbnails.

Neither is enough. A small object that is saved again changes its vector as much as a stranger's differs, and
its thumbnail hardly; a cropped or turned one keeps its vector better than its pixels, until its thumbnail is
laid over the other as well as it fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.analyses.audit.copy_rule import NUMBERS, PRODUCT, CopyRule
from objectspace.analyses.audit.duplicates import Pairs, make_pairs
from objectspace.analyses.audit.registration import SIDE, registered_correlation
from objectspace.images import Pixels, decode_thumbnail
from objectspace.neighbors import NO_NEIGHBOR, Neighbors
from objectspace.search.audit.neighborhood import Neighborhood
from objectspace.store import Store
from objectspace.threads import work_ahead, worker_count

Float32 = NDArray[np.float32]

#: Pixels a side at which thumbnails are compared as they are, to choose which are laid over each other.
COARSE = 12

#: Thumbnails that each is laid over: those of its nearest that are least unlike it as they are.
REGISTERED = 3

# Thumbnails that are read at once, and rows that a thread compares at once.
_BLOCK, _ROWS = 4096, 256


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Small pictures to be compared.

    levels: (n, 3, SIDE, SIDE) uint8
    coarse: (n, 3 x COARSE x COARSE) float32, whose products are correlations; 0 for flat pictures
    """

    levels: NDArray[np.uint8]
    coarse: Float32

    def take(self, rows: NDArray[np.int64]) -> Pictures:
        """Return some of the pictures."""
        return Pictures(self.levels[rows], self.coarse[rows])


def make_pictures(pictures: Iterable[Pixels]) -> Pictures:
    """Return pictures (h, w, 3) of any size, their aspect given up."""
    levels, coarse = [], []
    for pixels in pictures:
        whole = PIL.Image.fromarray(pixels)
        small = [whole.resize((side, side), PIL.Image.Resampling.BOX) for side in (SIDE, COARSE)]
        levels.append(np.asarray(small[0], np.uint8).transpose(2, 0, 1))
        values = np.asarray(small[1], np.float32).transpose(2, 0, 1)
        values = values - values.mean((1, 2), keepdims=True)
        coarse.append(values.ravel() / max(float(np.linalg.norm(values)), 1.0))
    return Pictures(
        np.array(levels, np.uint8).reshape(-1, 3, SIDE, SIDE),
        np.array(coarse, np.float32).reshape(-1, 3 * COARSE * COARSE),
    )


def thumbnail_pictures(thumbnails: Iterable[bytes]) -> Pictures:
    """Return the pictures (n) of thumbnails."""
    return make_pictures(map(decode_thumbnail, thumbnails))


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Neighbors of pictures (m) that were compared with them.

    index: (m, r) int64, -1 for none
    numbers: (m, r, 3) float64, those of a :class:`CopyRule`, infinite for none
    """

    index: NDArray[np.int64]
    numbers: NDArray[np.float64]


class CopyDifferences:
    """How unlike objects are to their nearest of other images, as copies.

    Three numbers (:data:`NUMBERS`), of which a rule makes one difference: near 0 for a copy, near 1 for
    nothing in common. Of its neighbors an object is compared to the :data:`REGISTERED` that are least unlike
    it by vectors and by thumbnails as they are; thumbnails are mirrored where that is more alike.

    photo: (n,) int64, the photo of each object, one number for all that are copies of each other; by default
        every photo is one of its own
    nearest: (n,) int64, the least different, -1 for none; difference: (n,) float64 of that pair
    strangers: (m, 3) float64, the numbers of the least different pair of each object in two photos that are
        no copies of each other; stranger_difference: (m,) float64. Objects without such a pair have none.
    """

    def __init__(
        self,
        store: Store,
        object_id: NDArray[np.str_],
        near: Neighborhood,
        *,
        photo: NDArray[np.int64] | None = None,
        rule: CopyRule = PRODUCT,
    ) -> None:
        parts = [
            thumbnail_pictures(store.thumbnails(object_id[start : start + _BLOCK]))
            for start in range(0, len(object_id), _BLOCK)
        ]
        self._pictures = Pictures(
            np.concatenate([part.levels for part in parts]), np.concatenate([part.coarse for part in parts])
        )
        self._near = near
        self._compared = compare(self._pictures, self._pictures, near.near, REGISTERED)
        index = self._compared.index
        self._strange = index != NO_NEIGHBOR
        if photo is not None:
            self._strange &= photo[:, None] != photo[index]
        self.judge_by(rule)

    def judge_by(self, rule: CopyRule) -> None:
        """Make differences by another rule."""
        self._rule = rule
        index, differences = self._compared.index, rule.differences(self._compared.numbers)
        self.nearest, self.difference = _least(index, differences)
        strange = np.where(self._strange, differences, np.inf)
        rows = np.flatnonzero(self._strange.any(1))
        self.strangers: NDArray[np.float64] = self._compared.numbers[rows, strange.argmin(1)[rows]]
        self.stranger_difference: NDArray[np.float64] = _least(index, strange)[1][rows]

    def to_originals(
        self, found: Neighbors, pictures: Pictures, original: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the numbers (m, 3) of copies and what they are of; infinite where that is not found."""
        compared = compare(pictures, self._pictures, found, REGISTERED, original=original)
        numbers: NDArray[np.float64] = compared.numbers.min(1)
        return numbers

    def pairs_within(self, difference: float) -> Pairs:
        """Return the pairs of objects of different images that differ by at most so much."""
        parts, pending, near = [np.empty((3, 0))], np.arange(len(self.nearest)), self._near.near
        compared, count = self._compared, REGISTERED
        while len(pending):
            differences = self._rule.differences(compared.numbers)
            within = (differences <= difference) & (compared.index != NO_NEIGHBOR)
            row, place = np.nonzero(within)
            parts.append(np.stack([pending[row], compared.index[row, place], differences[row, place]]))
            # Where all are copies, more of them may be.
            full, count = within.all(1), 2 * count
            pending, near = pending[full], Neighbors(near.index[full], near.distance[full])
            if count > near.index.shape[1]:
                near = self._near.nearest_of(pending, count)
            compared = compare(self._pictures.take(pending), self._pictures, near, count)
        first, second, apart = np.concatenate(parts, axis=1)
        return make_pairs(first, second, apart)


def compare(
    pictures: Pictures,
    others: Pictures,
    near: Neighbors,
    count: int,
    *,
    original: NDArray[np.int64] | None = None,
) -> Compared:
    """Compare pictures (m) with the ``count`` of their neighbors that are least unlike them.

    near: the neighbors (m, k) of each among the others, and their cosine distances; least unlike is where the
        product of distance and thumbnails as they are is smallest
    original: (m,) the only one of these that each is compared with
    """

    def compare_rows(rows: slice) -> Compared:
        part = Pictures(pictures.levels[rows], pictures.coarse[rows])
        own = None if original is None else original[rows]
        return _compare(part, others, Neighbors(near.index[rows], near.distance[rows]), count, own)

    blocks = [slice(start, start + _ROWS) for start in range(0, len(near.index), _ROWS)]
    workers = worker_count()
    found = list(work_ahead(blocks, compare_rows, workers=workers, ahead=2 * workers))
    kept = min(count, near.index.shape[1])
    return Compared(
        np.concatenate([np.empty((0, kept), np.int64), *(one.index for one in found)]),
        np.concatenate([np.empty((0, kept, len(NUMBERS))), *(one.numbers for one in found)]),
    )


def _compare(
    pictures: Pictures, others: Pictures, near: Neighbors, count: int, original: NDArray[np.int64] | None
) -> Compared:
    coarse = others.coarse[near.index]
    mirrored = coarse.reshape(*near.index.shape, 3, COARSE, COARSE)[..., ::-1].reshape(coarse.shape)
    plain, turned = (np.einsum("mc,mkc->mk", pictures.coarse, one) for one in (coarse, mirrored))
    unlike = 1 - np.clip(np.maximum(plain, turned), 0, 1).astype(np.float64)
    there = near.index != NO_NEIGHBOR
    product = np.where(there, np.where(there, near.distance, 0) * unlike, np.inf)
    first = np.argsort(product, axis=1, kind="stable")[:, :count]
    index, distance, unlike, there, flip = (
        np.take_along_axis(one, first, 1)
        for one in (near.index, near.distance, unlike, there, turned > plain)
    )
    if original is not None:
        there &= index == original[:, None]
    row, place = np.nonzero(there)
    laid = others.levels[index[row, place]]
    laid = np.where(flip[row, place, None, None, None], laid[..., ::-1], laid)
    alike = registered_correlation(pictures.levels[row].astype(np.float32), laid.astype(np.float32))
    registered = np.ones(index.shape)
    registered[row, place] = 1 - np.clip(alike, 0, 1)
    numbers = np.stack([distance, unlike, registered], axis=2)
    return Compared(index, np.where(there[:, :, None], numbers, np.inf))


def _least(
    index: NDArray[np.int64], differences: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the least different neighbor (n,) of each object of those compared (n, r), and its difference.

    The other one of a pair need not have compared itself to this one; the pair counts for both.
    """
    rows, least = np.arange(len(index)), differences.argmin(1)
    nearest, difference = index[rows, least], differences[rows, least]
    there = (nearest != NO_NEIGHBOR) & np.isfinite(difference)
    for row in rows[there][np.argsort(-difference[there], kind="stable")]:
        other = nearest[row]
        if difference[row] < difference[other]:
            nearest[other], difference[other] = row, difference[row]
    return nearest, difference
