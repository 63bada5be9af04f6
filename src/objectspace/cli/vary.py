"""``objectspace vary``: pictures of one object in which one factor varies, indexed."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.exits import resumable, usage_error
from objectspace.cli.job_networks import choose_device, choose_networks
from objectspace.cli.options import (
    Box,
    DetectorName,
    DetectorWeights,
    Device,
    EncoderName,
    EncoderWeights,
    HeadScale,
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
    parsed_box,
)
from objectspace.cli.output import print_summary
from objectspace.cli.progress import progress_bars, show_steps
from objectspace.errors import QueryError
from objectspace.places import RemotePath

if TYPE_CHECKING:
    from objectspace.images import Image
    from objectspace.objects.records import Objects


class Varied(StrEnum):
    """What differs between the pictures."""

    position = "position"
    angle = "angle"
    size = "size"
    background = "background"


Photo = Annotated[Path, typer.Argument(metavar="PHOTO", show_default=False, help="the object's photo")]
ObjectId = Annotated[
    str | None,
    typer.Option("--object", metavar="ID", help="the object, by its id in --from"),
]
FromStore = Annotated[
    Path | None, typer.Option("--from", metavar="STORE", help="the store that holds --object")
]
Label = Annotated[str, typer.Option(help="the label of an object given by --box")]
Factor = Annotated[Varied, typer.Option(help="what to vary", show_default=False)]
Steps = Annotated[int, typer.Option(min=2, help="angles or sizes; places across and down")]
Grounds = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME|PHOTO", help="black, gray, blur or a photo; repeatable", show_default="black"),
]
ObjectSize = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="its longer side, of the picture's shorter; by default as it is"),
]

#: Window sizes of varied objects; they differ in what they encode of the position.
WINDOWS = [1, 2, 3, 5]


def vary(
    photo: Photo,
    factor: Factor,
    store: NewStore,
    object_id: ObjectId = None,
    from_store: FromStore = None,
    box: Box = None,
    label: Label = "object",
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
    window: Windows = WINDOWS,
    scale: Scale = HeadScale.own,
    precision: PrecisionOption = Precision.auto,
    device: Device = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Cut one object out and index pictures in which only one thing varies (the paper's figure 6).

    Give --box, or --object and --from. Pictures and the truth about them are kept in STORE-pictures.
    """
    shown = not (quiet or as_json)
    show_steps("loading the networks", shown=shown)
    from objectspace.images import read_image
    from objectspace.jobs.vary import vary_object
    from objectspace.pipeline.specs import DetectorSpec, EncoderSpec
    from objectspace.scenes.variation import count_pictures, default_backgrounds

    if (object_id is None) == (box is None) or (object_id is None) != (from_store is None):
        usage_error("give --box X1,Y1,X2,Y2, or --object ID and the store that has it as --from STORE")
    if isinstance(store, RemotePath):
        usage_error(f"the pictures are drawn beside the store, on disk; --store is {store}")
    image = read_image(photo)
    one = (
        _stored(image, object_id, from_store) if object_id and from_store else _boxed(image, box or "", label)
    )
    chosen = choose_device(device, precision)
    networks = choose_networks(
        route,
        DetectorSpec(detector or "yolov3", detector_weights, names, resize),
        EncoderSpec(encoder, encoder_weights),
        detects=False,
        named=detector is not None,
    )
    backgrounds = tuple(background or default_backgrounds(factor.value))
    count = count_pictures(factor.value, steps=steps, backgrounds=len(backgrounds))
    with resumable("the same command goes on"), progress_bars({"pictures": count}, shown=shown) as advance:
        varied = vary_object(
            image,
            one,
            factor.value,
            store,
            **networks,
            device=chosen,
            precision=precision.value,
            pools=() if route is Route.crop else tuple(f"window{cells}" for cells in window or WINDOWS),
            scale=scale.value,
            backgrounds=backgrounds,
            steps=steps,
            size=size,
            progress=partial(advance, "pictures"),
        )
    print_summary(varied.summary, store, as_json)


def _boxed(image: Image, box: str, label: str) -> Objects:
    """Return the object in a box of the photo; it has no mask."""
    import numpy as np

    from objectspace.search.queries.images import BoxReader

    objects = BoxReader(parsed_box(box)).objects_of(image).objects
    return replace(objects, label=np.array([label], object))


def _stored(image: Image, object_id: str, path: Path) -> Objects:
    """Return the object of that id in a store. Raises QueryError where it is of another photo."""
    from objectspace.store import open_store

    objects = open_store(path).objects([object_id])
    if objects.image_id[0] != image.image_id:
        raise QueryError(f"object {object_id} of {path} is not in {image.path}, but in another photo")
    return objects
