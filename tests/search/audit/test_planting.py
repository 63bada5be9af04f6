"""Planted pictures of a sample: of each photo with its own objects, and told one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from objectspace.images import Image, read_image
from objectspace.objects.records import Objects, concatenate, make_objects
from objectspace.search.audit.planting import Sample, planted_pictures
from objectspace.search.audit.plants import PlantedPicture


def told(
    image: Image, objects: Objects, rows: np.ndarray, random: np.random.Generator
) -> Iterator[PlantedPicture]:
    """A picture that says of which photo and rows it is."""
    yield PlantedPicture(
        f"{image.width} {objects.label.tolist()}", b"", ".bmp", rows, objects.xyxy, tuple(objects.mask)
    )


def test_each_photo_is_planted_with_its_objects_and_reported_once(tmp_path: Path) -> None:
    paths, objects, labels = {}, [], [["a", "b"], ["c"], ["d", "e", "f"]]
    for number, own in enumerate(labels):
        path = tmp_path / f"{number}.png"
        PIL.Image.new("RGB", (20 + number, 20)).save(path)
        image_id = read_image(path).image_id
        paths[image_id] = str(path)
        boxes = np.float32([[one, 0, one + 5, 5] for one in range(len(own))])
        objects.append(make_objects(image_id=image_id, xyxy=boxes, label=own, source="hand@1"))
    sample = Sample(np.array([9, 4, 7, 1, 0, 8]), concatenate(objects), paths)
    done: list[int] = []
    pictures = list(planted_pictures(sample, told, drawn=0, seed=0, progress=done.append))
    assert [one.kind for one in pictures] == ["20 ['a', 'b']", "21 ['c']", "22 ['d', 'e', 'f']"]
    assert [one.row.tolist() for one in pictures] == [[9, 4], [7], [1, 0, 8]]
    assert done == [1, 1, 1]
