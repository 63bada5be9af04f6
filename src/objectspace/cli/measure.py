"""The commands that measure: what a space holds of a factor, and spaces beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from objectspace.cli.commands import app
from objectspace.cli.jobs import misuse
from objectspace.cli.options import FigurePath, Json, Metric, MetricOption, NeighborsOfEach, Space, StorePath
from objectspace.cli.output import (
    LISTED,
    checked_figure,
    estimate_row,
    print_json,
    print_table,
    shared_text,
)
from objectspace.errors import counted, number_text

if TYPE_CHECKING:
    from objectspace.analyses.circular_geometry import Geometry
    from objectspace.analyses.comparison import Comparison
    from objectspace.analyses.factors import FactorMeasure, FactorSpec
    from objectspace.store import Store

FactorName = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="label, x, y, x1, y1, size or a column of your own", show_default=False
    ),
]
MeasuredFactors = Annotated[
    list[str] | None, typer.Option("--factor", metavar="NAME", help="measured in each space; repeatable")
]
Period = Annotated[
    float | None,
    typer.Option(metavar="PERIOD", help="the factor is an angle: 360, or 180 where half a turn is the same"),
]
Periods = Annotated[
    list[str] | None,
    typer.Option("--circular", metavar="NAME=PERIOD", help="this factor is an angle; repeatable"),
]
NumbersAreNames = Annotated[bool, typer.Option("--categorical", help="the factor's numbers are names")]
NamedFactors = Annotated[
    list[str] | None,
    typer.Option("--categorical", metavar="NAME", help="this factor's numbers are names; repeatable"),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="objects of one value are never neighbors, and are held out together"
    ),
]
Control = Annotated[
    str | None, typer.Option(metavar="NAME", help="compare only objects with the same value of this factor")
]
Worst = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="list the N objects that agree least with their neighbors: wrong labels?", min=1
    ),
]
FirstSpaces = Annotated[
    list[str],
    typer.Option("--spaces", metavar="SPACE", help="the spaces: --spaces A B C", show_default=False),
]
MoreSpaces = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SPACE]...", help="the spaces after the first", show_default=False),
]


@app.command()
def measure(
    store: StorePath,
    factor: FactorName,
    space: Space = None,
    circular: Period = None,
    categorical: NumbersAreNames = False,
    group: Group = None,
    control: Control = None,
    k: NeighborsOfEach = 5,
    metric: MetricOption = Metric.euclidean,
    worst: Worst = None,
    figure: FigurePath = None,
    as_json: Json = False,
) -> None:
    """Measure how much of a factor a space holds, with chance and 95 % intervals."""
    from objectspace._version import __version__
    from objectspace.analyses.factors import FactorSpec, measure_factor
    from objectspace.search import default_space
    from objectspace.store import open_store

    if circular is not None and categorical:
        misuse("a factor is --circular or --categorical, not both")
    checked_figure(figure)
    opened = open_store(store)
    held = opened.space(space or default_space(opened))
    spec = FactorSpec(factor, circular, categorical, group, control)
    measured = measure_factor(held, opened.objects(held.object_id), spec, k=k, metric=metric.value)
    listed = [] if worst is None else _worst(measured, opened, worst)
    if as_json:
        document = {**measured.to_json(), "recipe": held.recipe.to_json(), "version": __version__}
        print_json(document if worst is None else {**document, "worst": listed})
    else:
        print_measure(measured)
        if listed:
            _print_worst(measured.agreement, listed)
    if figure is not None:
        from objectspace.figures.factors import draw_factor
        from objectspace.figures.style import write_figure

        write_figure(draw_factor(measured), figure)


@app.command()
def compare(
    store: StorePath,
    spaces: FirstSpaces,
    more: MoreSpaces = None,
    factor: MeasuredFactors = None,
    circular: Periods = None,
    categorical: NamedFactors = None,
    group: Group = None,
    control: Control = None,
    k: NeighborsOfEach = 5,
    metric: MetricOption = Metric.euclidean,
    figure: FigurePath = None,
    as_json: Json = False,
) -> None:
    """Compare spaces on the objects that all of them hold: shared neighbors, alignment, factors."""
    from objectspace.analyses.comparison import compare_spaces, shared_objects
    from objectspace.store import open_store

    names = [*spaces, *(more or [])]
    if len(names) < 2:
        misuse("give two spaces or more: --spaces A B")
    specs = _specs(factor or [], circular or [], categorical or [], group, control)
    checked_figure(figure)
    opened = open_store(store)
    held = [opened.space(name) for name in names]
    objects = opened.objects(shared_objects(held))
    compared = compare_spaces(held, objects, specs, group=group, k=k, metric=metric.value)
    if as_json:
        print_json(compared.to_json())
    else:
        print_comparison(compared)
    if figure is not None:
        from objectspace.figures.comparison import draw_comparison
        from objectspace.figures.style import write_figure

        write_figure(draw_comparison(compared), figure)


def _worst(measured: FactorMeasure, store: Store, count: int) -> list[dict[str, Any]]:
    """The objects that agree least with their neighbors: which, in which photo, and their own figure."""
    rows = measured.worst(count)
    objects = store.objects(measured.object_id[rows])
    paths = {image.image_id: image.path for image in store.images()}
    columns = zip(
        objects.object_id.tolist(),
        (paths[name] for name in objects.image_id.tolist()),
        objects.label.tolist(),
        measured.neighbors.values[rows].tolist(),
        strict=True,
    )
    return [dict(zip(("object_id", "image", "label", "value"), one, strict=True)) for one in columns]


def _specs(
    names: Sequence[str],
    circular: Sequence[str],
    categorical: Sequence[str],
    group: str | None,
    control: str | None,
) -> list[FactorSpec]:
    """The specs of --factor, --circular and --categorical; wrong usage where they do not fit together."""
    from objectspace.analyses.factors import FactorSpec

    periods = {}
    for text in circular:
        name, _, period = text.partition("=")
        try:
            periods[name] = float(period)
        except ValueError:
            misuse(f"--circular {text}: expected NAME=PERIOD, such as azimuth=360")
    for name in (*periods, *categorical):
        if name not in names:
            misuse(f"{name} is no --factor; name it there too")
        if name in periods and name in categorical:
            misuse("a factor is --circular or --categorical, not both")
    return [FactorSpec(name, periods.get(name), name in categorical, group, control) for name in names]


def print_measure(measured: FactorMeasure) -> None:
    """What was measured, a line a figure."""
    spec = measured.spec
    company = counted(measured.groups, "photo" if spec.group is None else "group")
    by = "" if spec.group is None else f" by {spec.group}"
    where = "" if spec.control is None else f", at one {spec.control} at a time"
    typer.echo(
        f"{spec.factor} ({measured.kind}) in {measured.space}: {counted(measured.n, 'object')} in "
        f"{company}{by}{where}"
    )
    if measured.left_out:
        out = counted(measured.left_out, "object")
        typer.echo(f"{out} left out: unknown, or nothing to compare with")
    rows = [estimate_row(measured.agreement, measured.neighbors.overall)]
    if measured.probe is not None:
        rows.append(estimate_row(f"probe: {measured.probe.metric}", measured.probe.score))
    if measured.geometry is not None:
        rows.append(estimate_row("the opposite view is the farthest", measured.geometry.opposite))
    print_table(["", "value", "chance", "low", "high", "p", "objects"], rows)
    if measured.geometry is not None:
        _print_curve(measured.geometry)
    labels = measured.neighbors.labels
    if len(labels) > 1:
        typer.echo("neighbors by label")
        ordered = sorted(labels.items(), key=lambda item: (-item[1].n, item[0]))
        print_table(
            ["label", "value", "chance", "low", "high", "objects"],
            [[*estimate_row(name, one)[:5], one.n] for name, one in ordered[:LISTED]],
        )
        if len(labels) > LISTED:
            typer.echo(f"and {counted(len(labels) - LISTED, 'more label')} (--json lists all)")
    typer.echo(f"hubness (skewness of the {measured.k}-occurrence) {measured.hubness:.2f}")
    if measured.shared.objects:
        typer.echo(shared_text(measured.shared))


def _print_worst(figure: str, listed: Sequence[dict[str, Any]]) -> None:
    typer.echo(f"objects that agree least with their neighbors: {figure}")
    rows = [[one["object_id"], one["label"], number_text(one["value"]), one["image"]] for one in listed]
    print_table(["object", "label", "value", "image"], rows)


def print_comparison(compared: Comparison) -> None:
    """Each two spaces, then each factor in each space."""
    groups = counted(compared.groups, "group")
    typer.echo(f"{counted(compared.n, 'object')} in all of {', '.join(compared.spaces)}; {groups}")
    header = ["spaces", "", "value", "chance", "low", "high"]
    rows = []
    for pair in compared.pairs:
        name = f"{pair.first}, {pair.second}"
        rows.append([name, f"overlap at {compared.k}", *estimate_row("", pair.overlap)[1:5]])
        rows.append([name, "linear CKA, unbiased", *estimate_row("", pair.cka)[1:5]])
    print_table(header, rows)
    for factor in compared.factors:
        first = factor.measures[0]
        typer.echo(f"{first.spec.factor} ({first.kind}), {counted(first.n, 'object')}")
        rows = []
        for one in factor.measures:
            rows.append([one.space, *estimate_row(one.agreement, one.neighbors.overall)[:5]])
            if one.probe is not None:
                rows.append([one.space, *estimate_row(f"probe: {one.probe.metric}", one.probe.score)[:5]])
        print_table(["space", *header[1:]], rows)
        print_table(
            ["difference of neighbors (positive: the second is better)", "value", "low", "high"],
            [
                [f"{one.first}, {one.second}", *map(number_text, (one.value, one.low, one.high))]
                for one in factor.differences
            ],
        )


def _print_curve(geometry: Geometry) -> None:
    typer.echo(f"distance of two views of one {geometry.same} by the angle between them (1 is their mean)")
    columns = zip(geometry.angle, geometry.distance, geometry.low, geometry.high, geometry.pairs, strict=True)
    print_table(
        ["angle", "distance", "low", "high", "pairs"],
        [[f"{angle:g}", *map(number_text, part), pairs] for angle, *part, pairs in columns if pairs],
    )
