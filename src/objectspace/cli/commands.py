"""The commands, and what becomes of errors."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from objectspace.cli.jobs import annotation_reader, factor_table, make_job, pools_of, prompter_of
from objectspace.cli.options import (
    AnnotationFormat,
    Annotations,
    Background,
    BackgroundOption,
    BoxThreshold,
    Confidence,
    DetectorName,
    DetectorWeights,
    EncoderName,
    EncoderWeights,
    Factors,
    Fit,
    FitOption,
    HeadScale,
    IndexDevice,
    Iou,
    Json,
    Label,
    Margin,
    MaskLabel,
    MaskPattern,
    Masks,
    Metric,
    MetricOption,
    Names,
    NameSuffix,
    NeighboursOfEach,
    NewStore,
    OtherPhotos,
    OutPath,
    Pattern,
    Photos,
    Pools,
    Precision,
    PrecisionOption,
    Prompt,
    PromptModel,
    PromptWeights,
    Quiet,
    Replace,
    ResizeOption,
    Route,
    RouteOption,
    Rows,
    ScaleOption,
    Space,
    StorePath,
    TapsOf,
    TextThreshold,
    Windows,
)
from objectspace.cli.output import (
    print_info,
    print_json,
    print_models,
    print_report,
    print_table,
    progress_bar,
    tell_missing_words,
    warn,
    write_sheet,
)
from objectspace.errors import InputError, ObjectspaceError

app = typer.Typer(
    help="Photographs to a space of objects: find them, embed each, search exactly, measure what is held.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def index(
    photos: Photos,
    store: NewStore,
    detector: DetectorName = None,
    detector_weights: DetectorWeights = None,
    names: Names = None,
    resize: ResizeOption = None,
    confidence: Confidence = 0.25,
    iou: Iou = 0.45,
    prompt: Prompt = None,
    prompt_model: PromptModel = None,
    prompt_weights: PromptWeights = None,
    box_threshold: BoxThreshold = None,
    text_threshold: TextThreshold = None,
    annotations: Annotations = None,
    annotation_format: AnnotationFormat = "yolo",
    replace: Replace = False,
    masks: Masks = None,
    mask_pattern: MaskPattern = "{stem}.png",
    mask_label: MaskLabel = "object",
    pattern: Pattern = None,
    factors: Factors = None,
    route: RouteOption = Route.both,
    encoder: EncoderName = "resnet50",
    encoder_weights: EncoderWeights = None,
    background: BackgroundOption = Background.black,
    margin: Margin = 0.0,
    fit: FitOption = Fit.pad,
    window: Windows = None,
    pool: Pools = None,
    scale: ScaleOption = HeadScale.own,
    name_suffix: NameSuffix = "",
    precision: PrecisionOption = Precision.auto,
    device: IndexDevice = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find and embed the objects of photos, and keep them in a store.

    The same command again goes on where it was stopped; photos that are done are not done again.
    """
    from objectspace.images import find_photos
    from objectspace.store.records import check_space_name

    suffix = f"-{name_suffix}" if name_suffix else ""
    check_space_name(f"space{suffix}")
    with _resumable(store):
        from objectspace.flow import index as run_index  # takes seconds, in which Ctrl-C may come

        found = find_photos(photos)
        table = factor_table(pattern, factors, found)
        reader = annotation_reader(
            annotations, annotation_format, names, masks, mask_pattern, mask_label, table, found
        )
        prompter = prompter_of(
            prompt,
            {"name": prompt_model, "weights": prompt_weights},
            {"box_threshold": box_threshold, "text_threshold": text_threshold},
            reader,
            device,
        )
        job = make_job(
            reader,
            table,
            route,
            prompts=prompter,
            detector={"name_or_cfg": detector, "weights": detector_weights, "names": names, "resize": resize},
            encoder={"name": encoder, "weights": encoder_weights},
            networks={"device": device, "precision": precision.value},
            settings={
                "pools": pools_of(window, pool),
                "scale": scale.value,
                "confidence": confidence,
                "iou": iou,
                "suffix": suffix,
                "replaces": replace,
            },
            crop={"background": background.value, "margin": margin, "fit": fit.value},
        )
        with progress_bar(len(found), shown=not (quiet or as_json)) as progress:
            report = run_index(found, store, job, progress=progress)
    print_report(report, store, as_json)
    if prompter is not None:
        tell_missing_words(prompter, store)


@app.command()
def info(store: StorePath, as_json: Json = False) -> None:
    """Tell what a store holds: images, objects by label, spaces with their recipes, failures."""
    from objectspace.store import open_store

    held = open_store(store).info()
    if as_json:
        print_json(held.to_json())
    else:
        print_info(store, held)


@app.command()
def sheet(
    store: StorePath,
    out: OutPath,
    space: Space = None,
    rows: Rows = 12,
    k: NeighboursOfEach = 5,
    label: Label = None,
    metric: MetricOption = Metric.euclidean,
    exclude_same_image: OtherPhotos = False,
    as_json: Json = False,
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
    write_sheet(opened, answers, out, exclude_same_image)
    if as_json:
        print_json([answer.to_json() for answer in answers])
        return
    most = max(len(answer.neighbours) for answer in answers)
    each = f"{most} neighbours each" if most == k else f"at most {most} neighbours each, as there are no more"
    typer.echo(f"{out}: {len(answers)} targets of space {ready.space.name}, {each}")


@app.command()
def models(taps: TapsOf = None, as_json: Json = False) -> None:
    """List the models known by name: whether their weights are here, size, licence, source."""
    from objectspace.catalogue import known_models, list_taps

    rows = known_models() if taps is None else list_taps(taps)
    if as_json:
        print_json(rows)
    elif taps is None:
        print_models(rows)
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


def main() -> None:
    """Run the command line."""
    # Pillow warns of huge and odd files; what cannot be read is reported by name anyway.
    warnings.filterwarnings("ignore", module="PIL")
    _print_any_path()
    try:
        app()
    except ObjectspaceError as error:
        _fail(str(error))
    except OSError as error:
        if error.filename is not None:
            _fail(f"{error.filename} cannot be used: {error.strerror or error}")
        # Of what the commands write only stdout can still be full here; the files' errors are our own.
        if error.errno != errno.ENOSPC:
            raise
        _fail(f"the answer could not be written: {os.strerror(errno.ENOSPC)}; make room and try again")


def _print_any_path() -> None:
    """Print the bytes of a file's name that are no text as escapes, instead of failing when all is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(text: str) -> NoReturn:
    warn(" ".join(text.split("\n")))
    raise SystemExit(1)


@contextmanager
def _resumable(store: Path) -> Iterator[None]:
    """Tells on Ctrl-C that nothing is lost; typer ends the other commands with 130 and no word."""
    try:
        yield
    except KeyboardInterrupt:
        warn(f"stopped; the same command goes on from the photos that are finished in {store}")
        raise SystemExit(130) from None
