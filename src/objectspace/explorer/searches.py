"""Searches from the page: neighbors of an object, of several, of words, of a box in an uploaded picture."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectspace.errors import InputError, QueryError
from objectspace.explorer.served_store import StoreState
from objectspace.explorer.views import check_rows, checked_rows
from objectspace.images import decode_image
from objectspace.search import Answer, Queries, SpaceSearch
from objectspace.search.queries.texts import query_text

#: What an uploaded picture is called in messages: its name never leaves the page.
PICTURE = "the picture"

#: Letters of words that are searched for.
MOST_LETTERS = 500

#: Objects that a search may be like or unlike.
MOST_EXAMPLES = 100

Box = tuple[float, float, float, float]


def neighbors_json(
    state: StoreState,
    row: int,
    *,
    space: str,
    metric: str,
    k: int,
    same_image: bool,
    among: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Return the exact nearest objects of one, by its row of the objects table.

    among: (n,) which rows of that table may be answers; None for all
    Raises QueryError where the space has no vector of it, and names those that have one.
    """
    check_rows(state, np.array([row]))
    state.row_of(space, row)
    search = state.search(space, metric)
    queries = search.stored(_names(state, [row]))
    allowed = None if among is None else among[state.object_rows(space)]
    return _answer_json(state, search, queries, k=k, same_image=same_image, among=allowed)


def examples_json(
    state: StoreState, document: Any, *, space: str, metric: str, k: int, same_image: bool
) -> dict[str, Any]:
    """Return the objects nearest to the mean of some and away from others.

    Raises InputError for anything but ``{"like": [row, …], "unlike": [row, …]}``, QueryError for no row to be
    like, for rows that are both, and for objects without a vector in the space.
    """
    if not isinstance(document, dict):
        raise InputError("a search by examples names the rows to be like, and unlike")
    like, unlike = (checked_rows(state, document.get(name)).tolist() for name in ("like", "unlike"))
    if not like or len(like) + len(unlike) > MOST_EXAMPLES:
        raise QueryError(f"a search by examples has 1 to {MOST_EXAMPLES} of them, one to be like at least")
    for row in (*like, *unlike):
        state.row_of(space, row)
    search = state.search(space, metric)
    queries = search.stored(_names(state, like))
    if len(like) > 1:
        queries = search.mean(queries)
    if unlike:
        queries = search.unlike(queries, _names(state, unlike))
    return _answer_json(state, search, queries, k=k, same_image=same_image)


def words_json(state: StoreState, text: str, *, space: str, k: int) -> dict[str, Any]:
    """Return the objects nearest to words, by cosine. Raises QueryError for a space without a text tower."""
    if len(text) > MOST_LETTERS:
        raise QueryError(f"{len(text)} letters of words, expected at most {MOST_LETTERS}")
    with state.networks():
        queries = query_text(state.store, [text], space)
    return _answer_json(state, state.search(space, "cosine"), queries, k=k)


def picture_json(
    state: StoreState, data: bytes, box: Box | None, *, space: str, metric: str, k: int
) -> dict[str, Any]:
    """Return the objects nearest to what a box of a picture shows, or (None) to all of the picture.

    data: the bytes of its file; box: x1, y1, x2, y2 in its pixels, upright
    Raises ImageError for what is no picture or too large, QueryError where the space cannot hold the box.
    """
    # It imports torch, which a store is looked at without.
    from objectspace.search.queries.images import query_image

    with state.networks():
        picture = decode_image(data, path=PICTURE)
        whole = (0.0, 0.0, float(picture.width), float(picture.height))
        # What finds a picture's objects reads files. This one is read again and gone with the request.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture"
            path.write_bytes(data)
            try:
                queries = query_image(state.store, path, space, box=box or whole)
            except QueryError as error:
                raise QueryError(str(error).replace(str(path), PICTURE)) from None
    return _answer_json(state, state.search(space, metric), queries, k=k)


def _answer_json(
    state: StoreState,
    search: SpaceSearch,
    queries: Queries,
    *,
    k: int,
    same_image: bool = True,
    among: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    with state.searching(search.space.name):
        (answer,) = search.nearest(queries, k=k, same_image=same_image, among=among)
    return answer_json(state, answer, exact=search.approximate is None)


def answer_json(state: StoreState, answer: Answer, *, exact: bool) -> dict[str, Any]:
    """Return an answer with the rows of its neighbors in the objects table."""
    document = answer.to_json()
    known = state.rows_by_id
    neighbors = []
    for one in document["neighbors"]:
        row = known[one["object_id"]]
        neighbors.append(one | {"row": row, "image": int(state.image_rows[row]), "path": one["image"]})
    return document | {"neighbors": neighbors, "exact": exact}


def _names(state: StoreState, rows: list[int]) -> list[str]:
    names: list[str] = state.store.objects_at(np.array(rows, np.int64)).object_id.tolist()
    return names
