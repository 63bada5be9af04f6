"""The commands about where an object is: vary it, project what varies, erase it."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.commands import app
from objectspace.cli.jobs import DetectorOptions, EncoderOptions, choose_machine, misuse, network_specs
from objectspace.cli.options import DETECTOR as DETECTOR_PANEL
from objectspace.cli.options import EMBEDDINGS as EMBEDDINGS_PANEL
from objectspace.cli.options import (
    DetectorWeights,
    EncoderName,
    EncoderWeights,
    FigurePath,
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
    StorePath,
)
from objectspace.cli.output import (
    checked_figure,
    interval_text,
    print_json,
    print_summary,
    print_table,
    progress_bars,
)
from objectspace.cli.search import parsed_box
from objectspace.errors import QueryError, counted, number_text

if TYPE_CHECKING:
    from objectspace.analyses.projection import Projection
    from objectspace.images import Image
    from objectspace.objects.records import Objects
    from objectspace.store import Store


class Varied(StrEnum):
    """What differs between the pictures."""

    position = "position"
    angle = "angle"
    size = "size"
    background = "background"


class Method(StrEnum):
    """How a space becomes a map."""

    pca = "pca"
    tsne = "tsne"


VariedPhoto = Annotated[Path, typer.Argument(metavar="PHOTO", show_default=False, help="the object's photo")]
VariedObject = Annotated[
    str | None,
    typer.Option("--object", metavar="ID", help="the object, by its id in --from; this or --box is required"),
]
FromStore = Annotated[
    Path | None, typer.Option("--from", metavar="STORE", help="the store that holds --object")
]
VariedBox = Annotated[
    str | None,
    typer.Option(
        metavar="X1,Y1,X2,Y2", help="the object, in pixels; this, or --object and --from, is required"
    ),
]
VariedLabel = Annotated[str, typer.Option(help="the label of an object given by --box")]
VaryDetector = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME|CFG",
        help="a name (objectspace models), a Darknet .cfg, or the folder or hub id of a DETR; its windows "
        "are cut",
        show_default="yolov3 for --route window",
        rich_help_panel=DETECTOR_PANEL,
    ),
]
VaryWindows = Annotated[
    list[int] | None,
    typer.Option(
        "--window",
        metavar="CELLS",
        min=1,
        help="cells a side of a window; repeatable",
        show_default="1, 2, 3, 5",
        rich_help_panel=EMBEDDINGS_PANEL,
    ),
]
VariedFactor = Annotated[Varied, typer.Option(help="what to vary", show_default=False)]
Steps = Annotated[int, typer.Option(min=2, help="angles or sizes; places across and down")]
Grounds = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME|PHOTO", help="black, gray, blur or a photo; repeatable", show_default="black"),
]
ObjectSize = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="its longer side, of the picture's shorter; by default as it is"),
]
ProjectedSpaces = Annotated[
    list[str] | None,
    typer.Option(
        "--space", help="a space; repeatable, drawn side by side", show_default="every window, or every space"
    ),
]
MethodOption = Annotated[Method, typer.Option(help="principal components, or t-SNE")]
Red = Annotated[str, typer.Option(metavar="FACTOR", help="the factor shown as red")]
Blue = Annotated[str, typer.Option(metavar="FACTOR", help="the factor shown as blue")]
Seed = Annotated[int, typer.Option(min=0, help="seed of t-SNE, folds and bootstrap draws")]

SpaceToErase = Annotated[str, typer.Option(help="the space to erase from", show_default=False)]
FitStore = Annotated[Path, typer.Option("--fit", metavar="STORE", help="varied pictures", show_default=False)]
ErasedFactors = Annotated[
    list[str], typer.Option("--factor", metavar="NAME", help="what to erase; repeatable", show_default=False)
]
EraseSeed = Annotated[int, typer.Option("--seed", min=0, help="seed of folds and bootstrap draws")]
NewSpace = Annotated[
    str, typer.Option("--space-name", metavar="NAME", help="the new space", show_default=False)
]

#: Window sizes of varied objects: what they hold of the place differs between them.
WINDOWS = (1, 2, 3, 5)

#: What objects are pasted on where nothing is named: one background, or several to be compared.
BACKGROUNDS = (("black",), ("black", "gray", "blur"))


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
    detector: VaryDetector = None,
    detector_weights: DetectorWeights = None,
    names: Names = None,
    resize: ResizeOption = None,
    route: RouteOption = Route.window,
    encoder: EncoderName = "resnet50",
    encoder_weights: EncoderWeights = None,
    window: VaryWindows = None,
    scale: ScaleOption = HeadScale.own,
    precision: PrecisionOption = Precision.auto,
    device: IndexDevice = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Cut one object out and index pictures in which only one thing varies (the paper's figure 6).

    The pictures and the truth about them are kept beside the store, in STORE-pictures.
    """
    from objectspace.images import read_image
    from objectspace.jobs.index import index
    from objectspace.pipeline.job import Job
    from objectspace.pipeline.specs import AnnotationSpec
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
    networks = network_specs(
        route,
        DetectorOptions(detector, detector_weights, names, resize),
        EncoderOptions(encoder, encoder_weights),
        choose_machine(device, precision),
        detects=False,
    )
    job = Job(
        **networks,
        annotations=AnnotationSpec(folder / ANNOTATIONS, "coco"),
        pools=() if route is Route.crop else tuple(f"window{size}" for size in window or WINDOWS),
        scale=scale.value,
    )
    with progress_bars({"pictures": len(pictures)}, shown=not (quiet or as_json)) as advance:
        summary = index(pictures, store, job, progress=partial(advance, "pictures"))
    print_summary(summary, store, as_json)


