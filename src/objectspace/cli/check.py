"""``objectspace check``: a store read once, file by file and row by row."""

from __future__ import annotations

from typing import Annotated

import typer

from objectspace.cli.options import Json, StorePath
from objectspace.cli.output import LISTED, print_json, warn
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted

Repair = Annotated[
    bool, typer.Option("--repair", help="drop what is damaged, so that the same index makes it again")
]


def check(store: StorePath, repair: Repair = False, as_json: Json = False) -> None:
    """Read all of a store once and list what is damaged; exit 1 where something is and stays so.

    Files are compared with the checksums of what was written, rows with what a store may hold.
    """
    show_steps(f"reading all of {store}", shown=not as_json)
    from objectspace.store.examination import examine_store
    from objectspace.store.repair import repair_store

    found = repair_store(store) if repair else examine_store(store)
    end_steps()
    if as_json:
        print_json({**found.to_json(), "repaired": repair and not found.whole})
    elif found.whole:
        typer.echo(f"{store}: whole")
    else:
        for damage in found.damages[:LISTED]:
            lost = "all rows" if damage.rows is None else counted(damage.rows, "row")
            typer.echo(f"{damage.table}: {damage.what} ({lost})")
        if len(found.damages) > LISTED:
            typer.echo(f"and {len(found.damages) - LISTED} more (--json lists all)")
        again = f"the same index command makes {counted(len(found.redone), 'photo')} again"
        typer.echo(again if repair else f"after --repair, {again}")
        for space, count in found.handed_in.items():
            typer.echo(f"no index command makes the {counted(count, 'vector')} lost of space {space}")
    if not found.whole and not repair:
        warn(f"{store} is damaged ({counted(len(found.damages), 'place')}); --repair drops what is lost")
        raise typer.Exit(1)
