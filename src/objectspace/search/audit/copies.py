"""How unlike two objects are as copies of each other: by their vectors and by their thumbnails.

Neither is enough. A small object that is saved again changes its vector as much as a stranger's differs, and
its thumbnail hardly; a cropped or turned one keeps its vector better than its pixels, until its thumbnail is
laid over the other as well as it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.audit.copy_rule import NUMBERS, PRODUCT, CopyRule
from objectspace.analyses.audit.duplicates import Pairs, make_pairs
from objectspace.analyses.audit.registration import registered_correlation
from objectspace.neighbors import NO_NEIGHBOR, Neighbors
from objectspace.search.audit.neighborhood import Neighborhood
from objectspace.search.audit.small_pictures import Pictures, coarse, stored_pictures, thumbnail_pictures
from objectspace.store import Store
from objectspace.threads import work_ahead, worker_count

Float32 = NDArray[np.float32]
Result = TypeVar("Result")

#: Neighbors that each is compared to: those of its nearest that are least unlike it as they are.
COMPARED = 3

#: Pairs of a store that are laid over each other at least, the least unlike ones as they are; a pair takes
#: 2.5 ms of a core. Of more those that are no more unlike than this share of the planted copies.
AT_LEAST, PLANTED_SHARE = 20_000, 0.99

# Rows and pairs that a thread compares at once.
_ROWS, _PAIRS = 256, 512


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Neighbors of pictures (m) that were compared with them.

    index: (m, r) int64, -1 for none; mirrored: (m, r) bool, whether the neighbor is more alike so
    numbers: (m, r, 3) float64, those of a :class:`CopyRule`, infinite for none
    within: the pairs that are at most so unlike as they are were laid over each other; of others the third
        number is the second
    """

    index: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    numbers: NDArray[np.float64]
    within: float = -np.inf

    @property
    def unlike(self) -> NDArray[np.float64]:
        """How unlike the pairs (m, r) are as they are."""
        return unlike_as_they_are(self.numbers)

    def as_here(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the numbers (m, 3) of pairs that were laid over each other as they would be found here."""
        numbers, beyond = numbers.copy(), unlike_as_they_are(numbers) > self.within
        numbers[beyond, 2] = numbers[beyond, 1]
        return numbers


def unlike_as_they_are(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the product of the first two of the numbers (..., 3) of pairs, of vectors and of pictures."""
    product: NDArray[np.float64] = numbers[..., 0] * numbers[..., 1]
    return product


class CopyDifferences:
    """How unlike objects are to their nearest of other images, as copies.

    Three numbers (:data:`NUMBERS`), of which a rule makes one difference: near 0 for a copy, near 1 for
    nothing in common. Of its neighbors an object is compared to the :data:`COMPARED` that are least unlike
    it by vectors and by thumbnails as they are; thumbnails are mirrored where that is more alike. Of many
    pairs those are laid over each other that are least unlike as they are (:data:`AT_LEAST`).

    row: (n,) int64, the objects, by their rows of the objects table
    photo: (n,) int64, the photo of each object, one number for all that are copies of each other; by default
        every image is one of its own
    nearest: (n,) int64, the least different, -1 for none; difference: (n,) float64 of that pair
    strangers: (m, 3) float64, the numbers of the least different pair of each object in two photos that are
        no copies of each other; none where all photos are copies of one
    stranger_difference: (m,) float64 of these pairs, as each object sees it, which is how a planted copy,
        compared from its own side only, is judged
    """

    def __init__(
        self,
        store: Store,
        row: NDArray[np.int64],
        near: Neighborhood,
        *,
        photo: NDArray[np.int64] | None = None,
        rule: CopyRule = PRODUCT,
    ) -> None:
        # Where all pairs are laid over each other, all thumbnails are needed more than once.
        hold = COMPARED * len(row) <= AT_LEAST
        self._pictures: Pictures = (
            thumbnail_pictures(store.thumbnails_at(row)) if hold else stored_pictures(store, row)
        )
        self._near = near
        self._compared = compare(self._pictures, self._pictures, near.near, COMPARED)
        image = np.unique(near.image, return_inverse=True)[1]
        within = least_unlike(self._compared.unlike, AT_LEAST)
        photo = image if photo is None else photo
        self._image, self._photo = image, photo
        index = self._compared.index
        self._strange = (index != NO_NEIGHBOR) & (photo[:, None] != photo[index])
        # Of photos that were copied often, strangers are beyond the copies.
        self._rest = np.flatnonzero(~self._strange.any(1))
        beyond = nearest_strangers(near, self._rest, photo)
        self._beyond = compare(self._pictures.take(self._rest), self._pictures, beyond, COMPARED)
        self._register_within(within)
        self.judge_by(rule)

    def _register_within(self, unlike: float) -> None:
        own = self._pictures
        self._compared = register_within(self._compared, own, own, unlike)
        self._beyond = register_within(self._beyond, own.take(self._rest), own, unlike)

    def judge_by(self, rule: CopyRule) -> None:
        """Make differences by another rule."""
        self._rule = rule
        index, differences = self._compared.index, rule.differences(self._compared.numbers)
        self.nearest, self.difference = _least(index, differences)
        strange = np.where(self._strange, differences, np.inf).argmin(1)
        beyond = rule.differences(self._beyond.numbers).argmin(1)
        numbers = self._compared.numbers[np.arange(len(index)), strange]
        numbers[self._rest] = self._beyond.numbers[np.arange(len(self._rest)), beyond]
        self.strangers: NDArray[np.float64] = numbers[np.isfinite(numbers).all(1)]
        self.stranger_difference: NDArray[np.float64] = rule.differences(self.strangers)

    def to_originals(
        self, near: Neighbors, pictures: Pictures, original: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the numbers (m, 3) of copies and what they are of; infinite where that is not found.

        Where that is crowded out by copies of its photo, an object in one of these will do. What chance of
        being found they had, the pairs of the store have after this.
        """

        def is_original(index: NDArray[np.int64]) -> NDArray[np.bool_]:
            of = original[:, None]
            itself = index == of
            copied = (self._photo[index] == self._photo[of]) & (self._image[index] != self._image[of])
            found: NDArray[np.bool_] = itself | (copied & ~itself.any(1, keepdims=True))
            return found

        numbers = compare_to_originals(pictures, self._pictures, near, COMPARED, is_original)
        self._register_within(chance_of(numbers))
        self.judge_by(self._rule)
        return self._compared.as_here(numbers)

    def pairs_within(self, difference: float) -> Pairs:
        """Return the pairs of objects of different images that differ by at most so much."""
        parts, pending, near = [np.empty((3, 0))], np.arange(len(self.nearest)), self._near.near
        compared, count = self._compared, COMPARED
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
            pictures = self._pictures.take(pending)
            compared = compare(pictures, self._pictures, near, count)
            compared = register_within(compared, pictures, self._pictures, self._compared.within)
        first, second, apart = np.concatenate(parts, axis=1)
        return make_pairs(first, second, apart)


def nearest_strangers(near: Neighborhood, rows: NDArray[np.int64], photo: NDArray[np.int64]) -> Neighbors:
    """Return the nearest of some rows (m,) in other photos: those among their nearest, else all are searched.

    photo: (n,) as of :class:`CopyDifferences`
    """
    index, distance = near.near.index[rows], near.near.distance[rows]
    index = np.where(photo[rows, None] != photo[index], index, NO_NEIGHBOR)
    without = np.flatnonzero((index == NO_NEIGHBOR).all(1))
    if len(without):
        farther = near.nearest_of(rows[without], index.shape[1], photo)
        index[without], distance[without] = farther.index, farther.distance
    return Neighbors(index, distance)


def compare(pictures: Pictures, others: Pictures, near: Neighbors, count: int) -> Compared:
    """Compare pictures (m) as they are with the ``count`` of their neighbors that are least unlike them.

    near: the neighbors (m, k) of each among the others, and their cosine distances
    """

    def compare_rows(rows: slice) -> Compared:
        found = Neighbors(near.index[rows], near.distance[rows])
        return _compare(pictures.reduced[rows], others.reduced[found.index], found, count)

    blocks = [slice(start, start + _ROWS) for start in range(0, len(near.index), _ROWS)]
    found = list(_in_threads(compare_rows, blocks))
    kept = min(count, near.index.shape[1])
    return Compared(
        np.concatenate([np.empty((0, kept), np.int64), *(one.index for one in found)]),
        np.concatenate([np.empty((0, kept), bool), *(one.mirrored for one in found)]),
        np.concatenate([np.empty((0, kept, len(NUMBERS))), *(one.numbers for one in found)]),
    )


def _compare(pictures: NDArray[np.uint8], others: NDArray[np.uint8], near: Neighbors, count: int) -> Compared:
    """Compare reduced pictures (m, 3, s, s) with all of their neighbors (m, k, 3, s, s)."""
    theirs = coarse(others)
    # The one is mirrored and not the many.
    own, mirrored = coarse(pictures), coarse(pictures[..., ::-1])
    plain, turned = (np.einsum("mc,mkc->mk", one, theirs) for one in (own, mirrored))
    unlike = 1 - np.clip(np.maximum(plain, turned), 0, 1).astype(np.float64)
    there = near.index != NO_NEIGHBOR
    numbers = np.stack([np.where(there, near.distance, 0), unlike, unlike], axis=2)
    numbers[~there] = np.inf
    first = np.argsort(unlike_as_they_are(numbers), axis=1, kind="stable")[:, :count]
    return Compared(
        np.take_along_axis(near.index, first, 1),
        np.take_along_axis(turned > plain, first, 1),
        np.take_along_axis(numbers, first[:, :, None], 1),
    )


def register_within(compared: Compared, pictures: Pictures, others: Pictures, unlike: float) -> Compared:
    """Lay compared pictures over each other that are at most so unlike as they are."""
    within = max(compared.within, unlike)
    chosen = (compared.unlike > compared.within) & (compared.unlike <= within)
    return replace(_register(compared, pictures, others, chosen), within=within)


def _register(
    compared: Compared, pictures: Pictures, others: Pictures, chosen: NDArray[np.bool_]
) -> Compared:
    row, place = np.nonzero(chosen & (compared.index != NO_NEIGHBOR))
    other, mirrored = compared.index[row, place], compared.mirrored[row, place]

    def register_pairs(pairs: slice) -> Float32:
        laid = others.levels(other[pairs]).astype(np.float32)
        laid = np.where(mirrored[pairs, None, None, None], laid[..., ::-1], laid)
        return registered_correlation(pictures.levels(row[pairs]).astype(np.float32), laid)

    blocks = [slice(start, start + _PAIRS) for start in range(0, len(row), _PAIRS)]
    alike = np.concatenate([np.empty(0, np.float32), *_in_threads(register_pairs, blocks)])
    numbers = compared.numbers.copy()
    numbers[row, place, 2] = 1 - np.clip(alike, 0, 1)
    return replace(compared, numbers=numbers)


def compare_to_originals(
    pictures: Pictures,
    others: Pictures,
    near: Neighbors,
    count: int,
    is_original: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> NDArray[np.float64]:
    """Return the numbers (m, 3) of pictures and what each is a copy of, laid over each other.

    They are infinite where that one is not among the ``count`` of the neighbors that are least unlike.

    is_original: returns which of some neighbors (m, r) each picture is a copy of; the least unlike one counts
    """
    compared = compare(pictures, others, near, count)
    own = is_original(compared.index) & (compared.index != NO_NEIGHBOR)
    own &= own.cumsum(1) == 1
    found = _register(compared, pictures, others, own).numbers
    numbers: NDArray[np.float64] = np.where(own[:, :, None], found, np.inf).min(1, initial=np.inf)
    return numbers


def least_unlike(unlike: NDArray[np.float64], count: int) -> float:
    """Return how unlike the least unlike pairs are, so many of them; of fewer pairs infinite."""
    return np.inf if unlike.size <= count else float(np.partition(unlike.ravel(), count - 1)[count - 1])


def chance_of(planted: NDArray[np.float64]) -> float:
    """Return how unlike as they are nearly all copies are that were found, by their numbers (m, 3).

    Pairs that are more unlike have no chance to be any; none has where no planted one was found.
    """
    unlike = unlike_as_they_are(planted[np.isfinite(planted).all(1)])
    return float(np.quantile(unlike, PLANTED_SHARE)) if len(unlike) else -np.inf


def _in_threads(task: Callable[[slice], Result], blocks: Sequence[slice]) -> Iterator[Result]:
    workers = worker_count()
    return work_ahead(blocks, task, workers=workers, ahead=2 * workers)


def _least(
    index: NDArray[np.int64], differences: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the least different neighbor (n,) of each object of those compared (n, r), and its difference.

    The other one of a pair need not have compared itself to this one; the pair counts for both.
    """
    rows, least = np.arange(len(index)), differences.argmin(1)
    nearest, difference = index[rows, least], differences[rows, least]
    there = nearest != NO_NEIGHBOR
    for row in rows[there][np.argsort(-difference[there], kind="stable")]:
        other = nearest[row]
        if difference[row] < difference[other]:
            nearest[other], difference[other] = row, difference[row]
    return nearest, difference
