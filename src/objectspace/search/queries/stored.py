"""What a store holds: a photo known by its content, an object by a point or a box, how a network loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.spaces import Recipe, model_key
from objectspace.errors import QueryError
from objectspace.files import content_id
from objectspace.images import read_file
from objectspace.objects.boxes import area, clip, iou
from objectspace.objects.masks import decode_box, mask_area
from objectspace.objects.records import Objects, no_objects
from objectspace.search import Queries
from objectspace.search.space_objects import no_vector_text
from objectspace.store import ImageRow, Store

#: Boxes that overlap at least so much (IoU) are boxes of one object.
SAME_OBJECT = 0.9

Point = tuple[float, float]
Box = tuple[float, float, float, float]


def stored_image(store: Store, image_path: Path | str) -> ImageRow | None:
    """Return the row of a photo in the store, None where the store does not hold it.

    image_path: a file, known by its content; or, where there is no such file, the end of the path of one
        stored photo, such as its name
    Raises ImageError for a file that cannot be read, QueryError for the end of several photos' paths.
    """
    path = Path(image_path)
    if not path.exists():
        ending = f"/{image_path}"
        named = [row for row in store.images() if f"/{row.path}".endswith(ending)]
        if len(named) > 1:
            paths = ", ".join(row.path for row in named[:5])
            more = f" and {len(named) - 5} more" if len(named) > 5 else ""
            raise QueryError(f"{image_path} is the end of {len(named)} paths: {paths}{more}; give more of it")
        if named:
            return named[0]
    image_id = content_id(read_file(path))
    return store.images_by_id([image_id]).get(image_id)


def image_file(store: Store, image_path: Path | str) -> Path:
    """Return the file of a photo: the path itself, or that of the one stored photo whose path ends in it."""
    if Path(image_path).exists() or (image := stored_image(store, image_path)) is None:
        return Path(image_path)
    return Path(image.path)


def stored_objects_of(store: Store, image_path: Path | str) -> Objects:
    """Return the stored objects of a photo; none where the store does not hold it."""
    image = stored_image(store, image_path)
    return no_objects() if image is None else store.objects_of_images([image.image_id])


def by_distance(objects: Objects, point: Point) -> Objects:
    """Return the objects of one image, those whose boxes lie nearest to a point (x, y) first."""
    x1, y1, x2, y2 = objects.xyxy.astype(np.float64).T
    beside = np.maximum(np.maximum(x1 - point[0], point[0] - x2), 0)
    above = np.maximum(np.maximum(y1 - point[1], point[1] - y2), 0)
    return objects.take(np.argsort(np.hypot(beside, above), kind="stable"))


def objects_landed_on(
    store: Store, image_path: Path | str, *, point: Point | None = None, box: Box | None = None
) -> Objects:
    """Return the stored object that a point or a box on a photo is, first; none where it is no stored one.

    A point is the smallest object whose mask, or else box, holds it; a box the object whose box overlaps most
    with it, by IoU of SAME_OBJECT at least. After it come the objects whose boxes overlap as much with its
    own: the same thing, found by others. Raises ImageError, QueryError for a point outside a stored photo.
    """
    image = stored_image(store, image_path)
    if image is None:
        return no_objects()
    objects = store.objects_of_images([image.image_id])
    if point is not None:
        check_inside(point, (image.width, image.height), image.path)
        row = object_at(objects, point)
        return no_objects() if row is None else objects.take(same_objects(objects, row))
    return objects.take(_overlapping(objects, clip(np.array([box], np.float32), (image.width, image.height))))


def landed_queries(
    store: Store, image_path: Path | str, space: str, *, point: Point | None = None, box: Box | None = None
) -> Queries | None:
    """Return the stored object that a point or a box on a photo is as one query; None where it is none.

    Raises QueryError, which names the spaces that hold it, where ``space`` does not.
    """
    landed = objects_landed_on(store, image_path, point=point, box=box)
    if not len(landed):
        return None
    vectors = store.stored_space(space).vectors
    rows = vectors.rows(landed.object_id)
    held = np.flatnonzero(rows >= 0)[:1]
    if not len(held):
        missing = no_vector_text(store, str(landed.object_id[0]), space)
        place = "{:g},{:g}".format(*point) if point is not None else "the box"
        raise QueryError(f"{place} of {image_path} is a stored {landed.label[0]}: {missing}; new= asks anew")
    objects = landed.take(held)
    images = tuple(image.path for image in store.images_of(objects))
    return Queries(objects, vectors[rows[held]], images, stored=True, point=point, box=box)


def same_objects(objects: Objects, row: int) -> NDArray[np.int64]:
    """Return the rows of one image's objects that are the same thing as one of them, which is the first."""
    found = _overlapping(objects, objects.xyxy[[row]])
    return np.concatenate([[row], found[found != row]])


def _overlapping(objects: Objects, box: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rows of objects whose boxes are the same as a box (1, 4), best first."""
    overlap = iou(box, objects.xyxy)[0]
    order = np.argsort(-overlap, kind="stable")
    rows: NDArray[np.int64] = order[overlap[order] >= SAME_OBJECT]
    return rows


def object_at(objects: Objects, point: Point) -> int | None:
    """Return the row of the smallest of one image's objects whose mask, or else box, holds a point (x, y).

    A mask's size is its pixels, a box's its area. A box holds its left and upper edges. None where no object
    holds the point.
    """
    x, y = point
    boxes = objects.xyxy
    inside = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
    sizes = area(boxes).astype(np.float64)
    for row in np.flatnonzero(inside):
        mask = objects.mask[row]
        if mask is not None:
            left, top = int(x), int(y)
            inside[row] = decode_box(mask, (left, top, left + 1, top + 1)).any()
            sizes[row] = mask_area(mask)
    holding = np.flatnonzero(inside)
    return int(holding[np.argmin(sizes[holding])]) if len(holding) else None


def check_inside(point: Point, image_wh: tuple[int, int], image_path: str) -> None:
    """Raise QueryError for a point outside an image of some width and height."""
    (x, y), (width, height) = point, image_wh
    if not (0 <= x < width and 0 <= y < height):
        raise QueryError(
            f"point {x:g},{y:g} is outside {image_path}, which is {width} x {height}; give x,y in its pixels"
        )


def loading_arguments(store: Store, recipe: Recipe) -> Mapping[str, Any]:
    """Return the arguments that loaded the network of a recipe; empty where the store does not know them."""
    return store.models.get(model_key(recipe.model, recipe.weights), {})
