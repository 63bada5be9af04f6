"""What the commands print: answers on stdout, warnings on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from objectspace.errors import counted, number_text
from objectspace.places import Place

if TYPE_CHECKING:
    from objectspace.analyses.explanation import Explanation
    from objectspace.analyses.factors import FactorSpec
    from objectspace.analyses.shared_vectors import SharedVectors
    from objectspace.analyses.statistics import Estimate
    from objectspace.jobs.index_summary import IndexSummary
    from objectspace.objects.records import Objects
    from objectspace.report.claims import Judgment
    from objectspace.report.html_report import Report
    from objectspace.search import Answer
    from objectspace.store import SpaceIndex, Store, StoreInfo

#: Labels and failures that are listed before the rest is only counted.
LISTED = 20


def print_summary(
    summary: IndexSummary, store: Place, as_json: bool, *, passed_over: Mapping[str, int] | None = None
) -> None:
    """Print what a job did, and each file that it skipped.

    passed_over: pictures of formats that are not read, suffix -> how many, for --json
    """
    if as_json:
        extra = {} if passed_over is None else {"passed_over": dict(passed_over)}
        print_json({**summary.to_json(), **extra})
        return
    before = max(0, summary.known - len(summary.copies))
    known = f", {before} {'was' if before == 1 else 'were'} there already" if before else ""
    done = f"{counted(summary.indexed, 'photo')} and {counted(summary.objects, 'object')} indexed"
    gone = counted(len(summary.forgotten), "photo", "photos")
    forgotten = f", {gone} forgotten that {'is' if len(summary.forgotten) == 1 else 'are'} gone"
    typer.echo(f"{store}: {done}{known}{forgotten if summary.forgotten else ''}")
    print_byte_copies(summary.copies)
    for failure in summary.failures[:LISTED]:
        warn(f"skipped {failure.path}: {failure.reason}")
    if len(summary.failures) > LISTED:
        warn(f"and {len(summary.failures) - LISTED} more, listed by: objectspace info {store}")


def print_byte_copies(copies: Sequence[tuple[str, str]]) -> None:
    """Print files that are alike byte for byte, each with the one that it is a copy of; nothing for none."""
    if copies:
        are = counted(len(copies), "photo is a copy", "photos are copies")
        listed = "; ".join(f"{path} of {first}" for path, first in copies[:LISTED])
        more = len(copies) - LISTED
        typer.echo(
            f"{are} of another, byte for byte: {listed}{f'; and {more} more (--json)' if more > 0 else ''}"
        )


def print_sources(info: StoreInfo) -> None:
    """Print the objects of each source, and its most frequent labels."""
    typer.echo("sources (search, measure and sheet take --source)")
    for name, labels in info.sources.items():
        first = ", ".join(f"{label} {count}" for label, count in list(labels.items())[:3])
        more = f" and {counted(len(labels) - 3, 'more label')}" if len(labels) > 3 else ""
        typer.echo(f"  {sum(labels.values()):7d}  {name}: {first}{more}")


def print_spaces(info: StoreInfo) -> None:
    """Print a line for each space: objects, dimensions, purity beside chance; and which is the default."""
    if not info.spaces:
        typer.echo("no spaces")
        return
    rows = [
        [
            f"{space.name} (default)" if space.name == info.default_space else space.name,
            space.count,
            space.dimension,
            *(
                ["-", "-"]
                if space.purity is None
                else map(number_text, (space.purity.value, space.purity.chance))
            ),
        ]
        for space in info.spaces
    ]
    print_table(["space", "objects", "dimensions", "purity@5", "chance"], rows)
    typer.echo("purity@5: labels of the five nearest of other photos, by cosine, of 2,000 objects at most")


def shared_text(shared: SharedVectors) -> str:
    """Return how many objects share a vector, and what would tell them apart."""
    return (
        f"{shared.objects} objects have the vector of another object of their photo, {shared.labels} of one "
        "of another label; where their centers share a cell, --pool roi3 tells them apart, --scale own some"
    )


def angle_text(column: str, period: float | None, *, by_name: bool) -> str:
    """Return what a column is taken as, an angle or a length, why, and which option takes it otherwise."""
    why = "by its name" if by_name else "as asked for"
    if period is None:
        return f"{column} is taken as a length, {why}; --circular 360 takes it as an angle"
    others = "--linear takes it as a length, --circular 180 as one of half a turn"
    return f"{column} is taken as an angle of {period:g} degrees, {why}; {others}"


def drawn_text(what: str, count: int, of: int, groups: str) -> str:
    """Return that figures are of a sample; "" where they are of all objects."""
    if count == of:
        return ""
    return f"{what} of {count:,} of {of:,} objects, whole {groups} drawn at random; --all takes all"


def recall_text(index: SpaceIndex, unindexed: int = 0) -> str:
    """Return ``ivf-pq, euclidean, recall at 10 0.987 (95 % 0.960 to 0.996, 200 objects)``.

    unindexed: vectors that were added after the index was built
    """
    recall = index.recall
    interval = f"95 % {recall.low:.3f} to {recall.high:.3f}, {counted(recall.n, 'object')}"
    later = ""
    if unindexed:
        compared = "which is" if unindexed == 1 else "which are"
        later = f"; measured before {counted(unindexed, 'vector')} came, {compared} compared one by one"
    return f"{index.kind}, {index.metric}, recall at 10 {recall.recall_at_10:.3f} ({interval}){later}"


def short_id(object_id: str) -> str:
    """Return the first digits of an id, as tables print it; every command takes them for the whole.

    Of a million objects two share twelve digits once in five hundred stores.
    """
    return str(object_id)[:12]


def common_folder(paths: Iterable[str]) -> str:
    """Return the folder that holds all of some files, as their paths begin; "" where there is none.

    >>> common_folder(["/photos/a/1.jpg", "/photos/b/2.jpg"])
    '/photos/'
    """
    folders = [path.split("/")[:-1] for path in paths]
    same = takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False))
    return "".join(f"{names[0]}/" for names in same)


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print columns as wide as their contents, numbers to the right."""
    texts = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    numeric = [
        bool(rows) and all(_is_number(row[column]) for row in texts[1:]) for column in range(len(header))
    ]
    for row in texts:
        cells = zip(row, widths, numeric, strict=True)
        typer.echo("  ".join(f"{c:>{w}}" if n else f"{c:<{w}}" for c, w, n in cells).rstrip())


