"""``objectspace report``: the paper's claims tested on a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.commands import app
from objectspace.cli.options import Device, Json, StorePath
from objectspace.cli.output import print_json, print_table

if TYPE_CHECKING:
    from objectspace.report.html_report import Report

ReportFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", help="where report.html goes", show_default=False)
]
Crop = Annotated[str | None, typer.Option("--crop", help="the crop space; by default the first by name")]
Window = Annotated[
    str | None,
    typer.Option("--window", help="the window space; by default the 3 x 3 one with the most objects"),
]
Orientation = Annotated[
    str | None,
    typer.Option(help="the column that says which way an object faces; by default yaw, azimuth or angle"),
]
Period = Annotated[float, typer.Option(help="degrees of a full turn; 180 for things with two equal sides")]
Style = Annotated[
    str | None, typer.Option(help="the column that says of which sort it is; by default style or breed")
]
Group = Annotated[
    str | None, typer.Option(help="objects of one value of this column are never neighbors (one apple)")
]


@app.command()
def report(
    store: StorePath,
    out: ReportFolder,
    crop: Crop = None,
    window: Window = None,
    orientation: Orientation = None,
    period: Period = 360.0,
    style: Style = None,
    group: Group = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Test the paper's claims on a store, draw its figures, and write one HTML file."""
    from objectspace.report.html_report import Choice, write_report
    from objectspace.store import open_store

    choice = Choice(crop, window, orientation, period, style, group)
    made = write_report(open_store(store), out, choice, device=device)
    if as_json:
        print_json(made.to_json())
    else:
        print_findings(made)


def print_findings(made: Report) -> None:
    """Print the claims as a table, what is missing, and the path of the page."""
    from objectspace.report.page import number

    rows = []
    for finding in made.findings:
        estimate = finding.estimate
        numbers = (
            ["", "", ""]
            if estimate is None
            else [
                number(estimate.value),
                number(estimate.chance),
                f"{number(estimate.low)} to {number(estimate.high)}",
            ]
        )
        rows.append([finding.verdict, *numbers, finding.claim])
    print_table(["verdict", "value", "chance", "interval", "claim"], rows)
    for note in made.notes:
        typer.echo(note)
    for heading, reason in made.missing:
        typer.echo(f"not drawn: {heading} ({reason})")
    typer.echo(f"{made.path}: figures and what was measured")
