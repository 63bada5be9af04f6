"""``objectspace sheet``: targets and their nearest neighbors, drawn as a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from objectspace.cli.options import (
    ExcludeSame,
    ExcludeSameImage,
    Json,
    Label,
    Metric,
    MetricOption,
    Neighbors,
    Space,
    StorePath,
    check_exclusion,
)
from objectspace.cli.output import checked_figure, print_json, write_sheet
from objectspace.errors import counted

Out = Annotated[
    Path, typer.Option(metavar="FILE", help="the picture: .png, .pdf or .svg", show_default=False)
]
Rows = Annotated[int, typer.Option(help="how many targets", min=1)]


def sheet(
    store: StorePath,
    out: Out,
    space: Space = None,
    rows: Rows = 12,
    k: Neighbors = 5,
    label: Label = None,
    metric: MetricOption = Metric.cosine,
    exclude_same_image: ExcludeSameImage = False,
    exclude_same: ExcludeSame = None,
    as_json: Json = False,
) -> None:
    """Draw targets and their nearest neighbors as a grid: the paper's figures 2 and 5."""
    from objectspace.search import SpaceSearch, choose_targets, default_space
    from objectspace.store import open_store

    check_exclusion(exclude_same_image, exclude_same)
    checked_figure(out)
    opened = open_store(store)
    ready = SpaceSearch(opened, space or default_space(opened), metric=metric.value)
    if label is not None:
        ready.objects.labeled(label)  # raises for an unknown label, with a guess
    targets = choose_targets(ready, rows, label=label)
    answers = ready.nearest(
        ready.stored(targets), k=k, exclude_same_image=exclude_same_image, exclude_same=exclude_same
    )
    write_sheet(opened, answers, out)
    if as_json:
        print_json([answer.to_json() for answer in answers])
        return
    most = max(len(answer.neighbors) for answer in answers)
    each = f"{counted(most, 'neighbor')} each"
    fewer = "" if most == k else ", as there are no more"
    at_most = "at most " if fewer else ""
    typer.echo(
        f"{out}: {counted(len(answers), 'target')} of space {ready.space.name}, {at_most}{each}{fewer}"
    )
