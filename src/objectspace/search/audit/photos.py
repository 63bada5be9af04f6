"""Copies of whole photos, whatever the detector found in them: by small pictures of the photos alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.audit.calibration import MOST_REAL, Planted, best_threshold, places, real_share
from objectspace.analyses.audit.duplicates import CopyGroups, Pairs, group_copies, make_pairs
from objectspace.analyses.audit.registration import SIDE
from objectspace.errors import ImageError
from objectspace.images import Pixels, read_image
from objectspace.neighbors import NO_NEIGHBOR, ExactIndex, Neighbors
from objectspace.search.audit.copies import (
    AT_LEAST,
    Compared,
    chance_of,
    compare,
    compare_to_originals,
    least_unlike,
    register_within,
)
from objectspace.search.audit.plants import changed_photos
from objectspace.search.audit.small_pictures import COARSE, PicturesInMemory, coarse, make_pictures
from objectspace.store import ImageRow
from objectspace.threads import work_ahead, worker_count

Float64 = NDArray[np.float64]

#: Photos that each is laid over: those that are most alike as they are.
NEAREST = 10

#: Strangers are looked for beyond so many others at most.
MOST_COPIES = 255

# A photo is decoded at a reduced scale, both sides at least so large.
_AT_LEAST = (256, 256)

# Photos that are compared with all at once.
_BLOCK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class PhotoDifferences:
    """The difference of each photo to its nearest as a copy of it: near 0 for one, 1 for nothing in common.

    It is one less the correlation of the photos, laid over each other as well as they fit, mirrored where
    that is more alike: no network has a part in it. Each is compared to the :data:`NEAREST` that are most
    alike as they are, and of many pairs those are laid over each other that are most alike so.

    rows: (n,) int64, which of the photos that were given can be read; why: what the first other one is
    nearest: (n,) int64; difference: (n,) float64
    """

    rows: NDArray[np.int64]
    why: str
    pictures: PicturesInMemory
    compared: Compared

    @property
    def nearest(self) -> NDArray[np.int64]:
        """The least different photo (n,) of each."""
        return _least(self.compared)[0]

    @property
    def difference(self) -> Float64:
        """Its difference (n,)."""
        return _least(self.compared)[1]

    def pairs_within(self, difference: float) -> Pairs:
        """Return the pairs of photos, of those compared, that differ by at most so much."""
        return _pairs_within(np.arange(len(self.rows)), self.compared, difference)


def compare_photos(images: Sequence[ImageRow], progress: Callable[[int], None]) -> PhotoDifferences:
    """Compare photos with each other; those that cannot be read are left out."""
    rows: list[int] = []
    reasons: list[str] = []
    # Of many photos these are hundreds of MB, so that no parts of them are held beside them.
    whole, reduced = (np.empty((len(images), 3, side, side), np.uint8) for side in (SIDE, COARSE))
    for row, found in enumerate(_read(images)):
        progress(1)
        if isinstance(found, ImageError):
            reasons.append(str(found))
            continue
        made = make_pictures([found])
        whole[len(rows)], reduced[len(rows)] = made.whole[0], made.reduced[0]
        rows.append(row)
    pictures = PicturesInMemory(whole[: len(rows)], reduced[: len(rows)])
    own = np.arange(len(rows))
    compared = compare(pictures, pictures, _most_alike(pictures, pictures, own), NEAREST)
    compared = register_within(compared, pictures, pictures, least_unlike(compared.unlike, AT_LEAST))
    return PhotoDifferences(np.array(rows, np.int64), next(iter(reasons), ""), pictures, compared)


@dataclass(frozen=True, slots=True, eq=False)
class PhotoCopies:
    """Photos that are copies of each other, and what was planted to tell.

    images: the n photos that were compared; photos: how, and by how much they differ
    threshold: the suspicion from which on a photo is a copy
    groups: of copies, the largest photo kept, of equals the first by path
    beyond: how many of a photo's nearest are left out where copies are told from strangers, as too many of
        them look like copies
    """

    images: Sequence[ImageRow]
    photos: PhotoDifferences
    planted: Planted
    threshold: float
    groups: CopyGroups
    beyond: int

    def numbers(self, image_id: NDArray[np.str_]) -> NDArray[np.int64]:
        """Return a number (m,) for the photo of each image id: one for all that are copies of each other."""
        groups, keepers = self.groups, self.groups.row[self.groups.kept]
        original = np.arange(len(self.images))
        original[groups.row] = keepers[groups.group]
        known = {image.image_id: number for image, number in zip(self.images, original, strict=True)}
        names, own = np.unique(image_id, return_inverse=True)
        numbers = [known.get(name, len(known) + place) for place, name in enumerate(names.tolist())]
        return np.array(numbers, np.int64)[own]


def find_photo_copies(
    images: Sequence[ImageRow],
    photos: PhotoDifferences,
    *,
    count: int,
    seed: int,
    progress: Callable[[int], None],
) -> PhotoCopies:
    """Tell which photos (n) are copies of each other, by copies planted in up to ``count`` of them."""
    kind, original, numbers = _plant(images, photos.pictures, count=count, seed=seed, progress=progress)
    own = photos.pictures
    photos = replace(photos, compared=register_within(photos.compared, own, own, chance_of(numbers)))
    suspicion = -photos.compared.as_here(numbers)[:, -1]
    planted = Planted(kind, suspicion, original, places(suspicion, -photos.difference))
    beyond, strangers = _find_strangers(photos, planted.suspicion, np.unique(original))
    threshold = best_threshold(planted.suspicion, -strangers, often_real=True)
    groups = _group(photos, -threshold, _largest_first(images))
    return PhotoCopies(images, photos, planted, threshold, groups, beyond)


def _find_strangers(
    photos: PhotoDifferences, planted: Float64, sample: NDArray[np.int64]
) -> tuple[int, Float64]:
    """Return how many of the nearest of each photo are left out, and by how much the next one differs (m,).

    None is left out where less than half of the photos look like planted copies of it. In a store of many
    copies 1, 3, 7 and so on are, until the next ones are strangers; beyond those that all photos were
    compared with, they are looked for of a ``sample`` of them. Where there are none, none is left out.
    """
    within = np.sort(photos.compared.numbers[:, :, -1], axis=1)
    beyond = 0
    while beyond <= min(MOST_COPIES, len(within) - 2):
        near = beyond < within.shape[1]
        differences = within[:, beyond] if near else _differences_beyond(photos, sample, beyond)
        if real_share(planted, -differences) < MOST_REAL:
            return beyond, differences
        beyond = 2 * beyond + 1
    return 0, photos.difference


def _differences_beyond(photos: PhotoDifferences, rows: NDArray[np.int64], beyond: int) -> Float64:
    """Return by how much some photos differ from the nearest of the next ones that are most alike."""
    alike = _most_alike(photos.pictures.take(rows), photos.pictures, rows, beyond + NEAREST).index[:, beyond:]
    apart: Float64 = _compare_with(photos, rows, alike).numbers[:, :, -1].min(1)
    return apart


def _compare_with(photos: PhotoDifferences, rows: NDArray[np.int64], others: NDArray[np.int64]) -> Compared:
    """Compare some photos (m,) with others (m, k), -1 for none, as all were compared with their nearest."""
    own, near = photos.pictures.take(rows), Neighbors(others, np.ones(others.shape))
    compared = compare(own, photos.pictures, near, others.shape[1])
    return register_within(compared, own, photos.pictures, photos.compared.within)


def _group(photos: PhotoDifferences, difference: float, preference: NDArray[np.int64]) -> CopyGroups:
    """Return the groups of photos that differ by at most so much from the one that is kept.

    A photo that was copied more often than it was compared is in several groups at first: there all of a
    chain are compared with the first ones that are kept in it.
    """
    pairs = photos.pairs_within(difference)
    groups = group_copies(pairs, preference)
    rows, keepers = [], []
    for chain in np.flatnonzero(np.bincount(groups.chain) > NEAREST):
        of_chain = groups.chain == chain
        kept = groups.row[of_chain & groups.kept][:NEAREST]
        if len(kept) > 1:
            rows.append(groups.row[of_chain])
            keepers.append(np.pad(kept, (0, NEAREST - len(kept)), constant_values=NO_NEIGHBOR))
    if not rows:
        return groups
    row = np.concatenate(rows)
    others = np.repeat(keepers, [len(one) for one in rows], axis=0)
    others = np.where(others == row[:, None], NO_NEIGHBOR, others)
    more = _pairs_within(row, _compare_with(photos, row, others), difference)
    return group_copies(pairs.joined(more), preference)


def _pairs_within(rows: NDArray[np.int64], compared: Compared, difference: float) -> Pairs:
    """Return the pairs of compared photos (m,) that differ by at most so much."""
    apart = compared.numbers[:, :, -1]
    row, place = np.nonzero((apart <= difference) & (compared.index != NO_NEIGHBOR))
    return make_pairs(rows[row], compared.index[row, place], apart[row, place])


def _plant(
    images: Sequence[ImageRow],
    pictures: PicturesInMemory,
    *,
    count: int,
    seed: int,
    progress: Callable[[int], None],
) -> tuple[NDArray[np.object_], NDArray[np.int64], Float64]:
    """Change up to ``count`` photos in each way in which copies come about, and look for the originals.

    Returns what was done (m,), the photo (m,) that each is a copy of, and the numbers (m, 3) of the two.
    """
    random = np.random.default_rng([seed, 14])
    drawn = np.sort(random.permutation(len(images))[:count])
    kinds: list[str] = []
    original, parts = [], [make_pictures([])]
    for row, found in zip(drawn.tolist(), _read([images[one] for one in drawn]), strict=True):
        progress(1)
        if isinstance(found, ImageError):
            continue
        for kind, pixels in changed_photos(found, np.random.default_rng([seed, 15, row])):
            kinds.append(kind)
            original.append(row)
            parts.append(make_pictures([pixels]))
    copies = PicturesInMemory(
        np.concatenate([part.whole for part in parts]), np.concatenate([part.reduced for part in parts])
    )
    of = np.array(original, np.int64)
    near = _most_alike(copies, pictures)
    numbers = compare_to_originals(copies, pictures, near, NEAREST, lambda index: index == of[:, None])
    return np.array(kinds, object), of, numbers


def _read(images: Sequence[ImageRow]) -> Iterator[Pixels | ImageError]:
    """Yield the pixels of each photo, or why it cannot be read."""

    def read(image: ImageRow) -> Pixels | ImageError:
        try:
            return read_image(image.path, at_least=_AT_LEAST, image_id=image.image_id).pixels
        except ImageError as error:
            return error

    workers = worker_count()
    return work_ahead(images, read, workers=workers, ahead=3 * workers)


def _most_alike(
    pictures: PicturesInMemory,
    others: PicturesInMemory,
    own: NDArray[np.int64] | None = None,
    count: int = NEAREST,
) -> Neighbors:
    """Return the pictures most alike each (m), mirrored or not, but for its own; each at distance 1."""
    k = max(0, min(count, len(others.reduced) - (own is not None)))
    numbers = np.arange(len(others.reduced))
    found = np.empty((len(pictures.reduced), k), np.int64)
    if not found.size:
        return Neighbors(found, np.ones(found.shape))
    index = ExactIndex(coarse(others.reduced), numbers, metric="cosine", groups=numbers)
    for start in range(0, len(found), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = pictures.reduced[rows]
        groups = None if own is None else own[rows]
        either = [index.nearest(coarse(one), k=k, query_groups=groups) for one in (block, block[..., ::-1])]
        found[rows] = _nearest_of_either(*either)
    return Neighbors(found, np.ones(found.shape))


def _nearest_of_either(one: Neighbors, other: Neighbors) -> NDArray[np.int64]:
    """Return the k nearest (m, k) of two answers (m, k) together, each once, equals by number."""
    index = np.concatenate([one.index, other.index], axis=1)
    distance = np.concatenate([one.distance, other.distance], axis=1)
    order = np.lexsort((distance, index))
    index, distance = (np.take_along_axis(of, order, 1) for of in (index, distance))
    distance[:, 1:][index[:, 1:] == index[:, :-1]] = np.inf
    order = np.lexsort((index, distance))[:, : one.index.shape[1]]
    nearest: NDArray[np.int64] = np.take_along_axis(index, order, 1)
    return nearest


def _least(compared: Compared) -> tuple[NDArray[np.int64], Float64]:
    apart, rows = compared.numbers[:, :, -1], np.arange(len(compared.index))
    least = apart.argmin(1)
    return compared.index[rows, least], apart[rows, least]


def _largest_first(images: Sequence[ImageRow]) -> NDArray[np.int64]:
    """Return the place (n,) of each photo in the order in which copies are kept."""
    pixels = np.array([image.width * image.height for image in images])
    rank = np.empty(len(images), np.int64)
    rank[np.lexsort((np.array([image.path for image in images], np.str_), -pixels))] = np.arange(len(images))
    return rank
