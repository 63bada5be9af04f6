"""Varied pictures as files: PNG pictures and one COCO annotation file, which ``objectspace index`` reads."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.errors import InputError
from objectspace.images import Image
from objectspace.objects.records import Mask
from objectspace.scenes.coco import coco_annotation
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
from objectspace.scenes.world import Scene

ANNOTATIONS = "annotations.json"
_PICTURE = re.compile(r"\d{5,}\.png")


def draw_variation(
    image: Image,
    xyxy: NDArray[np.float32],
    mask: Mask | None,
    label: str,
    factor: Factor,
    folder: Path,
    *,
    backgrounds: Sequence[str] = ("black",),
    steps: int = 16,
    size: float | None = None,
) -> list[Path]:
    """Cut one object out of a photo and write the pictures in which one factor of it varies; their paths.

    image: the photo, with all its pixels; xyxy (4,) and mask: the object in it
    backgrounds: see :func:`objectspace.scenes.variation.draw_background`; factors and steps: see ``vary``
    size: the object's longer side as a share of the picture's shorter one; None: as it is in the photo
    Raises InputError as ``vary``, and ImageError for a background that cannot be read.
    """
    width, height = picture_size(image)
    cutout = cut_out(image, xyxy, mask, label)
    cutout = resized(
        cutout, width / image.width if size is None else _scale(cutout, size, min(width, height))
    )
    hole = object_pixels(image, xyxy, mask)
    grounds = {Path(name).name: draw_background(image, hole, name) for name in backgrounds}
    return write_scenes(folder, vary(cutout, grounds, factor, steps=steps))


def _scale(cutout: Cutout, size: float, shorter: int) -> float:
    if not 0 < size <= 1:
        raise InputError(f"size {size:g} is not a share of the picture's shorter side, expected above 0 to 1")
    longer: int = max(cutout.alpha.shape)
    return size * shorter / longer


def write_scenes(folder: Path, scenes: Iterable[Scene]) -> list[Path]:
    """Write pictures of one object each into ``folder``, made anew, with the truth beside them; their paths.

    Pictures are lossless; factors are the annotations' attributes. A folder of earlier pictures is replaced.
    Raises InputError for a folder that holds something else.
    """
    if folder.exists() and not _holds_only_pictures(folder):
        raise InputError(f"{folder} exists and holds no varied pictures; give the store another name")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return _write_files(folder, scenes)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None


def _holds_only_pictures(folder: Path) -> bool:
    """Whether a folder is one that :func:`write_scenes` made, so that nothing else is lost with it."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return ANNOTATIONS in names and all(_PICTURE.fullmatch(name) for name in names - {ANNOTATIONS})


def _write_files(folder: Path, scenes: Iterable[Scene]) -> list[Path]:
    labels: dict[str, int] = {}
    paths: list[Path] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, start=1):
        path = folder / f"{number:05d}.png"
        PIL.Image.fromarray(scene.pixels).save(path, compress_level=1)
        paths.append(path)
        height, width = scene.pixels.shape[:2]
        images.append({"id": number, "file_name": path.name, "width": width, "height": height})
        category = labels.setdefault(scene.kinds[0], len(labels) + 1)
        annotations.append(
            coco_annotation(scene, 0, annotation_id=number, image_id=number, category_id=category)
        )
    categories = [{"id": number, "name": label} for label, number in labels.items()]
    document = {"categories": categories, "images": images, "annotations": annotations}
    (folder / ANNOTATIONS).write_text(json.dumps(document), encoding="utf-8")
    return paths
