"""Queries from a click on a photo: the object there, or the cell of a detector's map."""

from __future__ import annotations

from pathlib import Path

from objectspace.arguments import typed
from objectspace.errors import QueryError
from objectspace.objects.records import Objects
from objectspace.places import Place
from objectspace.search import Queries
from objectspace.search.queries.stored import by_distance, landed_queries, object_at, stored_image
from objectspace.store import Store, as_store

#: Objects of a photo that a message names.
_LISTED = 8


@typed
def query_point(
    store: Store | Place | str,
    image_path: Path | str,
    space: str,
    point: tuple[float, float],
    *,
    new: bool = False,
    device: str = "cpu",
    confidence: float = 0.25,
) -> Queries:
    """Return what is at a point (x, y) of a photo, in its pixels, as one query.

    A point on a stored object is that object: the smallest whose mask, or else box, holds it. Anywhere else,
    and with ``new``, the pixels are asked alone. In a space of windows: the window around the cell that holds
    the point, at the space's own head, whatever was detected; its box is the window's part of the photo.
    In any other space: the smallest object there of those that the space's detector finds in the photo.

    Raises QueryError for a point outside the photo, where no object holds it, and for a stored object that
    has no vector in the space, naming those that have; ImageError, ModelError and RecipeError as
    :func:`query_image` does.

    >>> x1, y1, x2, y2 = store.objects_of_images([image.image_id]).xyxy[0]
    >>> osp.query_point(store, photos[0], "demo-crop", ((x1 + x2) / 2, (y1 + y2) / 2))
    Queries(1 vector of 1 object, stored=True)
    """
    store = as_store(store)
    store.recipe(space)  # raises for an unknown space
    if not new and (landed := landed_queries(store, image_path, space, point=point)) is not None:
        return landed
    # Modules of networks are imported by the queries that run one.
    if store.recipe(space).route == "window":
        from objectspace.search.queries.cells import query_cell

        return query_cell(store, image_path, space, point, device=device)
    if not new and (stored := stored_image(store, image_path)) is not None:
        raise _nothing_there(point, stored.path, store.objects_of_images([stored.image_id]))
    from objectspace.search.queries.images import query_image

    queries = query_image(store, image_path, space, device=device, confidence=confidence)
    return _smallest(queries, point, str(image_path))


def _smallest(queries: Queries, point: tuple[float, float], image_path: str) -> Queries:
    row = object_at(queries.objects, point)
    if row is None:
        raise _nothing_there(point, image_path, queries.objects)
    return Queries(
        queries.objects.take([row]),
        queries.vectors[[row]],
        (queries.images[row],),
        queries.stored,
        queries.thumbnails[row : row + 1],
        point=point,
    )


def _nothing_there(point: tuple[float, float], image_path: str, objects: Objects) -> QueryError:
    """Return that no object lies at a point of a photo, and which do not far from it."""
    near = by_distance(objects, point)
    boxes = [",".join(f"{side:.0f}" for side in box) for box in near.xyxy[:_LISTED].tolist()]
    there = ", ".join(f"{label} at {box}" for label, box in zip(near.label, boxes, strict=False))
    more = f" and {len(near) - _LISTED} more" if len(near) > _LISTED else ""
    others = f"its objects, nearest first: {there}{more}; " if len(near) else "it has none; "
    return QueryError(
        f"no object of {image_path} lies at {point[0]:g},{point[1]:g}; {others}give a point on one, or the "
        "x1, y1, x2, y2 of what you mean as box="
    )