def _boxed(image: Image, box: str) -> Objects:
    """The object in a box of the photo, which has no mask."""
    from objectspace.search.queries.photos import BoxReader

    return BoxReader(parsed_box(box)).objects_of(image).objects


def _stored(image: Image, object_id: str, path: Path) -> Objects:
    """The object of that id in a store. Raises QueryError where it is of another photo."""
    from objectspace.store import open_store

    objects = open_store(path).objects([object_id])
    if objects.image_id[0] != image.image_id:
        raise QueryError(f"object {object_id} of {path} is not in {image.path}, but in another photo")
    return objects


@app.command("project")
def project_spaces(
    store: StorePath,
    space: ProjectedSpaces = None,
    method: MethodOption = Method.pca,
    red: Red = "x1",
    blue: Blue = "y1",
    figure: FigurePath = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Map spaces to their first components, and show what each holds of two factors (figure 7).

    Of windows also the phase: where in its window the box's center lies. R2 is of photos held out.
    """
    from objectspace.store import open_store

    checked_figure(figure)
    opened = open_store(store)
    windows = [name for name in opened.space_names if opened.recipe(name).route == "window"]
    names = space or windows or opened.space_names
    if not names:
        raise QueryError(f"no space in {opened.path} yet; index photos first")
    found = [_projected(opened, name, method, (red, blue), seed) for name in names]
    if as_json:
        documents = [one.to_json() for one in found]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for one in found:
            _print_projection(one)
    if figure is not None:
        from objectspace.figures.projection import draw_projection
        from objectspace.figures.style import write_figure

        write_figure(draw_projection(found, red=red, blue=blue), figure)


def _projected(store: Store, name: str, method: Method, factors: tuple[str, str], seed: int) -> Projection:
    from objectspace.analyses.place import grid_positions, numeric_factor
    from objectspace.analyses.projection import project

    space = store.space(name)
    objects = store.objects(space.object_id)
    positions = grid_positions(space, objects, store.cells(name), store.image_wh())
    values = {factor: numeric_factor(objects, positions, factor) for factor in factors}
    return project(space, objects, values, positions=positions, method=method.value, seed=seed)


def _print_projection(one: Projection) -> None:
    typer.echo(f"{one.space}: {counted(len(one.coordinates), 'object')}, {one.method}")
    if one.shares is not None:
        shares = (one.shares.phase, one.shares.place, one.shares.both)
        told = "phase {:z.0%}, place {:z.0%}, both {:z.0%}".format(*shares)
        typer.echo(f"  of the variance: {told}")
    header = ["R2 of", *(f"first {count}" for count in _counts(one)), "component 1", "component 2"]
    rows = [
        [
            name,
            *map(interval_text, reading.first.values()),
            *map(number_text, reading.components[:2]),
        ]
        for name, reading in one.readings.items()
    ]
    print_table(header, rows)


def _counts(one: Projection) -> list[int]:
    return list(next(iter(one.readings.values())).first)


@app.command()
def erase(
    store: StorePath,
    space: SpaceToErase,
    fit: FitStore,
    factor: ErasedFactors,
    name: NewSpace,
    seed: EraseSeed = 0,
    as_json: Json = False,
) -> None:
    """Erase factors from a space, as learned from varied pictures, into a new space (LEACE).

    Shows what probes find of each factor before and after, in varied pictures that were held out, and what
    becomes of the neighbors.
    """
    from objectspace.jobs.erase import erase_space

    erased = erase_space(store, space, fit=fit, factors=tuple(dict.fromkeys(factor)), name=name, seed=seed)
    if as_json:
        print_json(erased.to_json())
        return
    without = f"{', '.join(erased.factors)} ({counted(erased.rank, 'dimension')})"
    typer.echo(f"{name}: {counted(erased.n, 'vector')} without {without}")
    typer.echo(f"  {erased.change:.1%} of their variance is gone")
    if erased.purity is not None:
        before, after = map(interval_text, erased.purity)
        typer.echo(f"  purity at 5: {before} before, {after} after")
    pairs = [
        (factor, f"{kind}, varied", pair)
        for factor, found in erased.probes.items()
        for kind, pair in (("linear", found.linear), ("non-linear", found.nonlinear))
    ]
    pairs += [(factor, "linear, here", pair) for factor, pair in erased.here.items()]
    rows = [[factor, probe, *map(interval_text, pair)] for factor, probe, pair in pairs]
    print_table(["R2 of", "probe", "before", "after"], rows)
