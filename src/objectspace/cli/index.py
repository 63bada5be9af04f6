"""``objectspace index``: photos become a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from objectspace.cli.coverage import read_files
from objectspace.cli.exits import resumable, usage_error
from objectspace.cli.job_networks import choose_device, choose_networks
from objectspace.cli.options import (
    EMBEDDINGS,
    MACHINES,
    Address,
    AnyPlace,
    Confidence,
    DetectorName,
    DetectorWeights,
    Device,
    EncoderName,
    EncoderWeights,
    Engine,
    EngineOption,
    HeadScale,
    Iou,
    Json,
    Names,
    NewStore,
    Precision,
    PrecisionOption,
    Quiet,
    ResizeOption,
    Route,
    RouteOption,
    Scale,
    Windows,
    Workers,
    check_engine,
)
from objectspace.cli.output import print_spaces, print_summary, warn
from objectspace.cli.progress import end_steps, progress_bars, show_steps
from objectspace.errors import InputError, counted
from objectspace.places import Place, as_place

if TYPE_CHECKING:
    from objectspace.images import ImageSearch
    from objectspace.jobs.index_summary import IndexSummary
    from objectspace.models.prompts import Prompter

#: Groups of options in the help, beside those of the networks.
ANNOTATIONS = "Annotations"
WORDS = "Words"
FACTORS = "Factors"

#: Options that change nothing of what is stored.
_NO_RESULT = ("photos", "store", "quiet", "as_json", "engine", "address", "workers", "gpus_per_worker")


class Background(StrEnum):
    """What surrounds the object in its crop."""

    black = "black"
    mean = "mean"
    blur = "blur"
    keep = "keep"
    only = "only"


class Fit(StrEnum):
    """How a crop becomes a square."""

    pad = "pad"
    stretch = "stretch"


class Vectors(StrEnum):
    """The numbers in which the store keeps vectors."""

    float32 = "float32"
    float16 = "float16"


Photos = Annotated[
    list[AnyPlace],
    typer.Argument(
        metavar="PHOTOS",
        help="photos, and folders of photos; or s3://, gs:// or az://BUCKET/FOLDER",
        show_default=False,
        parser=as_place,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="PATTERN",
        help="files and subfolders of PHOTOS to pass over: thumbs, '*_small.jpg', 'val/*'; repeatable",
        show_default=False,
    ),
]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune",
        help="forget stored photos that are gone from the folders of PHOTOS; none where a folder holds no "
        "photo, or none that was stored: a disk that is not mounted",
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help='find what these name, with masks: "apple. red car. dog."',
        rich_help_panel=WORDS,
    ),
]
PromptModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="grounded-sam or sam3", show_default="grounded-sam", rich_help_panel=WORDS
    ),
]
PromptWeights = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="holds grounding-dino/ and sam/, or sam3/; fetched once by default",
        rich_help_panel=WORDS,
    ),
]
BoxThreshold = Annotated[
    float | None,
    typer.Option(
        metavar="0..1", help="minimum score of a box", show_default="0.3; sam3 0.5", rich_help_panel=WORDS
    ),
]
TextThreshold = Annotated[
    float | None,
    typer.Option(
        metavar="0..1",
        help="minimum score of a word that labels it (grounded-sam)",
        show_default="0.25",
        rich_help_panel=WORDS,
    ),
]
Annotations = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="label files or data.yaml (yolo), a file (coco), a folder (voc): objects are read there",
        rich_help_panel=ANNOTATIONS,
    ),
]
AnnotationFormat = Annotated[
    str, typer.Option(metavar="NAME", help="yolo, coco or voc", rich_help_panel=ANNOTATIONS)
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="remove stored objects that the annotations no longer hold",
        rich_help_panel=ANNOTATIONS,
    ),
]
Masks = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="mask images: one shape, or a number an object", rich_help_panel=ANNOTATIONS
    ),
]
MaskPattern = Annotated[
    str,
    typer.Option(metavar="TEXT", help="a mask's name, from the photo's", rich_help_panel=ANNOTATIONS),
]
MaskLabel = Annotated[
    str, typer.Option(metavar="TEXT", help="the label of masked objects", rich_help_panel=ANNOTATIONS)
]
Pattern = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="its named groups, found in the file name, become factors",
        rich_help_panel=FACTORS,
    ),
]
FactorTable = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV", help="a table of factors, joined by its column 'file'", rich_help_panel=FACTORS
    ),
]
BackgroundOption = Annotated[
    Background,
    typer.Option(
        help="what surrounds an object in its crop; only: its surroundings alone",
        rich_help_panel=EMBEDDINGS,
    ),
]
Margin = Annotated[
    float,
    typer.Option(
        metavar="FRACTION",
        help="room around a crop, of the object's longer side",
        rich_help_panel=EMBEDDINGS,
    ),
]
FitOption = Annotated[Fit, typer.Option(help="how a crop becomes a square", rich_help_panel=EMBEDDINGS)]
Pools = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="how vectors are pooled from the map: mask, cell, roi7, window3; repeatable",
        show_default="window3, or the --window given",
        rich_help_panel=EMBEDDINGS,
    ),
]
VectorsOption = Annotated[
    Vectors,
    typer.Option(
        help="the numbers in which vectors are kept; float16 takes half the room, and rounds them",
        rich_help_panel=EMBEDDINGS,
    ),
]
Suffix = Annotated[
    str,
    typer.Option(metavar="NAME", help="append -NAME to the spaces' names", rich_help_panel=EMBEDDINGS),
]
GpusPerWorker = Annotated[
    float,
    typer.Option(
        metavar="COUNT",
        min=0,
        help="GPUs of each worker; a share, such as 0.125, for several workers to a GPU",
        rich_help_panel=MACHINES,
    ),
]


def index(
    ctx: typer.Context,
    photos: Photos,
    store: NewStore,
    exclude: Exclude = None,
    prune: Prune = False,
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
    factors: FactorTable = None,
    route: RouteOption = Route.both,
    encoder: EncoderName = "resnet50",
    encoder_weights: EncoderWeights = None,
    background: BackgroundOption = Background.black,
    margin: Margin = 0.0,
    fit: FitOption = Fit.pad,
    window: Windows = None,
    pool: Pools = None,
    scale: Scale = HeadScale.own,
    suffix: Suffix = "",
    vectors: VectorsOption = Vectors.float32,
    engine: EngineOption = Engine.threads,
    address: Address = None,
    workers: Workers = None,
    gpus_per_worker: GpusPerWorker = 0,
    precision: PrecisionOption = Precision.auto,
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find and embed the objects of photos, and keep them in a store.

    The same command again resumes where it stopped; finished photos are skipped.
    """
    if annotations is not None and masks is not None:
        usage_error("give --annotations or --masks, one of them")
    if annotations is None and annotation_format != "yolo":
        usage_error(f"--annotation-format {annotation_format} needs --annotations PATH")
    if prompt is not None and (annotations or masks) is not None:
        usage_error("give --prompt or --annotations (--masks), one of them")
    prompting = (prompt_model, prompt_weights, box_threshold, text_threshold)
    if prompt is None and any(option is not None for option in prompting):
        usage_error("a prompt model, its weights and thresholds need words to find: give --prompt")
    check_engine(engine, address=address, workers=workers, gpus_per_worker=gpus_per_worker)
    from objectspace.store.store_records import check_space_name

    ending = f"-{suffix}" if suffix else ""
    check_space_name(f"space{ending}")
    with resumable(f"the same command goes on from the photos that are finished in {store}"):
        # Imports take seconds, in which Ctrl-C may come.
        show_steps("looking at photos and store", shown=not (quiet or as_json))
        from objectspace.jobs.unchanged import is_finished, remember_finished
        from objectspace.store import check_store_place, open_store

        check_store_place(store)
        found = _find_images(photos, exclude or ())
        if prune and not found.folders:
            usage_error("--prune forgets what is gone from a folder; give the folder of the photos")
        command = _command(ctx.params, found)
        if command is not None and is_finished(store, command):
            _print_unchanged(store, found, as_json)
            return
        from objectspace.embeddings.crops import CropPolicy
        from objectspace.jobs.index import index as run_index
        from objectspace.pipeline.engine_ray import RayEngine
        from objectspace.pipeline.job import Job
        from objectspace.pipeline.loaded_job import LoadedJob
        from objectspace.pipeline.specs import (
            AnnotationSpec,
            DetectorSpec,
            EncoderSpec,
            FactorTableSpec,
            MaskSpec,
            PromptSpec,
        )

        chosen = choose_device(device, precision)
        annotated: AnnotationSpec | MaskSpec | None = None
        if annotations is not None:
            annotated = AnnotationSpec(annotations, annotation_format, names)
        if masks is not None:
            annotated = MaskSpec(masks, mask_pattern, mask_label)
        networks = choose_networks(
            route,
            DetectorSpec(detector or "yolov3", detector_weights, names, resize),
            EncoderSpec(encoder, encoder_weights),
            detects=annotated is None and prompt is None,
            named=detector is not None,
        )
        tabled = None if pattern is None and factors is None else FactorTableSpec(pattern, factors)
        job = Job(
            **networks,
            annotations=annotated,
            prompts=None if prompt is None else PromptSpec(prompt, *prompting),
            factors=tabled,
            pools=() if route is Route.crop else _pools(window, pool),
            scale=scale.value,
            crop=CropPolicy(background.value, margin, fit.value),
            confidence=confidence,
            iou=iou,
            suffix=ending,
            vectors=vectors.value,
            replaces=replace,
            device=chosen,
            precision=precision.value,
        )
        known_sources = _sources_of(store)
        ready = read_files(job, found.images)
        cluster = None
        if engine is Engine.ray:
            cluster = RayEngine(address=address, workers=workers, gpus_per_worker=gpus_per_worker)
        show_steps("loading the networks", shown=not (quiet or as_json))
        given = job if cluster else ready.load()
        with progress_bars({"photos": len(found.images)}, shown=not (quiet or as_json)) as advance:
            summary = run_index(
                found.images,
                store,
                given,
                engine=cluster,
                prune=found.folders if prune else (),
                progress=partial(advance, "photos"),
            )
    _check_usable(summary, store, annotated=annotated is not None)
    if command is not None and not summary.failures and not summary.copies:
        remember_finished(store, command)
    info = open_store(store).info()
    print_summary(summary, store, as_json, passed_over=found.passed_over)
    if not as_json:
        print_spaces(info)
    if len(info.sources) > 1 and len(known_sources) < 2:
        found_by = ", ".join(f"{name} ({sum(labels.values())})" for name, labels in info.sources.items())
        warn(
            f"the store now holds objects of more than one finder, which search and measures mix: "
            f"{found_by}; --source NAME takes one of them, another --store keeps them apart"
        )
    if isinstance(given, LoadedJob) and given.prompts is not None:
        _warn_of_words_not_found(given.prompts, store)


