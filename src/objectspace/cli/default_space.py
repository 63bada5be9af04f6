"""``objectspace default-space``: the space that is searched where none is named."""

from __future__ import annotations

from typing import Annotated

import typer

from objectspace.cli.options import StorePath

NewDefault = Annotated[str, typer.Argument(metavar="SPACE", help="a space of the store", show_default=False)]


def default_space(store: StorePath, space: NewDefault) -> None:
    """Set the space that search, sheet, measure and serve take where none is named; info shows it."""
    from objectspace.jobs.default_space import set_default_space

    set_default_space(store, space)
    typer.echo(f"{store}: the default space is {space}")
