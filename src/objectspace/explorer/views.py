"""Views of a store as plain values: its summary, objects, neighbors, photos."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from objectspace.analyses.factor_columns import ANGLES
from objectspace.errors import ImageError, InputError, QueryError
from objectspace.explorer.occlusions import heat_json
from objectspace.explorer.served_store import StoreState
from objectspace.images import Image, read_image
from objectspace.objects.boxes import letterbox_frame, stretch_frame
from objectspace.objects.masks import decode_box
from objectspace.objects.records import Mask, Objects
from objectspace.places import Place, RemotePath, as_place
from objectspace.search import default_space
from objectspace.search.queries.stored import object_at, same_objects
from objectspace.search.queries.texts import text_spaces
from objectspace.store import ImageRow

#: The longer side of a photo as it is sent to the page, in pixels.
PHOTO_SIDE = 1600

#: The score from which an occluded detector predicts, or lower where the store holds lower ones.
MOST_CONFIDENCE = 0.25

#: Thumbnails that one request may ask for.
MOST_THUMBNAILS = 500

#: Why an annotated object has no grid, and what to do.
_ANNOTATED = (
    "this object was annotated, so no cell of a detector found it; index the photos with a detector and "
    "without --annotations, into a store of their own, to see its grid"
)


def store_summary(state: StoreState, *, name: str, read_only: bool) -> dict[str, Any]:
    """Return what the page shows first."""
    store = state.store
    info = state.info()
    return {
        "name": name,
        "version": state.version,
        "read_only": read_only,
        "images": info.images,
        "objects": info.objects,
        "labels": info.labels,
        "failures": len(info.failures),
        "factors": list(store.factor_names),
        "angles": sorted(ANGLES),
        "default_space": default_space(store) if info.spaces else None,
        "text_spaces": text_spaces(store),
        "maps": list(state.maps.methods),
        "spaces": [
            {
                "name": space.name,
                "count": space.count,
                "dimension": space.dimension,
                "route": space.recipe.route,
                "window": space.recipe.window,
                "stride": space.recipe.stride,
            }
            for space in info.spaces
            if space.problem is None
        ],
    }


def objects_json(state: StoreState, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return some objects by their rows of the objects table. Raises QueryError for rows out of range."""
    check_rows(state, rows)
    objects = state.store.objects_at(rows)
    return [
        {
            "row": int(row),
            "image": int(state.image_rows[row]),
            "path": state.images[state.image_rows[row]].path,
            **_object_json(objects, place),
        }
        for place, row in enumerate(rows)
    ]


def thumbnails(state: StoreState, rows: NDArray[np.int64]) -> bytes:
    """Return the JPEGs of some rows of the objects table, each after its length (4 bytes, little end first).

    Raises QueryError for rows out of range, and for more than MOST_THUMBNAILS.
    """
    if len(rows) > MOST_THUMBNAILS:
        raise QueryError(f"{len(rows)} thumbnails at once, expected at most {MOST_THUMBNAILS}")
    check_rows(state, rows)
    return b"".join(struct.pack("<I", len(jpeg)) + jpeg for jpeg in state.store.thumbnails_at(rows))


def image_json(state: StoreState, place: int) -> dict[str, Any]:
    """Return an image and its objects: boxes, masks, and the cells of the detector that made them."""
    image = _image(state, place)
    rows = np.flatnonzero(state.image_rows == place)
    objects = state.store.objects_at(rows)
    return {
        "image": place,
        "path": image.path,
        "width": image.width,
        "height": image.height,
        "objects": [
            {
                "row": int(row),
                **_object_json(objects, number),
                "mask": _mask_json(objects, number),
                **_grid_json(state, objects, number, image),
            }
            for number, row in enumerate(rows)
        ],
    }


def photo_jpeg(state: StoreState, place: int, photos: Place | None) -> bytes:
    """Return an image's photo as JPEG, at most PHOTO_SIDE pixels a side. Raises ImageError."""
    picture = PIL.Image.fromarray(find_photo(state, place, photos).pixels)
    picture.thumbnail((PHOTO_SIDE, PHOTO_SIDE), PIL.Image.Resampling.LANCZOS)
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=88)
    return sink.getvalue()


def find_photo(state: StoreState, place: int, photos: Place | None) -> Image:
    """Return the very photo of an image that was indexed. Raises ImageError where it is not found."""
    image = _image(state, place)
    for candidate in photo_candidates(state, image, photos):
        if candidate.is_file() and (read := read_image(candidate)).image_id == image.image_id:
            return read
    raise ImageError(
        image.path, "the photo is not where it was; serve it with objectspace serve STORE --photos FOLDER"
    )


def photo_candidates(state: StoreState, image: ImageRow, photos: Place | None) -> list[Place]:
    """Return where a photo may be: as it was given, beside the store, or in the folder of photos."""
    stored = as_place(image.path)
    if isinstance(stored, RemotePath):
        return [stored] if photos is None else [photos / stored.name, stored]
    beside = state.store.path.parent
    places = [stored, beside / stored, beside / stored.name]
    if photos is not None:
        tails = [
            Path(*stored.parts[start:])
            for start in range(1 if stored.is_absolute() else 0, len(stored.parts))
        ]
        places = [*(photos / tail for tail in tails), *places]
    return places


