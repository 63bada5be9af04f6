"""``objectspace compare``: spaces beside one another, on the objects that all of them hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    AllObjects,
    Cache,
    Control,
    FigurePath,
    Group,
    Json,
    Metric,
    MetricOption,
    Neighbors,
    Queries,
    StorePath,
    most_objects,
)
from objectspace.cli.output import (
    checked_figure,
    drawn_text,
    print_estimates,
    print_json,
    print_table,
    warn_of_groups,
)
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted, number_text

if TYPE_CHECKING:
    from objectspace.analyses.comparison import Comparison, Difference, FactorInSpaces
    from objectspace.analyses.factors import FactorSpec
    from objectspace.store import Store

FirstSpaces = Annotated[
    list[str] | None,
    typer.Option(
        "--spaces",
        metavar="SPACE",
        help="the spaces: --spaces A B C; both/window is a part of a joint space, of all strides",
        show_default="both routes and their joint space",
    ),
]
MoreSpaces = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SPACE]...", help="the spaces after the first", show_default=False),
]
Factors = Annotated[
    list[str] | None,
    typer.Option("--factor", metavar="NAME", help="measured in each space; repeatable", show_default="label"),
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
    spaces: FirstSpaces = None,
    more: MoreSpaces = None,
    factor: Factors = None,
    circular: Circular = None,
    categorical: Categorical = None,
    group: Group = None,
    control: Control = None,
    k: Neighbors = 5,
    metric: MetricOption = Metric.euclidean,
    sample: Queries = None,
    all_objects: AllObjects = False,
    figure: FigurePath = None,
    cache: Cache = None,
    as_json: Json = False,
) -> None:
    """Compare spaces on the objects that all of them hold: shared neighbors, alignment, factors."""
    show_steps(f"opening {store}", shown=not as_json)
    from objectspace.analyses.comparison import compare_spaces, shared_objects
    from objectspace.analyses.factors import FactorSpec
    from objectspace.store import open_store

    names = [*(spaces or []), *(more or [])]
    if len(names) == 1:
        usage_error("give two spaces or more: --spaces A B")
    specs = _specs(factor or [], circular or [], categorical or [], group, control)
    checked_figure(figure)
    opened = open_store(store, cache=cache)
    held = [opened.stored_space(name).to_space() for name in names or _both_routes(opened)]
    objects = opened.objects(shared_objects(held))
    if not specs and len(set(objects.label.tolist())) > 1:
        specs = [FactorSpec("label", group=group, control=control)]
    for spec in specs[:1]:
        warn_of_groups(objects, spec)
    most = most_objects(all_objects)
    compared = compare_spaces(
        held, objects, specs, group=group, k=k, metric=metric.value, queries=sample, most=most
    )
    end_steps()
    if as_json:
        print_json(compared.to_json())
    else:
        _print_comparison(compared, metric)
    if figure is not None:
        from objectspace.figures.comparison import draw_comparison
        from objectspace.figures.style import write_figure

        write_figure(draw_comparison(compared), figure)


def _both_routes(store: Store) -> list[str]:
    """Return the parts of the store's joint space and that space, or its two spaces; wrong usage without."""
    from objectspace.embeddings.joint import joint_parts

    for name in store.space_names:
        if parts := joint_parts(store.recipe(name)):
            alone = [part.spaces[0] if len(part.spaces) == 1 else f"{name}/{part.name}" for part in parts]
            return [*alone, name]
    if len(store.space_names) != 2:
        known = ", ".join(store.space_names) or "none yet"
        usage_error(f"name two spaces or more: --spaces A B; those of {store.path}: {known}")
    return store.space_names


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


def _print_comparison(compared: Comparison, metric: Metric) -> None:
    """Print each factor, its differences first, then how alike each two spaces are."""
    groups = counted(compared.groups, "group")
    spaces = ", ".join(compared.spaces)
    typer.echo(f"{counted(compared.n, 'object')} in all of {spaces}; {groups}; {metric.value} distance")
    spoken_of = "photos" if compared.group is None else f"values of {compared.group}"
    for factor in compared.factors:
        _print_factor(factor, spoken_of)
    pairs = []
    for pair in compared.pairs:
        name = f"{pair.first}, {pair.second}"
        pairs.append(([name, f"overlap at {compared.k}"], pair.overlap))
        pairs.append(([name, "linear CKA, unbiased"], pair.cka))
    print_estimates(["how alike two spaces are", ""], pairs)
    typer.echo(f"intervals speak of new {spoken_of}")


def _print_factor(factor: FactorInSpaces, spoken_of: str) -> None:
    """Print which space is better for a factor, then its measures in each."""
    first = factor.measures[0]
    typer.echo(f"{first.spec.factor} ({first.kind}), {counted(first.n, 'object')}")
    print_table(
        ["difference of neighbors (positive: the second is better)", "value", "low", "high", "p"],
        [
            [f"{one.first}, {one.second}", *map(number_text, (one.value, one.low, one.high, one.p))]
            for one in factor.differences
        ],
    )
    for line in dict.fromkeys(_better(one, spoken_of) for one in factor.differences):
        typer.echo(line)
    rows = []
    for measure in factor.measures:
        rows.append(([measure.space, measure.agreement], measure.neighbors.overall))
        if measure.probe is not None:
            rows.append(([measure.space, f"probe: {measure.probe.metric}"], measure.probe.score))
    print_estimates(["space", ""], rows)
    if (asked := first.neighbors.overall.n) < first.n:
        of = f"{asked:,} of {first.n:,} objects"
        typer.echo(f"neighbors, among all, are of {of}, whole {spoken_of} drawn at random")
    probe = first.probe
    if probe and (text := drawn_text("probes are", len(probe.rows), probe.of, spoken_of)):
        typer.echo(text)


def _better(one: Difference, spoken_of: str) -> str:
    """Return which of two spaces is better, as far as its interval says."""
    if one.no_interval:
        return f"no interval of the difference: {one.no_interval}"
    if one.low <= 0 <= one.high:
        return f"these {spoken_of} do not decide between {one.first} and {one.second}"
    better, worse = (one.second, one.first) if one.value > 0 else (one.first, one.second)
    return f"{better} is better than {worse}"
