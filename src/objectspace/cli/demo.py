"""The commands that need no photos: a world to look at, and the whole job on it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from objectspace.cli.commands import app
from objectspace.cli.options import Json, Quiet
from objectspace.cli.output import print_json, progress_bars, warn
from objectspace.errors import counted

WorldFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", help="a new folder for the pictures", show_default=False)
]
Count = Annotated[int, typer.Option(min=1, help="how many pictures")]
Seed = Annotated[int, typer.Option(min=0, help="the same seed draws the same pictures")]
DemoFolder = Annotated[Path, typer.Option(metavar="FOLDER", help="where everything goes")]


@app.command()
def world(
    out: WorldFolder, count: Count = 500, seed: Seed = 0, quiet: Quiet = False, as_json: Json = False
) -> None:
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


@app.command()
def demo(out: DemoFolder = Path("objectspace-demo"), quiet: Quiet = False, as_json: Json = False) -> None:
    """Do the whole job on 400 drawn pictures with the shipped models; nothing is fetched.

    The same command again resumes where it stopped.
    """
    from objectspace.cli.report import print_findings
    from objectspace.report.demo import COUNT, make_demo
    from objectspace.store import open_store

    stages = dict.fromkeys(("draw", "find", "look up"), COUNT)
    try:
        with progress_bars(stages, shown=not (quiet or as_json)) as advance:
            made = make_demo(out, progress=advance)
    except KeyboardInterrupt:
        warn("stopped; the same command goes on")
        raise SystemExit(130) from None
    if as_json:
        print_json(
            {
                "world": str(made.world),
                "found": str(made.found),
                "true": str(made.true),
                "sheets": {space: str(path) for space, path in made.sheets.items()},
                **made.report.to_json(),
            }
        )
        return
    found, true = (open_store(path).info() for path in (made.found, made.true))
    typer.echo(f"{made.world}: {true.images} pictures in which {true.objects} objects were drawn")
    typer.echo(
        f"{made.found}: {found.objects} objects that the detector found, in "
        f"{counted(len(found.spaces), 'space')}"
    )
    for space, path in made.sheets.items():
        typer.echo(f"  {path}: targets of {space} and their five nearest in other pictures")
    typer.echo(f"{made.true}: the drawn objects with their masks and factors; the paper's claims on them:")
    print_findings(made.report)
    crop, picture = next(iter(made.sheets)), made.world / "images" / "000000.png"
    typer.echo("try next")
    for line in (
        f"objectspace search {made.found} --image {picture} -k 5",
        f"objectspace sheet {made.found} --space {crop} --label chair --out chairs.png",
        f"objectspace measure {made.true} --space {crop} --factor yaw --circular 360 --control label",
        f"objectspace occlude {picture} --detector demo --figure occluded.png",
        "objectspace index YOUR-PHOTOS --store photos.osp     # YOLOv3 and ResNet50, fetched once",
    ):
        typer.echo(f"  {line}")
