"""Crops of some objects in each of the three views of a context measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.context import Views
from objectspace.embeddings.crops import CropPolicy, cut_crops
from objectspace.images import read_image
from objectspace.objects.boxes import area

#: Pixels a side of a picture.
SIDE = 128


@dataclass(frozen=True, slots=True, eq=False)
class ViewedObject:
    """One object: crops (s, s, 3) uint8 of the object alone, with its surroundings, of these alone."""

    label: str
    alone: NDArray[np.uint8]
    both: NDArray[np.uint8]
    around: NDArray[np.uint8]

    def __repr__(self) -> str:
        return f"ViewedObject({self.label}, {len(self.alone)} pixels a side)"


def cut_views(views: Views, paths: Mapping[str, str], *, count: int = 9) -> list[ViewedObject]:
    """Cut the object of median size of each of the most frequent labels, as the three spaces did.

    ``paths``: the file of each image, by its id. Raises ImageError for a photo that is gone or was replaced.
    """
    pictures = []
    for row in _typical(views, count):
        one = views.objects.take([row])
        image_id = str(one.image_id[0])
        image = read_image(paths[image_id], image_id=image_id)
        crops = [
            cut_crops(image, one, CropPolicy.from_json(dict(space.recipe.crop or {})), SIDE)[0]
            for space in (views.alone, views.both, views.around)
        ]
        pictures.append(ViewedObject(one.label[0], *crops))
    return pictures


def _typical(views: Views, count: int) -> list[int]:
    """Return the rows of the objects of median size, label by label, the most frequent first."""
    labels, number = np.unique(views.objects.label.astype(str), return_counts=True)
    frequent = labels[np.lexsort((labels, -number))][:count]
    size = area(views.objects.xyxy)
    rows = [np.flatnonzero(views.objects.label == label) for label in frequent]
    return [int(own[np.argsort(size[own], kind="stable")[len(own) // 2]]) for own in rows]
