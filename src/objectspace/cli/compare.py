"""``objectspace compare``: spaces beside one another, on the objects that all of them hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    AllObjects,
    Control,
    FigurePath,
    Group,
    Json,
    Metric,
    MetricOption,
    Neighbors,
    StorePath,
    most_objects,
)
from objectspace.cli.output import (
    checked_figure,
    drawn_text,
    end_steps,
    print_estimates,
    print_json,
    print_table,
    show_steps,
    warn_of_groups,
)
from objectspace.errors import counted, number_text

if TYPE_CHECKING:
    from objectspace.analyses.comparison import Comparison
    from objectspace.analyses.factors import FactorSpec

FirstSpaces = Annotated[
    list[str],
    typer.Option("--spaces", metavar="SPACE", help="the spaces: --spaces A B C", show_default=False),
]
MoreSpaces = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SPACE]...", help="the spaces after the first", show_default=False),
]
Factors = Annotated[
    list[str] | None, typer.Option("--factor", metavar="NAME", help="measured in each space; repeatable")
]
Circular = Annotated[
    list[str] | None,
    typer.Option("--circular", metavar="NAME=PERIOD", help="this factor is an angle; repeatable"),
]
Categorical = Annotated[
    list[str] | None,
    typer.Option("--categorical", metavar="NAME", help="this factor's numbers are names; repeatable"),
]


def compare(
    store: StorePath,
    spaces: FirstSpaces,
    more: MoreSpaces = None,
    factor: Factors = None,
    circular: Circular = None,
    categorical: Categorical = None,
    group: Group = None,
    control: Control = None,
    k: Neighbors = 5,
    metric: MetricOption = Metric.euclidean,
    all_objects: AllObjects = False,
    figure: FigurePath = None,
    as_json: Json = False,
) -> None:
    """Compare spaces on the objects that all of them hold: shared neighbors, alignment, factors."""
    show_steps(f"opening {store}", shown=not as_json)
    from objectspace.analyses.comparison import compare_spaces, shared_objects
    from objectspace.store import open_store

    names = [*spaces, *(more or [])]
    if len(names) < 2:
        usage_error("give two spaces or more: --spaces A B")
    specs = _specs(factor or [], circular or [], categorical or [], group, control)
    checked_figure(figure)
    opened = open_store(store)
    held = [opened.stored_space(name).to_space() for name in names]
    objects = opened.objects(shared_objects(held))
    for spec in specs[:1]:
        warn_of_groups(objects, spec)
    most = most_objects(all_objects)
    compared = compare_spaces(held, objects, specs, group=group, k=k, metric=metric.value, most=most)
    end_steps()
    if as_json:
        print_json(compared.to_json())
    else:
        _print_comparison(compared)
    if figure is not None:
        from objectspace.figures.comparison import draw_comparison
        from objectspace.figures.style import write_figure

        write_figure(draw_comparison(compared), figure)


def _specs(
    names: Sequence[str],
    circular: Sequence[str],
    categorical: Sequence[str],
    group: str | None,
    control: str | None,
) -> list[FactorSpec]:
    """Return the factors of the options; wrong usage where these do not fit together."""
    from objectspace.analyses.factors import FactorSpec

    periods = {}
    for text in circular:
        name, _, period = text.partition("=")
        try:
            periods[name] = float(period)
        except ValueError:
            usage_error(f"--circular {text}: expected NAME=PERIOD, such as azimuth=360")
    for name in (*periods, *categorical):
        if name not in names:
            usage_error(f"{name} is no --factor; name it there too")
        if name in periods and name in categorical:
            usage_error("a factor is --circular or --categorical, not both")
    return [FactorSpec(name, periods.get(name), name in categorical, group, control) for name in names]


def _print_comparison(compared: Comparison) -> None:
    """Print each two spaces, then each factor in each space."""
    groups = counted(compared.groups, "group")
    typer.echo(f"{counted(compared.n, 'object')} in all of {', '.join(compared.spaces)}; {groups}")
    pairs = []
    for pair in compared.pairs:
        name = f"{pair.first}, {pair.second}"
        pairs.append(([name, f"overlap at {compared.k}"], pair.overlap))
        pairs.append(([name, "linear CKA, unbiased"], pair.cka))
    print_estimates(["spaces", ""], pairs)
    for factor in compared.factors:
        first = factor.measures[0]
        typer.echo(f"{first.spec.factor} ({first.kind}), {counted(first.n, 'object')}")
        rows = []
        for one in factor.measures:
            rows.append(([one.space, one.agreement], one.neighbors.overall))
            if one.probe is not None:
                rows.append(([one.space, f"probe: {one.probe.metric}"], one.probe.score))
        print_estimates(["space", ""], rows)
        groups = "photos" if compared.group is None else f"values of {compared.group}"
        probe = first.probe
        if probe and (text := drawn_text("probes are", len(probe.rows), probe.of, groups)):
            typer.echo(text)
        print_table(
            ["difference of neighbors (positive: the second is better)", "value", "low", "high", "p"],
            [
                [f"{one.first}, {one.second}", *map(number_text, (one.value, one.low, one.high, one.p))]
                for one in factor.differences
            ],
        )
        if unknown := factor.differences[0].no_interval:
            typer.echo(f"no interval of the difference: {unknown}")
    typer.echo(
        f"intervals speak of new {'photos' if compared.group is None else f'values of {compared.group}'}"
    )
