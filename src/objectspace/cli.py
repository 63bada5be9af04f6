"""The command line: one command for each arrow of the flow.

Answers go to stdout, progress and warnings to stderr; ``--json`` prints one JSON document and nothing else.
Exit 0: done; 1: failed, with one sentence; 2: wrong usage; 130: stopped with Ctrl-C. Nothing heavy is
imported before a command needs it.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from objectspace.errors import InputError, ObjectspaceError

if TYPE_CHECKING:
    from objectspace.flow import Job, Progress, Report
    from objectspace.objects.annotations import AnnotationReader
    from objectspace.objects.factors import FactorTable
    from objectspace.search import Answer, Queries, SpaceSearch
    from objectspace.store import Store, StoreInfo

app = typer.Typer(
    help="Photographs to a space of objects: find the objects, embed each one, search them exactly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Labels and failures that are listed before the rest is only counted.
LISTED = 20


class Route(StrEnum):
    """Which vectors to make."""

    both = "both"
    crop = "crop"
    window = "window"


class Resize(StrEnum):
    """How a photo is laid on the detector's input."""

    letterbox = "letterbox"
    stretch = "stretch"


class HeadScale(StrEnum):
    """At which head of the detector windows are cut."""

    own = "own"
    deepest = "deepest"


class Background(StrEnum):
    """What surrounds the object in its crop."""

    black = "black"
    mean = "mean"
    blur = "blur"
    keep = "keep"


class Fit(StrEnum):
    """How a crop becomes a square."""

    pad = "pad"
    stretch = "stretch"


class Precision(StrEnum):
    """The networks' numbers."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


class Metric(StrEnum):
    """How far apart two vectors are."""

    euclidean = "euclidean"
    cosine = "cosine"


StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="the store's folder", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress bar")]
Space = Annotated[str | None, typer.Option(help="the space; by default the crop space")]
MetricOption = Annotated[Metric, typer.Option(help="the distance")]
Label = Annotated[str | None, typer.Option(help="only objects of this label")]
OtherPhotos = Annotated[
    bool, typer.Option("--exclude-same-image", help="no neighbours from the target's photo")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 … or auto")]


@app.command()
def index(
    photos: Annotated[list[Path], typer.Argument(help="photos, and folders of photos", show_default=False)],
    store: Annotated[
        Path, typer.Option(help="the store's folder; made if there is none", show_default=False)
    ],
    detector: Annotated[
        str | None, typer.Option(help="a name (objectspace models) or a Darknet .cfg", show_default="yolov3")
    ] = None,
    detector_weights: Annotated[Path | None, typer.Option(help="its weight file")] = None,
    names: Annotated[
        Path | None, typer.Option(help="the class names, a line each; COCO's by default")
    ] = None,
    resize: Annotated[
        Resize | None, typer.Option(help="letterbox for a name, stretch for a .cfg", show_default=False)
    ] = None,
    confidence: Annotated[float, typer.Option(help="least score of a detection")] = 0.25,
    iou: Annotated[float, typer.Option(help="overlap at which the lesser of two detections goes")] = 0.45,
    annotations: Annotated[Path | None, typer.Option(help="labels to take the objects from")] = None,
    annotation_format: Annotated[str, typer.Option(help="the labels' format")] = "yolo",
    masks: Annotated[Path | None, typer.Option(help="mask images, one object a photo")] = None,
    mask_pattern: Annotated[str, typer.Option(help="a mask's name, from the photo's")] = "{stem}.png",
    mask_label: Annotated[str, typer.Option(help="the label of masked objects")] = "object",
    pattern: Annotated[
        str | None, typer.Option(help="named groups of this pattern in the file name become factors")
    ] = None,
    factors: Annotated[Path | None, typer.Option(help="a CSV of factors, joined by its file column")] = None,
    encoder: Annotated[str, typer.Option(help="resnet50, or any model of timm")] = "resnet50",
    encoder_weights: Annotated[Path | None, typer.Option(help="its weights: a state dict")] = None,
    route: Annotated[
        Route, typer.Option(help="crops through the encoder, windows of the detector")
    ] = Route.both,
    window: Annotated[
        list[int] | None, typer.Option(help="cells a side; repeatable", show_default="3")
    ] = None,
    scale: Annotated[HeadScale, typer.Option(help="the head at which windows are cut")] = HeadScale.own,
    background: Annotated[
        Background, typer.Option(help="what surrounds an object in its crop")
    ] = Background.black,
    margin: Annotated[float, typer.Option(help="room around a crop, of its longer side")] = 0.0,
    fit: Annotated[Fit, typer.Option(help="how a crop becomes a square")] = Fit.pad,
    precision: Annotated[Precision, typer.Option(help="auto: bfloat16 where it is fast")] = Precision.auto,
    device: Device = "cpu",
    name_suffix: Annotated[str, typer.Option("--as", help="append -NAME to the spaces' names")] = "",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find and embed the objects of photos, and keep them in a store.

    The same command again goes on where it was stopped; photos that are done are not done again.
    """
    from objectspace.flow import index as run_index
    from objectspace.images import find_photos

    found = find_photos(photos)
    table = _factor_table(pattern, factors, found)
    reader = _annotation_reader(annotations, annotation_format, names, masks, mask_pattern, mask_label, table)
    job = _job(
        reader,
        table,
        route,
        detector={"name_or_cfg": detector, "weights": detector_weights, "names": names, "resize": resize},
        encoder={"name": encoder, "weights": encoder_weights},
        networks={"device": device, "precision": precision.value},
        settings={
            "windows": tuple(window or (3,)),
            "scale": scale.value,
            "confidence": confidence,
            "iou": iou,
            "suffix": f"-{name_suffix}" if name_suffix else "",
        },
        crop={"background": background.value, "margin": margin, "fit": fit.value},
    )
    try:
        with _progress(len(found), shown=not (quiet or as_json)) as progress:
            report = run_index(found, store, job, progress=progress)
    except KeyboardInterrupt:
        _stop(f"stopped; what is finished is in {store}, and the same command goes on from there")
    _print_report(report, store, as_json)


