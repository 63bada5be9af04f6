"""Where an object is, in the photo and in the window that its vector was cut from.

*Place* is where the window lies in the detector's map, *phase* where the box's center lies in the window.
Together they are the object's position; a vector can hold the one without the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_values import factor_column
from objectspace.embeddings.spaces import Recipe
from objectspace.errors import InputError
from objectspace.objects.boxes import Frame, centers, first_cells, recipe_frame
from objectspace.objects.records import Objects
from objectspace.store import Store

Float64 = NDArray[np.float64]

#: The names of the phase across and down, as factors.
PHASES = ("phase_x", "phase_y")


@dataclass(frozen=True, slots=True, eq=False)
class Whereabouts:
    """Of each object (n, 2), across and down, in cells of the map that its window was cut from.

    phase: the box's center less the window's, from -0.5 to 0.5; farther only where a detector found the
        object from another cell than the one that holds its center
    place: the window's center, 0 at the map's left (upper) edge
    """

    phase: Float64
    place: Float64


def window_whereabouts(store: Store, name: str, objects: Objects) -> Whereabouts | None:
    """Phase and place of a space's objects, row for row; None for a space that is not of windows.

    Raises InputError for a space whose recipe does not say how photos were laid on the detector's input.
    """
    recipe = store.recipe(name)
    if recipe.route != "window" or recipe.window is None or recipe.stride is None:
        return None
    sizes = {row.image_id: (row.width, row.height) for row in store.images()}
    frames = {
        image_id: space_frame(recipe, name, sizes[image_id]) for image_id in set(objects.image_id.tolist())
    }
    boxes = np.concatenate(
        [
            frames[image_id].to_input(box[None])
            for image_id, box in zip(objects.image_id, objects.xyxy, strict=True)
        ]
    )
    cells = store.cells(name)
    middle = (centers(boxes) / recipe.stride).astype(np.float32)
    cell = np.column_stack([cells["cell_x"], cells["cell_y"]])
    place = first_cells(cell, middle, recipe.window) + recipe.window / 2
    return Whereabouts(middle.astype(np.float64) - place, place.astype(np.float64))


def numeric_factor(objects: Objects, where: Whereabouts | None, name: str) -> Float64:
    """A factor's column (n,): ``phase_x`` and ``phase_y`` of ``where``, else one that the objects have.

    Raises InputError for an unknown name, for a phase of objects that are not in windows, and for a factor
    that is not a number for every object.
    """
    if name in PHASES:
        if where is None:
            raise InputError(f"factor {name} is of windows of a detector's map, and this space is of crops")
        return where.phase[:, PHASES.index(name)]
    values = factor_column(objects, name)
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise InputError(f"factor {name} is not a number for every object")
    return values.astype(np.float64)


def space_frame(recipe: Recipe, name: str, image_wh: tuple[int, int]) -> Frame:
    """How a photo lay on the input of the network that a space was cut from.

    Raises InputError for a recipe that does not say.
    """
    try:
        return recipe_frame(recipe.preprocessing, image_wh)
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"the recipe of space {name} does not say how photos lie on the detector's input"
        ) from None
