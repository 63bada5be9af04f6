"""``objectspace search``: the nearest objects of a query."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.commands import app
from objectspace.cli.jobs import check_exclusion, misuse
from objectspace.cli.options import (
    Device,
    Json,
    Label,
    Mean,
    Metric,
    Neighbors,
    ObjectIds,
    OtherPhotos,
    OtherValues,
    QueryBox,
    QueryImage,
    QueryMetric,
    QueryPoint,
    QueryTexts,
    SheetPath,
    Space,
    StorePath,
    Unlike,
    Within,
)
from objectspace.cli.output import (
    checked_figure,
    print_answer,
    print_json,
    recall_text,
    warn,
    write_sheet,
)

if TYPE_CHECKING:
    from objectspace.search import Queries, SpaceSearch
    from objectspace.store import Store

Approximate = Annotated[
    bool, typer.Option("--approximate", help="use the index built by index-space; prints its recall")
]


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What is searched for, from the options."""

    object_ids: list[str] | None
    image: Path | None
    box: tuple[float, float, float, float] | None
    point: tuple[float, float] | None
    texts: list[str] | None


@app.command()
def search(
    store: StorePath,
    object_id: ObjectIds = None,
    image: QueryImage = None,
    box: QueryBox = None,
    point: QueryPoint = None,
    text: QueryTexts = None,
    mean: Mean = False,
    unlike: Unlike = None,
    space: Space = None,
    k: Neighbors = 10,
    label: Label = None,
    metric: QueryMetric = None,
    exclude_same_image: OtherPhotos = False,
    exclude_same: OtherValues = None,
    within: Within = None,
    approximate: Approximate = False,
    sheet: SheetPath = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Find the nearest objects of a stored object, of what a photo shows, or of words; exactly by default."""
    from objectspace.search import SpaceSearch
    from objectspace.store import open_store

    asked = _query_of(object_id, image, box, point, text, metric)
    check_exclusion(exclude_same_image, exclude_same)
    if within is not None and not (math.isfinite(within) and within >= 0):
        misuse(f"--within is {within:g}, expected a distance of 0 or more")
    checked_figure(sheet)
    opened = open_store(store)
    distance = metric or (Metric.cosine if text else Metric.euclidean)
    chosen = space or _default_space(opened, asked)
    ready = SpaceSearch(opened, chosen, metric=distance.value, approximate=approximate)
    queries = _queries(opened, ready, asked, device)
    if mean:
        queries = ready.mean(queries)
    if unlike:
        queries = ready.unlike(queries, unlike)
    answers = ready.nearest(
        queries,
        k=k,
        label=label,
        exclude_same_image=exclude_same_image,
        exclude_same=exclude_same,
        within=within,
    )
    if ready.approximate is not None:
        told = recall_text(ready.approximate.index, ready.approximate.unindexed)
        warn(f"the answer is approximate: {told}")
    if as_json:
        documents = [answer.to_json() for answer in answers]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for answer in answers:
            print_answer(answer)
    if sheet is not None:
        write_sheet(opened, answers, sheet)


def _query_of(
    object_ids: list[str] | None,
    image: Path | None,
    box: str | None,
    point: str | None,
    texts: list[str] | None,
    metric: Metric | None,
) -> QueryOptions:
    """Return the query that the options ask for; options that contradict each other are wrong usage."""
    if sum(given is not None for given in (object_ids, image, texts)) != 1:
        misuse("give --object ID, --image FILE or --text WORDS, one of them")
    for name, given in (("--box", box), ("--point", point)):
        if given is not None and image is None:
            misuse(f"{name} needs --image FILE")
    if box is not None and point is not None:
        misuse("give --box or --point, one of them")
    if texts is not None and metric is Metric.euclidean:
        misuse("words and pictures are compared by cosine; leave --metric out")
    return QueryOptions(
        object_ids,
        image,
        None if box is None else parsed_box(box),
        None if point is None else parsed_point(point),
        texts,
    )


def _default_space(store: Store, asked: QueryOptions) -> str:
    from objectspace.search import default_space

    if asked.texts is None:
        return default_space(store, asked.object_ids[0] if asked.object_ids else None)
    from objectspace.search.queries.texts import default_text_space

    return default_text_space(store)


def _queries(store: Store, ready: SpaceSearch, asked: QueryOptions, device: str) -> Queries:
    """Return the vectors to search for. Only a query that runs a network imports one."""
    space = ready.space.name
    if asked.texts is not None:
        from objectspace.search.queries.texts import query_text

        return query_text(store, asked.texts, space, device=device)
    if asked.image is None:
        return ready.stored(asked.object_ids or [])
    if asked.point is not None:
        from objectspace.search.queries.points import query_point

        return query_point(store, asked.image, space, asked.point, device=device)
    if asked.box is None and (stored := _stored_ids(store, space, asked.image)):
        return ready.stored(stored)
    from objectspace.search.queries.images import query_image

    return query_image(store, asked.image, space, box=asked.box, device=device)


def _stored_ids(store: Store, space: str, image: Path) -> list[str]:
    """Return the ids of the stored objects of a photo that the space holds."""
    from objectspace.search.queries.stored import stored_objects_of

    ids = stored_objects_of(store, image)
    rows = store.stored_space(space).vectors.rows(ids)
    return [object_id for object_id, row in zip(ids, rows.tolist(), strict=True) if row >= 0]


def parsed_box(text: str) -> tuple[float, float, float, float]:
    """Return the box of --box x1,y1,x2,y2; anything else is wrong usage."""
    try:
        left, top, right, bottom = (float(side) for side in text.split(","))
    except ValueError:
        misuse(f"--box is {text!r}, expected four numbers x1,y1,x2,y2")
    return left, top, right, bottom


def parsed_point(text: str) -> tuple[float, float]:
    """Return the point of --point x,y; anything else is wrong usage."""
    try:
        x, y = (float(place) for place in text.split(","))
    except ValueError:
        misuse(f"--point is {text!r}, expected two numbers x,y")
    return x, y
