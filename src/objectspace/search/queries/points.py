"""Queries from a click on a photo: the object there, or the cell of a detector's map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from objectspace.errors import QueryError
from objectspace.objects.boxes import area
from objectspace.objects.masks import decode_box, mask_area
from objectspace.objects.records import Objects
from objectspace.search import Queries
from objectspace.search.queries.stored import stored_image
from objectspace.store import Store


def query_point(
    store: Store,
    image_path: Path | str,
    space: str,
    point: tuple[float, float],
    *,
    device: str = "cpu",
    confidence: float = 0.25,
) -> Queries:
    """Return what is at a point (x, y) of a photo, in its pixels, as one query.

    In a space of windows: the window around the cell that holds the point, at the space's own head, whatever
    was detected there; its box is the window's part of the photo. In any other space: the smallest object
    whose mask, or else box, holds the point, of those that the store has of the photo in that space; of a
    photo that is not in the store, of those that its detector finds.

    Raises QueryError for a point outside the photo and where no object holds it; ImageError, ModelError and
    RecipeError as :func:`query_image` does.

    >>> x1, y1, x2, y2 = store.objects_of_images([image.image_id]).xyxy[0]
    >>> osp.query_point(store, photos[0], "demo-crop", ((x1 + x2) / 2, (y1 + y2) / 2))
    Queries(1 vector of 1 object, stored=True)
    """
    # Modules of networks are imported by the queries that run one.
    if store.recipe(space).route == "window":
        from objectspace.search.queries.cells import query_cell

        return query_cell(store, image_path, space, point, device=device)
    queries = _stored_objects(store, image_path, space, point)
    if queries is None:
        from objectspace.search.queries.images import query_image

        queries = query_image(store, image_path, space, device=device, confidence=confidence)
    return _smallest(queries, point, str(image_path))


def _stored_objects(
    store: Store, image_path: Path | str, space: str, point: tuple[float, float]
) -> Queries | None:
    """Return the objects of a stored photo that a space holds as queries; None for other photos."""
    image = stored_image(store, image_path)
    if image is None:
        return None
    check_inside(point, (image.width, image.height), image.path)
    objects, vectors = store.objects_of_images([image.image_id]), store.stored_space(space).vectors
    rows = vectors.rows(objects.object_id)
    objects, rows = objects.take(rows >= 0), rows[rows >= 0]
    return Queries(objects, vectors[rows], (image.path,) * len(objects), stored=True)


def _smallest(queries: Queries, point: tuple[float, float], image_path: str) -> Queries:
    row = object_at(queries.objects, point)
    if row is None:
        x, y = point
        raise QueryError(
            f"no object of {image_path} lies at {x:g},{y:g}; name one with box=, or search a window space"
        )
    return Queries(
        queries.objects.take([row]),
        queries.vectors[[row]],
        (queries.images[row],),
        queries.stored,
        queries.thumbnails[row : row + 1],
        point=point,
    )


def object_at(objects: Objects, point: tuple[float, float]) -> int | None:
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


def check_inside(point: tuple[float, float], image_wh: tuple[int, int], image_path: str) -> None:
    """Raise QueryError for a point outside an image of some width and height."""
    (x, y), (width, height) = point, image_wh
    if not (0 <= x < width and 0 <= y < height):
        raise QueryError(
            f"point {x:g},{y:g} is outside {image_path}, which is {width} x {height}; give x,y in its pixels"
        )
