"""``objectspace search``: the nearest objects of a query."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    Approximate,
    Box,
    Cache,
    Device,
    ExcludeSame,
    Json,
    Metric,
    NeighborLabel,
    Neighbors,
    SameImage,
    SelectionName,
    Source,
    Space,
    StorePath,
    check_exclusion,
    parsed_box,
)
from objectspace.cli.output import (
    checked_figure,
    common_folder,
    print_json,
    print_table,
    recall_text,
    short_id,
    warn,
    write_sheet,
)
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import QueryError, counted, guess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from objectspace.search import Answer, Queries, SearchFilters, SpaceSearch
    from objectspace.store import Store

ObjectIds = Annotated[
    list[str] | None,
    typer.Option("--object", metavar="ID", help="a stored object's id, or its first digits; repeatable"),
]
ImagePath = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="a photo, in the store or not; of a stored one its name is enough"),
]
Label = Annotated[
    str | None, typer.Option("--label", help="no search: list the objects of this label, -k at most")
]
Point = Annotated[
    str | None,
    typer.Option(metavar="X,Y", help="a click on the photo, in pixels; the object there is searched for"),
]
New = Annotated[
    bool,
    typer.Option(
        "--new", help="the photo's pixels alone, also where a stored object lies at --point or --box"
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(
        "--text", metavar="WORDS", help="words, in a space with a text tower, by cosine; repeatable"
    ),
]
Mean = Annotated[bool, typer.Option("--mean", help="all queries as one: their mean")]
Unlike = Annotated[
    list[str] | None,
    typer.Option("--unlike", metavar="ID", help="away from this stored object; repeatable"),
]
QueryMetric = Annotated[
    Metric | None,
    typer.Option("--metric", help="the distance", show_default="cosine"),
]
Within = Annotated[
    float | None,
    typer.Option(metavar="DISTANCE", help="only neighbors at most that far, by the metric; -k at most"),
]
Sheet = Annotated[Path | None, typer.Option(metavar="FILE", help="draw the answer: .png, .pdf or .svg")]


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What is searched for: one of the objects, the image or the texts, and where in the image."""

    object_ids: list[str] | None
    image: Path | None
    box: tuple[float, float, float, float] | None
    point: tuple[float, float] | None
    new: bool
    texts: list[str] | None
    label: str | None


