"""A scene's objects as entries of a COCO annotation file, their factors as attributes."""

from __future__ import annotations

from typing import Any

from objectspace.objects.masks import encode
from objectspace.scenes.scene import Scene


def coco_annotation(
    scene: Scene, number: int, *, annotation_id: int, image_id: int, category_id: int
) -> dict[str, Any]:
    """Return object ``number`` of a scene in COCO's form, its ``segmentation`` the pixels that show it."""
    left, top, right, bottom = scene.xyxy[number].tolist()
    mask = encode(scene.masks[number])
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [left, top, right - left, bottom - top],
        "area": int(scene.masks[number].sum()),
        "segmentation": {"size": [mask.height, mask.width], "counts": mask.counts.decode()},
        "iscrowd": 0,
        "attributes": {name: column.tolist()[number] for name, column in scene.factors.items()},
    }
