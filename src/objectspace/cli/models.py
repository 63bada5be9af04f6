"""``objectspace models``: the models known by name, and the layers of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from objectspace.cli.options import Json
from objectspace.cli.output import print_json, print_table

Taps = Annotated[
    str | None, typer.Option(metavar="NAME|CFG", help="list the layers of this detector, by name or .cfg")
]


def models(taps: Taps = None, as_json: Json = False) -> None:
    """List the models known by name: whether their weights are here, size, license, source."""
    from objectspace.models.catalogue import known_models, list_taps

    rows = known_models() if taps is None else list_taps(taps)
    if as_json:
        print_json(rows)
    elif taps is None:
        _print_models(rows)
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


def _print_models(models: Sequence[dict[str, Any]]) -> None:
    """Print the models known by name, and where their weights come from."""
    for model in models:
        here = f"here: {model['path']}" if model["path"] else "not here, fetched when first used"
        typer.echo(f"{model['name']}  ({model['kind']}, {model['size'] / 1e6:.0f} MB; {here})")
        typer.echo(f"    weights  {model['file']}  sha256 {model['sha256'] or 'as the hub states it'}")
        typer.echo(f"    license  {model['license']}")
        typer.echo(f"    source   {model['source']}")
    typer.echo(
        "Also: any Darknet network as --detector FILE.cfg --detector-weights FILE.weights, any DETR of"
    )
    typer.echo("the hub, or in a folder, as --detector OWNER/NAME or --detector FOLDER (docs/detectors.md),")
    typer.echo("and any model of timm as --encoder NAME, of open_clip as --encoder open_clip:MODEL/WEIGHTS.")
