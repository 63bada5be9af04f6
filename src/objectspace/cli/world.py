"""``objectspace world``: drawn pictures whose every factor is known."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from objectspace.cli.options import Json, Quiet, Seed
from objectspace.cli.output import print_json
from objectspace.cli.progress import progress_bars
from objectspace.errors import counted

Out = Annotated[
    Path, typer.Option(metavar="FOLDER", help="a new folder for the pictures", show_default=False)
]
Count = Annotated[int, typer.Option(min=1, help="how many pictures")]


def world(out: Out, count: Count = 500, seed: Seed = 0, quiet: Quiet = False, as_json: Json = False) -> None:
    """Draw pictures whose every factor is known: kind, style, turn, size, place, company, mask.

    Writes PNG files and COCO annotations with the factors as attributes, for any tool.
    """
    from objectspace.scenes.world.world_files import ANNOTATIONS, PICTURES, write_world

    with progress_bars({"draw": count}, shown=not (quiet or as_json)) as advance:
        objects = write_world(out, count=count, seed=seed, progress=partial(advance, "draw"))
    if as_json:
        print_json({"out": str(out), "pictures": count, "objects": objects, "seed": seed})
        return
    drawn = f"{counted(count, 'picture')} of {counted(objects, 'object')}"
    typer.echo(f"{out}: {drawn} in {PICTURES}/, the truth in {ANNOTATIONS}")
    typer.echo(
        f"try: objectspace index {out / PICTURES} --store {out}.osp --annotations {out / ANNOTATIONS} "
        "--annotation-format coco --detector demo --encoder demo"
    )
