"""Why two objects are near, for the page: what the network saw of each, and the share of each cell."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
import PIL.Image

from objectspace.analyses.explanation import CellHeat, Explanation
from objectspace.explorer.served_store import StoreState
from objectspace.explorer.views import check_rows, find_photo
from objectspace.places import Place
from objectspace.search import Queries, SpaceSearch


def explanation_json(
    state: StoreState, first: int, second: int, *, space: str, metric: str, photos: Place | None
) -> dict[str, Any]:
    """Return why two objects are as far apart as they are in a space, by their rows of the objects table.

    Raises QueryError where the space has no vector of one or its vectors have no cells, ImageError for a
    photo that is gone, RecipeError and ModelError for networks that are not there any more.
    """
    # It imports torch, which a store is looked at without.
    from objectspace.search.queries.explanations import explain

    check_rows(state, np.array([first, second]))
    for row in (first, second):
        state.row_of(space, row)
    search = state.search(space, metric)
    with state.networks():
        queries = [_query(state, search, row, photos) for row in (first, second)]
        made = explain(search, *queries)
    assert isinstance(made, Explanation)
    return _explanation(made)


def _query(state: StoreState, search: SpaceSearch, row: int, photos: Place | None) -> Queries:
    """Return an object as a query whose photo is where it is now."""
    (name,) = state.store.objects_at(np.array([row])).object_id.tolist()
    photo = find_photo(state, int(state.image_rows[row]), photos)
    return replace(search.stored([name]), images=(photo.path,))


def _explanation(made: Explanation) -> dict[str, Any]:
    return {
        "space": made.space,
        "metric": made.metric,
        "method": made.method,
        "distance": made.distance,
        "total": made.total,
        "cells": [_cells(one) for one in made.cells],
        "parts": {name: _explanation(part) for name, part in made.parts.items()},
    }


def _cells(one: CellHeat) -> dict[str, Any]:
    sink = io.BytesIO()
    PIL.Image.fromarray(one.picture).save(sink, "JPEG", quality=90)
    height, width = one.picture.shape[:2]
    rows, columns = one.heat.shape
    return {
        "picture": f"data:image/jpeg;base64,{base64.b64encode(sink.getvalue()).decode()}",
        "width": width,
        "height": height,
        "rows": rows,
        "columns": columns,
        "heat": one.own.reshape(-1).tolist(),
    }