def _command(options: Mapping[str, Any], found: ImageSearch) -> str | None:
    """Return a digest of what the command does and reads; None where that cannot be told from its options."""
    from objectspace.jobs.unchanged import command_digest

    asked = {name: value for name, value in options.items() if name not in _NO_RESULT}
    # Words are looked for again in what was found, and a data.yaml names files of its own.
    if asked["prompt"] is not None or str(asked["annotations"]).endswith((".yaml", ".yml")):
        return None
    # Older versions of typer have paths as text here, and models are names or paths.
    given = (str(value).removeprefix("local-dir:") for value in asked.values())
    files = [*found.images, *(Path(value) for value in given if value and Path(value).exists())]
    if asked["annotations"] is not None and (folder := Path(asked["annotations"])).is_dir():
        files += sorted(path for path in folder.parent.iterdir() if path.is_file())  # class names
    told = {
        name: [str(one) for one in value] if isinstance(value, list | tuple) else str(value)
        for name, value in asked.items()
    }
    return command_digest(told, files)


def _print_unchanged(store: Place, found: ImageSearch, as_json: bool) -> None:
    """Print that there was nothing to do, as after looking at each photo."""
    from objectspace.jobs.index_summary import IndexSummary
    from objectspace.store import open_store

    count = len(found.images)
    summary = IndexSummary(photos=count, indexed=0, known=count, objects=0, failures=(), seconds=0.0)
    end_steps()
    print_summary(summary, store, as_json, passed_over=found.passed_over)
    if not as_json:
        print_spaces(open_store(store).info())


