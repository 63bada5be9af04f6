"""Grid positions: where an object's window is in the detector's map, and the object in its window.

The docs call the one *place* and the other *phase*. A vector can hold the one without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.analyses.factor_values import factor_column
from objectspace.embeddings.spaces import Recipe, Space
from objectspace.errors import InputError, counted
from objectspace.objects.boxes import Frame, centers, first_cells, recipe_frame
from objectspace.objects.records import Objects

Float64 = NDArray[np.float64]

#: The names of the sub-cell offset across and down, as factors.
PHASES = ("phase_x", "phase_y")


@dataclass(frozen=True, slots=True, eq=False)
class GridPositions:
    """The position of each object (n, 2), across and down, in cells of the map its window was cut from.

    offset: the sub-cell offset, of the box's center from the window's: from -0.5 to 0.5; farther only where a
        detector found the object from another cell than the one that holds its center
    position: the grid position, of the window's center; 0 at the map's left (upper) edge

    >>> two = osp.GridPositions(np.array([[0.25, -0.5], [0, 0]]), np.array([[3.5, 4.5], [0.5, 0.5]]))
    >>> two.take(np.array([0]))
    GridPositions(1 object)
    """

    offset: Float64
    position: Float64

    def __repr__(self) -> str:
        return f"GridPositions({counted(len(self.offset), 'object')})"

    def take(self, rows: NDArray[np.int64]) -> GridPositions:
        """Return the positions of some of the objects."""
        return GridPositions(self.offset[rows], self.position[rows])


def grid_positions(
    space: Space,
    objects: Objects,
    cells: Mapping[str, NDArray[Any]],
    image_wh: Mapping[str, tuple[int, int]],
) -> GridPositions | None:
    """Return the grid positions of a space's objects, row for row; None for a space that is not of windows.

    ``cells`` has ``cell_x`` and ``cell_y`` (n,) of each object; ``image_wh`` the width and height in pixels
    of each image by its id. Raises InputError for a space whose recipe does not say how
    images were laid on the detector's input.
    """
    recipe = space.recipe
    if recipe.route != "window" or recipe.window is None or recipe.stride is None:
        return None
    images = set(objects.image_id.tolist())
    if lacking := sorted(images - image_wh.keys()):
        raise InputError(f"image_wh has no image {lacking[0]}, which an object of space {space.name} is in")
    frames = {image_id: space_frame(recipe, space.name, image_wh[image_id]) for image_id in images}
    boxes = np.concatenate(
        [
            frames[image_id].to_input(box[None])
            for image_id, box in zip(objects.image_id, objects.xyxy, strict=True)
        ]
    )
    center = (centers(boxes) / recipe.stride).astype(np.float32)
    cell = np.column_stack([cells["cell_x"], cells["cell_y"]])
    position = first_cells(cell, center, recipe.window) + recipe.window / 2
    return GridPositions(center.astype(np.float64) - position, position.astype(np.float64))


def numeric_factor(objects: Objects, positions: GridPositions | None, name: str) -> Float64:
    """Return a factor's column (n,): ``phase_x`` or ``phase_y`` of ``positions``, else one of the objects.

    Raises InputError for an unknown name, for a phase of objects that are not in windows, and for a factor
    that is not a number for every object.
    """
    if name in PHASES:
        if positions is None:
            raise InputError(f"factor {name} is of windows of a detector's map, and this space is of crops")
        return positions.offset[:, PHASES.index(name)]
    values = factor_column(objects, name)
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise InputError(f"factor {name} is not a number for every object")
    return values.astype(np.float64)


def space_frame(recipe: Recipe, name: str, image_wh: tuple[int, int]) -> Frame:
    """Return the frame of an image (width, height) on the input of the network that a space was cut from.

    Raises InputError for a recipe without it.
    """
    try:
        return recipe_frame(recipe.preprocessing, image_wh)
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"the recipe of space {name} lacks the position of images on the detector's input"
        ) from None
