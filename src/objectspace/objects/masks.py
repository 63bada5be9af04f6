"""Run-length masks in COCO's format.

pycocotools packs them and fills polygons. They are unpacked here, only the part that is asked for, so that a
small object in a large image costs no image-sized array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.objects.records import Mask

#: Pixels that the outline of a polygon may run through: pycocotools takes some 40 bytes for each, and ends
#: the process where it runs out of memory. The outline of a photo that is all fringe has a tenth.
OUTLINE_LIMIT = 10_000_000

#: Characters of one packed run: 35 bits hold any run of any image.
LONGEST_COUNT = 7


class ShapeError(Exception):
    """Why an annotation makes no object; its reader keeps it as a problem of the image."""


def encode(pixels: NDArray[np.bool_]) -> Mask:
    """Encode booleans (h, w), true where the object is, as a run-length mask.

    >>> mask = encode(np.array([[False, True, True], [False, True, False]]))
    >>> mask_area(mask), mask_box(mask).tolist()
    (3, [1.0, 0.0, 3.0, 2.0])
    """
    height, width = pixels.shape
    return Mask(height, width, _coco_api().encode(np.asfortranarray(pixels, np.uint8))["counts"])


def decode(mask: Mask) -> NDArray[np.bool_]:
    """Decode a mask to booleans (h, w)."""
    return decode_box(mask, (0, 0, mask.width, mask.height))


def decode_box(mask: Mask, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Decode the part of a mask in a box (left, top, right, bottom) of whole pixels.

    Only the columns of the box are unpacked. Raises InputError for a box that is not inside the mask.
    """
    left, top, right, bottom = box
    if not (0 <= left < right <= mask.width and 0 <= top < bottom <= mask.height):
        raise InputError(f"mask: box {box} is not within its {mask.width} x {mask.height} pixels")
    _check_packed(mask.counts)
    ends = np.cumsum(_run_lengths(mask.counts))
    if ends[-1] != mask.height * mask.width:
        raise InputError(f"mask: its runs cover {ends[-1]} pixels, expected {mask.height} x {mask.width}")
    first, last = left * mask.height, right * mask.height
    within: NDArray[np.int64] = np.clip(ends, first, last)
    lengths = within - np.concatenate([[first], within[:-1]])
    inside = np.arange(len(lengths)) % 2 == 1
    columns = np.repeat(inside, lengths).reshape(right - left, mask.height)
    return np.ascontiguousarray(columns[:, top:bottom].T)


def object_runs(masks: Sequence[Mask]) -> NDArray[np.int64]:
    """Return the runs (r, 3) that masks of any sizes cover, in order.

    A run is the mask's place in the list, and its first and last pixel (exclusive), counted down the mask's
    columns. All masks are read at once, so that many small ones cost no more than a large one. Raises
    InputError for runs that do not cover their mask's pixels, and for counts that are no packed runs.
    """
    if not masks:
        return np.empty((0, 3), np.int64)
    joined = b"".join(mask.counts for mask in masks)
    _check_packed(joined)
    numbers, lasts = _numbers(joined)
    stops = np.searchsorted(lasts, np.cumsum([len(mask.counts) for mask in masks])).tolist()
    firsts, ends = [], []
    for mask, start, stop in zip(masks, [0, *stops], stops, strict=False):
        runs = np.cumsum(_add_differences(numbers[start:stop]))
        if not len(runs) or runs[-1] != mask.height * mask.width:
            covered = runs[-1] if len(runs) else 0
            raise InputError(f"mask: its runs cover {covered} pixels, expected {mask.height} x {mask.width}")
        ends.append(runs[1::2])
        firsts.append(runs[: 2 * len(ends[-1]) : 2])
    place = np.repeat(np.arange(len(masks)), [len(part) for part in ends])
    return np.stack([place, np.concatenate(firsts), np.concatenate(ends)], axis=1)


def polygon_mask(polygon_xy: NDArray[np.float64], image_wh: tuple[int, int]) -> Mask:
    """Rasterize a polygon (n, 2) in pixels of the image, as COCO does, clipped to the image.

    Raises ShapeError for an outline that is longer than OUTLINE_LIMIT.
    """
    width, height = image_wh
    length = np.abs(polygon_xy - np.roll(polygon_xy, 1, axis=0)).max(1).sum()
    if not length <= OUTLINE_LIMIT:
        raise ShapeError(
            f"the outline of its polygon of {len(polygon_xy)} points runs through {length:.0f} pixels, "
            f"expected {OUTLINE_LIMIT} at most"
        )
    flat: Sequence[float] = polygon_xy.reshape(-1).tolist()
    (packed,) = _coco_api().frPyObjects([flat], height, width)
    return Mask(height, width, packed["counts"])