def _sources_of(store: Place) -> list[str]:
    """Return the names of what found the objects of a store; none where there is no store yet."""
    from objectspace.errors import StoreError
    from objectspace.store import open_store

    try:
        return list(open_store(store).info().sources)
    except StoreError:
        return []  # the job makes it


def _find_images(paths: Sequence[Place], exclude: Sequence[str]) -> ImageSearch:
    """Return the photos that files and folders name; warn of pictures that cannot be read."""
    from objectspace.images import passed_over_text, search_images

    search = search_images(paths, exclude=exclude)
    if search.passed_over:
        warn(passed_over_text(search.passed_over))
    return search


def _pools(windows: Sequence[int] | None, pools: Sequence[str] | None) -> tuple[str, ...]:
    """Return the poolings of --window and --pool; windows of three cells where neither is given."""
    return (*(f"window{size}" for size in windows or ()), *(pools or ())) or ("window3",)


def _check_usable(summary: IndexSummary, store: Place, *, annotated: bool) -> None:
    """Raise InputError, with the first reason, where a job could use none of its photos or annotations."""
    if not summary.nothing_usable:
        # A photo of which no label line can be used is indexed, and holds nothing.
        if annotated and summary.failures and not summary.objects and not summary.known:
            path, reason = summary.failures[0]
            problems = counted(len(summary.failures), "problem")
            raise InputError(
                f"no object was found: {problems}, the first {path}: {reason}; "
                f"objectspace info {store} lists them"
            )
        return
    path, reason = summary.failures[0]
    first = "" if summary.photos == 1 else f"; the first, {path}"
    raise InputError(
        f"none of {counted(summary.photos, 'photo')} could be used{first}: {reason}; "
        f"objectspace info {store} lists them"
    )


def _warn_of_words_not_found(prompter: Prompter, store: Place) -> None:
    """Warn of the words of a prompt that no object of a store is labeled with."""
    from objectspace.store import open_store

    labels = open_store(store).info().labels
    if missing := [word for word in prompter.recipe["words"] if word not in labels]:
        names = [name for name in ("box_threshold", "text_threshold") if name in prompter.recipe]
        thresholds = " or ".join(f"--{name.replace('_', '-')} ({prompter.recipe[name]})" for name in names)
        warn(f"nothing was found for {', '.join(missing)}; lower {thresholds}, or use other words")