def search(
    store: StorePath,
    object_id: ObjectIds = None,
    image: ImagePath = None,
    box: Box = None,
    point: Point = None,
    new: New = False,
    text: Texts = None,
    label: Label = None,
    mean: Mean = False,
    unlike: Unlike = None,
    space: Space = None,
    k: Neighbors = 10,
    neighbor_label: NeighborLabel = None,
    source: Source = None,
    metric: QueryMetric = None,
    same_image: SameImage = False,
    exclude_same: ExcludeSame = None,
    within: Within = None,
    selection: SelectionName = None,
    approximate: Approximate = False,
    sheet: Sheet = None,
    device: Device = None,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Find the nearest objects of a stored object, of what a photo shows, or of words; exactly by default."""
    show_steps(f"searching {store}", shown=not as_json)
    from objectspace.search import ONE_QUESTION, SpaceSearch
    from objectspace.store import open_store

    asked = _query_of(object_id, image, box, point, new, text, label, metric)
    check_exclusion(same_image, exclude_same)
    if within is not None and not (math.isfinite(within) and within >= 0):
        usage_error(f"--within is {within:g}, expected a distance of 0 or more")
    checked_figure(sheet)
    opened = open_store(store, cache=cache)
    if asked.label is not None:
        _list_objects(opened, asked.label, source, k, as_json)
        return
    distance = metric or Metric.cosine
    chosen = space or _default_space(opened, asked)
    ready = SpaceSearch(
        opened, chosen, metric=distance.value, approximate=approximate, in_memory=ONE_QUESTION
    )
    queries = _queries(opened, ready, asked, device or "cpu")
    if mean:
        queries = ready.mean(queries)
    if unlike:
        queries = ready.unlike(queries, unlike)
    answers = ready.nearest(
        queries,
        k=k,
        label=neighbor_label,
        source=source,
        same_image=same_image,
        exclude_same=exclude_same,
        within=within,
        selection=selection,
    )
    end_steps()
    if ready.approximate is not None:
        recall = recall_text(ready.approximate.index, ready.approximate.unindexed)
        warn(f"the answer is approximate: {recall}")
    most = max((len(answer.neighbors) for answer in answers), default=k)
    if neighbor_label is not None and most < k and within is None:
        others = "" if same_image else " in other photos (--same-image takes this one's too)"
        warn(f"{counted(most, 'neighbor')} and not {k}: there is no other {neighbor_label}{others}")
    if as_json:
        documents = [answer.to_json() for answer in answers]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        folder = common_folder(path for answer in answers for path in (*answer.query_images, *answer.images))
        for answer in answers:
            _print_answer(answer, folder)
        for answer in answers[:1]:
            typer.echo(_searched_text(answer))
            if answer.other_spaces:
                typer.echo(f"other spaces (--space): {', '.join(answer.other_spaces)}")
        if folder:
            typer.echo(f"photos in {folder}")
    if sheet is not None:
        write_sheet(opened, answers, sheet)
        if not as_json:
            typer.echo(f"{sheet}: the answer as a sheet")


def _query_of(
    object_ids: list[str] | None,
    image: Path | None,
    box: str | None,
    point: str | None,
    new: bool,
    texts: list[str] | None,
    label: str | None,
    metric: Metric | None,
) -> QueryOptions:
    """Return the query that the options ask for; wrong usage where they contradict each other."""
    if label is not None and (object_ids or image or texts):
        usage_error(
            "--label lists objects and searches for none; --neighbor-label keeps neighbors of a label"
        )
    if sum(given is not None for given in (object_ids, image, texts, label)) != 1:
        usage_error(
            "give --object ID, --image FILE or --text WORDS, one of them; or --label LABEL, which lists its "
            "objects"
        )
    for name, given in (("--box", box), ("--point", point)):
        if given is not None and image is None:
            usage_error(f"{name} needs --image FILE")
    if new and image is None:
        usage_error("--new needs --image FILE")
    if box is not None and point is not None:
        usage_error("give --box or --point, one of them")
    if texts is not None and metric is Metric.euclidean:
        usage_error("words and pictures are compared by cosine; leave --metric out")
    return QueryOptions(
        object_ids,
        image,
        None if box is None else parsed_box(box),
        None if point is None else _parsed_point(point),
        new,
        texts,
        label,
    )


def _list_objects(store: Store, label: str, source: str | None, count: int, as_json: bool) -> None:
    """Print the first objects of a label: what a search for one of them is given."""
    from objectspace.search.answers import object_json
    from objectspace.search.filters import of_source

    columns = store.object_columns(["object_id", "label", "source"])
    kept = columns["label"] == label
    if not kept.any():
        hint = guess(label, sorted(set(columns["label"])), "; objectspace info lists the labels")
        raise QueryError(f"no object of {store.path} has the label {label!r}{hint}")
    if source is not None:
        kept = kept & of_source(columns["source"], source)
    objects = store.objects(columns["object_id"][kept][:count])
    paths = [image.path for image in store.images_of(objects)]
    end_steps()
    if as_json:
        print_json([object_json(objects, row, path) for row, path in enumerate(paths)])
        return
    folder = common_folder(paths)
    found = zip(objects.object_id, objects.xyxy, paths, strict=True)
    print_table(
        ["object", "box", "image"],
        [[short_id(name), _box_text(box), path.removeprefix(folder)] for name, box, path in found],
    )
    more = f", {len(objects)} listed (-k)" if kept.sum() > len(objects) else ""
    typer.echo(
        f"{counted(int(kept.sum()), 'object')} of label {label}{more}; photos in {folder or '.'}; "
        "--object ID searches for one"
    )


def _default_space(store: Store, asked: QueryOptions) -> str:
    from objectspace.search import default_space

    if asked.texts is None:
        return default_space(store, _object_asked_for(store, asked))
    from objectspace.search.queries.texts import default_text_space

    return default_text_space(store)


def _object_asked_for(store: Store, asked: QueryOptions) -> str | None:
    """Return the id of the stored object that is searched for, the first of several, if any."""
    if asked.object_ids:
        return asked.object_ids[0]
    if asked.image is None or asked.new or (asked.point is None and asked.box is None):
        return None
    from objectspace.search.queries.stored import objects_landed_on

    landed = objects_landed_on(store, asked.image, point=asked.point, box=asked.box)
    return str(landed.object_id[0]) if len(landed) else None


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

        return query_point(store, asked.image, space, asked.point, new=asked.new, device=device)
    if asked.box is not None and not asked.new:
        from objectspace.search.queries.stored import landed_queries

        # Before the networks are imported, which takes seconds.
        if (landed := landed_queries(store, asked.image, space, box=asked.box)) is not None:
            return landed
    if asked.box is None and not asked.new and (stored := _stored_ids(store, space, asked.image)):
        return ready.stored(stored)
    from objectspace.search.queries.images import query_image

    return query_image(store, asked.image, space, box=asked.box, new=asked.new, device=device)


def _stored_ids(store: Store, space: str, image: Path) -> list[str]:
    """Return the ids of the stored objects of a photo that the space holds."""
    from objectspace.search.queries.stored import stored_objects_of

    ids = stored_objects_of(store, image).object_id.tolist()
    rows = store.stored_space(space).vectors.rows(ids)
    return [object_id for object_id, row in zip(ids, rows.tolist(), strict=True) if row >= 0]


def _parsed_point(text: str) -> tuple[float, float]:
    """Return the numbers of --point; anything but two is wrong usage."""
    try:
        x, y = (float(place) for place in text.split(","))
    except ValueError:
        usage_error(f"--point is {text!r}, expected two numbers x,y")
    return x, y


def _print_answer(answer: Answer, folder: str) -> None:
    """Print a query and a table of its neighbors; photos by their paths in ``folder``."""
    from objectspace.search import distance_text

    typer.echo(f"{_query_text(answer, folder)}  ({answer.space}, {answer.metric})")
    near = answer.neighbors
    if not len(near):
        typer.echo(_nothing_text(answer.filters))
        return
    rows = [
        [
            rank + 1,
            distance_text(answer.distance[rank]),
            near.label[rank],
            short_id(near.object_id[rank]),
            image.removeprefix(folder),
        ]
        for rank, image in enumerate(answer.images)
    ]
    header = ["rank", "distance", "label", "object", "image"]
    if answer.parts is not None:
        header = [*header[:2], *answer.parts.names, *header[2:]]
        parts = zip(answer.parts.similarities.tolist(), answer.parts.assumed.tolist(), strict=True)
        rows = [[*row[:2], *map(_part_text, *part), *row[2:]] for row, part in zip(rows, parts, strict=True)]
    print_table(header, rows)
    if answer.parts is not None and answer.parts.assumed.any():
        typer.echo("in brackets: what counts where the two have no vectors in one space of that part")


def _part_text(similarity: float, assumed: bool) -> str:
    return f"({similarity:.3f})" if assumed else f"{similarity:.3f}"


def _searched_text(answer: Answer) -> str:
    """Return which space answered, and among which photos."""
    default = ", the default" if answer.space == answer.default_space else ""
    among = {"image": ", among other photos (--same-image takes this one's too)", None: ", among all photos"}
    return f"searched in {answer.space}{default}{among.get(answer.filters.exclude_same, '')}"


def _box_text(box: NDArray[np.float32]) -> str:
    """Return a box as --box takes it."""
    return ",".join(f"{side:.0f}" for side in box.tolist())


def _nothing_text(filters: SearchFilters) -> str:
    """Return ``no object of another clip within 3.2``."""
    column = "photo" if filters.exclude_same == "image" else filters.exclude_same
    other = "" if column is None else f" of another {column}"
    near = "" if filters.within is None else f" within {filters.within:g}"
    return f"no object{other}{near}"


def _query_text(answer: Answer, folder: str) -> str:
    """Return what was searched for, in a line."""
    rows = zip(answer.query.label, answer.query.xyxy, answer.query_images, strict=True)
    objects = [f"{label} at {_box_text(box)} of {image.removeprefix(folder)}" for label, box, image in rows]
    if answer.stored:
        ids = answer.query.object_id.tolist()
        landed = (answer.point or answer.box) is not None
        named = "the stored object {} (--new: the pixels alone)" if landed else "object {}"
        pairs = zip(objects, map(short_id, ids), strict=True)
        objects = [f"{text}, {named.format(name)}" for text, name in pairs]
    unlike = [f"unlike {label}" for label in answer.unlike.label.tolist()]
    return "; ".join([*(repr(text) for text in answer.texts), *objects, *unlike])
