"""Planted pictures: a photo changed in a known way, with the boxes of its objects in what it became."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.images import Image, Pixels
from objectspace.objects.boxes import area, clip, whole_pixels
from objectspace.objects.masks import decode, encode, mask_area, mask_box
from objectspace.objects.records import Mask, Objects
from objectspace.scenes.world import draw_scene

Float32 = NDArray[np.float32]

#: No object of the store: a planted case that is made of none.
NO_OBJECT = -1

#: A picture is not enlarged beyond this, as its pixels would fill the memory.
LARGEST_PIXELS = 12_000_000

# Places that are tried for a piece of background, and how much of the objects may be in it.
_TRIES, _COVERED = 50, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class PlantedPicture:
    """A picture as a file's bytes, and the planted objects in it.

    kind: what was done; suffix: of the file; row: (m,) the object of the store that each was made of, or -1
    xyxy: (m, 4) float32 in pixels of the picture; mask: (m,) of Mask or None
    """

    kind: str
    data: bytes
    suffix: str
    row: NDArray[np.int64]
    xyxy: Float32
    mask: tuple[Mask | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Changed:
    """A photo's new pixels, and how boxes and masks of the old ones are found in them."""

    pixels: Pixels
    box: Callable[[Float32], Float32]
    mask: Callable[[NDArray[np.bool_]], NDArray[np.bool_]]


Random = np.random.Generator


def copies_of(
    image: Image, objects: Objects, rows: NDArray[np.int64], random: Random
) -> Iterator[PlantedPicture]:
    """Yield a photo in each way in which copies come about, with its objects (m,) and their ``rows``.

    Saved as JPEG at quality 30 to 95; resized by 0.5 to 2; mirrored; brightness by 0.7 to 1.3 and each color
    by 0.85 to 1.15; turned by 3 to 10 degrees; and boxes with 5 to 20 % of a side cut off.
    """
    quality = int(random.integers(30, 96))
    yield PlantedPicture(
        "jpeg", _bytes(image.pixels, "JPEG", quality), ".jpg", rows, objects.xyxy, tuple(objects.mask)
    )
    for kind, change in _CHANGES.items():
        if (planted := _planted(kind, change(image.pixels, random), objects, rows)) is not None:
            yield planted
    trimmed = np.array([_trimmed(box, random) for box in objects.xyxy])
    yield PlantedPicture("cropped", _bytes(image.pixels, "BMP"), ".bmp", rows, trimmed, tuple(objects.mask))


def changed_photos(pixels: Pixels, random: Random) -> Iterator[tuple[str, Pixels]]:
    """Yield a whole photo in each of the ways of :func:`copies_of`; cut is the photo itself, not a box."""
    with PIL.Image.open(io.BytesIO(_bytes(pixels, "JPEG", int(random.integers(30, 96))))) as saved:
        yield "jpeg", np.asarray(saved)
    for kind, change in _CHANGES.items():
        yield kind, change(pixels, random).pixels
    height, width = pixels.shape[:2]
    frame = _trimmed(np.array([0, 0, width, height], np.float32), random)
    left, top, right, bottom = whole_pixels(frame, (width, height))
    yield "cropped", pixels[top:bottom, left:right]


def strangers_of(
    image: Image, objects: Objects, rows: NDArray[np.int64], random: Random
) -> Iterator[PlantedPicture]:
    """Yield what is no object: noise in the objects' places, boxes beside them, boxes of the background.

    A shifted box is moved by 0.6 to 1 of its own size, one of the background is where objects cover a tenth
    of it at most; masks move along.
    """
    noisy = image.pixels.copy()
    for box in objects.xyxy:
        left, top, right, bottom = whole_pixels(box, (image.width, image.height))
        noisy[top:bottom, left:right] = random.integers(0, 256, (bottom - top, right - left, 3), np.uint8)
    yield PlantedPicture("noise", _bytes(noisy, "BMP"), ".bmp", rows, objects.xyxy, tuple(objects.mask))
    data = _bytes(image.pixels, "BMP")
    for kind, move in (("shifted box", _shift), ("background", _to_background)):
        moved = [move(box, objects.xyxy, (image.width, image.height), random) for box in objects.xyxy]
        kept = [number for number, offset in enumerate(moved) if offset is not None]
        if not kept:
            continue
        offsets = np.array([moved[number] for number in kept])
        boxes = objects.xyxy[kept] + np.hstack([offsets, offsets]).astype(np.float32)
        masks = tuple(
            _shifted_mask(objects.mask[number], offset) for number, offset in zip(kept, offsets, strict=True)
        )
        yield PlantedPicture(kind, data, ".bmp", rows[kept], boxes, masks)


def drawn_strangers(count: int, seed: int) -> Iterator[PlantedPicture]:
    """Yield pictures of the drawn world with at least ``count`` objects in all."""
    number = 0
    while count > 0:
        scene = draw_scene(seed, number)
        rows = np.full(len(scene.xyxy), NO_OBJECT)
        masks = tuple(encode(mask) for mask in scene.masks)
        yield PlantedPicture("drawn world", _bytes(scene.pixels, "BMP"), ".bmp", rows, scene.xyxy, masks)
        count, number = count - len(rows), number + 1


# ------------------------------------------------------------------------------------- changes of a photo


def _resized(pixels: Pixels, random: Random) -> _Changed:
    height, width = pixels.shape[:2]
    largest = (LARGEST_PIXELS / (height * width)) ** 0.5
    factor = min(float(np.exp(random.uniform(np.log(0.5), np.log(2)))), max(largest, 0.5))
    wh = max(1, round(width * factor)), max(1, round(height * factor))
    scale = np.array([wh[0] / width, wh[1] / height] * 2, np.float32)
    return _Changed(
        np.asarray(PIL.Image.fromarray(pixels).resize(wh, PIL.Image.Resampling.BICUBIC)),
        lambda box: box * scale,
        lambda mask: np.asarray(PIL.Image.fromarray(mask).resize(wh, PIL.Image.Resampling.NEAREST)),
    )