@app.command()
def info(store: StorePath, as_json: Json = False) -> None:
    """Tell what a store holds: images, objects by label, spaces with their recipes, failures."""
    from objectspace.store import open_store

    held = open_store(store).info()
    if as_json:
        _print_json(held.to_json())
    else:
        _print_info(store, held)


@app.command()
def search(
    store: StorePath,
    object_id: Annotated[
        list[str] | None, typer.Option("--object", help="a stored object's id; repeatable")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="a photo, in the store or not")] = None,
    box: Annotated[str | None, typer.Option(help="the object in the photo: x1,y1,x2,y2 in pixels")] = None,
    space: Space = None,
    k: Annotated[int, typer.Option("-k", help="neighbours", min=1)] = 10,
    label: Label = None,
    metric: MetricOption = Metric.euclidean,
    exclude_same_image: OtherPhotos = False,
    sheet: Annotated[Path | None, typer.Option(help="draw the answer: .png, .pdf or .svg")] = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Find the nearest objects of a stored object, or of what a photo shows. The answer is exact."""
    from objectspace.search import SpaceSearch, default_space
    from objectspace.store import open_store

    if (object_id is None) == (image is None):
        _misuse("give --object ID or --image FILE, one of them")
    if box is not None and image is None:
        _misuse("--box needs --image FILE")
    if sheet is not None:
        from objectspace.figures.style import check_figure_path

        check_figure_path(sheet)
    opened = open_store(store)
    chosen = space or default_space(opened, object_id[0] if object_id else None)
    ready = SpaceSearch(opened, chosen, metric=metric.value)
    queries = ready.stored(object_id) if object_id else _photo_queries(opened, ready, image, box, device)
    answers = ready.nearest(queries, k=k, label=label, exclude_same_image=exclude_same_image)
    if sheet is not None:
        _write_sheet(opened, answers, sheet, exclude_same_image)
    if as_json:
        documents = [answer.to_json() for answer in answers]
        _print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for answer in answers:
            _print_answer(answer)


@app.command()
def sheet(
    store: StorePath,
    out: Annotated[Path, typer.Option(help="the picture: .png, .pdf or .svg", show_default=False)],
    space: Space = None,
    rows: Annotated[int, typer.Option(help="targets", min=1)] = 12,
    k: Annotated[int, typer.Option("-k", help="neighbours of each", min=1)] = 5,
    label: Label = None,
    metric: MetricOption = Metric.euclidean,
    exclude_same_image: OtherPhotos = False,
) -> None:
    """Draw targets and their nearest neighbours as a grid: the paper's figures 2 and 5."""
    from objectspace.figures.style import check_figure_path
    from objectspace.search import SpaceSearch, choose_targets, default_space
    from objectspace.store import open_store

    check_figure_path(out)
    opened = open_store(store)
    ready = SpaceSearch(opened, space or default_space(opened), metric=metric.value)
    targets = choose_targets(ready.objects, rows, label=label)
    if not targets:
        raise InputError(
            f"no object of space {ready.space.name} has the label {label!r}; objectspace info lists them"
        )
    answers = ready.nearest(ready.stored(targets), k=k, exclude_same_image=exclude_same_image)
    _write_sheet(opened, answers, out, exclude_same_image)
    typer.echo(f"{out}: {len(answers)} targets of space {ready.space.name}, {k} neighbours each")


