"""What the commands print: answers on stdout, progress and warnings on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from objectspace.errors import InputError, counted, number_text

if TYPE_CHECKING:
    from objectspace.analyses.statistics import Estimate
    from objectspace.jobs.commits import IndexSummary
    from objectspace.models.prompts import Prompter
    from objectspace.search import Answer, SearchFilters
    from objectspace.store import SpaceIndex, Store, StoreInfo

#: Labels and failures that are listed before the rest is only counted.
LISTED = 20


@contextmanager
def progress_bars(stages: Mapping[str, int], *, shown: bool) -> Iterator[Callable[..., None]]:
    """A bar on stderr for each stage, of so many pictures; nothing where it is not wanted.

    What it gives is called with a stage and how many pictures (and objects in them) were finished since.
    """
    if not shown or not sys.stderr.isatty():
        yield lambda stage, pictures, objects=0: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {stage: bar.add_task(stage, total=total, rates="") for stage, total in stages.items()}
        found = dict.fromkeys(stages, 0)

        def advance(stage: str, pictures: int, objects: int = 0) -> None:
            task = tasks[stage]
            found[stage] += objects
            bar.advance(task, pictures)
            if found[stage]:
                seconds = max(bar.tasks[task].elapsed or 0, 1e-3)
                speeds = f"{bar.tasks[task].completed / seconds:.1f} photos/s  "
                speeds += f"{found[stage] / seconds:.1f} objects/s"
                bar.update(task, rates=f"{counted(found[stage], 'object')}  {speeds}")

        yield advance


def check_usable(summary: IndexSummary, store: Path) -> None:
    """Raise InputError, with the first reason, where a job could not use one of its photos."""
    if not summary.nothing_usable:
        return
    path, reason = summary.failures[0]
    first = "" if summary.photos == 1 else f"; the first, {path}"
    raise InputError(
        f"none of {counted(summary.photos, 'photo')} could be used{first}: {reason}; "
        f"objectspace info {store} lists them"
    )


def print_summary(
    summary: IndexSummary, store: Path, as_json: bool, *, passed_over: Mapping[str, int] | None = None
) -> None:
    """Print what a job did, and each file that it skipped.

    passed_over: pictures of formats that are not read, suffix -> how many, for --json
    """
    if as_json:
        told = {} if passed_over is None else {"passed_over": dict(passed_over)}
        print_json({**summary.to_json(), **told})
        return
    there = "was" if summary.known == 1 else "were"
    known = f", {summary.known} {there} there already" if summary.known else ""
    done = f"{counted(summary.indexed, 'photo')} and {counted(summary.objects, 'object')} indexed"
    typer.echo(f"{store}: {done}{known}")
    for failure in summary.failures[:LISTED]:
        warn(f"skipped {failure.path}: {failure.reason}")
    if len(summary.failures) > LISTED:
        warn(f"and {len(summary.failures) - LISTED} more, listed by: objectspace info {store}")


def tell_missing_words(prompter: Prompter, store: Path) -> None:
    """Warn of the words of a prompt that no object of a store is labeled with."""
    from objectspace.store import open_store

    labels = open_store(store).info().labels
    if missing := [word for word in prompter.recipe["words"] if word not in labels]:
        names = [name for name in ("box_threshold", "text_threshold") if name in prompter.recipe]
        thresholds = " or ".join(f"--{name.replace('_', '-')} ({prompter.recipe[name]})" for name in names)
        warn(f"nothing was found for {', '.join(missing)}; lower {thresholds}, or say it in other words")


def print_info(store: Path, info: StoreInfo) -> None:
    """What a store holds."""
    from objectspace.embeddings.joint import joint_parts

    typer.echo(f"{store}: {counted(info.images, 'image')}, {counted(info.objects, 'object')}")
    for name, count in list(info.labels.items())[:LISTED]:
        typer.echo(f"  {count:7d}  {name}")
    if len(info.labels) > LISTED:
        more = counted(len(info.labels) - LISTED, "more label")
        typer.echo(f"           and {more} (--json lists all)")
    typer.echo("spaces" if info.spaces else "no spaces")
    for space in info.spaces:
        typer.echo(f"  {space.name}: {space.count} x {space.dimension}")
        recipe = {key: value for key, value in space.recipe.to_json().items() if value is not None}
        for key, value in recipe.items():
            plain = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            if key != "parts":
                typer.echo(f"      {key:13s}  {plain}")
        for part in joint_parts(space.recipe):
            spaces = f"{', '.join(part.spaces)}; weight {part.weight:g}, {part.missing:g} where missing"
            typer.echo(f"      {part.name:13s}  {spaces}")
        if space.index is not None:
            typer.echo(f"      {'index':13s}  {recall_text(space.index, space.unindexed)}")
    if info.failures:
        typer.echo(counted(len(info.failures), "failure"))
        for failure in info.failures:
            typer.echo(f"  {failure.path}: {failure.reason}")


def recall_text(index: SpaceIndex, unindexed: int = 0) -> str:
    """``ivf-pq, euclidean, recall at 10 0.987 (95 % 0.960 to 0.996, 200 objects)``, and what came later."""
    recall = index.recall
    interval = f"95 % {recall.low:.3f} to {recall.high:.3f}, {counted(recall.n, 'object')}"
    later = ""
    if unindexed:
        compared = "which is" if unindexed == 1 else "which are"
        later = f"; measured before {counted(unindexed, 'vector')} came, {compared} compared one by one"
    return f"{index.kind}, {index.metric}, recall at 10 {recall.recall_at_10:.3f} ({interval}){later}"


def print_models(models: Sequence[dict[str, Any]]) -> None:
    """The models known by name, and where their weights come from."""
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


def print_answer(answer: Answer) -> None:
    """A query, and its neighbors as a table."""
    from objectspace.search import distance_text

    typer.echo(f"{_query_text(answer)}  ({answer.space}, {answer.metric})")
    near = answer.neighbors
    if not len(near):
        typer.echo(_nothing_text(answer.filters))
        return
    rows = [
        [rank + 1, distance_text(answer.distance[rank]), near.label[rank], near.object_id[rank], image]
        for rank, image in enumerate(answer.images)
    ]
    header = ["rank", "distance", "label", "object", "image"]
    if answer.parts is not None:
        header = [*header[:2], *answer.parts.names, *header[2:]]
        cosines = answer.parts.similarities.tolist()
        rows = [
            [*row[:2], *(f"{part:.3f}" for part in parts), *row[2:]]
            for row, parts in zip(rows, cosines, strict=True)
        ]
    print_table(header, rows)


def _nothing_text(filters: SearchFilters) -> str:
    """Return ``no object of another clip within 3.2``."""
    column = "photo" if filters.exclude_same == "image" else filters.exclude_same
    other = "" if column is None else f" of another {column}"
    near = "" if filters.within is None else f" within {filters.within:g}"
    return f"no object{other}{near}"


def _query_text(answer: Answer) -> str:
    """What was searched for, in a line."""
    rows = zip(answer.query.label, answer.query.xyxy, answer.query_images, strict=True)
    objects = [
        f"{label} at {','.join(f'{side:.0f}' for side in xyxy)} of {image}" for label, xyxy, image in rows
    ]
    if answer.stored:
        ids = answer.query.object_id.tolist()
        objects = [f"{text}, object {name}" for text, name in zip(objects, ids, strict=True)]
    unlike = [f"unlike {label}" for label in answer.unlike.label.tolist()]
    return "; ".join([*(repr(text) for text in answer.texts), *objects, *unlike])


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as their contents; numbers to the right."""
    texts = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    numeric = [
        bool(rows) and all(_is_number(row[column]) for row in texts[1:]) for column in range(len(header))
    ]
    for row in texts:
        cells = zip(row, widths, numeric, strict=True)
        typer.echo("  ".join(f"{c:>{w}}" if n else f"{c:<{w}}" for c, w, n in cells).rstrip())


