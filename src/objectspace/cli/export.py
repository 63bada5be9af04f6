"""``objectspace export``: a store's objects as files of other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from objectspace.cli.options import Json, SelectionName, StorePath
from objectspace.cli.output import print_json, warn
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted
from objectspace.places import Place


class Format(StrEnum):
    """What to write."""

    csv = "csv"
    parquet = "parquet"
    npz = "npz"
    coco = "coco"
    yolo = "yolo"
    projector = "projector"
    atlas = "atlas"
    fiftyone = "fiftyone"
    page = "page"


FormatOption = Annotated[
    Format, typer.Option("--format", help="what to write: docs/export.md says what opens it")
]
Out = Annotated[
    Path,
    typer.Option(
        metavar="PATH",
        help="a new file, or for yolo, projector and fiftyone a new folder",
        show_default=False,
    ),
]
OneSpace = Annotated[
    str | None,
    typer.Option(
        metavar="SPACE",
        help="only the objects and vectors of this space; by default all, for projector and atlas those of "
        "the crop space",
    ),
]


Corrected = Annotated[
    bool,
    typer.Option("--corrected", help="as marks in the explorer say: wrong ones left out, others relabeled"),
]


def export(
    store: StorePath,
    format: FormatOption,
    out: Out,
    space: OneSpace = None,
    selection: SelectionName = None,
    corrected: Corrected = False,
    as_json: Json = False,
) -> None:
    """Write objects and vectors for other tools: CSV, COCO, YOLO, TensorBoard, FiftyOne and others."""
    show_steps(f"writing {out}", shown=not as_json)
    from objectspace.export import export_store
    from objectspace.store import open_store

    if format is Format.page:
        _write_page(store, out, space, selection, as_json=as_json)
        return
    made = export_store(
        open_store(store), out, format.value, space=space, selection=selection, corrected=corrected
    )
    end_steps()
    if as_json:
        print_json(made.to_json())
        return
    vectors = f" with vectors of {', '.join(made.spaces)}" if made.spaces else ""
    typer.echo(f"{made.path}: {counted(made.objects, 'object')}{vectors}")
    typer.echo(f"open with: {made.command}")
    for note in made.notes:
        warn(note)


def _write_page(store: Place, out: Path, space: str | None, selection: str | None, *, as_json: bool) -> None:
    from objectspace.explorer.one_file import write_page
    from objectspace.store import open_store

    count = write_page(open_store(store), out, space=space, selection=selection)
    if as_json:
        print_json({"path": str(out), "format": "page", "objects": count})
        return
    typer.echo(f"{out}: {counted(count, 'object')}")
    typer.echo("open with: a browser; it needs nothing else")
