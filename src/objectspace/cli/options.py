"""The options of the commands: their types, their words in the help, and how they are grouped there."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

#: The groups of options in `objectspace index --help`.
DETECTOR = "Detector"
ANNOTATIONS = "Annotations"
WORDS = "Words"
FACTORS = "Factors"
EMBEDDINGS = "Embeddings"
MACHINE = "Machine"


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


class Precision(StrEnum):
    """The networks' numbers."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


class Metric(StrEnum):
    """How far apart two vectors are."""

    euclidean = "euclidean"
    cosine = "cosine"


# What several commands take.
StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="the store's folder", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document and nothing else")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress bar")]
Space = Annotated[str | None, typer.Option(help="the space; by default the crop space")]
MetricOption = Annotated[Metric, typer.Option(help="the distance")]
Label = Annotated[str | None, typer.Option(help="only objects of this label")]
OtherPhotos = Annotated[
    bool, typer.Option("--exclude-same-image", help="no neighbors from the target's photo")
]
OtherValues = Annotated[
    str | None,
    typer.Option(
        "--exclude-same",
        metavar="COLUMN",
        help="no neighbors that share the target's value of this factor, such as a clip or a burst (image: "
        "its photo); unknown values are shared with nobody; words, and photos not in the store, have none",
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 … or auto")]
FigurePath = Annotated[
    Path | None, typer.Option("--figure", help="draw it: .png, .pdf or .svg", show_default=False)
]

# objectspace index
Photos = Annotated[
    list[Path],
    typer.Argument(metavar="PHOTOS", help="photos, and folders of photos", show_default=False),
]
NewStore = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="the store's folder; made if there is none", show_default=False),
]
DetectorName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|CFG",
        help="a name (objectspace models), a Darknet .cfg, or the folder or hub id of a DETR; yolov3 unless "
        "there are annotations",
        rich_help_panel=DETECTOR,
    ),
]
DetectorWeights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="its weight file", rich_help_panel=DETECTOR)
]
Names = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="the class names, a line each; COCO's by default", rich_help_panel=DETECTOR
    ),
]
ResizeOption = Annotated[
    Resize | None,
    typer.Option(
        help="by default letterbox for a name, stretch for a .cfg",
        show_default=False,
        rich_help_panel=DETECTOR,
    ),
]
Confidence = Annotated[
    float, typer.Option(metavar="0..1", help="minimum score of a detection", rich_help_panel=DETECTOR)
]
Iou = Annotated[
    float,
    typer.Option(
        metavar="0..1",
        help="IoU above which non-maximum suppression drops the lower score",
        rich_help_panel=DETECTOR,
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
        metavar="NAME",
        help="grounded-sam or sam3",
        show_default="grounded-sam",
        rich_help_panel=WORDS,
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
        help="remove stored objects that the labels do not hold any more",
        rich_help_panel=ANNOTATIONS,
    ),
]
Masks = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="mask images, one object a photo", rich_help_panel=ANNOTATIONS),
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
Factors = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV", help="a table of factors, joined by its column 'file'", rich_help_panel=FACTORS
    ),
]
RouteOption = Annotated[
    Route,
    typer.Option(
        help="both: crops and the detector's windows; crops alone where annotations or words find the "
        "objects and no --detector is named; map: windows of the encoder's map of the photo",
        rich_help_panel=EMBEDDINGS,
    ),
]
EncoderName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="resnet50, demo, any model of timm, open_clip:MODEL/WEIGHTS",
        rich_help_panel=EMBEDDINGS,
    ),
]
EncoderWeights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="its weights: a state dict", rich_help_panel=EMBEDDINGS),
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
Windows = Annotated[
    list[int] | None,
    typer.Option(
        metavar="CELLS",
        min=1,
        help="cells a side of a window; repeatable",
        show_default="3",
        rich_help_panel=EMBEDDINGS,
    ),
]
Pools = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="how vectors are pooled from the map: mask, cell, roi7, window3; repeatable",
        rich_help_panel=EMBEDDINGS,
    ),
]
ScaleOption = Annotated[
    HeadScale,
    typer.Option(help="windows at each object's own head, or the deepest", rich_help_panel=EMBEDDINGS),
]
Suffix = Annotated[
    str,
    typer.Option(metavar="NAME", help="append -NAME to the spaces' names", rich_help_panel=EMBEDDINGS),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(help="auto: bfloat16 where it is fast, else float32", rich_help_panel=MACHINE),
]
IndexDevice = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="cpu, cuda, cuda:1 … or auto", rich_help_panel=MACHINE, show_default="cpu"
    ),
]

# objectspace search, sheet, models
ObjectIds = Annotated[
    list[str] | None, typer.Option("--object", metavar="ID", help="a stored object's id; repeatable")
]
QueryImage = Annotated[Path | None, typer.Option(metavar="FILE", help="a photo, in the store or not")]
QueryBox = Annotated[
    str | None, typer.Option(metavar="X1,Y1,X2,Y2", help="the object in the photo, in pixels")
]
QueryPoint = Annotated[
    str | None,
    typer.Option(metavar="X,Y", help="a click on the photo, in pixels; what lies there is searched for"),
]
QueryTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--text", metavar="WORDS", help="words, in a space with a text tower, by cosine; repeatable"
    ),
]
Mean = Annotated[bool, typer.Option("--mean", help="all queries as one: their mean")]
Unlike = Annotated[
    list[str] | None,
    typer.Option("--unlike", metavar="ID", help="away from this stored object; repeatable"),
]
QueryMetric = Annotated[
    Metric | None, typer.Option("--metric", help="the distance; euclidean, for words cosine")
]
Neighbors = Annotated[int, typer.Option("-k", help="neighbors", min=1)]
Within = Annotated[
    float | None,
    typer.Option(metavar="DISTANCE", help="only neighbors at most that far, by the metric; -k at most"),
]
SheetPath = Annotated[Path | None, typer.Option(metavar="FILE", help="draw the answer: .png, .pdf or .svg")]
OutPath = Annotated[Path, typer.Option(help="the picture: .png, .pdf or .svg", show_default=False)]
Rows = Annotated[int, typer.Option(help="targets", min=1)]
NeighborsOfEach = Annotated[int, typer.Option("-k", help="neighbors of each", min=1)]
TapsOf = Annotated[str | None, typer.Option(help="list the layers of this .cfg or detector")]
FetchedModels = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="fetch the weights of this model ahead of time; repeatable"),
]
WeightsFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="fetch them into this folder, which OBJECTSPACE_CACHE can name on a machine without a network",
    ),
]
VerifyWeights = Annotated[
    bool, typer.Option("--verify", help="compare the sha256 of the weights that are here")
]
