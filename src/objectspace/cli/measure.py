"""``objectspace measure``: how much of a factor a space holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    AllObjects,
    Cache,
    Circular,
    Control,
    FigurePath,
    Group,
    Json,
    Linear,
    Metric,
    MetricOption,
    Neighbors,
    Queries,
    SelectionName,
    Source,
    Space,
    StorePath,
    most_objects,
)
from objectspace.cli.output import (
    LISTED,
    angle_text,
    checked_figure,
    drawn_text,
    print_estimates,
    print_json,
    print_table,
    shared_text,
    warn_of_groups,
)
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted, number_text

if TYPE_CHECKING:
    from objectspace.analyses.circular_geometry import Geometry
    from objectspace.analyses.factors import FactorMeasure
    from objectspace.analyses.statistics import Estimate

Factor = Annotated[
    str,
    typer.Option(metavar="NAME", help="label, x, y, x1, y1, size or a column of your own"),
]
Categorical = Annotated[bool, typer.Option("--categorical", help="the factor's numbers are names")]

#: Skewness of a factor from which its values' interval holds less than it should: that of an exponential
#: distribution (docs/measures.md).
SKEWED = 2.0


def measure(
    store: StorePath,
    factor: Factor = "label",
    space: Space = None,
    circular: Circular = None,
    linear: Linear = False,
    categorical: Categorical = False,
    group: Group = None,
    control: Control = None,
    source: Source = None,
    k: Neighbors = 5,
    metric: MetricOption = Metric.euclidean,
    selection: SelectionName = None,
    sample: Queries = None,
    all_objects: AllObjects = False,
    figure: FigurePath = None,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Measure how much of a factor a space holds, with chance and 95 % intervals."""
    show_steps(f"opening {store}", shown=not as_json)
    import numpy as np

    from objectspace._version import __version__
    from objectspace.analyses.factor_columns import angle_period
    from objectspace.analyses.factors import FactorSpec, measure_by_metric
    from objectspace.search import default_space
    from objectspace.search.filters import of_source
    from objectspace.store import open_store

    if (circular is not None) + linear + categorical > 1:
        usage_error("a factor is --circular, --linear or --categorical, one of them")
    checked_figure(figure)
    opened = open_store(store, cache=cache)
    held = opened.stored_space(space or default_space(opened)).to_space()
    objects = opened.objects(held.object_id)
    if selection is not None:
        rows = opened.selection(selection).rows(held.object_id, f"space {held.name}")
        held, objects = held.take(rows), objects.take(rows)
    if source is not None:
        rows = np.flatnonzero(of_source(objects.source, source))
        held, objects = held.take(rows), objects.take(rows)
    by_name = None
    if circular is None and not linear and not categorical and factor in objects.factors:
        by_name = circular = angle_period(factor, objects.factors[factor])
    spec = FactorSpec(factor, circular, categorical, group, control)
    warn_of_groups(objects, spec)
    most = most_objects(all_objects)
    measured, by_metric = measure_by_metric(
        held, objects, spec, k=k, metric=metric.value, queries=sample, most=most
    )
    end_steps()
    if as_json:
        print_json(
            {
                **measured.to_json(),
                "neighbors_by_metric": {name: one.to_json() for name, one in by_metric.items()},
                "period_by_name": by_name is not None,
                "recipe": held.recipe.to_json(),
                "version": __version__,
            }
        )
    else:
        if by_name is not None:
            typer.echo(angle_text(factor, by_name, by_name=True))
        _print_measure(measured, by_metric)
    if figure is not None:
        from objectspace.figures.factors import draw_factor
        from objectspace.figures.style import write_figure

        write_figure(draw_factor(measured), figure)


def _print_measure(measured: FactorMeasure, by_metric: Mapping[str, Estimate]) -> None:
    """Print what was measured, a line for each figure; that of the neighbors by each metric."""
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
    alike = len({id(one) for one in by_metric.values()}) == 1  # those of a joint space, measured once
    metric = "either metric" if alike else measured.metric
    named = {metric: measured.neighbors.overall} if alike else by_metric
    estimates = {f"{measured.agreement}, {name}": one for name, one in named.items()}
    if measured.probe is not None:
        estimates[f"probe: {measured.probe.metric}"] = measured.probe.score
    if measured.geometry is not None:
        estimates["the opposite view is the farthest"] = measured.geometry.opposite
    print_estimates([""], [([name], one) for name, one in estimates.items()], count="objects")
    if measured.conclusion:
        typer.echo(f"that is: {measured.conclusion}")
    groups = "photos" if spec.group is None else f"values of {spec.group}"
    _print_reach(estimates, groups)
    if measured.skewness is not None and abs(measured.skewness) >= SKEWED:
        typer.echo(
            f"values of {spec.factor} are skewed (skewness {measured.skewness:.1f}): of far ones that this "
            "store lacks its intervals know nothing; measure their logarithm, in a column of its own"
        )
    if measured.probe is not None:
        probe = measured.probe
        if text := drawn_text("the probe is", len(probe.rows), probe.of, groups):
            typer.echo(text)
    if len(measured.object_id) < measured.n:
        typer.echo(
            f"neighbors, among all, of {len(measured.object_id):,} of {measured.n:,} objects, whole {groups} "
            "drawn at random"
        )
    if measured.geometry is not None:
        _print_curve(measured.geometry)
    labels = measured.neighbors.labels
    if len(labels) > 1:
        typer.echo(f"neighbors by label, {metric}")
        ordered = sorted(labels.items(), key=lambda item: (-item[1].n, item[0]))
        print_estimates(["label"], [([name], one) for name, one in ordered[:LISTED]], count="objects")
        if len(labels) > LISTED:
            typer.echo(f"and {counted(len(labels) - LISTED, 'more label')} (--json lists all)")
    typer.echo(f"hubness (skewness of the {measured.k}-occurrence) {measured.hubness:.2f}")
    if measured.shared.objects:
        typer.echo(shared_text(measured.shared))


def _print_reach(estimates: Mapping[str, Estimate], groups: str) -> None:
    """Print what the intervals speak of, and how small an effect would be found."""
    for population, meaning in (("groups", f"new {groups}"), ("queries", "the queries, the store fixed")):
        names = [
            name for name, one in estimates.items() if one.population == population and not one.no_interval
        ]
        if names:
            typer.echo(f"intervals speak of {meaning}: {', '.join(names)}")
    found = [
        f"{name} {number_text(one.detectable)}"
        for name, one in estimates.items()
        if one.detectable is not None
    ]
    if found:
        typer.echo(f"found in 80 % of cases where it is this far from chance: {', '.join(found)}")


def _print_curve(geometry: Geometry) -> None:
    typer.echo(f"distance of two views of one {geometry.same} by the angle between them (1 is their mean)")
    columns = zip(geometry.angle, geometry.distance, geometry.low, geometry.high, geometry.pairs, strict=True)
    print_table(
        ["angle", "distance", "low", "high", "pairs"],
        [[f"{angle:g}", *map(number_text, part), pairs] for angle, *part, pairs in columns if pairs],
    )