@app.command()
def models(
    taps: Annotated[str | None, typer.Option(help="list the layers of this .cfg or detector")] = None,
    as_json: Json = False,
) -> None:
    """List the models known by name: whether their weights are here, size, licence, source."""
    from objectspace.catalogue import known_models, list_taps

    if taps is not None:
        rows = list_taps(taps)
        if as_json:
            _print_json(rows)
        else:
            _print_table(
                ["tap", "kind", "channels", "height", "width", "stride"], [list(row.values()) for row in rows]
            )
        return
    known = known_models()
    if as_json:
        _print_json(known)
        return
    for model in known:
        here = f"here: {model['path']}" if model["path"] else "not here, fetched when first used"
        typer.echo(f"{model['name']}  ({model['kind']}, {model['size'] / 1e6:.0f} MB; {here})")
        typer.echo(f"    weights  {model['file']}  sha256 {model['sha256']}")
        typer.echo(f"    licence  {model['licence']}")
        typer.echo(f"    source   {model['source']}")
    typer.echo("Also: any Darknet network as --detector FILE.cfg --detector-weights FILE.weights,")
    typer.echo("and any model of timm as --encoder NAME.")


def main() -> None:
    """Run the command line."""
    # Pillow warns of huge and odd files; what cannot be read is reported by name anyway.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        app()
    except ObjectspaceError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _stop("stopped")


# ----------------------------------------------------------------------------- from options to a job


def _factor_table(pattern: str | None, table: Path | None, photos: Sequence[Path]) -> FactorTable | None:
    from objectspace.objects.factors import factors_from_csv, factors_from_pattern, merge_factors

    parts = []
    if pattern is not None:
        parts.append(factors_from_pattern(pattern, photos))
    if table is not None:
        parts.append(factors_from_csv(table, photos))
    for part in parts:
        if part.unmatched:
            count, first = len(part.unmatched), part.unmatched[0]
            _warn(f"{count} of {len(photos)} photos have no factors, such as {first}")
    if len(parts) == 2:
        return merge_factors(*parts)
    return parts[0] if parts else None


def _annotation_reader(
    annotations: Path | None,
    annotation_format: str,
    names: Path | None,
    masks: Path | None,
    mask_pattern: str,
    mask_label: str,
    factors: FactorTable | None,
) -> AnnotationReader | None:
    from objectspace.objects.annotations import open_annotations
    from objectspace.objects.labels import COCO_NAMES, read_names
    from objectspace.objects.mask_images import open_mask_images

    if annotations is not None and masks is not None:
        _misuse("give --annotations or --masks, one of them")
    if masks is not None:
        return open_mask_images(masks, pattern=mask_pattern, label=mask_label, factors=factors)
    if factors is not None and "label" in factors.columns:
        raise InputError("factors: column 'label' names the objects of --masks only; rename it")
    if annotations is None:
        return None
    labels = COCO_NAMES if names is None else read_names(names)
    return open_annotations(annotations, names=labels, format=annotation_format)


def _job(
    reader: AnnotationReader | None,
    factors: FactorTable | None,
    route: Route,
    *,
    detector: dict[str, Any],
    encoder: dict[str, Any],
    networks: dict[str, Any],
    settings: dict[str, Any],
    crop: dict[str, Any],
) -> Job:
    """The job of the options, its networks loaded.

    Annotations alone make crops only; where nothing finds the objects, or windows are asked for by name, the
    detector is yolov3.
    """
    from objectspace.embeddings.crops import CropPolicy
    from objectspace.embeddings.encoders import load_encoder
    from objectspace.flow import Job
    from objectspace.objects.detectors import load_detector

    policy = CropPolicy(**crop)
    if detector["name_or_cfg"] is None and (reader is None or route is Route.window):
        detector["name_or_cfg"] = "yolov3"
    wanted = detector["name_or_cfg"] is not None and (reader is None or route is not Route.crop)
    if route is Route.crop:
        settings["windows"] = ()
    return Job(
        detector=load_detector(**detector, **networks) if wanted else None,
        encoder=None if route is Route.window else load_encoder(**encoder, **networks),
        annotations=reader,
        factors=factors,
        crop=policy,
        **settings,
    )


