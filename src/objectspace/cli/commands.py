"""The commands, and what becomes of errors."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from objectspace._version import __version__
from objectspace.cli.jobs import (
    DetectorOptions,
    EncoderOptions,
    LabelOptions,
    PromptOptions,
    annotation_spec,
    check_exclusion,
    choose_machine,
    factor_spec,
    misuse,
    network_specs,
    photos_of,
    pools_of,
    prompt_spec,
    read_files,
)
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
    FetchedModels,
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
    NeighborsOfEach,
    NewStore,
    OtherPhotos,
    OtherValues,
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
    Suffix,
    TapsOf,
    TextThreshold,
    VerifyWeights,
    WeightsFolder,
    Windows,
)
from objectspace.cli.output import (
    check_usable,
    checked_figure,
    info_json,
    print_info,
    print_json,
    print_models,
    print_summary,
    print_table,
    progress_bars,
    tell_missing_words,
    warn,
    write_sheet,
)
from objectspace.errors import ModelWarning, ObjectspaceError, WeightsError, counted

if TYPE_CHECKING:
    from objectspace.analyses.shared_vectors import SharedVectors
    from objectspace.store import Store, StoreInfo

app = typer.Typer(
    help="From photographs to a searchable space of objects: find them, embed each, search exactly, measure "
    "what the vectors encode.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"objectspace {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", help="print the version and end", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """What stands before the command."""


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
    suffix: Suffix = "",
    precision: PrecisionOption = Precision.auto,
    device: IndexDevice = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find and embed the objects of photos, and keep them in a store.

    The same command again resumes where it stopped; finished photos are skipped.
    """
    from objectspace.store.records import check_space_name

    ending = f"-{suffix}" if suffix else ""
    check_space_name(f"space{ending}")
    labels = LabelOptions(annotations, annotation_format, names, masks, mask_pattern, mask_label)
    words = PromptOptions(prompt, prompt_model, prompt_weights, box_threshold, text_threshold)
    with _resumable(store):
        # Imports take seconds, in which Ctrl-C may come.
        from objectspace.embeddings.crops import CropPolicy
        from objectspace.jobs.index import index as run_index
        from objectspace.pipeline.job import Job

        machine = choose_machine(device, precision)
        search = photos_of(photos)
        found = annotation_spec(labels)
        prompts = prompt_spec(words, annotated=found is not None)
        networks = network_specs(
            route,
            DetectorOptions(detector, detector_weights, names, resize),
            EncoderOptions(encoder, encoder_weights),
            machine,
            detects=found is None and prompts is None,
        )
        job = Job(
            **networks,
            annotations=found,
            prompts=prompts,
            factors=factor_spec(pattern, factors),
            pools=() if route is Route.crop else pools_of(window, pool),
            scale=scale.value,
            crop=CropPolicy(background.value, margin, fit.value),
            confidence=confidence,
            iou=iou,
            suffix=ending,
            replaces=replace,
        )
        loaded = read_files(job, search.photos).load()
        with progress_bars({"photos": len(search.photos)}, shown=not (quiet or as_json)) as advance:
            summary = run_index(search.photos, store, loaded, progress=partial(advance, "photos"))
    check_usable(summary, store)
    print_summary(summary, store, as_json, passed_over=search.passed_over)
    if loaded.prompts is not None:
        tell_missing_words(loaded.prompts, store)


@app.command()
def info(store: StorePath, as_json: Json = False) -> None:
    """Show what a store holds: images, objects by label, spaces with their recipes, failures."""
    from objectspace.store import open_store

    opened = open_store(store)
    held = opened.info()
    shared = _shared_in_windows(opened, held)
    if as_json:
        print_json(info_json(held, shared))
    else:
        print_info(store, held, shared)


def _shared_in_windows(store: Store, held: StoreInfo) -> dict[str, SharedVectors]:
    """Return by space of odd windows, which are around a cell, the objects that share theirs; by cells."""
    from objectspace.analyses.shared_vectors import count_shared

    shared = {}
    for space in held.spaces:
        if space.recipe.route == "window" and space.recipe.window and space.recipe.window % 2:
            cells = store.cells(space.name)
            keys = zip(*(cells[name].tolist() for name in ("head", "cell_x", "cell_y")), strict=True)
            of = store.object_columns(["image_id", "label"], space.name)
            shared[space.name] = count_shared(keys, of["image_id"], of["label"])
    return shared


