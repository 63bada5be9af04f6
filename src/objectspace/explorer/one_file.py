"""The explorer of some objects as one HTML file: nothing is fetched, so it opens without a server."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.arguments import typed
from objectspace.errors import InputError, counted
from objectspace.explorer.columns import map_points, object_columns, space_values
from objectspace.explorer.maps import MapMethod
from objectspace.explorer.selection_measures import measure_subset
from objectspace.explorer.served_store import StoreState
from objectspace.explorer.views import MOST_THUMBNAILS, objects_json, store_summary
from objectspace.files import atomic_path
from objectspace.places import Place
from objectspace.search import default_space
from objectspace.store import Store, as_store

#: The most objects of one file.
MOST_OBJECTS = 20_000

#: Neighbors that are listed of each object.
_NEAREST = 24

#: What the file may do: run its own script and show its own pictures, nothing else.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:; "
    "worker-src blob: data:"
)


@typed
def write_page(
    store: Store | Place | str,
    path: Path | str,
    *,
    space: str | None = None,
    selection: str | None = None,
    map: MapMethod = "pca",
) -> int:
    """Write the explorer of a store's objects as one HTML file, and return how many objects it has.

    space: whose map, neighbors and purity it has, by default the one that searches take; only its objects
    selection: only the objects of this named selection
    Neighbors and purity are those among the objects of the file; photos are left out, thumbnails are in it.
    A file that is there is replaced. Raises InputError for more than MOST_OBJECTS objects or fewer than two
    images of them, QueryError for an unknown space or selection.

    >>> osp.write_page(store, "chairs.html", space="demo-crop")
    39
    """
    store = as_store(store)
    state, out = StoreState(store), Path(path)
    name = default_space(store) if space is None else space
    places = _places(store, name, selection)
    if not 0 < len(places) <= MOST_OBJECTS:
        raise InputError(
            f"a page is of 1 to {MOST_OBJECTS:,} objects, not of {len(places):,}; "
            "save a selection and name it with selection="
        )
    document = _document(state, name, map, places)
    with atomic_path(out) as temporary:
        title = f"{store.path.name}: {counted(len(places), 'object')}"
        temporary.write_text(page_html("file", title, document), "utf-8")
    return len(places)


def page_html(source: str, title: str, data: Any = None) -> str:
    """Return the page with its script and style inside; ``source``: where its answers come from."""

    def static(name: str) -> str:
        return files("objectspace.explorer").joinpath("static", name).read_text("utf-8")

    # Nothing inside may end the element that it is in.
    script = static("app.js").replace("</script", "<\\/script").replace("<!--", "<\\!--")
    held = json.dumps(data).replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<html lang="en" data-source="{source}">\n<head>\n<meta charset="utf-8" />\n'
        f'<meta http-equiv="content-security-policy" content="{_POLICY}" />\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1" />\n'
        f"<title>{_escaped(title)}</title>\n<style>{static('app.css')}</style>\n</head>\n<body>\n"
        '<div id="app"><noscript>The explorer needs JavaScript.</noscript></div>\n'
        f'<script type="application/json" id="data">{held}</script>\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def _places(store: Store, space: str, selection: str | None) -> NDArray[np.int64]:
    """Return the rows of a space, by the objects table, whose objects are in the file."""
    rows = store.object_rows(space)
    places = np.argsort(rows, kind="stable")
    if selection is None:
        return places
    held: NDArray[np.bool_] = np.isin(
        store.stored_space(space).object_id, store.selection(selection).object_ids
    )
    if not held.any():
        raise InputError(f"no object of selection {selection} has a vector in space {space}")
    return places[held[places]]


def _document(state: StoreState, space: str, method: MapMethod, places: NDArray[np.int64]) -> dict[str, Any]:
    """Return what the page asks for, computed: JSON values, and bytes in base64."""
    rows = state.object_rows(space)[places]
    known = np.unique(state.image_rows[rows])
    image = {int(place): number for number, place in enumerate(known)}
    objects = [
        one
        | {"row": number, "image": image[one["image"]], "path": Path(one["path"]).name}
        | {"mask": None, "grid": None, "no_grid": None}
        for number, one in enumerate(objects_json(state, rows))
    ]
    measured = measure_subset(state.store, space, places, count=_NEAREST)
    summary = store_summary(state, name=state.store.path.name, read_only=True)
    (own,) = (one for one in summary["spaces"] if one["name"] == space)
    held = {"objects": len(rows), "images": len(known), "spaces": [own], "default_space": space}
    points = state.maps.points(space, method)[places]
    points = points - points.mean(axis=0)
    numbers = np.arange(len(rows))
    content = {
        "columns": object_columns(state.store, np.searchsorted(known, state.image_rows[rows]), rows),
        "points": map_points(numbers, points),
        "agreement": space_values(measured.agreement.values),
        "rows": _bytes(numbers, np.int32),
        "shares": _bytes(measured.agreement.values, np.float32),
        "chance": _bytes(measured.agreement.chance, np.float32),
        # Of the values alone, not of chance: the page shows the intervals of these.
        "without": _bytes(measured.agreement.without[:, : measured.agreement.blocks], np.float32),
        "block": _bytes(measured.agreement.block, np.int32),
        "neighbors": _bytes(measured.nearest, np.int32),
        "distances": _bytes(measured.distance, np.float32),
        "thumbnails": _thumbnails(state, rows),
    }
    return {
        "json": {
            "store": summary | held | {"text_spaces": [], "maps": [method], "labels": _counts(objects)},
            "marks": {},
            "selections": [],
            "objects": objects,
            "images": [_image(state, int(place), number) for number, place in enumerate(known)],
            "neighbors": measured.nearest.shape[1],
            "metric": "cosine",
            "measure": measured.agreement.of(np.ones(len(rows), np.bool_)),
        },
        "bytes": {name: base64.b64encode(value).decode() for name, value in content.items()},
    }


def _bytes(values: NDArray[Any], kind: type[np.generic]) -> bytes:
    return np.ascontiguousarray(values, kind).tobytes()


def _counts(objects: list[dict[str, Any]]) -> dict[str, int]:
    names, counts = np.unique([one["label"] for one in objects], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _image(state: StoreState, place: int, number: int) -> Mapping[str, Any]:
    image = state.images[place]
    # The name of the file, and not where it was: a page is given to others.
    return {"image": number, "path": Path(image.path).name, "width": image.width, "height": image.height}


def _thumbnails(state: StoreState, rows: NDArray[np.int64]) -> bytes:
    """Return the JPEGs of some objects, each after its length, as the server sends them."""
    parts = []
    for start in range(0, len(rows), MOST_THUMBNAILS):
        for jpeg in state.store.thumbnails_at(rows[start : start + MOST_THUMBNAILS]):
            parts.append(struct.pack("<I", len(jpeg)) + jpeg)
    return b"".join(parts)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
