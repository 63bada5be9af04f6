"""``objectspace audit``: copies, outliers, suspicious labels and leaks, each with what the list finds."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    Approximate,
    Device,
    Json,
    Quiet,
    Seed,
    SelectionName,
    Space,
    StorePath,
)
from objectspace.cli.output import (
    LISTED,
    checked_figure,
    print_byte_copies,
    print_json,
    print_table,
    recall_text,
    warn,
)
from objectspace.cli.progress import end_steps, progress_bars, show_steps
from objectspace.errors import InputError, counted, number_text
from objectspace.files import check_writable

if TYPE_CHECKING:
    from objectspace.analyses.audit.calibration import Calibration, Share
    from objectspace.search.audit.lists import Audit, AuditList
    from objectspace.store import Store

#: Columns that --csv and --json have beside those that are printed.
_IN_FILES = {"image_id", "nearest", "copy_of", "leaks_to", "x1", "y1", "x2", "y2"}

Only = Annotated[
    str | None,
    typer.Option(
        metavar="LISTS",
        help="some of photos,duplicates,outliers,labels,leaks",
        show_default="all that can be made",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="a factor that names each object's split; leaks are copies across splits"
    ),
]
Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="write all lists whole", show_default=False)
]
Sheet = Annotated[
    Path | None,
    typer.Option(
        "--sheet", metavar="FILE", help="draw the first of each list: .png, .pdf or .svg", show_default=False
    ),
]
Select = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="keep the listed objects as a selection of the store"),
]
Uncalibrated = Annotated[
    bool, typer.Option("--uncalibrated", help="plant nothing: lists without threshold and figure")
]


def audit(
    store: StorePath,
    space: Space = None,
    only: Only = None,
    split: Split = None,
    selection: SelectionName = None,
    approximate: Approximate = False,
    csv: Csv = None,
    sheet: Sheet = None,
    select: Select = None,
    uncalibrated: Uncalibrated = False,
    device: Device = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """List copies, outliers, wrong labels and leaks, with the share of planted cases that each finds."""
    show_steps(f"opening {store}", shown=not (quiet or as_json))
    from objectspace.search.audit import audit as make_audit
    from objectspace.search.audit.lists import LISTS, write_csv
    from objectspace.store import open_store
    from objectspace.store.selections import check_selection_name

    wanted = LISTS if only is None else tuple(name.strip() for name in only.split(","))
    if "leaks" in wanted and only is not None and split is None:
        usage_error("leaks are copies across splits; name the column of the splits with --split")
    checked_figure(sheet)
    if csv is not None:
        check_writable(csv)
    if select is not None:
        check_selection_name(select)
    opened = open_store(store)
    with progress_bars(
        {"plant": _photos(opened, wanted, uncalibrated)}, shown=not (quiet or as_json)
    ) as advance:
        made = make_audit(
            opened,
            space=space,
            only=wanted,
            split=split,
            selection=selection,
            approximate=approximate,
            uncalibrated=uncalibrated,
            device=device or "cpu",
            seed=seed,
            progress=partial(advance, "plant"),
        )
    if sheet is not None:
        show_steps(f"drawing {sheet}", shown=not (quiet or as_json))
        from objectspace.figures.audit import draw_audit
        from objectspace.figures.style import write_figure

        write_figure(draw_audit(opened, made), sheet)
        end_steps()
    if csv is not None:
        write_csv(made, csv)
    selected = None if select is None else _select(opened, made, select)
    if made.approximate is not None:
        recall = recall_text(made.approximate.index, made.approximate.unindexed)
        warn(f"the nearest of each object are approximate: {recall}")
    if as_json:
        print_json({**made.to_json(), "from": selection, "selection": selected})
    else:
        _print_audit(made, selection, split is None and only is None)
        if selected is not None:
            typer.echo(f"selection {selected['name']}: {counted(selected['objects'], 'object')}")


def _photos(store: Store, wanted: Collection[str], uncalibrated: bool) -> int:
    """Return how many photos are read for copies of photos, and planted in for each list, at most.

    Copies of objects are calibrated among photos that are no copies.
    """
    from objectspace.search.audit.planting import OBJECTS

    images = len(store.images())
    of_objects = not {"duplicates", "leaks"}.isdisjoint(wanted)
    of_photos = "photos" in wanted or (of_objects and not uncalibrated)
    planted = 0 if uncalibrated else (of_objects + of_photos + ("outliers" in wanted)) * min(OBJECTS, images)
    return planted + images * of_photos


def _select(store: Store, made: Audit, name: str) -> dict[str, Any]:
    """Keep what the lists say is to go or to be looked at: of copies all but those that are kept.

    Of a photo that is a copy it is all objects.
    """
    chosen: list[str] = []
    for one in made.lists.values():
        rows = [row for row, _ in zip(one.iter_rows(), one.first, strict=False)]
        found = {row[one.id_name] for row in rows if row.get("kept") is not True}
        if one.id_name == "image_id":
            objects = store.objects()
            ids = zip(objects.object_id.tolist(), objects.image_id.tolist(), strict=True)
            found = {object_id for object_id, image_id in ids if image_id in found}
        chosen += sorted(found - set(chosen))
    if not chosen:
        raise InputError(f"the lists name no object, so that there is nothing to keep as selection {name}")
    how = {"command": "audit", "space": made.space, "lists": {k: len(v.first) for k, v in made.lists.items()}}
    saved = store.save_selection(name, chosen, how=how)
    return {"name": name, "objects": len(saved)}


def _print_audit(made: Audit, selection: str | None, no_split: bool) -> None:
    """Print each list with its figures, then its first objects."""
    typer.echo(
        f"{counted(made.n, 'object')} of {counted(made.images, 'photo')} in {made.space}"
        f"{'' if selection is None else f', selection {selection}'}, cosine distance"
    )
    for one in made.lists.values():
        typer.echo()
        _print_list(one)
        if one.name == "photos":
            print_byte_copies(list(made.byte_copies.items()))
    for name, why in made.skipped.items():
        if not (name == "leaks" and no_split):
            typer.echo(f"\nno {name}: {why}")


def _print_list(one: AuditList) -> None:
    if one.calibration is None or one.threshold is None or one.listed is None:
        typer.echo(
            f"{one.name}: {counted(len(one), one.noun)} ranked, not calibrated: nothing says how good it is"
        )
    else:
        typer.echo(f"{one.name}: {counted(one.listed, one.noun)}, {_threshold_text(one)}")
    ranked = list(islice(one.iter_rows(), LISTED))
    listed = ranked[: len(one.first)]
    _print_rows(listed)
    if len(one.first) > len(listed):
        typer.echo(f"and {len(one.first) - len(listed)} more (--csv lists all)")
    elif one.threshold is not None and len(one) > len(listed):
        typer.echo("next in the ranking (--csv has all of it):")
        _print_rows(ranked[len(listed) :])
    if one.left_out:
        typer.echo(f"{counted(one.left_out, one.noun)} left out: {one.note}")
    if one.calibration is not None:
        _print_calibration(one.calibration)


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    names = [name for name in rows[0] if name not in _IN_FILES]
    print_table(
        [name.replace("_", " ") for name in names],
        [[_cell(name, row[name]) for name in names] for row in rows],
    )


def _threshold_text(one: AuditList) -> str:
    """Return the score within which objects are listed."""
    assert one.threshold is not None
    name, sign = one.score_name.replace("_", " "), "up to" if one.score_name == "difference" else "from"
    if not math.isfinite(one.threshold):
        return f"as no {name} tells the planted from the unplanted well enough; --csv and --sheet rank them"
    return f"{name} {sign} {one.threshold:.3g}"


def _print_calibration(calibration: Calibration) -> None:
    typer.echo(f"how good it is: {calibration.text}")
    typer.echo(f"planted: {calibration.planted}; threshold: {calibration.threshold_from}")
    header = ["found of", "planted", "listed", *(f"first {part:.0%}" for part in calibration.kinds[0].first)]
    rows = [
        [kind.kind, kind.found.n, *map(_share, (kind.found, *kind.first.values()))]
        for kind in calibration.kinds
    ]
    alarms = calibration.false_alarms
    print_table(header, [*rows, ["listed of the unplanted", alarms.n, _share(alarms), "", "", ""]])


def _share(share: Share) -> str:
    return f"{number_text(share.value)} ({number_text(share.low)} to {number_text(share.high)})"


def _cell(name: str, value: Any) -> str:
    if name in ("image", "other_image") and value is not None:
        return PurePath(value).name
    if isinstance(value, float):
        return number_text(value)
    return "" if value is None else str(value)