def _photo_queries(
    store: Store, ready: SpaceSearch, image: Path | None, box: str | None, device: str
) -> Queries:
    """What a photo shows, as queries: a box of it, else its stored objects, else what is detected in it."""
    from objectspace.queries import query_photo, stored_objects_of

    if image is None:
        raise InputError("no photo to search for")
    if box is not None:
        return query_photo(store, image, ready.space.name, box=_parsed_box(box), device=device)
    if held := stored_objects_of(store, image):
        inside = set(ready.space.object_id.tolist())
        if kept := [object_id for object_id in held if object_id in inside]:
            return ready.stored(kept)
    return query_photo(store, image, ready.space.name, device=device)


def _parsed_box(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(side) for side in text.split(","))
    except ValueError:
        _misuse(f"--box is {text!r}, expected four numbers x1,y1,x2,y2")
    return left, top, right, bottom


# --------------------------------------------------------------------------------------- what is shown


@contextmanager
def _progress(photos: int, *, shown: bool) -> Iterator[Progress]:
    """A bar on stderr with photos and objects a second and the time left; nothing where it is not wanted."""
    if not shown or not sys.stderr.isatty():
        yield lambda photos, objects: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("photos"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("photos", total=photos, rates="")
        objects = 0

        def advance(new_photos: int, new_objects: int) -> None:
            nonlocal objects
            objects += new_objects
            bar.advance(task, new_photos)
            state = bar.tasks[task]
            seconds = max(state.elapsed or 0, 1e-3)
            speeds = f"{state.completed / seconds:.1f} photos/s  {objects / seconds:.1f} objects/s"
            bar.update(task, rates=f"{objects} objects  {speeds}")

        yield advance


def _print_report(report: Report, store: Path, as_json: bool) -> None:
    if as_json:
        _print_json(report.to_json())
        return
    known = f", {report.known} were there already" if report.known else ""
    typer.echo(f"{store}: {report.indexed} photos and {report.objects} objects indexed{known}")
    for failure in report.failures[:LISTED]:
        _warn(f"skipped {failure.path}: {failure.reason}")
    if len(report.failures) > LISTED:
        _warn(f"and {len(report.failures) - LISTED} more, listed by: objectspace info {store}")


def _print_info(store: Path, info: StoreInfo) -> None:
    typer.echo(f"{store}: {info.images} images, {info.objects} objects")
    for name, count in list(info.labels.items())[:LISTED]:
        typer.echo(f"  {count:7d}  {name}")
    if len(info.labels) > LISTED:
        typer.echo(f"           and {len(info.labels) - LISTED} more labels (--json lists them)")
    typer.echo("spaces" if info.spaces else "no spaces")
    for space in info.spaces:
        typer.echo(f"  {space.name}: {space.count} x {space.dimension}")
        recipe = {key: value for key, value in space.recipe.to_json().items() if value is not None}
        for key, value in recipe.items():
            plain = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            typer.echo(f"      {key:13s}  {plain}")
    if info.failures:
        typer.echo(f"{len(info.failures)} failures")
        for failure in info.failures:
            typer.echo(f"  {failure.path}: {failure.reason}")


def _print_answer(answer: Answer) -> None:
    where = ",".join(f"{side:.0f}" for side in answer.query.xyxy[0])
    typer.echo(
        f"{answer.query.label[0]} at {where} of {answer.query_image}  ({answer.space}, {answer.metric})"
    )
    near = answer.neighbours
    rows = [
        [rank + 1, f"{answer.distance[rank]:.4g}", near.label[rank], near.object_id[rank], image]
        for rank, image in enumerate(answer.images)
    ]
    _print_table(["rank", "distance", "label", "object", "image"], rows)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as their contents; numbers to the right."""
    texts = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    numeric = [
        bool(rows) and all(_is_number(row[column]) for row in texts[1:]) for column in range(len(header))
    ]
    for row in texts:
        cells = zip(row, widths, numeric, strict=True)
        typer.echo("  ".join(f"{c:>{w}}" if n else f"{c:<{w}}" for c, w, n in cells).rstrip())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _write_sheet(store: Store, answers: Sequence[Answer], path: Path, exclude_same_image: bool) -> None:
    from objectspace.figures.sheet import draw_sheet
    from objectspace.figures.style import write_figure
    from objectspace.sheets import sheet_rows

    first = answers[0]
    others = "neighbours from other photos only" if exclude_same_image else "neighbours from any photo"
    caption = f"space {first.space} · {first.metric} distance under each, exact · {others}"
    write_figure(draw_sheet(sheet_rows(store, answers), caption=caption), path)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _warn(text: str) -> None:
    typer.echo(f"objectspace: {text}", err=True)


def _fail(text: str) -> NoReturn:
    _warn(text)
    raise SystemExit(1)


def _stop(text: str) -> NoReturn:
    _warn(text)
    raise SystemExit(130)


def _misuse(text: str) -> NoReturn:
    raise typer.BadParameter(text)
