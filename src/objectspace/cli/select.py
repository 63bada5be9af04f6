"""``objectspace select``: few objects that stand for the others, kept under a name."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from objectspace.cli.options import Json, Space, StorePath
from objectspace.cli.output import print_json
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted


class By(StrEnum):
    """What a choice is by."""

    diversity = "diversity"
    density = "density"
    label = "label"


Count = Annotated[int, typer.Option("-n", help="how many objects", min=1, show_default=False)]
Name = Annotated[str, typer.Option("--name", help="the selection's name", show_default=False)]
ByOption = Annotated[
    By,
    typer.Option(
        "--by",
        help="diversity: far from each other (k-center); density: near to all (facility location); label: as "
        "many of each",
    ),
]
Among = Annotated[str | None, typer.Option("--from", metavar="SELECTION", help="choose from this selection")]
Already = Annotated[
    str | None,
    typer.Option("--already", metavar="SELECTION", help="these are chosen already, and cover others"),
]


def select(
    store: StorePath,
    n: Count,
    name: Name,
    by: ByOption = By.diversity,
    space: Space = None,
    among: Among = None,
    already: Already = None,
    as_json: Json = False,
) -> None:
    """Choose objects that stand for the others, and keep them in the store under a name."""
    show_steps(f"choosing among the objects of {store}", shown=not as_json)
    from objectspace.jobs.select import select as select_objects

    made = select_objects(store, n, name=name, by=by.value, space=space, among=among, already=already)
    end_steps()
    if as_json:
        print_json(made.to_json())
        return
    what = "mean cosine to the nearest" if by is By.density else "radius"
    typer.echo(f"{made.name}: {counted(len(made), 'object')} of space {made.how['space']}, by {by.value}")
    typer.echo(f"{what} {made.how['coverage']:.3f}, of random choices {made.how['random']:.3f}")
