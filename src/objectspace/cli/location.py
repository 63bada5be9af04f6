"""The commands about where an object is: vary it, project what varies, erase it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.commands import app
from objectspace.cli.jobs import make_job, misuse, parsed_box
from objectspace.cli.options import (
    DetectorName,
    DetectorWeights,
    EncoderName,
    EncoderWeights,
    HeadScale,
    IndexDevice,
    Json,
    Names,
    NewStore,
    Precision,
    PrecisionOption,
    Quiet,
    ResizeOption,
    Route,
    RouteOption,
    ScaleOption,
    Windows,
)
from objectspace.cli.output import print_report, progress_bar
from objectspace.errors import QueryError

if TYPE_CHECKING:
    from objectspace.images import Image
    from objectspace.objects.records import Objects


class Varied(StrEnum):
    """What differs between the pictures."""

    position = "position"
    angle = "angle"
    size = "size"
    background = "background"


VariedPhoto = Annotated[Path, typer.Argument(metavar="PHOTO", show_default=False, help="the object's photo")]
VariedObject = Annotated[str | None, typer.Option("--object", metavar="ID", help="an object of --from")]
FromStore = Annotated[Path | None, typer.Option("--from", metavar="STORE", help="a store with the photo")]
VariedBox = Annotated[str | None, typer.Option(metavar="X1,Y1,X2,Y2", help="the object, in pixels")]
VariedLabel = Annotated[str, typer.Option(help="the label of an object given by --box")]
VariedFactor = Annotated[Varied, typer.Option(help="what to vary", show_default=False)]
Steps = Annotated[int, typer.Option(min=2, help="angles or sizes; places across and down")]
Grounds = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME|PHOTO", help="black, grey, blur or a photo; repeatable", show_default="black"),
]
ObjectSize = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="its longer side, of the picture's shorter; by default as it is"),
]

#: Window sizes of varied objects: what they hold of the place differs between them.
WINDOWS = (1, 2, 3, 5)

#: What objects are pasted on where nothing is named: one background, or several to be compared.
BACKGROUNDS = (("black",), ("black", "grey", "blur"))


@app.command()
def vary(
    photo: VariedPhoto,
    factor: VariedFactor,
    store: NewStore,
    object_id: VariedObject = None,
    from_store: FromStore = None,
    box: VariedBox = None,
    label: VariedLabel = "object",
    steps: Steps = 16,
    background: Grounds = None,
    size: ObjectSize = None,
    detector: DetectorName = None,
    detector_weights: DetectorWeights = None,
    names: Names = None,
    resize: ResizeOption = None,
    route: RouteOption = Route.window,
    encoder: EncoderName = "resnet50",
    encoder_weights: EncoderWeights = None,
    window: Windows = None,
    scale: ScaleOption = HeadScale.own,
    precision: PrecisionOption = Precision.auto,
    device: IndexDevice = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Cut one object out and index pictures in which only one thing varies (the paper's figure 6).

    The pictures and the truth about them are kept beside the store, in STORE-pictures.
    """
    from objectspace.flow import index
    from objectspace.images import read_image
    from objectspace.objects.annotations import open_annotations
    from objectspace.scenes.variation_files import ANNOTATIONS, draw_variation

    if (object_id is None) == (box is None) or (object_id is None) != (from_store is None):
        misuse("give --box X1,Y1,X2,Y2, or --object ID and the store that has it as --from STORE")
    image = read_image(photo)
    one = _stored(image, object_id, from_store) if object_id and from_store else _boxed(image, box or "")
    folder = store.with_name(f"{store.name}-pictures")
    pictures = draw_variation(
        image,
        one.xyxy[0],
        one.mask[0],
        one.label[0] if object_id else label,
        factor.value,
        folder,
        backgrounds=tuple(background or BACKGROUNDS[factor is Varied.background]),
        steps=steps,
        size=size,
    )
    job = make_job(
        open_annotations(folder / ANNOTATIONS, format="coco"),
        None,
        route,
        detector={"name_or_cfg": detector, "weights": detector_weights, "names": names, "resize": resize},
        encoder={"name": encoder, "weights": encoder_weights},
        networks={"device": device, "precision": precision.value},
        settings={"windows": tuple(window or WINDOWS), "scale": scale.value},
        crop={},
    )
    with progress_bar(len(pictures), shown=not (quiet or as_json)) as progress:
        report = index(pictures, store, job, progress=progress)
    print_report(report, store, as_json)


def _boxed(image: Image, box: str) -> Objects:
    """The object in a box of the photo, which has no mask."""
    from objectspace.queries import BoxReader

    return BoxReader(parsed_box(box)).objects_of(image).objects


def _stored(image: Image, object_id: str, path: Path) -> Objects:
    """The object of that id in a store. Raises QueryError where it is of another photo."""
    from objectspace.store import open_store

    objects = open_store(path).objects([object_id])
    if objects.image_id[0] != image.image_id:
        raise QueryError(f"object {object_id} of {path} is not in {image.path}, but in another photo")
    return objects
