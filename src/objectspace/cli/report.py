"""``objectspace report``: the paper's claims tested on a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import Circular, Device, Group, Json, Linear, StorePath
from objectspace.cli.output import angle_text, print_findings, print_json
from objectspace.cli.progress import end_steps, show_steps

ReportFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", help="where report.html goes", show_default=False)
]
Crop = Annotated[
    str | None, typer.Option("--crop", metavar="SPACE", help="the crop space; by default the first by name")
]
Window = Annotated[
    str | None,
    typer.Option(
        "--window", metavar="SPACE", help="the window space; by default the 3 x 3 one with the most objects"
    ),
]
Orientation = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="the column of the direction that an object faces; by default yaw, azimuth or angle",
    ),
]
Style = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="the column of an object's style or sort; by default style or breed"),
]


def report(
    store: StorePath,
    out: ReportFolder,
    crop: Crop = None,
    window: Window = None,
    orientation: Orientation = None,
    circular: Circular = None,
    linear: Linear = False,
    style: Style = None,
    group: Group = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Test the paper's claims on a store, draw its figures, and write one HTML file."""
    show_steps(f"opening {store}", shown=not as_json)
    from objectspace.report.html_report import Choice, write_report
    from objectspace.store import open_store

    if circular is not None and linear:
        usage_error("the orientation is --circular or --linear, one of them")
    choice = Choice(crop, window, orientation, circular, style, group, linear=linear)
    made = write_report(open_store(store), out, choice, device=device or "cpu")
    end_steps()
    if as_json:
        print_json(made.to_json())
    else:
        print_findings(made)
        if made.choice.orientation is not None:
            by_name = circular is None and not linear
            typer.echo(angle_text(made.choice.orientation, made.choice.period, by_name=by_name))