def occlusion_json(state: StoreState, row: int, photos: Place | None) -> dict[str, Any]:
    """Return where zeroing a detector's map costs an object its score, or how far that is computed.

    Raises QueryError where the detector finds nothing at the object's box or there is no detector,
    ModelError where it cannot be loaded or zeroed, ImageError where the photo is missing.
    """
    check_rows(state, np.array([row]))
    objects = state.store.objects_at(np.array([row]))
    place, source = int(state.image_rows[row]), str(objects.source[0])
    scores = state.store.objects_at(np.flatnonzero(state.image_rows == place)).score
    # Some stores hold predictions that the usual threshold would leave out.
    confidence = float(np.min(scores, where=~np.isnan(scores), initial=MOST_CONFIDENCE))
    result = state.occlusions.of(place, source, confidence, lambda: find_photo(state, place, photos))
    return {"done": result} if isinstance(result, float) else heat_json(result, objects)


def object_at_point(state: StoreState, place: int, x: float, y: float, space: str) -> int | None:
    """Return the row of the object that a click on an image is; None for none.

    As in a search by a point: the smallest whose mask or box holds it; where the space has no vector of that
    but one of the same thing, found by others, that one.
    """
    _image(state, place)
    rows = np.flatnonzero(state.image_rows == place)
    objects = state.store.objects_at(rows)
    found = object_at(objects, (x, y))
    if found is None:
        return None
    same = rows[same_objects(objects, found)]
    held = same[np.isin(same, state.object_rows(space))]
    return int((held if len(held) else same)[0])


def check_rows(state: StoreState, rows: NDArray[np.int64]) -> None:
    """Raise QueryError for rows that the objects table has not."""
    count = len(state.image_rows)
    if ((rows < 0) | (rows >= count)).any():
        raise QueryError(f"no object in row {int(rows[(rows < 0) | (rows >= count)][0])} of {count}")


def checked_rows(state: StoreState, rows: Any) -> NDArray[np.int64]:
    """Return rows of the objects table as they came in a request. Raises InputError, QueryError."""
    if not isinstance(rows, list) or not all(type(row) is int for row in rows):
        raise InputError("a selection is a list of rows")
    try:
        places = np.array(rows, np.int64)
    except OverflowError:
        raise InputError("a row is at most 64 bits") from None
    check_rows(state, places)
    return places


def _image(state: StoreState, place: int) -> ImageRow:
    if not 0 <= place < len(state.images):
        raise QueryError(f"no image {place}, the store has {len(state.images)}")
    return state.images[place]


def _object_json(objects: Objects, place: int) -> dict[str, Any]:
    made = objects.provenance
    score = float(objects.score[place])
    cell = int(made.cell_x[place]), int(made.cell_y[place])
    known = {name: _plain(column[place]) for name, column in objects.factors.items()}
    return {
        "object_id": str(objects.object_id[place]),
        "label": str(objects.label[place]),
        "score": None if math.isnan(score) else score,
        "xyxy": [float(side) for side in objects.xyxy[place]],
        "source": str(objects.source[place]),
        "stride": None if made.stride[place] < 0 else int(made.stride[place]),
        "cell": None if cell[0] < 0 else list(cell),
        "factors": {name: value for name, value in known.items() if value is not None},
    }


def _grid_json(state: StoreState, objects: Objects, place: int, image: ImageRow) -> dict[str, Any]:
    """Return the grid of the head that found an object, in pixels of the image, or why there is none.

    grid: xyxy: all of the detector's input, which a letterbox makes larger than the image; columns, rows: its
    cells; no_grid: a sentence, where grid is None
    """
    stride, source = int(objects.provenance.stride[place]), str(objects.source[place])
    recipe = state.store.sources.get(source, {})
    frames = {"letterbox": letterbox_frame, "stretch": stretch_frame}
    if "weights" not in recipe:
        return {"grid": None, "no_grid": _ANNOTATED}
    if stride < 1:
        return {"grid": None, "no_grid": f"detector {source} names no cell for what it finds"}
    if recipe.get("resize") not in frames or "input_wh" not in recipe:
        return {
            "grid": None,
            "no_grid": f"the input of detector {source} has no fixed size, so its cells are not drawn",
        }
    width, height = (int(side) for side in recipe["input_wh"])
    frame = frames[recipe["resize"]]((image.width, image.height), (width, height))
    corners = frame.to_image(np.array([[0, 0, width, height]], np.float32))[0]
    grid = {
        "xyxy": [float(side) for side in corners],
        "columns": math.ceil(width / stride),
        "rows": math.ceil(height / stride),
    }
    return {"grid": grid, "no_grid": None}


def _plain(value: Any) -> str | float | None:
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _mask_json(objects: Objects, place: int) -> dict[str, Any] | None:
    """Return a mask as the lengths of its runs inside its box, row by row, the first of zeros."""
    mask: Mask | None = objects.mask[place]
    if mask is None:
        return None
    left, top = (math.floor(side) for side in objects.xyxy[place, :2])
    right, bottom = (math.ceil(side) for side in objects.xyxy[place, 2:])
    box = max(left, 0), max(top, 0), min(right, mask.width), min(bottom, mask.height)
    inside = decode_box(mask, box).reshape(-1)
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    runs = np.diff(edges, prepend=0, append=len(inside))
    return {"box": list(box), "runs": runs.tolist()}
