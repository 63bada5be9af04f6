"""``objectspace context``: shares of an embedding that the object and its surroundings explain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.options import FigurePath, Json, Metric, MetricOption, Neighbors, StorePath
from objectspace.cli.output import checked_figure, print_estimates, print_json, warn
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import InputError, counted

if TYPE_CHECKING:
    from objectspace.analyses.context import Context, Views
    from objectspace.report.claims.chairs import ChairTest
    from objectspace.store import Store

Alone = Annotated[
    str,
    typer.Option(metavar="SPACE", help="crops on black or the mean color: the object", show_default=False),
]
Both = Annotated[
    str, typer.Option(metavar="SPACE", help="crops as they are (keep): both", show_default=False)
]
Around = Annotated[
    str,
    typer.Option(metavar="SPACE", help="crops of the surroundings alone (only)", show_default=False),
]


def context(
    store: StorePath,
    alone: Alone,
    both: Both,
    around: Around,
    k: Neighbors = 5,
    metric: MetricOption = Metric.euclidean,
    figure: FigurePath = None,
    as_json: Json = False,
) -> None:
    """Separate objects from their surroundings: shares of the embedding, of neighbor pairs; people on chairs.

    Needs three crop spaces of the same objects: index with --background black, keep and only, --margin 0.5.
    """
    show_steps(f"opening {store}", shown=not as_json)
    from objectspace.analyses.context import measure_context, view_objects
    from objectspace.store import open_store

    checked_figure(figure)
    opened = open_store(store)
    first = opened.space(alone)
    views = view_objects(first, opened.space(both), opened.space(around), opened.objects(first.object_id))
    measured = measure_context(views, k=k, metric=metric.value)
    chairs, no_chairs = _measure_chairs(views, k, metric)
    end_steps()
    if as_json:
        tests = {view: test.to_json() for view, test in chairs.items()}
        print_json({**measured.to_json(), "chairs": tests, "no_chairs": no_chairs or None})
    else:
        _print_context(measured, chairs)
        typer.echo(
            f"no test of people on chairs: {no_chairs}"
            if no_chairs
            else "people: share of their nearest people, in other photos, that are on a chair"
        )
    if figure is not None:
        _draw(measured, chairs, views, opened, figure)


def _measure_chairs(views: Views, k: int, metric: Metric) -> tuple[dict[str, ChairTest], str]:
    """Return the test of people on chairs in each view, or an empty one and the reason."""
    from objectspace.report.claims.chairs import measure_views

    try:
        return measure_views(views, k=k, metric=metric.value), ""
    except InputError as error:
        return {}, str(error)


def _draw(measured: Context, chairs: Mapping[str, ChairTest], views: Views, store: Store, path: Path) -> None:
    from objectspace.figures.context import draw_context
    from objectspace.figures.context_crops import cut_views
    from objectspace.figures.style import write_figure

    names = {"alone": "object", "both": "both", "around": "surroundings"}
    people = [
        (f"{names[view]}: {where}", one)
        for view, test in chairs.items()
        for where, one in (("on", test.on), ("beside", test.beside))
        if one is not None
    ]
    paths = {row.image_id: row.path for row in store.images_of(views.objects)}
    write_figure(draw_context(measured, cut_views(views, paths), people), path)


def _print_context(measured: Context, chairs: Mapping[str, ChairTest]) -> None:
    """Print shares, pairs and people on chairs, a row for each estimate."""
    if measured.masked < measured.n:
        unmasked = f"{measured.n - measured.masked} of {counted(measured.n, 'object')}"
        warn(f"without a mask: {unmasked}; there the box counts as the object")
    left_out = f", {measured.left_out} left out" if measured.left_out else ""
    typer.echo(
        f"{counted(measured.n, 'object')} of {counted(measured.photos, 'photo')}{left_out}; "
        f"k {measured.k}, {measured.metric}"
    )
    shares, pairs = measured.shares, measured.pairs
    rows = [
        (["embedding: R2 from the object"], shares.object),
        (["embedding: R2 from the surroundings"], shares.surroundings),
        (["embedding: R2 from the two"], shares.together),
        (["  of it by the object only"], shares.only_object),
        (["  of it by either"], shares.shared),
        (["  of it by the surroundings only"], shares.only_surroundings),
        (["pairs: rank by the object"], pairs.object),
        (["pairs: rank by the surroundings"], pairs.surroundings),
        (["pairs: context share"], pairs.context),
    ]
    for test in chairs.values():
        groups = {"on a chair": test.on, "beside a chair": test.beside, "difference": test.difference}
        rows += [([f"{test.space}: {name}"], one) for name, one in groups.items() if one is not None]
    print_estimates([""], rows, count="n")