def interval_text(one: Estimate) -> str:
    """A figure and its interval, ``0.325 (0.301 to 0.347)``."""
    return f"{number_text(one.value)} ({number_text(one.low)} to {number_text(one.high)})"


def estimate_row(name: str, one: Estimate) -> list[str | int]:
    """A row of a table: name, value, chance, low, high, p, n."""
    return [name, *map(number_text, (one.value, one.chance, one.low, one.high, one.p)), one.n]


def _is_number(text: str) -> bool:
    if text == "-":  # a number that is not known
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def checked_figure(path: Path | None) -> None:
    """Raise InputError before the work where a figure could not be written after it."""
    if path is not None:
        from objectspace.figures.style import check_figure_path

        check_figure_path(path)


def write_sheet(store: Store, answers: Sequence[Answer], path: Path) -> None:
    """Draw answers as a sheet."""
    from objectspace.figures.sheet import draw_sheet, sheet_caption
    from objectspace.figures.style import write_figure
    from objectspace.search.tiles import sheet_rows

    write_figure(draw_sheet(sheet_rows(store, answers), caption=sheet_caption(answers)), path)


def print_json(value: Any) -> None:
    """Print one JSON document on a line."""
    typer.echo(json_text(value))


def json_text(value: Any) -> str:
    """Return a JSON document on one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def warn(text: str) -> None:
    """A line on stderr."""
    typer.echo(f"objectspace: {text}", err=True)
