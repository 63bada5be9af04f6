"""``objectspace search``: the nearest objects of a query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from objectspace.cli.commands import app
from objectspace.cli.jobs import misuse
from objectspace.cli.options import (
    Device,
    Json,
    Label,
    Metric,
    MetricOption,
    Neighbours,
    ObjectIds,
    OtherPhotos,
    QueryBox,
    QueryImage,
    SheetPath,
    Space,
    StorePath,
)
from objectspace.cli.output import print_answer, print_json, write_sheet
from objectspace.errors import InputError

if TYPE_CHECKING:
    from objectspace.search import Queries, SpaceSearch
    from objectspace.store import Store


@app.command()
def search(
    store: StorePath,
    object_id: ObjectIds = None,
    image: QueryImage = None,
    box: QueryBox = None,
    space: Space = None,
    k: Neighbours = 10,
    label: Label = None,
    metric: MetricOption = Metric.euclidean,
    exclude_same_image: OtherPhotos = False,
    sheet: SheetPath = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Find the nearest objects of a stored object, or of what a photo shows. The answer is exact."""
    from objectspace.search import SpaceSearch, default_space
    from objectspace.store import open_store

    if (object_id is None) == (image is None):
        misuse("give --object ID or --image FILE, one of them")
    if box is not None and image is None:
        misuse("--box needs --image FILE")
    if sheet is not None:
        from objectspace.figures.style import check_figure_path

        check_figure_path(sheet)
    opened = open_store(store)
    chosen = space or default_space(opened, object_id[0] if object_id else None)
    ready = SpaceSearch(opened, chosen, metric=metric.value)
    queries = ready.stored(object_id) if object_id else photo_queries(opened, ready, image, box, device)
    answers = ready.nearest(queries, k=k, label=label, exclude_same_image=exclude_same_image)
    if sheet is not None:
        write_sheet(opened, answers, sheet, exclude_same_image)
    if as_json:
        documents = [answer.to_json() for answer in answers]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for answer in answers:
            print_answer(answer)


def photo_queries(
    store: Store, ready: SpaceSearch, image: Path | None, box: str | None, device: str
) -> Queries:
    """What a photo shows, as queries: a box of it, else its stored objects, else what is detected in it."""
    from objectspace.queries import query_photo, stored_objects_of

    if image is None:
        raise InputError("no photo to search for")
    if box is not None:
        return query_photo(store, image, ready.space.name, box=parsed_box(box), device=device)
    if held := stored_objects_of(store, image):
        inside = set(ready.space.object_id.tolist())
        if kept := [object_id for object_id in held if object_id in inside]:
            return ready.stored(kept)
    return query_photo(store, image, ready.space.name, device=device)


def parsed_box(text: str) -> tuple[float, float, float, float]:
    """The box of --box x1,y1,x2,y2; anything else ends as wrong usage does."""
    try:
        left, top, right, bottom = (float(side) for side in text.split(","))
    except ValueError:
        misuse(f"--box is {text!r}, expected four numbers x1,y1,x2,y2")
    return left, top, right, bottom
