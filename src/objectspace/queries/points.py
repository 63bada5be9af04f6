"""A click on a photo as a query: the object that lies there, or the cell of a detector's map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.windows import Cells, cut_windows, first_cells
from objectspace.errors import QueryError
from objectspace.files import content_id, recipe_digest
from objectspace.images import Image, encode_thumbnail, read_file
from objectspace.models.maps import Head
from objectspace.objects.boxes import Frame, area, clip
from objectspace.objects.masks import decode_box, mask_area
from objectspace.objects.records import UNKNOWN, Objects, Provenance, make_objects
from objectspace.pipeline.stages import cut_box, decode, read_image_file
from objectspace.queries.networks import space_job
from objectspace.queries.photos import BoxReader, query_photo
from objectspace.search import UNLABELED, Queries
from objectspace.store import Store

#: A point's own source: nothing that a detector or annotator said.
_SOURCE = f"point@{recipe_digest({'format': 'point of a query'})}"


def query_point(
    store: Store,
    photo: Path | str,
    space: str,
    point: tuple[float, float],
    *,
    device: str = "cpu",
    confidence: float = 0.25,
) -> Queries:
    """What lies under a point (x, y) of a photo, in its pixels, as one query.

    In a space of windows: the window around the cell that holds the point, at the space's own head, whatever
    was detected there; its box is the window's part of the photo. In any other space: the smallest object
    whose mask, or else box, holds the point, of those that the store has of the photo in that space; of a
    photo that is not in the store, of those that its detector finds.

    Raises QueryError for a point outside the photo and where no object holds it; ImageError, ModelError and
    RecipeError as :func:`query_photo` does.
    """
    if store.recipe(space).route == "window":
        return _query_cell(store, photo, space, point, device)
    held = _stored_here(store, photo, space, point)
    queries = query_photo(store, photo, space, device=device, confidence=confidence) if held is None else held
    return _smallest(queries, point, str(photo))


# --------------------------------------------------------------------------------------------- objects


def _stored_here(store: Store, photo: Path | str, space: str, point: tuple[float, float]) -> Queries | None:
    """The stored objects of a photo in a space as queries, vectors still to be read; None of a new photo."""
    image_id = content_id(read_file(Path(photo)))
    known = {row.image_id: row for row in store.images()}.get(image_id)
    if known is None:
        return None
    _check_inside(point, (known.width, known.height), known.path)
    objects = store.objects()
    places = {name: place for place, name in enumerate(store.members(space))}
    objects = objects.take(objects.image_id == image_id)
    objects = objects.take(np.array([name in places for name in objects.object_id.tolist()], np.bool_))
    vectors = store.vectors(space, [places[str(name)] for name in objects.object_id])
    return Queries(objects, vectors, (known.path,) * len(objects), stored=True)


def _smallest(queries: Queries, point: tuple[float, float], photo: str) -> Queries:
    row = object_at(queries.objects, point)
    if row is None:
        x, y = point
        raise QueryError(
            f"no object of {photo} lies at {x:g},{y:g}; name one with --box, or search a window space"
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
    """The row of the smallest of one image's objects whose mask, or else box, holds a point (x, y).

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


# ----------------------------------------------------------------------------------------------- cells


def _query_cell(
    store: Store, photo: Path | str, space: str, point: tuple[float, float], device: str
) -> Queries:
    # What finds objects does not matter: only the map is read.
    job = space_job(store, space, annotations=BoxReader((0, 0, 1, 1)), device=device)
    decoded = decode(read_image_file(Path(photo), job), job)
    image, network = decoded.image, job.map_source
    if network is None:
        raise QueryError(f"space {space} was not cut from the map of a whole photo")
    _check_inside(point, (image.width, image.height), str(photo))
    recipe = store.recipe(space)
    (head,) = [head for head in network.heads if (head.tap, head.stride) == (recipe.tap, recipe.stride)]
    size, frame = recipe.window or 1, network.frame((image.width, image.height))
    features = network.run([decoded.inputs[network.name]]).maps[head.layer][0]
    cells = _cell_of(point, head, frame, (features.shape[2], features.shape[1]))
    vectors, _ = cut_windows(features, cells, size)
    objects = _window_object(image, cells, size, head, frame)
    thumbnail = encode_thumbnail(cut_box(image, objects.xyxy[0]))
    return Queries(objects, vectors, (str(photo),), False, (thumbnail,), point=point)


def _cell_of(point: tuple[float, float], head: Head, frame: Frame, grid_wh: tuple[int, int]) -> Cells:
    """The cell of a head that holds a point of the image, as the one object of a photo."""
    at = frame.to_input(np.array([[*point, *point]], np.float32))[0, :2] / head.stride
    x, y = (np.clip(at[axis], 0, grid_wh[axis]) for axis in (0, 1))
    cell_x, cell_y = (min(int(place), grid_wh[axis] - 1) for axis, place in enumerate((x, y)))
    return Cells(
        head=np.array([head.layer], np.int32),
        cell_x=np.array([cell_x], np.int32),
        cell_y=np.array([cell_y], np.int32),
        anchor=np.array([UNKNOWN], np.int32),
        center_x=np.array([x], np.float32),
        center_y=np.array([y], np.float32),
    )


def _window_object(image: Image, cells: Cells, size: int, head: Head, frame: Frame) -> Objects:
    """The window around a cell as an object of the photo: what of the photo its cells lie on."""
    left = first_cells(cells.cell_x, cells.center_x, size)
    top = first_cells(cells.cell_y, cells.center_y, size)
    corners = np.stack([left, top, left + size, top + size], axis=1) * np.float32(head.stride)
    box: NDArray[np.float32] = clip(frame.to_image(corners.astype(np.float32)), (image.width, image.height))
    provenance = Provenance(
        head=cells.head,
        stride=np.array([head.stride], np.int32),
        cell_x=cells.cell_x,
        cell_y=cells.cell_y,
        anchor=cells.anchor,
        objectness=np.full(1, np.nan, np.float32),
    )
    return make_objects(
        image_id=image.image_id, xyxy=box, label=[UNLABELED], source=_SOURCE, provenance=provenance
    )


def _check_inside(point: tuple[float, float], image_wh: tuple[int, int], photo: str) -> None:
    (x, y), (width, height) = point, image_wh
    if not (0 <= x < width and 0 <= y < height):
        raise QueryError(
            f"point {x:g},{y:g} is outside {photo}, which is {width} x {height}; give x,y in its pixels"
        )
