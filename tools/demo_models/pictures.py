"""Pictures of the drawn world, kept as arrays on disk so that training reads them at memory speed.

A folder holds ``pixels.npy`` (n, 416, 416, 3) uint8, ``objects.npz`` (what is where) and ``crops.bin``
(2 m, 96, 96, 3) uint8: each object as the crop route sees it, first by its mask, then by its box alone.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.images import Image
from objectspace.models.encoders.demo_encoder import INPUT_SIZE
from objectspace.objects import masks
from objectspace.objects.records import make_objects
from objectspace.scenes.world import KINDS, draw_scene

SIDE = 416

#: How far a detector's box may lie from the true one: shift of the center and change of each side, as
#: fractions of the side (standard deviations). Two thirds of such boxes overlap the truth by 0.8 or more.
JITTER = 0.05

_PICTURES_A_TASK = 25

#: Seed, first picture, the one after the last, jitter.
_Task = tuple[int, int, int, float]


@dataclass(frozen=True)
class Pictures:
    """Drawn pictures and their objects.

    pixels: (n, 416, 416, 3) uint8
    picture: (m,) the picture of each object; kind: (m,) its number in KINDS; xyxy: (m, 4) float32
    crops: (2 m, 96, 96, 3) uint8: row 2 i is object i by its mask on black, row 2 i + 1 by its box
    """

    pixels: NDArray[np.uint8]
    picture: NDArray[np.int64]
    kind: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    crops: NDArray[np.uint8]


def load_pictures(folder: Path, seed: int, count: int, *, jitter: float = 0.0) -> Pictures:
    """The world's first ``count`` pictures of a seed, drawn once and then mapped from ``folder``.

    ``jitter`` moves the boxes by which crops are cut; the boxes in ``xyxy`` are always the true ones.
    """
    place = folder / f"world-{seed}-{count}"
    if not place.exists():
        # The folder gets its name when it is whole, so that a drawing that was stopped starts anew.
        unfinished = place.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _draw(unfinished, seed, count, jitter)
        unfinished.rename(place)
    objects = np.load(place / "objects.npz")
    pixels = np.load(place / "pixels.npy", mmap_mode="r")
    crops = np.memmap(place / "crops.bin", np.uint8, "r").reshape(-1, INPUT_SIZE, INPUT_SIZE, 3)
    return Pictures(pixels, objects["picture"], objects["kind"], objects["xyxy"], crops)


def _draw(place: Path, seed: int, count: int, jitter: float) -> None:
    pixels = np.lib.format.open_memmap(place / "pixels.npy", "w+", np.uint8, (count, SIDE, SIDE, 3))
    picture, kind, xyxy = [], [], []
    starts = range(0, count, _PICTURES_A_TASK)
    tasks = [(seed, start, min(start + _PICTURES_A_TASK, count), jitter) for start in starts]
    with (place / "crops.bin").open("wb") as crops:
        for index, drawn in _in_parallel(tasks):
            pixels[index] = drawn.pixels
            crops.write(drawn.crops.tobytes())
            picture.append(np.full(len(drawn.kind), index))
            kind.append(drawn.kind)
            xyxy.append(drawn.xyxy)
    pixels.flush()
    np.savez(
        place / "objects.npz",
        picture=np.concatenate(picture),
        kind=np.concatenate(kind),
        xyxy=np.concatenate(xyxy),
    )


def _in_parallel(tasks: Sequence[_Task]) -> Iterator[tuple[int, _Drawn]]:
    """The pictures of all tasks in order, drawn by as many processes as there are cores."""
    if len(tasks) == 1:  # not worth starting any
        yield from _draw_task(tasks[0])
        return
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), _use_one_thread) as pool:
        for part in pool.imap(_draw_task, tasks):
            yield from part


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@dataclass(frozen=True)
class _Drawn:
    pixels: NDArray[np.uint8]
    kind: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    crops: NDArray[np.uint8]


def _draw_task(task: _Task) -> list[tuple[int, _Drawn]]:
    seed, start, stop, jitter = task
    return list(_pictures(seed, range(start, stop), jitter))


def _pictures(seed: int, numbers: range, jitter: float) -> Iterator[tuple[int, _Drawn]]:
    for index in numbers:
        scene = draw_scene(seed, index)
        name = f"{seed}-{index}"
        image = Image(name, name, scene.pixels, SIDE, SIDE)
        mask = [masks.encode(pixels) for pixels in scene.masks]
        boxes = jittered(scene.xyxy, jitter, np.random.default_rng((seed, index)))
        crops = np.empty((2 * len(mask), INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
        for row, label in enumerate(scene.kinds):
            for offset, box, shape in ((0, scene.xyxy[row], mask[row]), (1, boxes[row], None)):
                one = make_objects(image_id=name, xyxy=box[None], label=[label], source="world", mask=[shape])
                crops[2 * row + offset] = cut_crops(image, one, CropPolicy(), INPUT_SIZE)[0]
        kind = np.array([KINDS.index(label) for label in scene.kinds], np.int64)
        yield index, _Drawn(scene.pixels, kind, np.asarray(scene.xyxy, np.float32), crops)


def jittered(xyxy: NDArray[np.float32], amount: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Boxes (n, 4) moved and scaled at random by ``amount`` of their sides, kept inside the picture."""
    center, side = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
    noise = generator.normal(0, amount, (2, len(xyxy), 2)).clip(-2 * amount, 2 * amount)
    center, side = center + noise[0] * side, side * np.exp(noise[1])
    moved = np.concatenate([center - side / 2, center + side / 2], axis=1)
    return moved.clip(0, SIDE).astype(np.float32)
