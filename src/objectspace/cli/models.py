"""``objectspace models``: the models known by name, their weights ahead of time, the layers of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from objectspace.cli.exits import resumable, usage_error
from objectspace.cli.options import Json
from objectspace.cli.output import print_json, print_table
from objectspace.errors import WeightsError

Taps = Annotated[
    str | None, typer.Option(metavar="NAME|CFG", help="list the layers of this detector, by name or .cfg")
]
FetchedModels = Annotated[
    list[str] | None,
    typer.Option("--fetch", metavar="NAME", help="fetch the weights of this model ahead of time; repeatable"),
]
WeightsFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="fetch them into this folder, which OBJECTSPACE_CACHE can name on a machine without a network",
    ),
]
VerifyWeights = Annotated[
    bool, typer.Option("--verify", help="compare the sha256 of the weights that are here")
]


def models(
    taps: Taps = None,
    fetch: FetchedModels = None,
    to: WeightsFolder = None,
    verify: VerifyWeights = False,
    as_json: Json = False,
) -> None:
    """List the models known by name: whether their weights are here, size, license, source.

    --fetch gets weights ahead of time, --verify reads those that are here and compares their sha256.
    """
    from objectspace.models.catalogue import known_models, list_taps

    if sum((taps is not None, bool(fetch), verify)) > 1 or (to and not fetch):
        usage_error("give one of --taps, --fetch (with or without --to) and --verify")
    if fetch or verify:
        rows = _fetched(fetch, to) if fetch else _verified()
    else:
        rows = known_models() if taps is None else list_taps(taps)
    if as_json:
        print_json(rows)
    elif taps is None and not (fetch or verify):
        _print_models(rows)
    elif rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
    if damaged := [row["path"] for row in rows if row.get("state") == "damaged"]:
        raise WeightsError(f"{damaged[0]} is not the published file; remove it, and it is fetched again")


def _fetched(names: Sequence[str], to: Path | None) -> list[dict[str, str]]:
    """Fetch the weights of models into a folder, by default the cache; a row each."""
    from objectspace.models.catalogue import weights_files
    from objectspace.models.weights import fetch

    files = [(name, file) for name in names for file in weights_files(name)]
    with resumable("nothing was kept of the file that was being fetched"):
        return [{"name": name, "path": str(fetch(file, to))} for name, file in files]


def _verified() -> list[dict[str, str]]:
    """Read each file of weights that is here, and tell whether its sha256 is the published one."""
    from objectspace.files import file_sha256
    from objectspace.models.catalogue import weights_files
    from objectspace.models.weights import present_path

    here = [(file, path) for file in weights_files() if (path := present_path(file)) is not None]
    return [
        {"state": "whole" if file_sha256(path) == file.sha256 else "damaged", "path": str(path)}
        for file, path in here
    ]


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
