"""The options that several commands take; an option of one command stands beside it.

Each is a type, named after the option: a command's parameter of that type is the option, with the default
that stands there.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from objectspace.cli.exits import usage_error
from objectspace.places import Place, as_place

if TYPE_CHECKING:
    AnyPlace: TypeAlias = Place
else:
    # Typer takes no unions; as_place makes one or the other.
    AnyPlace = PurePath

#: Groups of options in the help.
DETECTOR = "Detector"
EMBEDDINGS = "Embeddings"
MACHINES = "Many machines"


class Route(StrEnum):
    """Which vectors to make."""

    both = "both"
    crop = "crop"
    window = "window"
    map = "map"


class Resize(StrEnum):
    """How a photo is laid on the detector's input."""

    letterbox = "letterbox"
    stretch = "stretch"


class HeadScale(StrEnum):
    """At which head of the detector windows are cut."""

    own = "own"
    deepest = "deepest"


class Precision(StrEnum):
    """The networks' numbers."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


class Engine(StrEnum):
    """What runs the job."""

    threads = "threads"
    ray = "ray"


class Metric(StrEnum):
    """How far apart two vectors are."""

    euclidean = "euclidean"
    cosine = "cosine"


# ------------------------------------------------------------------------------- what goes in, what comes out

StorePath = Annotated[
    AnyPlace,
    typer.Argument(
        metavar="STORE", help="the store's folder, or its address", show_default=False, parser=as_place
    ),
]
NewStore = Annotated[
    AnyPlace,
    typer.Option(
        "--store",
        metavar="FOLDER",
        help="the store's folder, or s3://, gs:// or az://BUCKET/NAME; made if there is none",
        show_default=False,
        parser=as_place,
    ),
]
FigurePath = Annotated[
    Path | None,
    typer.Option("--figure", metavar="FILE", help="draw it: .png, .pdf or .svg", show_default=False),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="read vectors from a plain copy there, several times as fast; it is made first, and made anew "
        "when the store has changed",
        show_default=False,
        file_okay=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress bar")]

# ----------------------------------------------------------------------------------------------- the networks

DetectorName = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME|CFG",
        help="a name (objectspace models), a Darknet .cfg, or the folder or hub id of a DETR",
        show_default="yolov3 where one is needed",
        rich_help_panel=DETECTOR,
    ),
]
DetectorWeights = Annotated[
    Path | None,
    typer.Option("--detector-weights", metavar="FILE", help="its weight file", rich_help_panel=DETECTOR),
]
Names = Annotated[
    Path | None,
    typer.Option(
        "--names",
        metavar="FILE",
        help="the class names, a line each; by default those beside the labels (classes.txt …), else COCO's",
        rich_help_panel=DETECTOR,
    ),
]
ResizeOption = Annotated[
    Resize | None,
    typer.Option(
        "--resize",
        help="by default letterbox for a name, stretch for a .cfg",
        show_default=False,
        rich_help_panel=DETECTOR,
    ),
]
Confidence = Annotated[
    float,
    typer.Option(
        "--confidence", metavar="0..1", help="minimum score of a detection", rich_help_panel=DETECTOR
    ),
]
Iou = Annotated[
    float,
    typer.Option(
        "--iou",
        metavar="0..1",
        help="IoU above which non-maximum suppression drops the lower score",
        rich_help_panel=DETECTOR,
    ),
]
RouteOption = Annotated[
    Route,
    typer.Option(
        "--route",
        help="both: crops and the detector's windows; crops alone where annotations or words find the "
        "objects and no --detector is named; map: windows of the encoder's map of the photo",
        rich_help_panel=EMBEDDINGS,
    ),
]
EncoderName = Annotated[
    str,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="resnet50, demo, any model of timm, open_clip:MODEL/WEIGHTS",
        rich_help_panel=EMBEDDINGS,
    ),
]
EncoderWeights = Annotated[
    Path | None,
    typer.Option(
        "--encoder-weights", metavar="FILE", help="its weights: a state dict", rich_help_panel=EMBEDDINGS
    ),
]
Windows = Annotated[
    list[int] | None,
    typer.Option(
        "--window",
        metavar="CELLS",
        min=1,
        help="cells a side of a window; repeatable",
        rich_help_panel=EMBEDDINGS,
    ),
]
Scale = Annotated[
    HeadScale,
    typer.Option(
        "--scale", help="windows at each object's own head, or the deepest", rich_help_panel=EMBEDDINGS
    ),
]
PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="auto: bfloat16 where it is fast, else float32")
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1 … or auto", show_default="cpu"),
]

# ------------------------------------------------------------------------------------- neighbors and measures

Space = Annotated[
    str | None,
    typer.Option("--space", metavar="SPACE", help="the space; by default the store's default space"),
]
MetricOption = Annotated[Metric, typer.Option("--metric", help="the distance")]
Neighbors = Annotated[int, typer.Option("-k", help="how many neighbors", min=1)]
NeighborLabel = Annotated[
    str | None, typer.Option("--neighbor-label", metavar="LABEL", help="only neighbors of this label")
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="NAME",
        help="only objects of this finder (info lists them), a name or name@digest",
    ),
]
SameImage = Annotated[bool, typer.Option("--same-image", help="neighbors from the target's photo too")]
ExcludeSame = Annotated[
    str | None,
    typer.Option(
        "--exclude-same",
        metavar="COLUMN",
        help="no neighbors that share the target's value of this factor, such as a clip or a burst, in the "
        "place of its photo; unknown values are shared with nobody; words, and photos not in the store, "
        "have none",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="COLUMN",
        help="objects of one value (one apple) are never neighbors, and are held out together",
    ),
]
Control = Annotated[
    str | None,
    typer.Option("--control", metavar="NAME", help="compare only objects with the same value of this factor"),
]
Box = Annotated[
    str | None, typer.Option("--box", metavar="X1,Y1,X2,Y2", help="the object in the photo, in pixels")
]
Circular = Annotated[
    float | None,
    typer.Option(
        "--circular",
        metavar="PERIOD",
        help="the column holds angles: of 360, or 180 where half a turn is the same",
        show_default="360 for numbers named yaw, azimuth or angle",
    ),
]
Linear = Annotated[
    bool, typer.Option("--linear", help="the column's numbers are lengths, though it has an angle's name")
]
Approximate = Annotated[
    bool, typer.Option("--approximate", help="use the index built by index-space; prints its recall")
]
SelectionName = Annotated[
    str | None, typer.Option("--selection", metavar="NAME", help="only objects of this selection")
]
Queries = Annotated[
    int | None,
    typer.Option(
        "--sample",
        metavar="N",
        help="neighbors, among all, of N objects at most, of whole photos or groups drawn at random",
        show_default="all",
        min=2,
    ),
]

AllObjects = Annotated[
    bool,
    typer.Option(
        "--all", help="regressions on all objects, not on 20,000 at most of whole photos or groups drawn"
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="seed of all that is random")]


EngineOption = Annotated[
    Engine,
    typer.Option(help="threads of this machine, or workers on many machines", rich_help_panel=MACHINES),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="of Ray's head; auto: the cluster that this machine is part of",
        show_default="one is started on this machine",
        rich_help_panel=MACHINES,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="COUNT",
        min=1,
        help="processes",
        show_default="one a machine, or a GPU",
        rich_help_panel=MACHINES,
    ),
]


def check_engine(
    engine: Engine, *, address: str | None, workers: int | None, gpus_per_worker: float = 0
) -> None:
    """End with a usage error where options of a cluster are given to the threads of this machine."""
    given = {"--address": address, "--workers": workers, "--gpus-per-worker": gpus_per_worker or None}
    for option, value in given.items():
        if engine is Engine.threads and value is not None:
            usage_error(f"{option} needs --engine ray")


def most_objects(all_objects: bool) -> int | None:
    """Return how many objects a regression is fitted on at most; None for ``--all``."""
    from objectspace.analyses.groups import MOST_OBJECTS

    return None if all_objects else MOST_OBJECTS


def check_exclusion(same_image: bool, exclude_same: str | None) -> None:
    """End with wrong usage where neighbors are to be taken from a photo and left out by a column."""
    if same_image and exclude_same is not None:
        usage_error(f"give --same-image or --exclude-same {exclude_same}, one of them")


def parsed_box(text: str) -> tuple[float, float, float, float]:
    """Return the numbers of --box; anything but four is wrong usage."""
    try:
        left, top, right, bottom = (float(side) for side in text.split(","))
    except ValueError:
        usage_error(f"--box is {text!r}, expected four numbers with commas between them: x1,y1,x2,y2")
    return left, top, right, bottom