def _mirrored(pixels: Pixels, random: Random) -> _Changed:
    width = pixels.shape[1]
    return _Changed(
        pixels[:, ::-1],
        lambda box: np.stack([width - box[2], box[1], width - box[0], box[3]]),
        lambda mask: mask[:, ::-1],
    )


def _recolored(pixels: Pixels, random: Random) -> _Changed:
    gains = random.uniform(0.7, 1.3) * random.uniform(0.85, 1.15, 3)
    changed = np.clip(np.rint(pixels * gains), 0, 255).astype(np.uint8)
    return _Changed(changed, lambda box: box, lambda mask: mask)


def _turned(pixels: Pixels, random: Random) -> _Changed:
    degrees = float(random.uniform(3, 10) * random.choice([-1, 1]))
    height, width = pixels.shape[:2]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    middle = np.array([width, height]) / 2

    def turn_box(box: Float32) -> Float32:
        corners = np.array([[x, y] for x in box[::2] for y in box[1::2]]) - middle
        turned = corners @ np.array([[cosine, -sine], [sine, cosine]]) + middle
        return np.concatenate([turned.min(0), turned.max(0)]).astype(np.float32)

    return _Changed(
        np.asarray(PIL.Image.fromarray(pixels).rotate(degrees, PIL.Image.Resampling.BICUBIC)),
        turn_box,
        lambda mask: np.asarray(PIL.Image.fromarray(mask).rotate(degrees)),
    )


_CHANGES: Mapping[str, Callable[[Pixels, Random], _Changed]] = {
    "resized": _resized,
    "flipped": _mirrored,
    "recolored": _recolored,
    "rotated": _turned,
}

#: The kinds of copies.
COPIES = ("jpeg", *_CHANGES, "cropped")


def _planted(
    kind: str, changed: _Changed, objects: Objects, rows: NDArray[np.int64]
) -> PlantedPicture | None:
    """Return the objects in a changed photo; those of which nothing is left are left out."""
    height, width = changed.pixels.shape[:2]
    kept, boxes, masks = [], [], []
    for number, (box, mask) in enumerate(zip(objects.xyxy, objects.mask, strict=True)):
        new = None if mask is None else encode(changed.mask(decode(mask)))
        # The box of a turned mask is tight, that of a turned box is not.
        place = changed.box(box) if new is None or kind != "rotated" else mask_box(new)
        place = clip(np.asarray(place, np.float32)[None], (width, height))[0]
        if area(place[None])[0] >= 1 and (new is None or mask_area(new)):
            kept.append(number)
            boxes.append(place)
            masks.append(new)
    if not kept:
        return None
    return PlantedPicture(
        kind, _bytes(changed.pixels, "BMP"), ".bmp", rows[kept], np.array(boxes), tuple(masks)
    )


def _trimmed(box: Float32, random: Random) -> Float32:
    """Return a box without 5 to 20 % of its width and height, on random sides."""
    sides = (box[2:] - box[:2]) * random.uniform(0.05, 0.2, 2)
    share = random.random(2)
    return np.concatenate([box[:2] + sides * share, box[2:] - sides * (1 - share)]).astype(np.float32)


# ----------------------------------------------------------------------------------------- wrong boxes


def _shift(box: Float32, others: Float32, wh: tuple[int, int], random: Random) -> NDArray[np.float64] | None:
    """Return how far a box is moved beside its object, so that it stays in the picture; None for nowhere."""
    size = box[2:] - box[:2]
    for _ in range(_TRIES):
        angle = random.uniform(0, 2 * np.pi)
        offset: NDArray[np.float64] = np.rint(random.uniform(0.6, 1) * size * [np.cos(angle), np.sin(angle)])
        if _inside(box, offset, wh) and np.abs(offset / size).max() >= 0.4:
            return offset
    return None


def _to_background(
    box: Float32, others: Float32, wh: tuple[int, int], random: Random
) -> NDArray[np.float64] | None:
    """Return how far a box is moved to where there are hardly any objects; None for nowhere."""
    room = np.array(wh) - (box[2:] - box[:2])
    for _ in range(_TRIES):
        offset: NDArray[np.float64] = np.rint(random.uniform(0, 1, 2) * room - box[:2])
        moved = (box + np.tile(offset, 2)).astype(np.float32)
        if _inside(box, offset, wh) and _covered(moved, others) <= _COVERED:
            return offset
    return None


def _inside(box: Float32, offset: NDArray[np.float64], wh: tuple[int, int]) -> bool:
    moved = box + np.tile(offset, 2)
    return bool((moved[:2] >= 0).all() and (moved[2:] <= np.array(wh)).all())


def _covered(box: Float32, others: Float32) -> float:
    """Return the largest share of a box that another box covers."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(1)
    return float(shared.max(initial=0) / (box[2:] - box[:2]).prod())


def _shifted_mask(mask: Mask | None, offset: NDArray[np.float64]) -> Mask | None:
    """Return a mask moved by whole pixels; its object's box stays inside, so that nothing is lost."""
    if mask is None:
        return None
    x, y = (int(part) for part in offset)
    return encode(np.roll(decode(mask), (y, x), (0, 1)))


def _bytes(pixels: Pixels, form: str, quality: int = 95) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(stream, form, quality=quality)
    return stream.getvalue()
