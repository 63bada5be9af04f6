"""``objectspace info``: what a store holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from objectspace.cli.options import Json, StorePath
from objectspace.cli.output import LISTED, print_json, recall_text
from objectspace.errors import counted

if TYPE_CHECKING:
    from objectspace.store import StoreInfo


def info(store: StorePath, as_json: Json = False) -> None:
    """Show what a store holds: images, objects by label, spaces with their recipes, failures."""
    from objectspace.store import open_store

    held = open_store(store).info()
    if as_json:
        print_json(held.to_json())
    else:
        _print_info(store, held)


def _print_info(store: Path, info: StoreInfo) -> None:
    """Print what a store holds, failures last."""
    typer.echo(f"{store}: {counted(info.images, 'image')}, {counted(info.objects, 'object')}")
    for name, count in list(info.labels.items())[:LISTED]:
        typer.echo(f"  {count:7d}  {name}")
    if len(info.labels) > LISTED:
        more = counted(len(info.labels) - LISTED, "more label")
        typer.echo(f"           and {more} (--json lists all)")
    typer.echo("spaces" if info.spaces else "no spaces")
    for space in info.spaces:
        typer.echo(f"  {space.name}: {space.count} x {space.dimension}")
        recipe = {key: value for key, value in space.recipe.to_json().items() if value is not None}
        for key, value in recipe.items():
            plain = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            typer.echo(f"      {key:13s}  {plain}")
        if space.index is not None:
            typer.echo(f"      {'index':13s}  {recall_text(space.index, space.unindexed)}")
    if info.failures:
        typer.echo(counted(len(info.failures), "failure"))
        for failure in info.failures:
            typer.echo(f"  {failure.path}: {failure.reason}")
