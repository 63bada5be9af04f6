"""``objectspace measure``: how much of a factor a space holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    Control,
    FigurePath,
    Group,
    Json,
    Metric,
    MetricOption,
    Neighbors,
    Source,
    Space,
    StorePath,
)
from objectspace.cli.output import LISTED, checked_figure, estimate_row, print_json, print_table, shared_text
from objectspace.errors import counted, number_text

if TYPE_CHECKING:
    from objectspace.analyses.circular_geometry import Geometry
    from objectspace.analyses.factors import FactorMeasure
    from objectspace.store import Store

Factor = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="label, x, y, x1, y1, size or a column of your own", show_default=False
    ),
]
Circular = Annotated[
    float | None,
    typer.Option(
        metavar="PERIOD",
        help="the factor is an angle: 360, or 180 where half a turn is the same",
        show_default="360 for numbers named yaw, azimuth or angle",
    ),
]
Linear = Annotated[
    bool, typer.Option("--linear", help="the factor's numbers are lengths, though it has an angle's name")
]
Categorical = Annotated[bool, typer.Option("--categorical", help="the factor's numbers are names")]
Worst = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="list the N objects that agree least with their neighbors: wrong labels?", min=1
    ),
]


def measure(
    store: StorePath,
    factor: Factor,
    space: Space = None,
    circular: Circular = None,
    linear: Linear = False,
    categorical: Categorical = False,
    group: Group = None,
    control: Control = None,
    source: Source = None,
    k: Neighbors = 5,
    metric: MetricOption = Metric.euclidean,
    worst: Worst = None,
    figure: FigurePath = None,
    as_json: Json = False,
) -> None:
    """Measure how much of a factor a space holds, with chance and 95 % intervals."""
    import numpy as np

    from objectspace._version import __version__
    from objectspace.analyses.factor_columns import angle_period
    from objectspace.analyses.factors import FactorSpec, measure_factor
    from objectspace.search import default_space
    from objectspace.search.filters import of_source
    from objectspace.store import open_store

    if (circular is not None) + linear + categorical > 1:
        usage_error("a factor is --circular, --linear or --categorical, one of them")
    checked_figure(figure)
    opened = open_store(store)
    held = opened.space(space or default_space(opened))
    objects = opened.objects(held.object_id)
    if source is not None:
        rows = np.flatnonzero(of_source(objects.source, source))
        held, objects = held.take(rows), objects.take(rows)
    by_name = None
    if circular is None and not linear and not categorical and factor in objects.factors:
        by_name = circular = angle_period(factor, objects.factors[factor])
    spec = FactorSpec(factor, circular, categorical, group, control)
    measured = measure_factor(held, objects, spec, k=k, metric=metric.value)
    listed = [] if worst is None else _worst(measured, opened, worst)
    if as_json:
        document = {
            **measured.to_json(),
            "period_by_name": by_name is not None,
            "recipe": held.recipe.to_json(),
            "version": __version__,
        }
        print_json(document if worst is None else {**document, "worst": listed})
    else:
        if by_name is not None:
            typer.echo(
                f"{factor} is taken as an angle of {by_name:g} degrees, by its name; --linear takes it as a "
                "length, --circular 180 as one of half a turn"
            )
        _print_measure(measured)
        if listed:
            _print_worst(measured.agreement, listed)
    if figure is not None:
        from objectspace.figures.factors import draw_factor
        from objectspace.figures.style import write_figure

        write_figure(draw_factor(measured), figure)


def _worst(measured: FactorMeasure, store: Store, count: int) -> list[dict[str, Any]]:
    """Return the objects that agree least with their neighbors, each with its photo and its own figure."""
    rows = measured.worst(count)
    objects = store.objects(measured.object_id[rows])
    columns = zip(
        objects.object_id.tolist(),
        (image.path for image in store.images_of(objects)),
        objects.label.tolist(),
        measured.neighbors.values[rows].tolist(),
        strict=True,
    )
    return [dict(zip(("object_id", "image", "label", "value"), one, strict=True)) for one in columns]


def _print_measure(measured: FactorMeasure) -> None:
    """Print what was measured, a line for each figure."""
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


def _print_curve(geometry: Geometry) -> None:
    typer.echo(f"distance of two views of one {geometry.same} by the angle between them (1 is their mean)")
    columns = zip(geometry.angle, geometry.distance, geometry.low, geometry.high, geometry.pairs, strict=True)
    print_table(
        ["angle", "distance", "low", "high", "pairs"],
        [[f"{angle:g}", *map(number_text, part), pairs] for angle, *part, pairs in columns if pairs],
    )
