"""``objectspace serve``: a store in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from objectspace.cli.exits import resumable
from objectspace.cli.options import StorePath
from objectspace.cli.progress import end_steps, show_steps

Photos = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="the photos, where they are not where they were when the store was made",
        exists=True,
        file_okay=False,
    ),
]
OwnMap = Annotated[
    Path | None,
    typer.Option(
        "--map",
        metavar="FILE",
        help="a map of your own: a parquet file with columns object_id, x, y",
        exists=True,
        dir_okay=False,
    ),
]
Port = Annotated[
    int | None,
    typer.Option(metavar="N", help="the port", show_default="the first free one from 8765", min=0, max=65535),
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="open a browser")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="refuse marks and selections")]


def serve(
    store: StorePath,
    photos: Photos = None,
    own_map: OwnMap = None,
    port: Port = None,
    browser: Browser = True,
    read_only: ReadOnly = False,
) -> None:
    """Explore a store in the browser: its map, its objects and their neighbors. Ctrl-C ends it."""
    with resumable("marks and selections are kept"):
        show_steps(f"opening {store}", shown=True)
        from objectspace.explorer.server import serve as serve_store

        serve_store(
            store,
            photos=photos,
            own_map=own_map,
            port=port,
            browser=browser,
            read_only=read_only,
            started=_print_address,
        )


def _print_address(address: str) -> None:
    end_steps()
    typer.echo(f"open {address}")
    typer.echo("Ctrl-C ends it")
