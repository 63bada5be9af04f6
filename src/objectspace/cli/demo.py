"""``objectspace demo``: the whole job on drawn pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from objectspace.cli.exits import resumable
from objectspace.cli.options import Json, Quiet
from objectspace.cli.output import print_findings, print_json
from objectspace.cli.progress import progress_bars, show_steps
from objectspace.errors import counted

Out = Annotated[Path, typer.Option(metavar="FOLDER", help="where everything goes")]
Quick = Annotated[bool, typer.Option("--quick", help="60 pictures, one sheet and no report: half a minute")]


def demo(out: Out = Path("demo"), quick: Quick = False, quiet: Quiet = False, as_json: Json = False) -> None:
    """Do the whole job on 400 drawn pictures with the shipped models; nothing is fetched.

    The same command again resumes where it stopped.
    """
    from objectspace.store import open_store

    with resumable("the same command goes on"):
        # Imports take seconds, in which Ctrl-C may come.
        show_steps("loading the shipped models", shown=not (quiet or as_json))
        from objectspace.report.demo import COUNT, QUICK_COUNT, make_demo

        count = QUICK_COUNT if quick else COUNT
        stages = dict.fromkeys(("draw", "find", "look up"), count)
        with progress_bars(stages, shown=not (quiet or as_json)) as advance:
            made = make_demo(out, count=count, quick=quick, progress=advance)
    if as_json:
        print_json(
            {
                "world": str(made.world),
                "found": str(made.found),
                "true": str(made.true),
                "sheets": {space: str(path) for space, path in made.sheets.items()},
                **(made.report.to_json() if made.report else {}),
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
    typer.echo(f"{made.true}: the drawn objects with their masks and factors")
    if made.report:
        print_findings(made.report)
    crop, picture = next(iter(made.sheets)), made.world / "images" / "000000.png"
    typer.echo("try next")
    for line in (
        f"objectspace search {made.found} --image {picture} -k 5",
        f"objectspace sheet {made.found} --space {crop} --label chair --out chairs.png",
        f"objectspace measure {made.true} --space {crop} --factor yaw --circular 360 --control label",
        f"objectspace occlude {picture} --detector demo --figure occluded.png",
        "objectspace index YOUR-PHOTOS --store photos.osp     # YOLOv3 and ResNet50, fetched once",
        f"objectspace serve {made.found}     # look at it in the browser",
    ):
        typer.echo(f"  {line}")