def united(masks: Sequence[Mask]) -> Mask:
    """Return the union of one or more masks of one image."""
    first = masks[0]
    packed = _coco_api().merge([_coco(mask) for mask in masks])
    return Mask(first.height, first.width, packed["counts"])


def mask_from_runs(lengths: NDArray[np.int64], image_wh: tuple[int, int]) -> Mask:
    """Make a mask of run lengths down the columns, the first one outside the object (uncompressed COCO).

    Runs of no length are taken out, so that equal masks have equal counts. Raises InputError where a length
    is negative or they do not add up to the image's pixels, and for an image without pixels.
    """
    width, height = image_wh
    if (
        min(width, height) < 1
        or (lengths < 0).any()
        or (lengths > width * height).any()
        or lengths.sum() != width * height
    ):
        raise InputError(f"the runs of the mask do not cover {width} x {height} pixels")
    some = np.flatnonzero(lengths)
    inside = some % 2 == 1
    firsts = np.flatnonzero(np.diff(inside, prepend=not inside[0]))
    runs = np.add.reduceat(lengths[some], firsts).tolist()
    outside_first = [0, *runs] if inside[0] else runs
    packed = _coco_api().frPyObjects({"size": [height, width], "counts": outside_first}, height, width)
    return Mask(height, width, packed["counts"])


def mask_from_counts(counts: bytes, image_wh: tuple[int, int]) -> Mask:
    """Make a mask of counts as COCO packs them, checked first: pycocotools would read past their end.

    Raises InputError as :func:`mask_from_runs` does, and for counts that are no packed runs.
    """
    _check_packed(counts)
    return mask_from_runs(_run_lengths(counts), image_wh)


def _check_packed(counts: bytes) -> None:
    """Raise InputError for counts that are no packed runs: pycocotools would read past their end."""
    characters = np.frombuffer(counts, np.uint8)
    lasts = np.flatnonzero((characters - np.uint8(48)) & 32 == 0)
    lengths = np.diff(lasts, prepend=-1)
    unprintable = ((characters < 48) | (characters > 111)).any()
    if unprintable or not len(lasts) or lasts[-1] != len(characters) - 1 or lengths.max() > LONGEST_COUNT:
        raise InputError("the counts of the mask are no run lengths as COCO packs them")


def mask_box(mask: Mask) -> NDArray[np.float32]:
    """Return the tight box (4,) ``xyxy`` float32 of a mask on pixel edges; zeros where the mask is empty."""
    x, y, width, height = _coco_api().toBbox(_coco(mask))
    return np.array([x, y, x + width, y + height], np.float32)


def mask_area(mask: Mask) -> int:
    """Count the object's pixels in a mask."""
    return int(_coco_api().area(_coco(mask)))


def _coco_api() -> Any:
    """Return pycocotools' functions, imported when a mask is first packed.

    A machine that only reads masks, as one with nothing but a GPU's packages does, needs none of them.
    """
    import pycocotools.mask

    return pycocotools.mask


def _coco(mask: Mask) -> dict[str, object]:
    """Return a mask as pycocotools takes it, after checking its counts."""
    _check_packed(mask.counts)
    return {"size": [mask.height, mask.width], "counts": mask.counts}


def _run_lengths(counts: bytes) -> NDArray[np.int64]:
    """Return the lengths of a mask's runs down its columns, the first one outside the object.

    COCO writes each length in characters of 48 + 6 bits: five of the number, lowest first, and one that says
    whether more follow; negative numbers extend the last character's fifth bit. From the fourth on it
    is the difference to the length two before.
    """
    numbers, _ = _numbers(counts)
    return _add_differences(numbers)


def _add_differences(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, in place, the lengths of runs whose numbers from the fourth on are differences."""
    for chain in (numbers[1::2], numbers[2::2]):
        np.cumsum(chain, out=chain)
    return numbers


def _numbers(counts: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers that COCO's characters spell, differences among them, and where each ends."""
    sixes = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    lasts = np.flatnonzero((sixes & 32) == 0)
    starts = np.concatenate([[0], lasts[:-1] + 1])
    places = np.arange(len(sixes)) - np.repeat(starts, lasts - starts + 1)
    numbers = np.add.reduceat((sixes & 31) << (5 * places), starts)
    numbers -= ((sixes[lasts] & 16) != 0).astype(np.int64) << (5 * (lasts - starts + 1))
    return numbers, lasts
