"""Varied pictures as files: PNG pictures and one COCO annotation file, which ``objectspace index`` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.files import atomic_path, names_in
from objectspace.images import Image, Pixels
from objectspace.objects.records import Mask
from objectspace.scenes.coco_entries import coco_annotation
from objectspace.scenes.scene import Scene
from objectspace.scenes.variation import (
    Cutout,
    Factor,
    cut_out,
    draw_background,
    object_pixels,
    picture_size,
    resized,
    vary,
)

ANNOTATIONS = "annotations.json"
_PICTURE = re.compile(r"\d{5,}\.png")


@typed
def draw_variation(
    image: Image,
    xyxy: NDArray[np.float32],
    mask: Mask | None,
    label: str,
    factor: Factor,
    folder: Path | str,
    *,
    backgrounds: Sequence[str] = ("black",),
    steps: int = 16,
    size: float | None = None,
) -> list[Path]:
    """Cut one object out of a photo, write the pictures in which one factor varies, and return their paths.

    image: the photo, with all its pixels; xyxy (4,) and mask: the object in it
    backgrounds: see :func:`objectspace.scenes.variation.draw_background`; factors and steps: see ``vary``
    size: the object's longer side as a share of the picture's shorter one; None: as it is in the photo
    Raises InputError as ``vary`` and for two backgrounds of one file name, ImageError for one that cannot be
    read.

    >>> one = store.objects_of_images([image.image_id])
    >>> box, mask = one.xyxy[0], one.mask[0]
    >>> written = osp.draw_variation(image, box, mask, "couch", "angle", "turned", steps=2)
    >>> [path.name for path in written]
    ['00001.png', '00002.png']
    """
    width, height = picture_size(image.width, image.height)
    cutout = cut_out(image, xyxy, mask, label)
    cutout = resized(
        cutout, width / image.width if size is None else _scale(cutout, size, min(width, height))
    )
    hole = object_pixels(image, xyxy, mask)
    grounds: dict[str, Pixels] = {}
    for name in backgrounds:
        short = Path(name).name
        if short in grounds:
            raise InputError(f"background {name}: another background is called {short}, too; rename one")
        grounds[short] = draw_background(image, hole, name)
    return write_scenes(Path(folder), vary(cutout, grounds, factor, steps=steps))


def _scale(cutout: Cutout, size: float, shorter: int) -> float:
    if not 0 < size <= 1:
        raise InputError(f"size {size:g} is not a share of the picture's shorter side, expected above 0 to 1")
    longer: int = max(cutout.alpha.shape)
    return size * shorter / longer


def write_scenes(folder: Path, scenes: Iterable[Scene]) -> list[Path]:
    """Write pictures of one object each into ``folder`` with their annotations, and return their paths.

    Pictures are lossless; factors are the annotations' attributes. The folder appears when everything is in
    it, and then replaces one of earlier pictures. Raises InputError for a folder that holds something else,
    and for one that cannot be written.
    """
    names = names_in(folder)
    # Only what this function wrote is replaced, so that nothing else is lost with it.
    if names and not (ANNOTATIONS in names and all(map(_PICTURE.fullmatch, names - {ANNOTATIONS}))):
        raise InputError(f"{folder} exists and holds no varied pictures; give the store another name")
    with atomic_path(folder, replaces_folder=True) as temporary:
        temporary.mkdir()
        written = _write_files(temporary, scenes)
    return [folder / name for name in written]


def _write_files(folder: Path, scenes: Iterable[Scene]) -> list[str]:
    """Write the pictures and their annotations; return the file names."""
    labels: dict[str, int] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, start=1):
        name = f"{number:05d}.png"
        PIL.Image.fromarray(scene.pixels).save(folder / name, compress_level=1)
        height, width = scene.pixels.shape[:2]
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        category = labels.setdefault(scene.kinds[0], len(labels) + 1)
        annotations.append(
            coco_annotation(scene, 0, annotation_id=number, image_id=number, category_id=category)
        )
    categories = [{"id": number, "name": label} for label, number in labels.items()]
    document = {"categories": categories, "images": images, "annotations": annotations}
    (folder / ANNOTATIONS).write_text(json.dumps(document), encoding="utf-8")
    return [image["file_name"] for image in images]
