"""``objectspace occlude``: which prediction falls when a window of the detector's map is zeroed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    DETECTOR,
    Confidence,
    DetectorWeights,
    Device,
    FigurePath,
    Iou,
    Json,
    Names,
    ResizeOption,
)
from objectspace.cli.output import checked_figure, json_text, print_json, print_table
from objectspace.cli.progress import end_steps, show_steps
from objectspace.errors import counted

if TYPE_CHECKING:
    from objectspace.analyses.occlusion import Occlusion
    from objectspace.images import Image

Photos = Annotated[list[Path], typer.Argument(metavar="PHOTO …", help="photos", show_default=False)]
DarknetName = Annotated[
    str,
    typer.Option(
        "--detector",
        metavar="NAME|CFG",
        help="a Darknet network: a name (objectspace models) or a .cfg",
        rich_help_panel=DETECTOR,
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


def occlude(
    photos: Photos,
    tap: TapName = None,
    windows: Sizes = "1-5",
    figure: FigurePath = None,
    detector: DarknetName = "yolov3",
    detector_weights: DetectorWeights = None,
    names: Names = None,
    resize: ResizeOption = None,
    confidence: Confidence = 0.25,
    iou: Iou = 0.45,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Zero every window of a layer, and show which predictions disappear, weaken and appear."""
    if figure is not None and len(photos) > 1:
        usage_error("--figure draws one photo; give one")
    checked_figure(figure)
    show_steps(f"loading {detector}", shown=not as_json)
    from objectspace.analyses.occlusion import measure_occlusion, parse_sizes
    from objectspace.images import read_image
    from objectspace.models.detectors import load_detector

    sizes = parse_sizes(windows)
    found = load_detector(
        detector,
        weights=detector_weights,
        names=names,
        resize=resize,
        device=device or "cpu",
        precision="float32",  # bfloat16 would round away the changes of score that are measured
    )

    def one(photo: Path) -> Occlusion:
        """Measure one photo and draw it; its pixels are not kept."""
        show_steps(f"zeroing windows of {photo}", shown=not as_json)
        image = read_image(photo)
        result = measure_occlusion(found, image, tap=tap, sizes=sizes, confidence=confidence, iou=iou)
        if figure is not None:
            _draw(image, result, figure)
        end_steps()
        return result

    if as_json and len(photos) == 1:
        print_json(_document(photos[0], one(photos[0])))
    elif as_json:
        _print_documents(_document(photo, one(photo)) for photo in photos)
    else:
        for photo in photos:
            _print_occlusion(photo, one(photo))


def _draw(image: Image, result: Occlusion, path: Path) -> None:
    from objectspace.figures.occlusion import draw_occlusion
    from objectspace.figures.style import write_figure

    write_figure(draw_occlusion(result, image.pixels), path)


def _document(photo: Path, result: Occlusion) -> dict[str, Any]:
    return {"image": str(photo), **result.to_json()}


def _print_documents(documents: Iterable[dict[str, Any]]) -> None:
    """Print one JSON list of documents that are made one at a time.

    They wait in a file, so that memory does not grow and nothing is printed if one of them fails.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        for number, document in enumerate(documents):
            waiting.write("[" if number == 0 else ", ")
            waiting.write(json_text(document))
        waiting.write("]")
        waiting.seek(0)
        while block := waiting.read(1 << 20):
            typer.echo(block, nl=False)
    typer.echo()


def _print_occlusion(photo: Path, result: Occlusion) -> None:
    """Print the setting, a row for each prediction, and the predictions that appear."""
    columns, rows = result.grid_wh
    name = "the pixels" if result.tap == "pixels" else f"layer {result.tap}"
    sizes = sorted(set(result.windows.size.tolist()))
    span = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else f"{sizes[0]}"
    cells = "cell" if sizes == [1] else "cells"
    windows = f"{counted(len(result.windows), 'window')} of {span} {cells}"
    typer.echo(
        f"{photo}: {counted(len(result.objects), 'prediction')}; {windows} zeroed in {name}, "
        f"{columns} x {rows} cells of {result.cell_px[0]:g} x {result.cell_px[1]:g} pixels ({result.method})"
    )
    if len(result.objects):
        print_table(*_rows(result))
    _print_appeared(result)
    if result.own_cell_only:
        typer.echo(
            "Only single cells are read after this layer, so a prediction can only fall when its own "
            "cell is covered; an earlier --tap, or pixels, shows the effect of an object's surroundings."
        )


def _rows(result: Occlusion) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows: for each prediction the windows under which it disappears or weakens."""
    header = [
        "label",
        "score",
        "cell",
        "head",
        "disappears under",
        "smallest window",
        "lowest score",
        "under window",
    ]
    smallest = result.smallest
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
        f"the highest-scoring is {result.appeared.label[best]} {result.appeared.score[best]:.2f} under "
        f"{_window(result, int(result.appeared.window[best]))}."
    )


def _window(result: Occlusion, index: int) -> str:
    size = int(result.windows.size[index])
    return f"{size} x {size} at {result.windows.x[index]},{result.windows.y[index]}"