@app.command()
def sheet(
    store: StorePath,
    out: OutPath,
    space: Space = None,
    rows: Rows = 12,
    k: NeighborsOfEach = 5,
    label: Label = None,
    metric: MetricOption = Metric.euclidean,
    exclude_same_image: OtherPhotos = False,
    exclude_same: OtherValues = None,
    as_json: Json = False,
) -> None:
    """Draw targets and their nearest neighbors as a grid: the paper's figures 2 and 5."""
    from objectspace.search import SpaceSearch, choose_targets, default_space
    from objectspace.store import open_store

    check_exclusion(exclude_same_image, exclude_same)
    checked_figure(out)
    opened = open_store(store)
    ready = SpaceSearch(opened, space or default_space(opened), metric=metric.value)
    if label is not None:
        ready.objects.labeled(label)  # raises for an unknown label, with a guess
    targets = choose_targets(ready, rows, label=label)
    answers = ready.nearest(
        ready.stored(targets), k=k, exclude_same_image=exclude_same_image, exclude_same=exclude_same
    )
    write_sheet(opened, answers, out)
    if as_json:
        print_json([answer.to_json() for answer in answers])
        return
    most = max(len(answer.neighbors) for answer in answers)
    each = f"{counted(most, 'neighbor')} each"
    fewer = "" if most == k else ", as there are no more"
    at_most = "at most " if fewer else ""
    typer.echo(
        f"{out}: {counted(len(answers), 'target')} of space {ready.space.name}, {at_most}{each}{fewer}"
    )


@app.command()
def models(
    taps: TapsOf = None,
    fetch: FetchedModels = None,
    to: WeightsFolder = None,
    verify: VerifyWeights = False,
    as_json: Json = False,
) -> None:
    """List the models known by name: whether their weights are here, size, license, source.

    --fetch gets weights ahead of time, --verify reads those that are here and compares their sha256.
    """
    from objectspace.models.catalogue import known_models, list_taps

    if sum((taps is not None, bool(fetch), verify)) > 1 or (to and not fetch):
        misuse("give one of --taps, --fetch (with or without --to) and --verify")
    if fetch or verify:
        rows = _fetched(fetch, to) if fetch else _verified()
    else:
        rows = known_models() if taps is None else list_taps(taps)
    if as_json:
        print_json(rows)
    elif taps is None and not (fetch or verify):
        print_models(rows)
    elif rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])
    if damaged := [row["path"] for row in rows if row.get("state") == "damaged"]:
        raise WeightsError(f"{damaged[0]} is not the published file; remove it, and it is fetched again")


def _fetched(names: Sequence[str], to: Path | None) -> list[dict[str, str]]:
    """Fetch the weights of models into a folder, by default the cache; a row each."""
    from objectspace.models.catalogue import weights_files
    from objectspace.models.weights import fetch

    files = [(name, file) for name in names for file in weights_files(name)]
    try:
        return [{"name": name, "path": str(fetch(file, to))} for name, file in files]
    except KeyboardInterrupt:
        warn("stopped; nothing was kept of the file that was being fetched")
        raise SystemExit(130) from None


def _verified() -> list[dict[str, str]]:
    """Read each file of weights that is here, and tell whether its sha256 is the published one."""
    from objectspace.files import file_sha256
    from objectspace.models.catalogue import weights_files
    from objectspace.models.weights import present_path

    here = [(file, path) for file in weights_files() if (path := present_path(file)) is not None]
    return [
        {"state": "whole" if file_sha256(path) == file.sha256 else "damaged", "path": str(path)}
        for file, path in here
    ]


def main() -> None:
    """Run the command line."""
    # Pillow warns of huge and odd files; what cannot be read is reported by name anyway.
    warnings.filterwarnings("ignore", module="PIL")
    _print_own_warnings()
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


def _print_own_warnings() -> None:
    """Print this package's warnings as one line each, the others as Python does."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        if issubclass(category, ModelWarning):
            warn(str(message))
        else:
            usual(message, category, *rest, **named)

    warnings.showwarning = show


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
