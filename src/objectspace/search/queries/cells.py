"""Queries from a cell of a detector's map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectspace.embeddings.windows import Cells, cut_windows
from objectspace.errors import QueryError
from objectspace.files import recipe_digest
from objectspace.images import Image, encode_thumbnail
from objectspace.models.maps import Head
from objectspace.objects.boxes import Frame, clip, first_cells
from objectspace.objects.records import UNKNOWN, Objects, Provenance, make_objects
from objectspace.pipeline.stages import cut_box, decode, read_image_file
from objectspace.search import UNLABELED, Queries
from objectspace.search.queries.images import BoxReader
from objectspace.search.queries.networks import space_job
from objectspace.search.queries.stored import check_inside, image_file
from objectspace.store import Store

#: The source of a point: no detector and no annotator.
_SOURCE = f"point@{recipe_digest({'format': 'point of a query'})}"


def query_cell(
    store: Store, image_path: Path | str, space: str, point: tuple[float, float], *, device: str = "cpu"
) -> Queries:
    """Return the window around the cell that holds a point (x, y) of a photo as one query.

    Raises QueryError for a point outside the photo and a space that was not cut from a map of whole photos.
    """
    image_path = image_file(store, image_path)
    # What finds objects does not matter: only the map is read.
    job = space_job(store, space, annotations=BoxReader((0, 0, 1, 1)), device=device)
    decoded = decode(read_image_file(Path(image_path), job), job)
    image, network = decoded.image, job.map_source
    if network is None:
        raise QueryError(f"space {space} was not cut from the map of a whole photo")
    check_inside(point, (image.width, image.height), str(image_path))
    recipe = store.recipe(space)
    (head,) = [head for head in network.heads if (head.tap, head.stride) == (recipe.tap, recipe.stride)]
    size, frame = recipe.window or 1, network.frame((image.width, image.height))
    features = network.run([decoded.inputs[network.name]]).maps[head.layer][0]
    cells = _cell_of(point, head, frame, (features.shape[2], features.shape[1]))
    vectors, _ = cut_windows(features, cells, size)
    objects = _window_object(image, cells, size, head, frame)
    thumbnail = encode_thumbnail(cut_box(image, objects.xyxy[0]))
    return Queries(objects, vectors, (str(image_path),), False, (thumbnail,), point=point)


def _cell_of(point: tuple[float, float], head: Head, frame: Frame, grid_wh: tuple[int, int]) -> Cells:
    """Return the cell of a head that holds a point of the image."""
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
    """Return the window around a cell as an object: the part of the photo that its cells cover."""
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
