"""``objectspace explain``: which cells make two objects near or far."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from objectspace.cli.exits import usage_error
from objectspace.cli.options import (
    Box,
    Device,
    FigurePath,
    Json,
    Metric,
    MetricOption,
    Space,
    StorePath,
    parsed_box,
)
from objectspace.cli.output import checked_figure, print_estimates, print_json, print_table, short_id
from objectspace.cli.progress import end_steps, show_steps

if TYPE_CHECKING:
    from objectspace.analyses.explanation import Contrast, DeletionCheck, Explanation
    from objectspace.search import Queries, SpaceSearch

ObjectIds = Annotated[
    list[str] | None,
    typer.Option(
        "--object",
        metavar="ID",
        help="the first object, the second (by default its nearest of another photo), a third: why the first "
        "is near the second and far from the third",
    ),
]
ImagePath = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="a photo, whose object in --box is the first; --object the others"),
]
Check = Annotated[
    bool, typer.Option("--check", help="check explanations: cover cells of pairs, beside random cells")
]
Pairs = Annotated[int, typer.Option("--pairs", help="how many pairs --check covers", min=2)]

#: Cells that are printed of each kind: the strongest.
_SHOWN = 4


def explain(
    store: StorePath,
    object_id: ObjectIds = None,
    image: ImagePath = None,
    box: Box = None,
    space: Space = None,
    metric: MetricOption = Metric.cosine,
    figure: FigurePath = None,
    check: Check = False,
    pairs: Pairs = 40,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Explain a distance: the cells of both objects that it is a sum of, drawn over what the network saw."""
    show_steps(f"opening {store}", shown=not as_json)
    from objectspace.search import SpaceSearch, default_space
    from objectspace.store import open_store

    given = object_id or []
    _check_options(given, image, box, check, figure)
    checked_figure(figure)
    opened = open_store(store)
    first_stored = given[0] if given and image is None else None
    ready = SpaceSearch(opened, space or default_space(opened, first_stored), metric=metric.value)
    run_on = device or "cpu"
    if check:
        from objectspace.search.queries.explanations import check_explanations

        checked = check_explanations(ready, pairs=pairs, device=run_on)
        end_steps()
        _print_check(checked, as_json)
        return
    objects = _objects(ready, given, image, box, run_on)
    from objectspace.search.queries.explanations import explain as explain_objects

    far = objects[2] if len(objects) > 2 else None
    why = explain_objects(ready, objects[0], objects[1], far=far, device=run_on)
    end_steps()
    if as_json:
        print_json({**why.to_json(), "objects": [_object_json(one) for one in objects]})
    else:
        _print_explanation(why, objects)
    if figure is not None:
        from objectspace.figures.explanation import draw_explanation
        from objectspace.figures.style import write_figure

        labels = [str(one.objects.label[0]) for one in objects]
        write_figure(draw_explanation(why, labels), figure)


def _check_options(
    given: list[str], image: Path | None, box: str | None, check: bool, figure: Path | None
) -> None:
    """End with wrong usage where the options name no objects, or too many."""
    if check:
        if given or image is not None or figure is not None:
            usage_error("--check takes pairs of the store; leave --object, --image and --figure out")
        return
    if (image is None) != (box is None):
        usage_error("give --image FILE and --box X1,Y1,X2,Y2 together")
    most = 3 if image is None else 2
    if not (given or image is not None) or len(given) > most:
        usage_error("give --object ID up to three times, or --image FILE with --box and --object up to twice")


def _objects(
    ready: SpaceSearch, given: list[str], image: Path | None, box: str | None, device: str
) -> list[Queries]:
    """Return the objects in their order; the nearest of another photo where only one is named."""
    objects = [ready.stored([name]) for name in given]
    if image is not None and box is not None:
        from objectspace.search.queries.images import query_image

        asked = query_image(ready.store, image, ready.space.name, box=parsed_box(box), device=device)
        objects.insert(0, asked)
    if len(objects) == 1:
        (answer,) = ready.nearest(objects[0], k=1)
        if not len(answer.neighbors):
            usage_error("no other photo has an object in this space; name a second --object")
        objects.append(ready.stored([str(answer.neighbors.object_id[0])]))
    return objects


def _object_json(query: Queries) -> dict[str, object]:
    return {
        "object_id": str(query.objects.object_id[0]) if query.stored else None,
        "image": query.images[0],
        "label": str(query.objects.label[0]),
        "xyxy": [float(side) for side in query.objects.xyxy[0]],
    }


def _print_explanation(why: Explanation | Contrast, objects: list[Queries]) -> None:
    """Print the objects, the distance and the strongest cells."""
    from objectspace.analyses.explanation import Contrast

    for letter, one in zip("ABC", objects, strict=False):
        name = f", object {short_id(one.objects.object_id[0])}" if one.stored else ""
        typer.echo(f"{letter}: {one.objects.label[0]} of {one.images[0]}{name}")
    near = why.near if isinstance(why, Contrast) else why
    typer.echo(f"{near.space}, {near.metric}: distance {near.distance:.6g} of A and B")
    if isinstance(why, Contrast):
        typer.echo(f"{why.far.distance:.6g} of A and C; margin {why.margin:.6g}")
    parts: dict[str, Explanation | Contrast] = {**why.parts} or {"": why}
    for name, part in parts.items():
        typer.echo(_sum_text(name, part))
    print_table(["part", "object", "row", "column", "share"], _strongest(parts))


def _sum_text(name: str, part: Explanation | Contrast) -> str:
    """Return ``squared: 61.04 = 51.18 of A + 9.853 of B`` of a part."""
    from objectspace.analyses.explanation import Contrast

    one = part.near if isinstance(part, Contrast) else part
    what = name or ("squared" if one.metric == "euclidean" else "1 - cosine")
    total = part.margin if isinstance(part, Contrast) else part.total
    if not part.cells:
        return f"{what}: {total:.6g}, of two objects without vectors in one space"
    if one.method == "occlusion":
        return f"{what}: {total:.6g}; shares by occlusion, as the network does not average its cells"
    shares = zip("ABC", part.cells, strict=False)
    return f"{what}: {total:.6g} = " + " + ".join(f"{one.heat.sum():.6g} of {of}" for of, one in shares)


def _strongest(parts: Mapping[str, Explanation | Contrast]) -> list[list[str | int]]:
    """Return rows for the greatest shares and the least of all cells."""
    import numpy as np

    rows: list[tuple[float, list[str | int]]] = []
    for name, part in parts.items():
        for letter, one in zip("ABC", part.cells, strict=False):
            for row, column in np.ndindex(one.heat.shape):
                share = float(one.heat[row, column])
                rows.append((share, [name, letter, row + 1, column + 1, f"{share:.4g}"]))
    rows.sort(key=lambda pair: -pair[0])
    shown = rows if len(rows) <= 2 * _SHOWN else [*rows[:_SHOWN], *rows[-_SHOWN:]]
    return [row for _, row in shown]


def _print_check(checked: DeletionCheck, as_json: bool) -> None:
    """Print the area under each curve beside random cells."""
    if as_json:
        print_json(checked.to_json())
        return
    passed = "passed" if checked.passed else "not passed"
    typer.echo(f"{checked.space}, {checked.metric}, by {checked.method}: {passed}")
    rows = [
        (["cover what joins: distance rises"], checked.apart),
        (["cover what drives apart: it falls"], checked.together),
        (["the same of shuffled heat: no rise"], checked.shuffled_apart),
        (["the same of shuffled heat: no fall"], checked.shuffled_together),
    ]
    print_estimates(["mean log of total / uncovered"], rows, count="n")