def interval_text(one: Estimate) -> str:
    """Return a figure and its interval, ``0.325 (0.301 to 0.347)``."""
    return f"{number_text(one.value)} ({number_text(one.low)} to {number_text(one.high)})"


def print_estimates(
    names: Sequence[str], rows: Sequence[tuple[Sequence[str], Estimate]], *, count: str | None = None
) -> None:
    """Print a table of estimates, each after its names, with notes where there are any.

    count: the header of n; None leaves it out
    """
    header = [*names, "value", "chance", "low", "high", "p", "side", *([count] if count else [])]
    table: list[list[str | int]] = []
    for own, one in rows:
        numbers = map(number_text, (one.value, one.chance, one.low, one.high, one.p))
        table.append([*own, *numbers, one.direction or "-", *([one.n] if count else [])])
    if any(one.note for _, one in rows):
        header.append("note")
        table = [[*row, one.note] for row, (_, one) in zip(table, rows, strict=True)]
    print_table(header, table)


def warn_of_groups(objects: Objects, spec: FactorSpec) -> None:
    """Warn where no group is named, and a column says that photos belong together."""
    from objectspace.analyses.factors import likely_groups

    if spec.group is not None:
        return
    if columns := likely_groups(objects, spec):
        warn(
            "without --group every photo is a group of its own, and intervals and p rely on "
            f"it; sets of photos share a value of {', '.join(columns)}: where these show one thing, name it, "
            f"such as --group {columns[0]}"
        )


def _is_number(text: str) -> bool:
    if text == "-":  # a number that is not known
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def print_findings(made: Report) -> None:
    """Print the claims as a table, what is missing, and the path of the page."""
    typer.echo("the paper's findings, measured anew here; 'does not hold' is a result and not an error")
    joint = any(finding.both is not None for finding in made.findings)
    rows = []
    for finding in made.findings:
        both = finding.both
        in_both = "" if both is None or both.estimate is None else f"{_finding_cells(both)[0]} {both.verdict}"
        claim = finding.claim
        if finding.estimate is None:
            claim = f"{claim.removesuffix('.')}: {finding.reason}"
        rows.append([finding.verdict, *_finding_cells(finding.judged), *[in_both] * joint, claim])
    print_table(["verdict", "value", "chance", "interval", *["both"] * joint, "claim"], rows)
    for line in (*made.warnings, *made.notes):
        typer.echo(line)
    for heading, reason in made.missing:
        typer.echo(f"not drawn: {heading} ({reason})")
    typer.echo(f"{made.path}: figures and what was measured")


def _finding_cells(judged: Judgment) -> list[str]:
    """Return value, chance and interval of a judgment; empty where nothing was measured."""
    from objectspace.report.page import number

    estimate = judged.estimate
    if estimate is None:
        return ["", "", ""]
    interval = f"{number(estimate.low)} to {number(estimate.high)}"
    return [number(estimate.value), number(estimate.chance), interval]


def checked_figure(path: Path | None) -> None:
    """Raise InputError before the work where a figure could not be written after it."""
    if path is not None:
        from objectspace.figures.style import check_figure_path

        check_figure_path(path)


def write_sheet(
    store: Store, answers: Sequence[Answer], path: Path, why: Sequence[Sequence[Explanation]] = ()
) -> None:
    """Draw answers as a sheet; with ``why`` an explanation of each neighbor over it."""
    from objectspace.figures.sheet import draw_sheet, sheet_caption
    from objectspace.figures.style import write_figure
    from objectspace.search.tiles import sheet_rows

    rows = sheet_rows(store, answers)
    write_figure(draw_sheet(rows, caption=sheet_caption(answers), why=why), path)


def print_json(value: Any) -> None:
    """Print one JSON document on one line."""
    typer.echo(json_text(value))


def json_text(value: Any) -> str:
    """Return a JSON document on one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def warn(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(f"objectspace: {text}", err=True)
