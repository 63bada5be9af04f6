"""The world as files: PNG pictures and one COCO annotation file, which other tools read as well."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import PIL.Image

from objectspace.arguments import typed
from objectspace.errors import InputError
from objectspace.files import atomic_path, names_in
from objectspace.scenes.coco_entries import coco_annotation
from objectspace.scenes.scene import Scene
from objectspace.scenes.world import KINDS, SIZE, draw_scene
from objectspace.threads import work_ahead, worker_count

PICTURES, ANNOTATIONS = "images", "annotations.json"

# COCO's own numbers of these categories.
CATEGORY_IDS = dict(zip(KINDS, (1, 62, 63, 64, 17, 18, 5, 53), strict=True))


@typed
def write_world(
    folder: Path | str, *, count: int, seed: int, progress: Callable[[int], None] = lambda pictures: None
) -> int:
    """Draw pictures into ``folder``/images and the truth about them into ``folder``/annotations.json.

    Pictures are lossless; picture i is the same in a world of any size with this seed. The folder appears
    when everything is in it. ``progress`` is called with the number of pictures that were finished since.
    Returns how many objects there are. Raises InputError for a count or seed that is no such number, for
    a folder that exists and holds something, and for one that cannot be written.

    >>> osp.write_world("two", count=2, seed=7)
    5
    """
    if count < 1:
        raise InputError(f"a world of {count} pictures cannot be drawn; ask for one at least")
    if seed < 0:
        raise InputError(f"seed {seed} is negative; give a number from 0 upwards")
    folder = Path(folder)
    if names_in(folder):  # raises for a file
        raise InputError(f"{folder} exists already; give a new folder, or remove it first")
    with atomic_path(folder, replaces_folder=True) as temporary:
        return _write_files(temporary, count, seed, progress)


def _write_files(folder: Path, count: int, seed: int, progress: Callable[[int], None]) -> int:
    (folder / PICTURES).mkdir(parents=True)

    def draw(index: int) -> tuple[int, Scene]:
        scene = draw_scene(seed, index)
        name = folder / PICTURES / _file_name(index)
        PIL.Image.fromarray(scene.pixels).save(name, compress_level=1)
        return index, scene

    annotations: list[Mapping[str, Any]] = []
    # Closed, so that no thread still draws into the folder when it is removed after Ctrl-C.
    with closing(work_ahead(range(count), draw, workers=worker_count(), ahead=4 * worker_count())) as drawn:
        for index, scene in drawn:
            annotations += _annotations(scene, index, first_id=len(annotations) + 1)
            progress(1)
    document = {
        "info": {"description": f"objectspace world, seed {seed}, {count} pictures"},
        "categories": [{"id": number, "name": kind} for kind, number in CATEGORY_IDS.items()],
        "images": [
            {"id": index + 1, "file_name": _file_name(index), "width": SIZE, "height": SIZE}
            for index in range(count)
        ],
        "annotations": annotations,
    }
    (folder / ANNOTATIONS).write_text(json.dumps(document), encoding="utf-8")
    return len(annotations)


def _file_name(index: int) -> str:
    return f"{index:06d}.png"


def _annotations(scene: Scene, index: int, *, first_id: int) -> list[Mapping[str, Any]]:
    """Return COCO's annotations of one picture; ``companion`` becomes the annotation's id, 0 for none."""
    entries: list[Mapping[str, Any]] = []
    for number, kind in enumerate(scene.kinds):
        entry = coco_annotation(
            scene,
            number,
            annotation_id=first_id + number,
            image_id=index + 1,
            category_id=CATEGORY_IDS[kind],
        )
        companion = entry["attributes"].pop("companion")
        entries.append(entry | {"companion": 0 if companion < 0 else first_id + companion})
    return entries
