"""``objectspace occlude``: which prediction falls when a window of the detector's map is zeroed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from objectspace.cli.commands import app
from objectspace.cli.jobs import misuse
from objectspace.cli.options import DETECTOR as DETECTOR_PANEL
from objectspace.cli.options import (
    Confidence,
    DetectorWeights,
    Device,
    FigurePath,
    Iou,
    Json,
    Names,
    ResizeOption,
)
from objectspace.cli.output import checked_figure, print_json, print_table
from objectspace.errors import counted

if TYPE_CHECKING:
    from objectspace.analyses.occlusion import Occlusion
    from objectspace.images import Image

OccludedPhotos = Annotated[list[Path], typer.Argument(metavar="PHOTO …", help="photos", show_default=False)]
Finder = Annotated[
    str,
    typer.Option(
        "--detector",
        metavar="NAME|CFG",
        help="a Darknet network: a name (objectspace models) or a .cfg",
        rich_help_panel=DETECTOR_PANEL,
    ),
]
TapName = Annotated[
    str | None,
    typer.Option(
        metavar="LAYER|pixels",
        help="what is zeroed (objectspace models --taps); by default the layer before the busiest head",
        show_default=False,
    ),
]
Sizes = Annotated[str, typer.Option(metavar="SIZES", help="cells a side: 3, 1-5, 1,2,4 or all")]


@app.command()
def occlude(
    photos: OccludedPhotos,
    tap: TapName = None,
    windows: Sizes = "1-5",
    figure: FigurePath = None,
    detector: Finder = "yolov3",
    detector_weights: DetectorWeights = None,
    names: Names = None,
    resize: ResizeOption = None,
    confidence: Confidence = 0.25,
    iou: Iou = 0.45,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Zero every window of a layer, and show which predictions fall, which weaken and which appear."""
    if figure is not None and len(photos) > 1:
        misuse("--figure draws one photo; give one")
    checked_figure(figure)
    from objectspace.analyses.occlusion import measure_occlusion, parse_sizes
    from objectspace.images import read_image
    from objectspace.objects.detectors import load_detector

    sizes = parse_sizes(windows)
    images = [read_image(photo) for photo in photos]
    finder = load_detector(
        detector,
        weights=detector_weights,
        names=names,
        resize=resize,
        device=device,
        precision="float32",  # bfloat16 would round away the changes of score that are looked for
    )
    results = []
    for image in images:
        result = measure_occlusion(finder, image, tap=tap, sizes=sizes, confidence=confidence, iou=iou)
        results.append(result)
        if not as_json:
            _print_occlusion(image, result)
    if as_json:
        documents = [_document(image, result) for image, result in zip(images, results, strict=True)]
        print_json(documents[0] if len(documents) == 1 else documents)
    if figure is not None:
        _draw(images[0], results[0], figure)


def _draw(image: Image, result: Occlusion, path: Path) -> None:
    from objectspace.figures.occlusion import draw_occlusion
    from objectspace.figures.style import write_figure

    write_figure(draw_occlusion(result, image.pixels), path)


def _document(image: Image, result: Occlusion) -> dict[str, Any]:
    return {"image": image.path, **result.to_json()}


def _print_occlusion(image: Image, result: Occlusion) -> None:
    """The setting, a row for each prediction, and what appears."""
    columns, rows = result.grid_wh
    name = "the pixels" if result.tap == "pixels" else f"layer {result.tap}"
    sizes = sorted(set(result.windows.size.tolist()))
    span = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else f"{sizes[0]}"
    cells = "cell" if sizes == [1] else "cells"
    windows = f"{counted(len(result.windows), 'window')} of {span} {cells}"
    typer.echo(
        f"{image.path}: {counted(len(result.objects), 'prediction')}; {windows} zeroed in {name}, "
        f"{columns} x {rows} cells of {result.cell_px[0]:g} x {result.cell_px[1]:g} pixels ({result.method})"
    )
    if len(result.objects):
        print_table(*_rows(result))
    _print_appeared(result)
    if result.own_cell_only:
        typer.echo(
            "Only single cells are looked at after this layer, so a prediction can only fall when its own "
            "cell is covered; an earlier --tap, or pixels, shows what around an object counts."
        )


def _rows(result: Occlusion) -> tuple[list[str], list[list[Any]]]:
    """A table of what each prediction bears."""
    header = [
        "label",
        "score",
        "cell",
        "head",
        "falls under",
        "smallest window",
        "lowest score",
        "under window",
    ]
    smallest = result.smallest()
    rows = []
    for index, label in enumerate(result.objects.label.tolist()):
        cells = result.objects.provenance
        fell = int(result.disappeared[:, index].sum())
        lowest = int(result.scores[:, index].argmin())
        weakened = result.score_change[lowest, index] < -1e-6
        rows.append(
            [
                label,
                f"{result.objects.score[index]:.2f}",
                f"{cells.cell_x[index]},{cells.cell_y[index]}",
                int(cells.head[index]),
                f"{fell} of {len(result.windows)}",
                "none" if smallest[index] < 0 else _window(result, int(smallest[index])),
                f"{result.scores[lowest, index]:.2f}" if weakened else "unchanged",
                _window(result, lowest) if weakened else "any",
            ]
        )
    return header, rows


def _print_appeared(result: Occlusion) -> None:
    if not len(result.appeared):
        typer.echo("No prediction appears under any window.")
        return
    windows = len(set(result.appeared.window.tolist()))
    labels = Counter(result.appeared.label.tolist())
    listed = ", ".join(f"{label} {count}" for label, count in labels.most_common(5))
    best = int(result.appeared.score.argmax())
    appear = counted(len(result.appeared), "prediction appears", "predictions appear")
    typer.echo(
        f"{appear} under {counted(windows, 'window')} ({listed}); "
        f"the surest is {result.appeared.label[best]} {result.appeared.score[best]:.2f} under "
        f"{_window(result, int(result.appeared.window[best]))}."
    )


def _window(result: Occlusion, index: int) -> str:
    size = int(result.windows.size[index])
    return f"{size} x {size} at {result.windows.x[index]},{result.windows.y[index]}"
